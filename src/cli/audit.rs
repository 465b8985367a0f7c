//! `volens audit`.

mod records;

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use volens_privacy::{AppId, LogVerifier, SubjectId};

use super::output::Stop;
use super::{Context, Exit};
use crate::audience::AudienceError;
use crate::audience::export::Format;
use crate::audience::export::read::{FileReport, read};
use crate::audience::replay::{Replay, replay};
use crate::audience::request;
use crate::audit::invariants::{self, Finding, Invariant, Report, Verdict};
use crate::ids::{ListId, ModelId};
use crate::needles::Trace;
use crate::relevance::{self, RelevanceError};
use crate::rights::traces::{self, Remembered};

/// What `audit` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Replay the ledger up to a list's checkpoint and confirm or deny every row.
    List {
        /// The list
        id: ListId,
    },
    /// Check every invariant: what was looked at, what was found
    Invariants,
    /// Check an exported list offline: its rows, their proofs and the entry that sealed it.
    Export {
        /// The file
        file: PathBuf,
        /// csv, jsonl or parquet [default: by the file's extension, else csv]
        #[arg(long, value_name = "FORMAT")]
        format: Option<Format>,
        /// The ledger's public key [default: that of this installation]
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// What columns of a model could stand for although nobody may use it: age, origin and the like
    Proxies {
        /// The model
        model: ModelId,
    },
    /// Print the register of processing activities (GDPR Art. 30)
    Register,
    /// Impact assessments (GDPR Art. 35): a template, and attaching a finished one
    #[command(subcommand)]
    Dpia(records::Dpia),
    /// What somebody holds who took the database between two moments, and the clock of 72 hours
    /// (GDPR Art. 33)
    Breach(records::BreachArgs),
    /// Look for what is left of erased accounts: in every table, every page of the database's files
    /// and its log, every index, and in further files. References are read from standard input, one
    /// a line.
    Erasure {
        /// Whose user it was
        #[arg(long)]
        app: AppId,
        /// The account's random id, where somebody noted it before
        #[arg(long, value_name = "ID")]
        subject: Option<SubjectId>,
        /// A further file or folder: exports, logs, backups
        #[arg(long, value_name = "PATH")]
        also: Vec<PathBuf>,
    },
}

/// Runs `volens audit …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.action {
        Action::List { id } => list(id, context).await,
        Action::Invariants => invariants(context).await,
        Action::Export { file, format, key } => export(file, format, key, context).await,
        Action::Proxies { model } => proxies(model, context).await,
        Action::Register => records::register(context).await,
        Action::Dpia(action) => records::dpia(action, context).await,
        Action::Breach(args) => records::breach(args, context).await,
        Action::Erasure { app, subject, also } => erasure(&app, subject, also, context).await,
    }
}

async fn proxies(model: ModelId, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let version = relevance::find(&mut app.db.read().await?, model).await;
    app.db.close().await;
    let version = version.map_err(|error| match error {
        RelevanceError::NoVersion => Stop::new(Exit::NotFound, error.to_string()).into(),
        other => anyhow::Error::from(other),
    })?;
    let looked = version.proxies();
    let found = looked.clone().unwrap_or_default();
    let mut lines: Vec<String> = found.suspicions.iter().map(ToString::to_string).collect();
    lines.push(match (&looked, version.held, version.cleared) {
        (None, ..) => "the model is of before this was looked at: train it again".to_owned(),
        (_, true, _) => {
            "the model waits until an officer has looked, on /officer/models".to_owned()
        }
        (_, _, Some(entry)) => format!("an officer has looked: entry {entry}"),
        _ if lines.is_empty() => "nothing stands for anything else".to_owned(),
        _ => "nothing of it holds the model".to_owned(),
    });
    let measured = found.measured.join(", ");
    let (columns, rows) = (found.columns, found.rows);
    lines.push(format!("looked at {columns} columns over {rows} rows; measured: {measured}"));
    let (held, cleared) = (version.held, version.cleared);
    let object = serde_json::json!({
        "model": model, "held": held, "cleared": cleared, "proxies": looked,
    });
    context.output.result(&object, lines.join("\n"))?;
    Ok(if version.held { Exit::VerificationFailed } else { Exit::Ok })
}

