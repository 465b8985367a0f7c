//! `volens keys`.

use std::time::Duration;

use anyhow::Result;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use serde_json::json;
use volens_privacy::keys::{KeyDomain, KeyRing, KeyState, KeyStatus, PepperPublic};

use super::output::Stop;
use super::{Context, Exit, pepper};
use crate::clock::SystemClock;
use crate::db::Db;
use crate::keyring::file::RingFile;
use crate::keyring::{self, Keeper, Restored, Rotated, RotationError};
use crate::pepper::Client;
use crate::rights::Journal;

/// How long, and how many times, a command waits for whoever holds the keys.
const LOCKED: (Duration, u32) = (Duration::from_millis(500), 20);

/// What `keys` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Every root of the ring: version, age, and whether it is in use. No secret is shown
    Status,
    /// Replace a root. One that broke off is gone on with; running it again is always safe
    Rotate {
        /// Which: kek and signing while the service runs, pepper too; wrap with the service stopped
        root: Root,
        /// Nobody serves with these keys: do not heed processes that were seen lately
        #[arg(long)]
        not_running: bool,
        /// For pepper: go back from a pepper process to a pepper that the ring holds alone
        #[arg(long)]
        local: bool,
    },
    /// Bring a restored database up to the key ring of today
    Restore {
        /// Remove accounts whose key neither opens nor is on the sheet of wrapped keys
        #[arg(long)]
        forget: bool,
        /// Nobody serves with these keys: do not heed processes that were seen lately
        #[arg(long)]
        not_running: bool,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Root {
    /// What wraps the keys of accounts and conversations
    Kek,
    /// The outer layer of account tags and link tokens
    Wrap,
    /// What signs the ledger
    Signing,
    /// What phone numbers are hashed with
    Pepper,
}

/// An installation whose service is not started: it would refuse to, in the middle of a rotation.
struct House {
    db: Db,
    keys: KeyRing,
    file: RingFile,
    heed_nodes: bool,
}

impl House {
    async fn open(context: &Context, heed_nodes: bool) -> Result<Self> {
        context.must_exist()?;
        let file = RingFile::new(&context.settings.key_file());
        let keys = file.read()?;
        let db = Db::open(context.settings.database_url().expose()).await?;
        Ok(Self { db, keys, file, heed_nodes })
    }

    fn keeper(&self) -> Keeper<'_> {
        let Self { db, keys, file, heed_nodes } = self;
        Keeper { db, keys, file, clock: &SystemClock, heed_nodes: *heed_nodes }
    }
}

/// Runs `volens keys …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.action {
        Action::Status => status(context).await,
        Action::Rotate { root, not_running, local } => {
            rotate(root, local, !not_running, context).await
        }
        Action::Restore { forget, not_running } => restore(forget, !not_running, context).await,
    }
}

async fn status(context: &Context) -> Result<Exit> {
    let house = House::open(context, true).await?;
    let finished = keyring::check_finished(&mut house.db.read().await?, &house.keys).await.is_ok();
    house.db.close().await;
    let roots = house.keys.status();
    let signers = house.keys.retired_signers();
    let mut lines: Vec<String> = roots.iter().map(line).collect();
    lines.extend(signers.iter().map(|(version, vkey, until)| {
        format!("sign    {version:>3}  retired   vouches for {until} entries: {vkey}")
    }));
    if !finished {
        lines
            .push("the rotation of wrap has NOT been finished: volens keys rotate wrap".to_owned());
    }
    let signer = |(version, vkey, until_size): &(u32, String, u64)| json!({"version": version, "vkey": vkey, "until_size": until_size});
    let signers: Vec<_> = signers.iter().map(signer).collect();
    let object = json!({"finished": finished, "roots": roots, "retired_signers": signers});
    context.output.result(&object, lines.join("\n"))?;
    Ok(Exit::Ok)
}

fn line(root: &KeyStatus) -> String {
    let state = match (root.state, root.retired) {
        (KeyState::Active, _) => "in use".to_owned(),
        (KeyState::Accept, Some(since)) => format!("retired   since {since}"),
        (KeyState::Accept, None) => "added     not in use yet".to_owned(),
    };
    let process = root.process.map(|key| format!(", with the process that holds {key}"));
    let process = process.unwrap_or_default();
    let (domain, version) = (root.domain.as_str(), root.version);
    format!("{domain:<7} {version:>3}  {state}, made {}{process}", root.created)
}

