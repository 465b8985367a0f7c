//! Exposures – who came to see which message, and who was kept aside from it – and what happened
//! afterwards. What models learn from, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand::Rng;
use volens_models::features::Features;
use volens_privacy::{
    AppId, BusinessId, Consented, KeyRing, Permit, SubjectId, Timestamp, purpose,
};

use super::{Assigned, RelevanceError, Result, store};
use crate::accounts;
use crate::db::Tx;
use crate::ids::{CampaignId, ExposureId, ListId};
use crate::signals::awaited::{self, Awaited};

/// What a message is meant to bring about; what a model predicts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The recipient opens what the message points to.
    Click,
    /// The recipient writes back.
    Reply,
    /// The recipient buys.
    Buy,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 3] = [Self::Click, Self::Reply, Self::Buy];

    /// As stored and spoken.
    pub const fn as_str(self) -> &'static str {
        self.outcome().as_str()
    }

    /// The goal with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|goal| goal.as_str() == name)
    }

    /// Whether it is an answer to the message itself, which nobody can give who was kept aside. A purchase is
    /// one that happens without a message, too.
    pub const fn needs_message(self) -> bool {
        matches!(self, Self::Click | Self::Reply)
    }

    /// The outcome that meets it.
    pub const fn outcome(self) -> OutcomeKind {
        match self {
            Self::Click => OutcomeKind::Click,
            Self::Reply => OutcomeKind::Reply,
            Self::Buy => OutcomeKind::Buy,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can happen after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// It arrived.
    Delivered,
    /// It was read.
    Read,
    /// What it points to was opened.
    Click,
    /// The recipient wrote back.
    Reply,
    /// The recipient bought.
    Buy,
    /// The recipient wants no more.
    Stop,
    /// The recipient complained.
    Complaint,
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Read,
        Self::Click,
        Self::Reply,
        Self::Buy,
        Self::Stop,
        Self::Complaint,
    ];

    /// As stored and spoken.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Click => "click",
            Self::Reply => "reply",
            Self::Buy => "buy",
            Self::Stop => "stop",
            Self::Complaint => "complaint",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What [`Exposure::of`] has to be told besides the person.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// The app of the account.
    pub app: AppId,
    /// Whose message.
    pub business: BusinessId,
    /// Of which campaign, when it was ours.
    pub campaign: Option<CampaignId>,
    /// On which list, when it was ours.
    pub list: Option<ListId>,
    /// The business's word for what was sent.
    pub arm: String,
    /// False: kept aside.
    pub treated: bool,
    /// When.
    pub at: Timestamp,
    /// Until when what happens counts as an outcome.
    pub closes_at: Timestamp,
    /// How probable it was to be in this arm, greater than 0 and at most 1.
    pub propensity: f64,
}

/// One account came to see a message, or was kept aside from it.
pub struct Exposure {
    pub(super) subject: SubjectId,
    pub(super) id: ExposureId,
    pub(super) app: AppId,
    pub(super) business: BusinessId,
    pub(super) campaign: Option<CampaignId>,
    pub(super) list: Option<ListId>,
    pub(super) arm: String,
    pub(super) treated: bool,
    pub(super) at: Timestamp,
    pub(super) closes_at: Timestamp,
    pub(super) propensity: f64,
    pub(super) features: Features,
    pub(super) variant: Option<Assigned>,
    /// Whether signals tell, in either arm, if they buy.
    pub(super) observed: bool,
}

impl Exposure {
    /// The exposure of a person who permits to be ranked, with the features as they were seen then.
    /// A repeated `id` of the same account is the same exposure.
    pub fn of(
        permit: &Permit<'_, purpose::Relevance>,
        id: ExposureId,
        occasion: Occasion,
        features: Features,
    ) -> Self {
        let Occasion { app, business, campaign, list, arm, treated, at, closes_at, propensity } =
            occasion;
        let subject = permit.subject();
        Self {
            subject,
            id,
            app,
            business,
            campaign,
            list,
            arm,
            treated,
            at,
            closes_at,
            propensity,
            features,
            variant: None,
            observed: false,
        }
    }

    /// The same, of this variant of the message.
    #[must_use]
    pub fn with_variant(self, variant: Option<Assigned>) -> Self {
        Self { variant, ..self }
    }

    /// The same, and whether a purchase follows is noted from signals, in either arm alike, where both
    /// consents were given under a notice that says so.
    #[must_use]
    pub fn observed(
        mut self,
        profiled: &Permit<'_, purpose::Relevance>,
        teaching: &Permit<'_, purpose::ModelTraining>,
    ) -> Self {
        self.observed =
            profiled.subject() == self.subject && awaited::may_be_noted(profiled, teaching);
        self
    }

