//! Training: from the exposures of those who consent now to a model in the registry.
//!
//! Three steps, so that nobody waits for the learner: [`gather`](super::gather) reads under a read
//! transaction and verifies every permit, [`learn`] is pure, [`keep`] writes the ledger entry and the model.

use std::collections::BTreeMap;

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_models::artifact::Artifact;
use volens_models::card::ModelCard;
use volens_models::dataset::time_ordered;
use volens_models::evaluate::Metrics;
use volens_models::features::Schema;
use volens_models::learner::{Options, train};
use volens_models::uplift::Increase;
use volens_privacy::manifest::{MANIFEST_KIND, Manifest};
use volens_privacy::proxies::Proxies;
use volens_privacy::{Leaf, LeafKind, LogSigner, PurposeKind, Timestamp};

use super::challenge::Challenge;
use super::evidence::Places;
use super::increase::Labelled;
use super::lessons::{Order, TrainingSet};
use super::proxies::{self, Findings, Told};
use super::registry::Version;
use super::{Result, evidence, members, store};
use crate::db::Tx;
use crate::ids::{ModelId, hex};
use crate::ledger;

/// The latest part of the rows that the model is measured on before it learns from all.
const MEASURED: f64 = 0.2;

/// A model and the set it was learned from.
pub struct Learned {
    set: TrainingSet,
    artifact: Artifact,
    proxies: Findings,
    pub(super) challenge: Option<Challenge>,
}

/// Learns a model from the set: measured on the latest fifth of the rows, then learned from all.
/// Slow; not for the async executor.
pub fn learn(set: TrainingSet, now: Timestamp) -> Result<Learned> {
    let schema = Schema::covering(set.rows.iter().map(|row| &row.features));
    let options = Options { directions: schema.directions(), ..Options::default() };
    let taught = Labelled::of(&schema, &set, |row| row.met);
    let trained = train(&taught.table, &taught.met, None, &options)?;
    let name = format!("probability of {}", set.order.goal);
    let mut card = ModelCard::of(&name, &trained, &taught.met, &options, now);
    card.data_span = set.rows.first().zip(set.rows.last()).map(|(a, b)| (a.at, b.at));
    card.purposes = vec![PurposeKind::Relevance, PurposeKind::ModelTraining];
    card.labels = Some(set.labels);
    let mut challenge = None;
    if let Some((metrics, met)) = measure(&set, &taught, &options) {
        card = card.with_folds(vec![metrics]);
        challenge = met;
    }
    let told: Vec<Told> = taught.rows.iter().map(|row| row.told.clone()).collect();
    card.segments = proxies::segments(&told, &trained.out_of_fold, &taught.met, options.seed);
    let apart = || Labelled::of(&schema, &set, |row| row.alike.map(|(_, met)| met));
    let apart = (!set.labels.kept_aside).then(apart);
    let alike = apart.as_ref().unwrap_or(&taught);
    let (increase, choice) = super::increase::learn(alike, &taught, &options);
    // Of one business's campaigns alone: a model learned from all has nothing to tell of any one's.
    let (mut evidence, mut evidence_of_increase) = (None, None);
    if set.order.business.is_some() {
        let by = increase.as_ref().zip(choice.as_ref().map(|choice| choice.learner));
        let places = Places::of(&trained.model, by);
        (evidence, evidence_of_increase) =
            evidence::learn(&taught, apart.as_ref(), places, &options);
    }
    card.uplift = choice;
    let mut models = vec![&trained.model];
    models.extend(increase.iter().flat_map(Increase::models));
    let proxies = Findings::of(Proxies::builtin(), &models, &taught.table, &told);
    let model = trained.model;
    let artifact = Artifact { model, card, increase, evidence, evidence_of_increase };
    Ok(Learned { set, artifact, proxies, challenge })
}