async fn rotate(root: Root, local: bool, heed_nodes: bool, context: &Context) -> Result<Exit> {
    let house = House::open(context, heed_nodes).await?;
    let mut rng = StdRng::try_from_rng(&mut SysRng)?;
    let bar = context.output.progress(0, "rotating");
    let progress = |step, done, of| {
        bar.set_message(step);
        bar.set_length(of);
        bar.set_position(done);
    };
    let keeper = house.keeper();
    let process = match root {
        Root::Pepper => pepper_process(&house.keys, local, context, &mut rng).await?,
        Root::Kek | Root::Wrap | Root::Signing => None,
    };
    let rotated = patiently(async || match root {
        Root::Kek => keyring::kek(&keeper, &mut rng, &progress).await,
        Root::Wrap => keyring::wrap(&keeper, &mut rng, &progress).await,
        Root::Signing => keyring::sign(&keeper, &mut rng).await,
        Root::Pepper => keyring::pepper(&keeper, process, &mut rng).await,
    })
    .await;
    bar.finish_and_clear();
    house.db.close().await;
    let rotated = rotated.map_err(stop)?;
    context.output.result(&rotated, told(&rotated))?;
    Ok(Exit::Ok)
}

/// Tries again for a while where the keys are locked: a service that is running looks after them once
/// in a while, and is soon done with it.
pub(super) async fn patiently<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, RotationError>,
) -> Result<T, RotationError> {
    let (pause, mut left) = LOCKED;
    loop {
        match attempt().await {
            Err(RotationError::Locked) if left > 0 => left -= 1,
            outcome => return outcome,
        }
        tokio::time::sleep(pause).await;
    }
}

/// The key of the process that a new pepper is to name: its newest, after one question that it must
/// answer with a proof.
async fn pepper_process(
    keys: &KeyRing,
    local: bool,
    context: &Context,
    rng: &mut StdRng,
) -> Result<Option<PepperPublic>> {
    let refuse = |said: &str| Err(Stop::new(Exit::Conflict, said).into());
    match (Client::new(&context.settings.pepper), local) {
        (None, _) if keys.pepper_process().is_some() && !local => refuse(
            "pepper.unset: a process holds a part of the pepper and [pepper] is not set; --local \
             goes back to one that the ring holds alone",
        ),
        (None, _) => Ok(None),
        (Some(_), true) => refuse("pepper.set: take [pepper] out of the settings before --local"),
        (Some(process), false) => Ok(Some(pepper::newest(&process, rng).await?)),
    }
}

/// What a rotation did, in words.
pub(super) fn told(rotated: &Rotated) -> String {
    let Rotated { domain, version, rows, destroyed, resumed, process } = rotated;
    let gone_on = if *resumed { ", going on with a rotation that broke off" } else { "" };
    let end = if destroyed.is_empty() {
        "its predecessor is kept until its time is over".to_owned()
    } else {
        format!("{} older version(s) were destroyed", destroyed.len())
    };
    let held = match (domain, process) {
        (KeyDomain::Pepper, Some(key)) => format!(", with the process that holds {key}"),
        (KeyDomain::Pepper, None) => ", held by the key ring alone".to_owned(),
        _ => String::new(),
    };
    format!(
        "{} is at version {version}{held}{gone_on}; {rows} rows were made anew; {end}",
        domain.as_str()
    )
}

/// A refusal with its exit code: what can be tried again is a conflict.
pub(super) fn stop(error: RotationError) -> anyhow::Error {
    let exit = match &error {
        conflict if conflict.is_conflict() => Exit::Conflict,
        RotationError::TooOld(..) | RotationError::Lost(_) | RotationError::Sheet(_) => {
            Exit::VerificationFailed
        }
        _ => return error.into(),
    };
    Stop::new(exit, format!("{}: {error}", error.code())).into()
}

async fn restore(forget: bool, heed_nodes: bool, context: &Context) -> Result<Exit> {
    let house = House::open(context, heed_nodes).await?;
    let journal = Journal::beside(house.file.path());
    let bar = context.output.progress(0, "restoring");
    let progress = |step, done, of| {
        bar.set_message(step);
        bar.set_length(of);
        bar.set_position(done);
    };
    let keeper = house.keeper();
    let restored =
        patiently(async || keyring::restore(&keeper, &journal, forget, &progress).await).await;
    bar.finish_and_clear();
    house.db.close().await;
    let restored = restored.map_err(stop)?;
    let Restored { from_sheet, erased_since, forgotten, .. } = &restored;
    let text = format!(
        "{from_sheet} keys were taken from the sheet; {erased_since} accounts were erased since and \
         go on the next start; {forgotten} had no key and were removed"
    );
    context.output.result(&restored, text)?;
    Ok(Exit::Ok)
}
