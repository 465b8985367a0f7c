//! From proposals to a ranking: each person is scored exactly, under their own permit, with what
//! linked accounts lend under theirs.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::thread;

use roaring::RoaringBitmap;
use volens_models::artifact::Artifact;
use volens_models::features::{Features, LENT, Message, TREATMENT};
use volens_models::model::Model;
use volens_models::offpolicy::Target;
use volens_models::scan;
use volens_models::words;
use volens_privacy::topics::TopicId;
use volens_privacy::{AppId, Consented, KeyRing, SubjectId, Timestamp, purpose};

use super::Result;
use super::campaigns::Campaign;
use super::forecast::Forecast;
use super::order::{By, Ranking};
use super::seal::{Reason, six_decimals};
use super::verify::{Lender, Verified};
use crate::db::Tx;
use crate::relevance::{Active, Goal, Table, View, features};
use crate::signals::{self, Profile};

/// Reasons given for a score.
const REASONS: usize = 4;

/// One model and one message.
pub struct Judge {
    active: Active,
    message: Message,
    topics: Vec<TopicId>,
    language: String,
    /// Whether the model was taught who was addressed and who was kept aside.
    knows_treatment: bool,
    /// Whether anything of linked accounts can change a score.
    borrows: bool,
    goal: Goal,
}

/// One person with an exact score.
pub struct Ranked {
    /// Who.
    pub subject: SubjectId,
    /// Probability that the goal is reached.
    pub score: f64,
    /// The same without the message.
    pub without: f64,
    /// Expected increase of it through the message, where the model can tell.
    pub uplift: Option<f64>,
    /// Probability of a complaint or a stop, where people are ranked by the increase and it is known.
    pub risk: Option<f64>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the model saw.
    pub features: Features,
    /// Linked accounts that lent.
    pub lenders: Vec<SubjectId>,
}

impl Judge {
    /// For a campaign's message.
    ///
    /// # Errors
    /// `topic.unknown`, `topic.sensitive`: the registry may have changed since the campaign.
    pub fn new(active: Active, campaign: &Campaign) -> Result<Self> {
        let topics = campaign.topics()?;
        let message = Message {
            topics: topics.iter().map(ToString::to_string).collect(),
            business: campaign.business.to_string(),
            language: Some(campaign.message.language.clone()),
        };
        let model = &active.artifact.model;
        let borrows = model.columns().iter().any(|column| column.name.starts_with(LENT));
        Ok(Self {
            knows_treatment: tells_treatment_apart(model),
            borrows,
            message,
            topics,
            language: campaign.message.language.clone(),
            goal: campaign.goal,
            active,
        })
    }

    /// The model's name: its id.
    pub fn model(&self) -> String {
        self.active.id.to_string()
    }

    /// What people are ranked by, and why.
    pub fn ranking(&self) -> Ranking {
        Ranking::of(&self.active.artifact, self.goal)
    }

    /// What writing to these people is expected to bring, as far as earlier campaigns tell it of `k` people
    /// at least.
    pub fn forecast(&self, rows: &[Target], k: u64) -> Forecast {
        Forecast::of(&self.active.artifact, self.goal, rows, k)
    }

    /// The `count` rows that would be ranked first among `rows`, best first, by what their own app knows:
    /// by the logit of the score, or by the expected increase less the risk.
    ///
    /// Takes all processors for a while: not for the async executor. Nothing when `stop` was set before
    /// the end.
    pub fn propose(
        &self,
        table: &Table,
        rows: &RoaringBitmap,
        count: usize,
        now: Timestamp,
        stop: &AtomicBool,
    ) -> Option<Vec<u32>> {
        let Artifact { model, increase, .. } = &*self.active.artifact;
        let (models, treated) = match increase {
            Some(increase) => (increase.models(), None),
            None => (vec![model], Some(1.0)),
        };
        let ready: Vec<_> = models
            .into_iter()
            .map(|model| {
                let view = View::new(table, model.columns(), &self.message, treated, now);
                (view, model.scorer())
            })
            .collect();
        let rows: Vec<u32> = rows.iter().collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let found = scan::best(&rows, count, threads, stop, |codes, rows, keys| {
            let mut sums = vec![Vec::new(); ready.len()];
            for ((view, scorer), sums) in ready.iter().zip(&mut sums) {
                view.codes(rows, codes);
                scorer.logits(codes, rows.len(), sums);
            }
            let Some(increase) = increase else {
                keys.clone_from(&sums[0]);
                return;
            };
            let mut logits = vec![0.0; sums.len()];
            keys.clear();
            keys.extend((0..rows.len()).map(|at| {
                logits.iter_mut().zip(&sums).for_each(|(logit, sums)| *logit = sums[at]);
                increase.expected_of(&logits).worth()
            }));
        });
        Some(found?.into_iter().map(|(row, _)| row).collect())
    }

    /// Whether it is worth to propose deeper among linked accounts.
    pub fn borrows(&self) -> bool {
        self.borrows
    }

