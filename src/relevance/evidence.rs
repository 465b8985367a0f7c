//! What a business's earlier campaigns tell of its next lists.
//!
//! Every exposure whose arm was drawn, beside what is predicted for it by models that have not seen its
//! person. It is learned with the model, from the same people under the same consents, is a part of the
//! model's file, and goes with it when one of them leaves.
//!
//! How many reach the goal is told from those written to, as reported. How many more that is than without the
//! message is told from labels that are alike in both arms: the same rows where all were imported, others
//! where signals tell of both.

use volens_models::features::{Features, TREATMENT};
use volens_models::learner::{Options, train};
use volens_models::model::Model;
use volens_models::offpolicy::{Evidence, FEWEST, Logged};
use volens_models::uplift::{Increase, Learner, UpliftModel};

use super::increase::Labelled;

/// Parts of the people; each part's models learn from the others.
const PARTS: usize = 3;

/// What gives people their places on a list.
#[derive(Clone, Copy)]
pub(super) struct Places<'m> {
    model: &'m Model,
    uplift: Option<&'m UpliftModel>,
    learner: Option<Learner>,
}

impl<'m> Places<'m> {
    /// By the score of `model`, or by the increase where there is one.
    pub(super) fn of(model: &'m Model, increase: Option<(&'m Increase, Learner)>) -> Self {
        let uplift = increase.map(|(increase, _)| &increase.uplift);
        Self { model, uplift, learner: increase.map(|(_, learner)| learner) }
    }

    /// Where somebody like this stands when written to.
    fn of_person(&self, features: &Features) -> f64 {
        match self.uplift {
            Some(uplift) => uplift.predict_values(features),
            None => self.model.score_values(features).probability,
        }
    }
}

/// What there is to tell of the goal and of the increase, for lists that have these places. `apart` are the
/// rows whose labels are alike in both arms, where they are not those `taught`. Nothing where too few were
/// written to or kept aside.
pub(super) fn learn(
    taught: &Labelled<'_>,
    apart: Option<&Labelled<'_>>,
    places: Places<'_>,
    options: &Options,
) -> (Option<Evidence>, Option<Evidence>) {
    // No list could be told of with fewer.
    let enough = |rows: &Labelled<'_>| {
        let sent = rows.rows.iter().filter(|row| row.treated && row.was_drawn()).count();
        sent as f64 >= FEWEST
    };
    let (reached_known, change_known) = (enough(taught), apart.is_some_and(enough));
    if !reached_known && !change_known {
        return (None, None);
    }
    let (mut reached, mut changed) = (Vec::new(), change_known.then(Vec::new));
    for part in 0..PARTS {
        let Some(others) = Others::of(part, taught, apart.unwrap_or(taught), places, options)
        else {
            return (None, None);
        };
        let log = Log { part, places, others: others.places() };
        let score = |features: &Features, _| others.model.score_values(features).probability;
        reached.extend(log.of(taught, score));
        let Some(apart) = apart.filter(|_| changed.is_some()) else { continue };
        // The list is expected to bring the increase that ranks it, or none where none does; so an exposure
        // is expected to have brought what would have come anyway, and that increase where it was sent.
        let anyway = fit(apart, part, options);
        let logged = anyway.map(|anyway| {
            let uplift = others.uplift.as_ref();
            log.of(apart, |features, sent| {
                let expected = anyway.score_values(&with_treatment(features, 0.0)).probability;
                let change = uplift.filter(|_| sent).map(|uplift| uplift.predict_values(features));
                expected + change.unwrap_or(0.0)
            })
        });
        changed = changed.zip(logged).map(|(mut changed, logged)| {
            changed.extend(logged);
            changed
        });
    }
    let reached = Some(reached).filter(|_| reached_known);
    if apart.is_none() {
        let both = reached.and_then(|logged| Evidence::of(&logged).ok());
        return (both.clone(), both);
    }
    let reached = reached.and_then(|logged| Evidence::of_sent(&logged).ok());
    (reached, changed.and_then(|logged| Evidence::of(&logged).ok()))
}

/// Models that have not seen the people of one part.
struct Others {
    model: Model,
    uplift: Option<UpliftModel>,
}

impl Others {
    fn of(
        part: usize,
        taught: &Labelled<'_>,
        alike: &Labelled<'_>,
        places: Places<'_>,
        options: &Options,
    ) -> Option<Self> {
        let uplift = match places.learner {
            Some(learner) => {
                let drawn = alike.drawn(seen(alike, part))?;
                Some(UpliftModel::train(learner, drawn.campaign(), options).ok()?)
            }
            None => None,
        };
        Some(Self { model: fit(taught, part, options)?, uplift })
    }

    fn places(&self) -> Places<'_> {
        Places { model: &self.model, uplift: self.uplift.as_ref(), learner: None }
    }
}

/// One part's exposures, as they were logged.
struct Log<'m> {
    part: usize,
    places: Places<'m>,
    others: Places<'m>,
}

impl Log<'_> {
    /// Of the rows that were drawn, with what was `predicted` of each in its arm.
    fn of(&self, rows: &Labelled<'_>, predicted: impl Fn(&Features, bool) -> f64) -> Vec<Logged> {
        let unseen = (0..rows.count()).filter(|&row| {
            rows.rows[row].person % PARTS == self.part && rows.rows[row].was_drawn()
        });
        let logged = |row: usize| {
            let of = rows.rows[row];
            let as_it_was = rows.table.features(row);
            let written_to = with_treatment(&as_it_was, 1.0);
            Logged {
                person: of.person,
                place: self.places.of_person(&written_to),
                unseen: self.others.of_person(&written_to),
                sent: of.treated,
                propensity: if of.treated { of.propensity } else { 1.0 - of.propensity },
                met: rows.met[row],
                predicted: predicted(&as_it_was, of.treated),
            }
        };
        unseen.map(logged).collect()
    }
}

/// A model of the label, learned from everybody but one part.
fn fit(rows: &Labelled<'_>, part: usize, options: &Options) -> Option<Model> {
    let seen: Vec<usize> = seen(rows, part).collect();
    let labels: Vec<bool> = seen.iter().map(|&row| rows.met[row]).collect();
    Some(train(&rows.table.take(&seen), &labels, None, options).ok()?.model)
}

fn seen(rows: &Labelled<'_>, part: usize) -> impl Iterator<Item = usize> {
    (0..rows.count()).filter(move |&row| rows.rows[row].person % PARTS != part)
}

fn with_treatment(features: &Features, treated: f64) -> Features {
    let mut features = features.clone();
    features.number(TREATMENT, treated);
    features
}
