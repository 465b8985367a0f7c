//! Training: from the exposures of those who consent now to a model in the registry.
//!
//! Three steps, so that nobody waits for the learner: [`gather`] reads under a read transaction and
//! verifies every permit, [`learn`] is pure, [`keep`] writes the ledger entry and the model.

use std::collections::BTreeMap;

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_models::artifact::Artifact;
use volens_models::card::ModelCard;
use volens_models::dataset::time_ordered;
use volens_models::evaluate::Metrics;
use volens_models::features::{Features, Schema, TREATMENT};
use volens_models::learner::{Options, train};
use volens_models::table::Table;
use volens_models::uplift::Increase;
use volens_privacy::manifest::{MANIFEST_KIND, Manifest};
use volens_privacy::proxies::Proxies;
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{
    BusinessId, Consents, KeyRing, Leaf, LeafKind, LogSigner, PurposeKind, SubjectId, Timestamp,
};

use super::challenge::{Challenge, Champion};
use super::exposures::{Goal, OutcomeKind, context};
use super::manifest::Teaching;
use super::proxies::{self, Findings, Told};
use super::registry::Version;
use super::store::{self, Closed};
use super::{Result, evidence, members};
use crate::db::Tx;
use crate::ids::{ModelId, hex};
use crate::{accounts, consent, ledger};

/// Accounts verified at a time.
const PAGE: usize = 1024;
/// The latest part of the rows that the model is measured on before it learns from all.
const MEASURED: f64 = 0.2;

/// What to train.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// On the outcomes of one business, or of all.
    pub business: Option<BusinessId>,
    /// What to predict.
    pub goal: Goal,
}

/// Told how many of how many exposures were looked at.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

/// What a model will learn from, in order of time, and what it will not.
pub struct TrainingSet {
    order: Order,
    rows: Vec<Row>,
    /// From whom, and what each teaches.
    members: BTreeMap<SubjectId, Teaching>,
    excluded: BTreeMap<&'static str, u64>,
    /// Entries of the ledger when the permits were verified.
    ledger_size: u64,
    /// The moment at which the permits were good.
    as_of: Timestamp,
    /// The model in use.
    champion: Option<Champion>,
}

struct Row {
    /// Whose, by number.
    person: usize,
    at: Timestamp,
    features: Features,
    met: bool,
    treated: bool,
    /// How probable it was that the message would be sent.
    propensity: f64,
    /// Whether there was a complaint or a stop.
    harmed: bool,
    told: Told,
}

impl TrainingSet {
    /// Rows to learn from.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Exposures left out, by the code of the reason.
    pub fn excluded(&self) -> &BTreeMap<&'static str, u64> {
        &self.excluded
    }

    /// From how many people.
    pub fn people(&self) -> usize {
        self.members.len()
    }
}