async fn erasure(
    of: &AppId,
    subject: Option<SubjectId>,
    mut also: Vec<PathBuf>,
    context: &Context,
) -> Result<Exit> {
    // Standard input, because a command line is seen by every user of the machine.
    let references = std::io::read_to_string(std::io::stdin())?;
    let references: Vec<&str> = references.lines().filter(|line| !line.is_empty()).collect();
    ensure!(!references.is_empty(), "give the account's reference on standard input");
    ensure!(subject.is_none() || references.len() == 1, "--subject is of one account");
    let app = context.existing().await?;
    let mut remembered = Remembered::default();
    for reference in references {
        remembered.extend(Remembered::reference(&app.keys, of, reference));
    }
    if let Some(subject) = subject {
        remembered = remembered.and_subject(subject);
    }
    also.extend(app.beside());
    let report = traces::search_with(&app.db, &remembered, also).await?;
    app.db.close().await;
    let line = |trace: &Trace| format!("{} × {} in {}", trace.times, trace.what, trace.place);
    let mut lines: Vec<String> = report.traces.iter().map(line).collect();
    lines.extend(report.unread.iter().map(|file| format!("NOT READ {file}")));
    let ok = lines.is_empty();
    if ok {
        lines.push("nothing is left".to_owned());
    }
    lines.push(format!("looked into {} files, decoding {} parts", report.files, report.decoded));
    let (files, decoded) = (report.files, report.decoded);
    let object = serde_json::json!({
        "ok": ok, "traces": report.traces, "unread": report.unread, "files": files,
        "decoded": decoded,
    });
    context.output.result(&object, lines.join("\n"))?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

#[derive(Serialize)]
struct Replayed {
    ok: bool,
    #[serde(flatten)]
    replay: Replay,
}

async fn list(id: ListId, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let stop = |error: AudienceError| match error {
        AudienceError::NoList => Stop::new(Exit::NotFound, error.to_string()).into(),
        AudienceError::NotSealed(_) => Stop::new(Exit::Conflict, error.to_string()).into(),
        other => anyhow::Error::from(other),
    };
    let business = request::owner(&mut tx, id).await.map_err(stop)?;
    let bar = context.output.progress(0, "replaying");
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let replay =
        replay(&mut tx, &app.keys, business, id, app.now(), &progress).await.map_err(stop)?;
    bar.finish_and_clear();
    let ok = replay.is_confirmed();
    let text = told(&replay);
    context.output.result(&Replayed { ok, replay }, text)?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

fn told(replay: &Replay) -> String {
    let mut lines = vec![
        format!(
            "{} entries replayed, {} of them up to the list's checkpoint",
            replay.ledger_size_now, replay.ledger_size
        ),
        format!(
            "{} rows were sealed in entry {}: {} are confirmed, {} are gone",
            replay.rows_sealed, replay.entry, replay.rows_confirmed, replay.rows_gone
        ),
        format!("{} consents ended since the list was asked for", replay.consents_ended_since),
    ];
    if replay.rows_lapsed > 0 {
        lines.push(format!("{} rows have run out since", replay.rows_lapsed));
    }
    lines.extend(replay.denied.iter().map(|denial| denied(denial.rank, denial.code)));
    let verdict = if replay.is_confirmed() { "is confirmed" } else { "is NOT confirmed" };
    lines.push(format!("the list {verdict}"));
    lines.join("\n")
}

fn denied(rank: Option<u32>, code: &str) -> String {
    match rank {
        Some(rank) => format!("DENIED row {rank}: {code}"),
        None => format!("DENIED {code}"),
    }
}

/// Nothing is stored and nothing is appended: this also works beside a running service.
async fn invariants(context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let bar = context.output.progress(0, "checking");
    let progress = |invariant: Invariant, done, of| {
        bar.set_message(invariant.id());
        bar.set_length(of);
        bar.set_position(done);
    };
    let mut tx = app.db.read().await?;
    let report = invariants::check(&mut tx, &app.keys, &app.trust()?, app.now(), &progress).await?;
    bar.finish_and_clear();
    context.output.result(&report, table(&report))?;
    Ok(if report.holds { Exit::Ok } else { Exit::VerificationFailed })
}

fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    for checked in &report.invariants {
        let (verdict, looked) = match checked.verdict {
            Verdict::Holds => {
                let limits = checked.reason.as_ref().map(|reason| format!("; {reason}"));
                let limits = limits.unwrap_or_default();
                ("holds", format!("looked at {}{limits}", checked.looked_at))
            }
            Verdict::Violated => {
                let found =
                    format!("looked at {}, found {}", checked.looked_at, checked.violations);
                ("VIOLATED", found)
            }
            Verdict::NotApplicable => {
                ("not applicable", checked.reason.clone().unwrap_or_default())
            }
        };
        lines.push(format!("{:<5} {verdict:<15} {} ({looked})", checked.id, checked.title));
        lines.extend(checked.findings.iter().map(|finding| format!("      - {}", said(finding))));
    }
    let violated = report.with(Verdict::Violated).count();
    lines.push(match violated {
        0 => format!("all invariants hold over {} ledger entries", report.ledger_size),
        1 => "1 invariant is VIOLATED".to_owned(),
        many => format!("{many} invariants are VIOLATED"),
    });
    lines.join("\n")
}

fn said(finding: &Finding) -> String {
    let parts = [
        Some(finding.code.clone()),
        finding.subject.map(|subject| format!("account {subject}")),
        finding.entry.map(|entry| format!("entry {entry}")),
        finding.place.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    #[serde(flatten)]
    report: FileReport,
}

async fn export(
    file: PathBuf,
    format: Option<Format>,
    key: Option<String>,
    context: &Context,
) -> Result<Exit> {
    let log = match key {
        Some(vkey) => LogVerifier::from_vkey(&vkey)
            .map_err(|error| Stop::new(Exit::Usage, error.to_string()))?,
        None => context.existing().await?.keys.log_verifier(),
    };
    let by_name = || file.extension()?.to_str()?.parse().ok();
    let format = format.or_else(by_name).unwrap_or(Format::Csv);
    let open = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let found = read(format, open).map_err(|error| {
        Stop::new(Exit::VerificationFailed, format!("{}: {error}", file.display()))
    })?;
    let report = found.check(&log);
    let ok = report.denied.is_empty();
    let mut lines = Vec::new();
    if ok {
        lines.push(format!(
            "{} of {} sealed rows, exported {}, to be used until {}",
            report.rows,
            found.manifest.rows_sealed,
            found.manifest.exported_at,
            found.manifest.expires_at
        ));
    }
    lines.extend(report.denied.iter().map(|denial| denied(denial.rank, denial.code)));
    let verdict = if ok { "is confirmed" } else { "is NOT confirmed" };
    lines.push(format!("the file {verdict}"));
    context.output.result(&Checked { ok, report }, lines.join("\n"))?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}