/// What the same training gives on the latest rows when it learns from the earlier ones only, also beside
/// the model in use; nothing when either part is too small to say.
fn measure(
    set: &TrainingSet,
    taught: &Labelled<'_>,
    options: &Options,
) -> Option<(Metrics, Option<Challenge>)> {
    let times: Vec<i64> = taught.rows.iter().map(|row| row.at.micros()).collect();
    let mut split = time_ordered(&times, MEASURED);
    if split.train.is_empty() {
        // One moment for all: there is no later part, so every fifth row is kept aside.
        (split.test, split.train) = (0..times.len()).partition(|row| row % 5 == 4);
    }
    let of = |rows: &[usize]| rows.iter().map(|&row| taught.met[row]).collect::<Vec<_>>();
    let table = &taught.table;
    let trained = train(&table.take(&split.train), &of(&split.train), None, options).ok()?;
    let score = |row: &usize| trained.model.score_values(&table.features(*row)).probability;
    let probabilities: Vec<f64> = split.test.iter().map(score).collect();
    let latest = || {
        let rows = split.test.iter().map(|&row| (taught.rows[row], taught.met[row]));
        rows.map(|(row, met)| (row.at, &row.features, met))
    };
    let champion = set.champion.as_ref();
    let challenge = champion.and_then(|champion| champion.meet(latest(), &probabilities));
    let metrics = Metrics::of(&probabilities, &of(&split.test), options.seed).ok()?;
    Some((metrics, challenge))
}

/// What a training came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The new version, in use from now on unless it waits for an officer or is clearly worse than the one
    /// that is.
    #[serde(flatten)]
    pub version: Version,
    /// Rows learned from.
    pub rows: usize,
    /// Exposures left out, by the code of the reason.
    pub excluded: BTreeMap<&'static str, u64>,
}

/// Appends `model.trained` to the ledger, keeps the model and puts it in use, unless it has to wait for
/// an officer ([`super::proxies`]) or is clearly worse than the one in use ([`super::challenge`]).
pub async fn keep(
    tx: &mut Tx,
    signer: &LogSigner,
    learned: Learned,
    now: Timestamp,
    rng: &mut (dyn Rng + Send),
) -> Result<Report> {
    let Learned { set, mut artifact, proxies, challenge } = learned;
    let Order { business, goal } = set.order;
    let id = ModelId::random(rng);
    let earlier = store::versions(tx, business, goal).await?;
    let held = proxies.holds() && !proxies.were_cleared(&earlier);
    let in_use = store::active(tx, business, goal).await?.map(|(id, ..)| id);
    let lost = |met: &Challenge| met.is_lost() && in_use == Some(met.champion);
    let kept_back = challenge.as_ref().is_some_and(lost);
    let version = store::last_version(tx, business, goal).await? + 1;
    let leaves = set.members.iter().map(|(subject, teaches)| teaches.leaf(id, *subject));
    let manifest = Manifest::new(leaves);
    let detail = json!({
        "model": id,
        "goal": goal.as_str(),
        "business": business,
        "version": version,
        "rows": set.rows.len(),
        "people": set.members.len(),
        "ledger_size": set.ledger_size,
        "as_of": set.as_of,
        "manifest": MANIFEST_KIND,
        "training_set": manifest.root(),
        "proxies": proxies.suspicions.len(),
        "held": held,
    });
    let leaf = Leaf::new(LeafKind::ModelTrained, now)
        .with_purpose(PurposeKind::ModelTraining)
        .with_detail(detail.clone());
    let appended = ledger::append(tx, signer, &[leaf], now).await?;
    artifact.card.training_entry = Some(appended.first);
    let card = json!({
        "model": artifact.card,
        "training": detail,
        "excluded": set.excluded,
        "proxies": proxies,
        "challenge": challenge,
        "file_sha256": hex(&artifact.hash()),
    });
    let version = Version {
        business,
        goal,
        version,
        id,
        created_at: now,
        entry: appended.first,
        card,
        active: !held && !kept_back,
        held,
        cleared: None,
    };
    store::add_model(tx, &version, artifact.to_bytes()).await?;
    members::keep(tx, &version, (&set.members, &manifest), now).await?;
    if version.active {
        store::activate(tx, business, goal, version.version, now).await?;
    }
    Ok(Report { version, rows: set.rows.len(), excluded: set.excluded })
}