    /// The purchase that is awaited after it.
    fn awaited(&self) -> Option<Awaited> {
        let &Self { subject, id: exposure, business, at: since, closes_at: until, .. } = self;
        self.observed.then_some(Awaited { subject, exposure, business, since, until })
    }

    /// Its id.
    pub fn id(&self) -> ExposureId {
        self.id
    }
}

/// Keeps exposures, features sealed under each account's key. Answers how many are new.
pub async fn record_exposures(
    tx: &mut Tx,
    keys: &KeyRing,
    exposures: &[Exposure],
    rng: &mut (dyn Rng + Send),
) -> Result<u64> {
    let subjects: BTreeSet<SubjectId> = exposures.iter().map(|e| e.subject).collect();
    let subjects: Vec<SubjectId> = subjects.into_iter().collect();
    let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
    let mut sealed = Vec::with_capacity(exposures.len());
    for exposure in exposures {
        let key = data_keys.get(&exposure.subject).ok_or(RelevanceError::NoKey)?;
        let plain = store::encode(&exposure.features);
        let features = key.seal(&context(&exposure.subject, &exposure.id), &plain, rng);
        sealed.push(store::SealedExposure { exposure, features });
    }
    let recorded = store::add_exposures(tx, sealed).await?;
    awaited::begin(tx, &data_keys, exposures.iter().filter_map(Exposure::awaited), rng).await?;
    Ok(recorded)
}

/// What happened to one exposure.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// To whom.
    pub subject: SubjectId,
    /// What.
    pub kind: OutcomeKind,
    /// When.
    pub at: Timestamp,
    /// What it was worth, in the business's currency.
    pub value: Option<f64>,
}

/// What became of a reported outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// Kept.
    Accepted,
    /// Nobody of that list is, or still is, that account: its consent ended with all its exposures.
    NoExposure,
    /// After the window in which outcomes count.
    TooLate,
}

/// Notes outcomes of the messages of one list. The first of each kind holds; repeats change nothing.
pub async fn record_outcomes(
    tx: &mut Tx,
    list: ListId,
    outcomes: &[Outcome],
) -> Result<Vec<Noted>> {
    let subjects: BTreeSet<SubjectId> = outcomes.iter().map(|outcome| outcome.subject).collect();
    let exposures = store::of_list(tx, list, &subjects).await?;
    let mut kept = BTreeMap::new();
    let mut answers = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        answers.push(match exposures.get(&outcome.subject) {
            None => Noted::NoExposure,
            Some((_, closes_at)) if outcome.at > *closes_at => Noted::TooLate,
            Some((exposure, _)) => {
                kept.entry((*exposure, outcome.kind)).or_insert(store::Met {
                    subject: outcome.subject,
                    exposure: *exposure,
                    kind: outcome.kind,
                    at: outcome.at,
                    value: outcome.value,
                });
                Noted::Accepted
            }
        });
    }
    store::add_outcomes(tx, kept.into_values().collect()).await?;
    Ok(answers)
}

/// Notes that an exposure just recorded met an outcome: for imports, where both stand in one row.
pub async fn record_met(
    tx: &mut Tx,
    met: impl IntoIterator<Item = (&Exposure, OutcomeKind, Timestamp, Option<f64>)>,
) -> Result<u64> {
    let rows = met.into_iter().map(|(exposure, kind, at, value)| store::Met {
        subject: exposure.subject,
        exposure: exposure.id,
        kind,
        at,
        value,
    });
    store::add_outcomes(tx, rows.collect()).await
}

/// Forgets the exposures of a list that is being made anew.
pub async fn forget_list(tx: &mut Tx, list: ListId) -> Result<u64> {
    store::forget_list(tx, list).await
}

/// What a model saw of the person in an exposure, opened with their key.
pub fn opened_features(
    key: &volens_privacy::DataKey,
    subject: SubjectId,
    id: ExposureId,
    sealed: &[u8],
) -> Result<Features> {
    store::decode(&key.open(&context(&subject, &id), sealed)?)
}

/// What a model saw of the holder of a permit when a list was made; nothing when the account is not in it.
pub async fn seen<'p>(
    tx: &mut Tx,
    keys: &KeyRing,
    permit: &'p Permit<'p, purpose::Relevance>,
    list: ListId,
) -> Result<Option<Consented<'p, purpose::Relevance, Features>>> {
    let subject = permit.subject();
    let Some((id, sealed)) = store::seen(tx, list, subject).await? else { return Ok(None) };
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    let key = data_keys.get(&subject).ok_or(RelevanceError::NoKey)?;
    Ok(Some(permit.attach(opened_features(key, subject, id, &sealed)?)))
}

/// What binds sealed features to their exposure.
pub(super) fn context<'a>(subject: &'a SubjectId, id: &'a ExposureId) -> [&'a [u8]; 3] {
    [b"volens/exposure", subject.as_bytes(), id.as_bytes()]
}
