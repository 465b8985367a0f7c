//! `volens import sample-evidence`: consent evidence for a table of customers that has none, and a
//! second app whose accounts belong to some of the same people. Made up, the same for the same
//! options, and said to be so in every file's name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use volens_privacy::{AppId, Notices, Timestamp, Topics};

use super::super::output::Stop;
use super::super::{Context, Exit};
use super::mapping::time;
use crate::clock::{Clock as _, SystemClock};
use crate::ids::hex;

/// What `sample-evidence` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The app of the customers
    #[arg(long, value_name = "APP")]
    app: AppId,
    /// What the mapping puts before a row's number
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Rows of the table
    #[arg(long, value_name = "N")]
    rows: u32,
    /// The second app
    #[arg(long, value_name = "APP")]
    peer: AppId,
    /// How many consent in both apps to be linked, at most 2000
    #[arg(long, value_name = "N", default_value_t = 2000)]
    linked: u32,
    /// When everybody decided: RFC 3339, or `N days ago`
    #[arg(long, value_name = "TIME", default_value = "30 days ago")]
    decided_at: String,
    /// Other numbers, other signals
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Area codes whose numbers 555-0100 to 555-0199 are reserved for made-up people.
const AREAS: [u16; 20] = [
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225,
    228,
];
const PER_AREA: u32 = 100;
const LINKED_MAX: u32 = AREAS.len() as u32 * PER_AREA;

const EVIDENCE: [&str; 10] = [
    "account",
    "purposes",
    "decision",
    "notice",
    "notice_version",
    "language",
    "rendered_sha256",
    "decided_at",
    "peer",
    "phone",
];

/// What was written.
#[derive(Serialize)]
struct Written {
    consents: u32,
    linked: u32,
    signals: u32,
    files: Vec<String>,
}

/// Writes the files.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit> {
    let willing = args.rows - args.rows / 3;
    if args.linked > LINKED_MAX || args.linked > willing {
        let text = format!("at most {} can be linked", LINKED_MAX.min(willing));
        bail!(Stop::new(Exit::Usage, text));
    }
    let Some(decided_at) = time(&args.decided_at, SystemClock.now()) else {
        bail!(Stop::new(Exit::Usage, "--decided-at takes RFC 3339 or `N days ago`"));
    };
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let sample = Sample { args, decided_at: decided_at.to_string() };
    let files = ["consents", "peer-accounts", "peer-consents", "peer-signals"]
        .map(|name| args.out.join(format!("sample-{name}.csv")));
    sample.customers(&files[0])?;
    sample.peer_accounts(&files[1])?;
    sample.peer_consents(&files[2])?;
    let signals = sample.peer_signals(&files[3], decided_at)?;
    let mapping = args.out.join("sample-peer.toml");
    fs::write(
        &mapping,
        format!(
            "app = \"{}\"\n\n[account]\nreference = \"account\"\nlanguage = {{ column = \"language\" }}\n",
            args.peer
        ),
    )?;
    let files = files.iter().chain([&mapping]).map(|path| path.display().to_string()).collect();
    let written = Written { consents: willing, linked: args.linked, signals, files };
    let text = format!(
        "made up: {} of {} customers consent, {} of them in {} too; {} signals there\n{}",
        written.consents,
        args.rows,
        written.linked,
        args.peer,
        written.signals,
        written.files.join("\n")
    );
    context.output.result(&written, text)?;
    Ok(Exit::Ok)
}

struct Sample<'a> {
    args: &'a Args,
    decided_at: String,
}

