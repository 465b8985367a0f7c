//! `volens models`: what a model is, as a page that needs nothing else, and from whom it learned.

mod manifest;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use volens_models::card::page;

use super::output::Stop;
use super::{Context, Exit};
use crate::db::Tx;
use crate::ids::ModelId;
use crate::relevance::{self, RelevanceError, Version};

/// What `models` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Write cards as HTML files with their plots: data span, consents, ledger entry, measures with intervals,
    /// groups, effects
    Card {
        /// Whose card; of every model in use, when absent
        model: Option<ModelId>,
        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "models/cards")]
        out: PathBuf,
    },
    /// From whom a model learned, as its ledger entry commits to, and whether somebody is among them
    Manifest(manifest::Args),
    /// Hold what was promised since a model was trained against what came, in order; ends with code 3 when it
    /// has stopped fitting
    Watch {
        /// Which; every model in use, when absent
        model: Option<ModelId>,
    },
}

/// Runs `volens models …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.action {
        Action::Card { model, out } => cards(model, &out, context).await,
        Action::Manifest(args) => manifest::run(args, context).await,
        Action::Watch { model } => watch(model, context).await,
    }
}

async fn cards(model: Option<ModelId>, out: &Path, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let wanted = wanted(&mut tx, model).await?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut written = Vec::new();
    for version in wanted {
        let active = relevance::to_explain(&mut tx, version.id).await.map_err(absent)?;
        let path = out.join(format!("{}-{}.html", version.goal, version.id));
        fs::write(&path, page(&active.artifact, &facts(&version)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path.display().to_string());
    }
    drop(tx);
    app.db.close().await;
    context.output.result(&json!({ "cards": written }), or_none(&written))?;
    Ok(Exit::Ok)
}

async fn watch(model: Option<ModelId>, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let (mut watched, mut lines) = (Vec::new(), Vec::new());
    for version in wanted(&mut tx, model).await? {
        let seen = relevance::watch(&mut tx, &app.keys, &version, app.now()).await?;
        lines.push(format!("{} version {}: {seen}", version.goal, version.version));
        watched.push(json!({ "model": version.id, "watch": seen }));
    }
    drop(tx);
    app.db.close().await;
    context.output.result(&json!({ "models": watched }), or_none(&lines))?;
    let fits = watched.iter().all(|one| one["watch"]["drift"].is_null());
    Ok(if fits { Exit::Ok } else { Exit::VerificationFailed })
}

/// A line for each model, or that there is none.
fn or_none(lines: &[String]) -> String {
    if lines.is_empty() {
        return "no model is in use: `volens train` makes one".to_owned();
    }
    lines.join("\n")
}

/// One model, or all that are in use.
async fn wanted(tx: &mut Tx, model: Option<ModelId>) -> Result<Vec<Version>> {
    if let Some(model) = model {
        return Ok(vec![relevance::find(tx, model).await.map_err(absent)?]);
    }
    let all = relevance::all(tx).await?;
    Ok(all.into_iter().filter(|version| version.active).collect())
}

/// What the registry knows beside the card.
fn facts(version: &Version) -> Vec<(String, String)> {
    let of = version.business.map_or_else(|| "all businesses".to_owned(), |id| id.to_string());
    let state = match (version.active, version.held) {
        (true, _) => "in use",
        (false, true) => "waits for an officer",
        (false, false) => "not in use",
    };
    let people = version.card["training"]["people"].as_u64().unwrap_or_default();
    let set = version.card["training"]["training_set"].as_str().unwrap_or_default();
    let facts = [
        ("Model", version.id.to_string()),
        ("Learned from the outcomes of", of),
        ("Version", format!("{}, {state}", version.version)),
        ("People it learned from", people.to_string()),
        ("Training set, as the ledger has it", set.to_owned()),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn absent(error: RelevanceError) -> anyhow::Error {
    match error {
        RelevanceError::NoVersion => Stop::new(Exit::NotFound, error.to_string()).into(),
        other => anyhow::Error::from(other),
    }
}
