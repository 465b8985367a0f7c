//! `volens doctor`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use volens_privacy::{KeyDomain, KeyRing, Parties};
use zeroize::Zeroizing;

use super::{Context, Exit};
use crate::access::key_ring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Settings;
use crate::consent::{self, Lost};
use crate::db::{Db, SCHEMA_VERSION};
use crate::ledger::witnesses;
use crate::pepper::Client;
use crate::{keyring, ledger};

/// What `doctor` takes: nothing.
#[derive(clap::Args)]
pub(super) struct Args {}

/// One check and what it found.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
}

/// Looks at everything `serve` needs and changes nothing but missing migrations.
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit> {
    let settings = &context.settings;
    let mut checks = vec![check("disk", writable(&settings.data))];
    let opened = open(settings.database_url().expose()).await;
    let ring = read_ring(&settings.key_file());
    checks.push(check("parties", parties(settings)));
    checks.push(check("clock", clock(ring.as_ref().ok())));
    match opened {
        Ok(db) => {
            let schema = format!("{:?} at migration {SCHEMA_VERSION}", db.engine());
            checks.push(check("database", Ok(schema)));
            match &ring {
                Ok(keys) => {
                    let found = same_keys(&db, keys).await;
                    checks.push(check("keys", found.map(|found| found + beside(settings))));
                    checks.push(check("ledger", ledger_head(&db, keys).await));
                    checks.push(check("loss", whole(&db).await));
                    checks.push(check("witnesses", witnesses(settings, &db).await));
                    checks.push(check("pepper", pepper(settings, keys).await));
                }
                Err(error) => checks.push(check("keys", Err(anyhow::anyhow!("{error:#}")))),
            }
            db.close().await;
        }
        Err(error) => checks.push(check("database", Err(error))),
    }
    let well = checks.iter().all(|check| check.ok);
    let line = |check: &Check| {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        format!("{mark} {:<9} {}", check.name, check.found)
    };
    let text: Vec<String> = checks.iter().map(line).collect();
    context.output.result(&serde_json::json!({"ok": well, "checks": checks}), text.join("\n"))?;
    Ok(if well { Exit::Ok } else { Exit::Failure })
}

fn check(name: &'static str, result: Result<String>) -> Check {
    match result {
        Ok(found) => Check { name, ok: true, found },
        Err(error) => Check { name, ok: false, found: format!("{error:#}") },
    }
}