    /// Scores these accounts, of whom this was verified, exactly. Who may not be scored is not in the answer.
    pub async fn rank(
        &self,
        tx: &mut Tx,
        keys: &KeyRing,
        (verified, app): (&Verified, &AppId),
        subjects: &[SubjectId],
        now: Timestamp,
    ) -> Result<Vec<Ranked>> {
        let permitted: Vec<SubjectId> = subjects
            .iter()
            .copied()
            .filter(|subject| verified.recipient(*subject, app).is_ok())
            .collect();
        let lenders = permitted.iter().flat_map(|subject| self.lenders(verified, *subject));
        let mut read: Vec<SubjectId> = lenders.map(|lender| lender.link.peer).collect();
        read.extend(&permitted);
        let profiles = signals::profiles(tx, keys, &read).await?;
        let rank = |subject| self.rank_one(verified, &profiles, subject, app, now);
        Ok(permitted.into_iter().filter_map(rank).collect())
    }

    /// Who may lend to this account, when the model can make use of it.
    pub fn lenders<'v>(&self, verified: &'v Verified, subject: SubjectId) -> Vec<Lender<'v>> {
        if self.borrows { verified.lenders(subject) } else { Vec::new() }
    }

    fn rank_one(
        &self,
        verified: &Verified,
        profiles: &BTreeMap<SubjectId, Profile>,
        subject: SubjectId,
        app: &AppId,
        now: Timestamp,
    ) -> Option<Ranked> {
        let recipient = verified.recipient(subject, app).ok()?;
        let lenders = self.lenders(verified, subject);
        // A linked account without a profile has nothing to lend.
        let lending: Vec<features::Lender<'_>> = lenders
            .iter()
            .filter_map(|lender| {
                let profile = profiles.get(&lender.link.peer)?;
                Some(features::Lender { link: lender.link, permit: &lender.relevance, profile })
            })
            .collect();
        let seen = features::of_pair(
            &recipient.relevance,
            profiles.get(&subject),
            verified.language(subject),
            &lending,
            &self.message,
            now,
        );
        let lenders = lending.iter().map(|lender| lender.link.peer).collect();
        Some(self.score(seen, subject, lenders))
    }

    fn score(
        &self,
        seen: Consented<'_, purpose::Relevance, Features>,
        subject: SubjectId,
        lenders: Vec<SubjectId>,
    ) -> Ranked {
        let model = &self.active.artifact.model;
        let features = seen.value().clone();
        let increase = self.active.artifact.increase.as_ref();
        let expected = increase.map(|increase| increase.expected(&seen));
        let treated = seen.map(|features| with_treatment(features, 1.0));
        let explanation = model.explain_score(&treated);
        let score = explanation.score.probability;
        let untreated = treated.map(|features| with_treatment(features, 0.0));
        let labels = self.active.artifact.card.labels;
        let without = if labels.is_none_or(|labels| labels.kept_aside) {
            model.score(&untreated).probability
        } else {
            // The model of the response knows only those written to.
            score - expected.map_or(0.0, |expected| expected.increase)
        };
        let uplift = match expected {
            Some(expected) => Some(expected.increase),
            None => self.knows_treatment.then_some(score - without),
        };
        let risk = expected.and_then(|expected| expected.risk);
        let reasons =
            words::reasons(&explanation.contributions, &self.topics, &self.language, REASONS);
        let reasons = reasons.into_iter().map(|reason| Reason {
            text: reason.text,
            feature: reason.feature,
            contribution: six_decimals(reason.contribution),
        });
        Ranked {
            subject,
            score,
            without,
            uplift: uplift.map(six_decimals),
            risk: risk.map(six_decimals),
            reasons: reasons.collect(),
            features,
            lenders,
        }
    }
}

fn with_treatment(mut features: Features, treated: f64) -> Features {
    features.number(TREATMENT, treated);
    features
}

/// Whether the model's bins separate the addressed from those kept aside: it has seen both.
fn tells_treatment_apart(model: &Model) -> bool {
    let code = |treated| {
        let features = with_treatment(Features::default(), treated);
        let codes = model.codes(&features);
        let at = model.columns().iter().position(|column| column.name == TREATMENT);
        at.map(|at| codes[at])
    };
    code(0.0) != code(1.0)
}

impl Ranked {
    /// Where it stands: larger is better.
    pub fn place(&self, by: By) -> f64 {
        by.place(self.score, self.uplift, self.risk)
    }

    /// As a row that is expected to bring something. Its place does without the risk: what is known of
    /// increases is known of these alone.
    pub fn target(&self, by: By) -> Target {
        let place = match by {
            By::Score => self.score,
            By::Increase => self.uplift.unwrap_or(0.0),
        };
        Target { place, with: self.score, without: self.without }
    }

    /// Whether the goal is expected to be reached less often with the message than without it.
    pub fn is_put_off(&self, by: By) -> bool {
        by == By::Increase && self.uplift.is_some_and(|uplift| uplift < 0.0)
    }
}

/// The best first; equals in the order of accounts, which are random.
pub fn sort(ranked: &mut [Ranked], by: By) {
    let place = |one: &Ranked| one.place(by);
    ranked.sort_by(|a, b| place(b).total_cmp(&place(a)).then(a.subject.cmp(&b.subject)));
}
