//! What a business's earlier campaigns tell of its next lists.
//!
//! Every exposure whose arm was drawn, beside what is predicted for it by models that have not seen its
//! person. It is learned with the model, from the same people under the same consents, is a part of the
//! model's file, and goes with it when one of them leaves.

use volens_models::features::{Features, TREATMENT};
use volens_models::learner::{Options, train};
use volens_models::model::Model;
use volens_models::offpolicy::{Evidence, FEWEST, Logged};
use volens_models::uplift::{Increase, Learner, UpliftModel};

use super::increase::Rows;

/// Parts of the people; each part's models learn from the others.
const PARTS: usize = 3;

/// What gives people their places on a list.
struct Places<'m> {
    model: &'m Model,
    uplift: Option<&'m UpliftModel>,
}

impl Places<'_> {
    /// Where somebody like this stands when written to.
    fn of(&self, features: &Features) -> f64 {
        match self.uplift {
            Some(uplift) => uplift.predict_values(features),
            None => self.model.score_values(features).probability,
        }
    }
}

/// What there is to tell, for lists ranked by `model`, or by `increase` where there is one. Nothing when too
/// few were written to or kept aside.
pub(super) fn learn(
    rows: &Rows<'_>,
    model: &Model,
    increase: Option<(&Increase, Learner)>,
    options: &Options,
) -> Option<Evidence> {
    let (_, sent) = rows.drawn(0..rows.met.len())?.arms();
    // No list could be told of with fewer.
    if (sent as f64) < FEWEST {
        return None;
    }
    let places = Places { model, uplift: increase.map(|(increase, _)| &increase.uplift) };
    let learner = increase.map(|(_, learner)| learner);
    let mut logged = Vec::with_capacity(rows.met.len());
    for part in 0..PARTS {
        let (unseen, seen): (Vec<usize>, Vec<usize>) =
            (0..rows.met.len()).partition(|&row| rows.person[row] % PARTS == part);
        let labels: Vec<bool> = seen.iter().map(|&row| rows.met[row]).collect();
        let other = train(&rows.table.take(&seen), &labels, None, options).ok()?.model;
        let uplift = match learner {
            Some(learner) => {
                let drawn = rows.drawn(seen.iter().copied())?;
                Some(UpliftModel::train(learner, drawn.campaign(), options).ok()?)
            }
            None => None,
        };
        let others = Places { model: &other, uplift: uplift.as_ref() };
        logged.extend(unseen.into_iter().filter(|&row| rows.was_drawn(row)).map(|row| {
            let as_it_was = rows.table.features(row);
            let mut written_to = as_it_was.clone();
            written_to.number(TREATMENT, 1.0);
            let (sent, propensity) = (rows.treated[row], rows.propensity[row]);
            Logged {
                person: rows.person[row],
                place: places.of(&written_to),
                unseen: others.of(&written_to),
                sent,
                propensity: if sent { propensity } else { 1.0 - propensity },
                met: rows.met[row],
                predicted: other.score_values(&as_it_was).probability,
            }
        }));
    }
    Evidence::of(&logged).ok()
}