/// Reads the exposures whose window is over and keeps those of accounts that consent, at `now`, both
/// to being profiled and to teaching models.
pub async fn gather(
    tx: &mut Tx,
    keys: &KeyRing,
    order: Order,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<TrainingSet> {
    let ledger_size = ledger::size(tx).await?;
    let champion = Champion::read(tx, order).await?;
    let closed = store::closed(tx, order.business, now).await?;
    let total = closed.len() as u64;
    let mut gathering = Gathering {
        now,
        rows: Vec::new(),
        people: 0,
        excluded: BTreeMap::new(),
        members: BTreeMap::new(),
    };
    let mut looked_at = 0;
    for page in pages(closed) {
        let subjects: Vec<SubjectId> = page.keys().copied().collect();
        let consents = consent::consents_of(tx, keys, &subjects).await?;
        let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
        let met = store::met(tx, order.goal.outcome(), &subjects).await?;
        let mut harmed = store::met(tx, OutcomeKind::Complaint, &subjects).await?;
        harmed.extend(store::met(tx, OutcomeKind::Stop, &subjects).await?);
        let known = accounts::find(tx, &subjects).await?;
        for (subject, exposures) in page {
            looked_at += exposures.len() as u64;
            let (Some(consents), Some(key)) = (consents.get(&subject), data_keys.get(&subject))
            else {
                gathering.exclude("consent.absent", exposures.len());
                continue;
            };
            let told = known.get(&subject).map(Told::from);
            let of = (consents, key, told.unwrap_or_default());
            let happened = |id| [met.contains(&(subject, id)), harmed.contains(&(subject, id))];
            gathering.account(of, exposures, happened)?;
        }
        progress(looked_at, total);
    }
    Ok(gathering.finish(order, ledger_size, champion))
}

/// Exposures by account, some accounts at a time.
fn pages(closed: Vec<Closed>) -> Vec<BTreeMap<SubjectId, Vec<Closed>>> {
    let mut pages: Vec<BTreeMap<SubjectId, Vec<Closed>>> = vec![BTreeMap::new()];
    for exposure in closed {
        let full = pages
            .last()
            .is_some_and(|page| page.len() >= PAGE && !page.contains_key(&exposure.subject));
        if full {
            pages.push(BTreeMap::new());
        }
        if let Some(page) = pages.last_mut() {
            page.entry(exposure.subject).or_default().push(exposure);
        }
    }
    pages
}

struct Gathering {
    now: Timestamp,
    rows: Vec<(SubjectId, Row)>,
    /// Accounts among them.
    people: usize,
    excluded: BTreeMap<&'static str, u64>,
    members: BTreeMap<SubjectId, Teaching>,
}

impl Gathering {
    fn exclude(&mut self, code: &'static str, exposures: usize) {
        *self.excluded.entry(code).or_default() += exposures as u64;
    }

    fn account(
        &mut self,
        (consents, key, told): (&Consents, &volens_privacy::DataKey, Told),
        exposures: Vec<Closed>,
        happened: impl Fn(crate::ids::ExposureId) -> [bool; 2],
    ) -> Result<()> {
        let permits = consents
            .permit::<Relevance>((), self.now)
            .and_then(|profiled| Ok((profiled, consents.permit::<ModelTraining>((), self.now)?)));
        let (profiled, teaching) = match permits {
            Ok(permits) => permits,
            Err(refusal) => {
                self.exclude(refusal.code(), exposures.len());
                return Ok(());
            }
        };
        let subject = teaching.subject();
        let teaches = Teaching {
            key: key.lesson_key(),
            messages: exposures.len() as u64,
            relevance_entry: profiled.entry(),
            training_entry: teaching.entry(),
        };
        self.members.insert(subject, teaches);
        for exposure in exposures {
            let plain = key.open(&context(&subject, &exposure.id), &exposure.features)?;
            let mut features = store::decode(&plain)?;
            features.number(TREATMENT, f64::from(u8::from(exposure.treated)));
            let [met, harmed] = happened(exposure.id);
            let Closed { treated, propensity: of_arm, at, .. } = exposure;
            let propensity = if treated { of_arm } else { 1.0 - of_arm };
            let told = told.clone();
            let row =
                Row { person: self.people, at, features, met, treated, propensity, harmed, told };
            self.rows.push((subject, row));
        }
        self.people += 1;
        Ok(())
    }

    fn finish(mut self, order: Order, ledger_size: u64, champion: Option<Champion>) -> TrainingSet {
        self.rows.sort_by_key(|(subject, row)| (row.at, *subject));
        TrainingSet {
            order,
            members: self.members,
            rows: self.rows.into_iter().map(|(_, row)| row).collect(),
            excluded: self.excluded,
            ledger_size,
            as_of: self.now,
            champion,
        }
    }
}

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
    let table = Table::from_features(&schema, set.rows.iter().map(|row| &row.features));
    let labels: Vec<bool> = set.rows.iter().map(|row| row.met).collect();
    let trained = train(&table, &labels, None, &options)?;
    let name = format!("probability of {}", set.order.goal);
    let mut card = ModelCard::of(&name, &trained, &labels, &options, now);
    card.data_span = set.rows.first().zip(set.rows.last()).map(|(a, b)| (a.at, b.at));
    card.purposes = vec![PurposeKind::Relevance, PurposeKind::ModelTraining];
    let mut challenge = None;
    if let Some((metrics, met)) = measure(&set, &table, &labels, &options) {
        card = card.with_folds(vec![metrics]);
        challenge = met;
    }
    let told: Vec<Told> = set.rows.iter().map(|row| row.told.clone()).collect();
    card.segments = proxies::segments(&told, &trained.out_of_fold, &labels, options.seed);
    let rows = super::increase::Rows {
        table: &table,
        met: &labels,
        treated: set.rows.iter().map(|row| row.treated).collect(),
        propensity: set.rows.iter().map(|row| row.propensity).collect(),
        harmed: set.rows.iter().map(|row| row.harmed).collect(),
        person: set.rows.iter().map(|row| row.person).collect(),
    };
    let (increase, choice) = super::increase::learn(&rows, &options);
    // Of one business's campaigns alone: a model learned from all has nothing to tell of any one's.
    let evidence = set.order.business.and_then(|_| {
        let ranked_by = increase.as_ref().zip(choice.as_ref().map(|choice| choice.learner));
        evidence::learn(&rows, &trained.model, ranked_by, &options)
    });
    card.uplift = choice;
    let mut models = vec![&trained.model];
    models.extend(increase.iter().flat_map(Increase::models));
    let proxies = Findings::of(Proxies::builtin(), &models, &table, &told);
    Ok(Learned {
        set,
        artifact: Artifact { model: trained.model, card, increase, evidence },
        proxies,
        challenge,
    })
}

/// What the same training gives on the latest rows when it learns from the earlier ones only, also beside
/// the model in use; nothing when either part is too small to say.
fn measure(
    set: &TrainingSet,
    table: &Table,
    labels: &[bool],
    options: &Options,
) -> Option<(Metrics, Option<Challenge>)> {
    let times: Vec<i64> = set.rows.iter().map(|row| row.at.micros()).collect();
    let mut split = time_ordered(&times, MEASURED);
    if split.train.is_empty() {
        // One moment for all: there is no later part, so every fifth row is kept aside.
        (split.test, split.train) = (0..labels.len()).partition(|row| row % 5 == 4);
    }
    let of = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<_>>();
    let trained = train(&table.take(&split.train), &of(&split.train), None, options).ok()?;
    let score = |row: &usize| trained.model.score_values(&table.features(*row)).probability;
    let probabilities: Vec<f64> = split.test.iter().map(score).collect();
    let rows = || {
        let rows = split.test.iter().map(|&row| &set.rows[row]);
        rows.map(|row| (row.at, &row.features, row.met))
    };
    let champion = set.champion.as_ref();
    let challenge = champion.and_then(|champion| champion.meet(rows(), &probabilities));
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
