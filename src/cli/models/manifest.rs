//! `volens models manifest`: from whom a model learned, as its ledger entry commits to, and whether
//! somebody is among them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use volens_privacy::AppId;
use volens_privacy::manifest::{
    LESSON_KIND, LessonProof, ManifestError, ManifestFile, ManifestReport,
};

use super::absent;
use crate::accounts;
use crate::app::App;
use crate::audit::AuditError;
use crate::audit::lessons::{LessonFound, lesson_at_the_machine};
use crate::cli::output::Stop;
use crate::cli::witness::verifier;
use crate::cli::{Context, Exit};
use crate::ids::ModelId;
use crate::relevance::manifest::{self, InModel, Taught};
use crate::relevance::{self, RelevanceError};

/// What `models manifest` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Whose manifest
    #[arg(required_unless_present = "verify")]
    model: Option<ModelId>,
    /// Write the manifest to this file: its leaves, its root, the entry with the root, and its proof; or
    /// what proves that the model learned from somebody, when one is named
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Look for somebody: in which app
    #[arg(long, value_name = "APP", requires = "account")]
    app: Option<AppId>,
    /// Look for somebody: the app's own reference. That this was looked up is put on record
    #[arg(long, value_name = "REFERENCE", requires = "app")]
    account: Option<String>,
    /// Check such a file, without a database; exit code 3 if it does not hold
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["model", "out", "app"])]
    verify: Option<PathBuf>,
    /// The log's verifier key, or @FILE; `volens ledger key` prints it
    #[arg(long, value_name = "KEY", requires = "verify")]
    key: Option<String>,
}

/// Runs `volens models manifest …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args {
        Args { verify: Some(file), key: Some(key), .. } => verify(&file, &key, context),
        Args { model: Some(model), app: Some(of), account: Some(account), out, .. } => {
            let app = context.existing().await?;
            let found = look(&app, model, (&of, &account)).await?;
            app.db.close().await;
            write(out.as_deref(), found.proof.as_ref())?;
            context.output.result(&found, in_words(&found))?;
            Ok(if found.found.taught == Taught::Disputed {
                Exit::VerificationFailed
            } else {
                Exit::Ok
            })
        }
        Args { model: Some(model), out, .. } => whole(model, out.as_deref(), context).await,
        Args { .. } => Err(Stop::new(Exit::Usage, "name a model, or a file and a key").into()),
    }
}

async fn whole(model: ModelId, out: Option<&Path>, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let version = relevance::find(&mut tx, model).await.map_err(absent)?;
    let file = manifest::file(&mut tx, &version).await.map_err(refused)?;
    drop(tx);
    app.db.close().await;
    let report = file.verify(&app.keys.log_verifier()).map_err(|error| unproved(&error))?;
    write(out, Some(&file))?;
    context.output.result(&file, holds(&report))?;
    Ok(Exit::Ok)
}

async fn look(app: &App, model: ModelId, (of, account): (&AppId, &str)) -> Result<LessonFound> {
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let subject = accounts::subject_of(&mut tx, &app.keys, of, account).await?;
    let subject = subject.ok_or_else(|| Stop::new(Exit::NotFound, "there is no such account"))?;
    let what = (model, app.now());
    let found = lesson_at_the_machine(&mut tx, &app.keys, &mut rng, subject, what).await;
    let found = found.map_err(|error| match error {
        AuditError::Relevance(error) => refused(error),
        AuditError::Unverifiable => Stop::new(Exit::VerificationFailed, error.to_string()).into(),
        other => anyhow::Error::from(other),
    })?;
    tx.commit().await?;
    if let Some(proof) = &found.proof {
        proof.verify(&app.keys.log_verifier()).map_err(|error| unproved(&error))?;
    }
    Ok(found)
}

fn write(out: Option<&Path>, what: Option<&impl serde::Serialize>) -> Result<()> {
    let (Some(path), Some(what)) = (out, what) else { return Ok(()) };
    let text = serde_json::to_string_pretty(what)? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn verify(file: &Path, key: &str, context: &Context) -> Result<Exit> {
    let log = verifier(key)?;
    let text = fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Stop::new(Exit::NotFound, format!("{}: no such file", file.display())).into()
        }
        _ => anyhow::Error::from(error),
    })?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|_| Stop::new(Exit::Usage, format!("{} is not JSON", file.display())))?;
    let checked = if value["kind"] == LESSON_KIND {
        let read = serde_json::from_value::<LessonProof>(value);
        read.map_err(|_| ManifestError::Kind).and_then(|proof| {
            let report = proof.verify(&log)?;
            let said = format!("{}\nit learned from {}", holds(&report), learned(&proof));
            Ok((report, said))
        })
    } else {
        let read = serde_json::from_value::<ManifestFile>(value);
        let checked = read.map_err(|_| ManifestError::Kind).and_then(|file| file.verify(&log));
        checked.map(|report| (report.clone(), holds(&report)))
    };
    match checked {
        Ok((report, said)) => {
            context.output.result(&json!({ "ok": true, "manifest": report }), said)?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            let error = error.to_string();
            let said = format!("the manifest does NOT verify: {error}");
            context.output.result(&json!({ "ok": false, "error": error }), said)?;
            Ok(Exit::VerificationFailed)
        }
    }
}

fn holds(report: &ManifestReport) -> String {
    let ManifestReport { trained, entry, origin, checkpoint_entries } = report;
    format!(
        "model {} learned from {} messages to {} people, who consented at {}\nroot {}, in entry {entry}, in \
         the signed checkpoint of {origin} over {checkpoint_entries} entries",
        trained.model, trained.rows, trained.people, trained.as_of, trained.root
    )
}

fn learned(proof: &LessonProof) -> String {
    let lesson = &proof.lesson;
    format!(
        "{} messages to account {}, under the consents of entries {} and {}; leaf {} at position {}",
        lesson.messages,
        lesson.subject,
        lesson.relevance_entry,
        lesson.training_entry,
        proof.leaf(),
        proof.position
    )
}

fn in_words(found: &LessonFound) -> String {
    let InModel { model, goal, version, taught, left_at, entry, .. } = &found.found;
    let name = format!("{goal} version {version} ({model}, entry {entry})");
    let told = match taught {
        Taught::Learned => format!("{name} learned from this person"),
        Taught::Left => {
            let at = left_at.map(|at| format!(" at {at}")).unwrap_or_default();
            format!("{name} learned from this person, who took that back{at}")
        }
        Taught::Absent => format!("this person is not among those that {name} learned from"),
        Taught::Unknown => format!("no manifest of {name} is kept"),
        Taught::Disputed => {
            format!("{name}: what is kept of this person is NOT what the ledger commits to")
        }
    };
    let proof = found.proof.as_ref().map(|proof| format!("\nit learned from {}", learned(proof)));
    let access = found.access_entry;
    format!("{told}{}\nthis look is entry {access}", proof.unwrap_or_default())
}

fn refused(error: RelevanceError) -> anyhow::Error {
    let said = error.to_string();
    match error {
        RelevanceError::NoVersion | RelevanceError::NoManifest => {
            Stop::new(Exit::NotFound, said).into()
        }
        RelevanceError::ManifestDiffers => Stop::new(Exit::VerificationFailed, said).into(),
        other => anyhow::Error::from(other),
    }
}

fn unproved(error: &ManifestError) -> anyhow::Error {
    Stop::new(Exit::VerificationFailed, error.to_string()).into()
}