/// Who answers for the data, as notices and receipts name them.
fn parties(settings: &Settings) -> Result<String> {
    let file = settings.parties_file();
    match fs::read_to_string(&file) {
        Ok(text) => {
            let parties = Parties::parse(&text)?;
            Ok(format!("{} and {} controllers", parties.operator.name, parties.controllers.len()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !settings.names_parties() => {
            Ok(format!("the invented companies of the demonstration; {} is yours", file.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Writes, flushes and removes a file where the data is.
fn writable(data: &Path) -> Result<String> {
    ensure!(data.is_dir(), "{} is not a directory yet; `volens serve` makes it", data.display());
    let mut file = tempfile_in(data).context("the data directory is not writable")?;
    file.1.write_all(&[0; 4096]).and_then(|()| file.1.sync_all()).context("a flush failed")?;
    fs::remove_file(&file.0)?;
    Ok(format!("{} takes durable writes", data.display()))
}

fn tempfile_in(data: &Path) -> std::io::Result<(std::path::PathBuf, fs::File)> {
    let path = data.join(format!(".doctor-{}", std::process::id()));
    let file = fs::File::options().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

/// Opens a database that exists; an SQLite file is not made here.
async fn open(address: &str) -> Result<Db> {
    if let Some(path) = address.strip_prefix("sqlite:") {
        ensure!(Path::new(path).exists(), "there is none yet; `volens serve` makes it");
    }
    Ok(Db::open(address).await?)
}

fn read_ring(path: &Path) -> Result<KeyRing> {
    let json = fs::read(path).map(Zeroizing::new).with_context(|| path.display().to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode() & 0o077;
        ensure!(mode == 0, "{} can be read by others; chmod 600", path.display());
    }
    Ok(KeyRing::from_json(&json)?)
}

async fn same_keys(db: &Db, keys: &KeyRing) -> Result<String> {
    let mut tx = db.begin().await?;
    let verified = key_ring::verify(&mut tx, keys).await;
    tx.rollback().await;
    verified?;
    keyring::check_finished(&mut db.read().await?, keys).await?;
    let roots = keys.status();
    let oldest = roots.iter().filter(|root| root.domain == KeyDomain::Kek).map(|r| r.created).min();
    let since = oldest.map(|since| since.to_string()).unwrap_or_default();
    let count = roots.len();
    Ok(format!("{count} keys, those of this database; keys of accounts are wrapped since {since}"))
}

/// What protects against whoever copies the data directory: keys that are not in it.
fn beside(settings: &Settings) -> &'static str {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if real(&settings.key_file()).starts_with(real(&settings.data)) {
        "; they lie in the data directory, and whoever copies that has both: name another place (--keys)"
    } else {
        ""
    }
}

/// Whether enough of the witnesses that grants wait for can be reached.
async fn witnesses(settings: &Settings, db: &Db) -> Result<String> {
    let asked = witnesses::are_asked(&mut db.read().await?).await?;
    let witnesses = crate::app::witnesses(&settings.witnesses);
    if !witnesses.are_needed() {
        ensure!(!asked, "grants wait for witnesses, and [witnesses] names none");
        return Ok("nobody is asked".to_owned());
    }
    let ((listening, all), needed) = (witnesses.listening().await, witnesses.quorum().needed());
    let told = format!("{listening} of {all} can be reached, {needed} are needed");
    ensure!(listening >= needed, "{told}: grants wait");
    Ok(told)
}

/// The key ring and the pepper process belong together.
async fn pepper(settings: &Settings, keys: &KeyRing) -> Result<String> {
    let named = keys.pepper_process();
    let Some(process) = Client::new(&settings.pepper) else {
        ensure!(named.is_none(), "the key ring names a pepper process, and [pepper] is not set");
        return Ok("held by the key ring alone".to_owned());
    };
    let named = named.context("the ring names no process yet; run `volens keys rotate pepper`")?;
    let held = process.keys().await?;
    ensure!(held.contains(&named), "the pepper process does not hold {named}");
    Ok(format!("a part is held by the process with {named}"))
}

/// Nothing is held back because entries were lost.
async fn whole(db: &Db) -> Result<String> {
    if let Some(lost) = consent::lost(&mut db.read().await?).await? {
        let Lost { known, since } = lost;
        bail!(
            "the ledger does not continue the {known} entries that are known outside: consents from \
             before entry {since} permit nothing until `volens ledger settle`"
        );
    }
    Ok("nothing is held back".to_owned())
}

/// The newest checkpoint is ours and covers every entry.
async fn ledger_head(db: &Db, keys: &KeyRing) -> Result<String> {
    let mut tx = db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let Some(signed) = ledger::checkpoint(&mut tx).await? else {
        ensure!(size == 0, "{size} entries without a checkpoint");
        return Ok("empty".to_owned());
    };
    let head = keys.log_verifier().verify(signed.as_str()).context("the checkpoint is not ours")?;
    if head.entries() != size {
        bail!("the checkpoint covers {} entries of {size}", head.entries());
    }
    Ok(format!("{size} entries under a valid checkpoint"))
}

/// Time went on since the keys were made.
fn clock(keys: Option<&KeyRing>) -> Result<String> {
    let now = SystemClock.now();
    if let Some(keys) = keys {
        ensure!(now >= keys.created(), "the clock is before the keys were made");
    }
    Ok(now.to_string())
}