impl Sample<'_> {
    /// Rows whose customer consents: two of three.
    fn willing(&self) -> impl Iterator<Item = u32> {
        (1..=self.args.rows).filter(|row| row % 3 != 0)
    }

    /// The rows of linked customers, spread over the willing, with their number.
    fn linked(&self) -> impl Iterator<Item = (u32, u32)> {
        let every = (self.args.rows - self.args.rows / 3) / self.args.linked.max(1);
        let picked = self.willing().step_by(every.max(1) as usize);
        (0..self.args.linked).zip(picked)
    }

    fn customers(&self, path: &Path) -> Result<()> {
        let mut to = writer(path, &EVIDENCE)?;
        for row in self.willing() {
            let account = format!("{}{row}", self.args.prefix);
            let purposes = "relevance business_messages model_training";
            to.write_record(self.evidence(&account, purposes, "messages", "", "")?)?;
        }
        for (number, row) in self.linked() {
            let account = format!("{}{row}", self.args.prefix);
            to.write_record(self.link(&account, &self.args.peer, number)?)?;
        }
        Ok(to.flush()?)
    }

    fn peer_accounts(&self, path: &Path) -> Result<()> {
        let mut to = writer(path, &["account", "language"])?;
        for (number, _) in self.linked() {
            to.write_record([format!("peer-{number}").as_str(), "en"])?;
        }
        Ok(to.flush()?)
    }

    fn peer_consents(&self, path: &Path) -> Result<()> {
        let mut to = writer(path, &EVIDENCE)?;
        for (number, _) in self.linked() {
            let account = format!("peer-{number}");
            to.write_record(self.evidence(&account, "relevance", "messages", "", "")?)?;
            to.write_record(self.link(&account, &self.args.app, number)?)?;
        }
        Ok(to.flush()?)
    }

    /// What the second app's accounts did since: each has two favourite topics.
    fn peer_signals(&self, path: &Path, since: Timestamp) -> Result<u32> {
        let mut rng = StdRng::seed_from_u64(self.args.seed);
        let topics: Vec<&str> = Topics::builtin()
            .usable()
            .map(volens_privacy::TopicId::as_str)
            .filter(|topic| topic.contains('.'))
            .collect();
        let kinds = ["viewed", "viewed", "viewed", "clicked", "liked", "followed", "bought"];
        let mut to = writer(path, &["account", "kind", "topic", "at"])?;
        let mut count = 0;
        for (number, _) in self.linked() {
            let account = format!("peer-{number}");
            let likes = [rng.random_range(0..topics.len()), rng.random_range(0..topics.len())];
            for _ in 0..rng.random_range(3..=10) {
                let topic = topics[likes[rng.random_range(0..likes.len())]];
                let kind = kinds[rng.random_range(0..kinds.len())];
                let at = since.plus(Duration::from_hours(rng.random_range(1..24 * 8)));
                to.write_record([account.as_str(), kind, topic, &at.to_string()])?;
                count += 1;
            }
        }
        to.flush()?;
        Ok(count)
    }

    fn link(&self, account: &str, peer: &AppId, number: u32) -> Result<[String; 10]> {
        let area = AREAS[(number / PER_AREA) as usize];
        let phone = format!("+1{area}55501{:02}", number % PER_AREA);
        self.evidence(account, "cross_app_linking", "linking", peer.as_str(), &phone)
    }

    fn evidence(
        &self,
        account: &str,
        purposes: &str,
        notice: &str,
        peer: &str,
        phone: &str,
    ) -> Result<[String; 10]> {
        let shown = Notices::builtin().latest(notice, "en");
        let shown = shown.with_context(|| format!("there is no notice {notice}"))?;
        Ok([
            account.to_owned(),
            purposes.to_owned(),
            "given".to_owned(),
            shown.id.clone(),
            shown.version.to_string(),
            shown.language.clone(),
            hex(&shown.sha256),
            self.decided_at.clone(),
            peer.to_owned(),
            phone.to_owned(),
        ])
    }
}

fn writer(path: &Path, header: &[&str]) -> Result<csv::Writer<File>> {
    let mut to =
        csv::Writer::from_path(path).with_context(|| format!("cannot write {}", path.display()))?;
    to.write_record(header)?;
    Ok(to)
}
