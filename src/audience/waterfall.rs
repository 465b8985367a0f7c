//! Where everybody went: from the accounts of an app to the rows of a list, every exclusion counted
//! under the first reason that applied.

use serde::{Deserialize, Serialize};

use super::reach::Told;

/// Why an account of the delivery app is not on a list, in the order the reasons are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Exclusion {
    /// Objects to direct marketing (GDPR Art. 21(2)).
    #[serde(rename = "recipient.objected")]
    Objected,
    /// No live consent to business messages.
    #[serde(rename = "messages.no_consent")]
    NoMessagesConsent,
    /// No live consent to being ranked.
    #[serde(rename = "relevance.no_consent")]
    NoRelevanceConsent,
    /// Known to be younger than eighteen: never profiled (DSA Art. 28(2)).
    #[serde(rename = "account.underage")]
    Underage,
    /// Processing restricted (GDPR Art. 18).
    #[serde(rename = "account.frozen")]
    Frozen,
    /// Outside what the request asked for.
    #[serde(rename = "filter.no_match")]
    Filtered,
    /// Said stop, or complained, to this business.
    #[serde(rename = "recipient.stopped")]
    Stopped,
    /// Kept aside at random so that the effect of the message can be measured.
    #[serde(rename = "holdout.kept_aside")]
    HeldOut,
    /// Ranked by increase, and expected to reach the goal less often with the message than without it.
    /// Of those who were scored for the list; whoever was not is counted behind the last row.
    #[serde(rename = "increase.negative")]
    PutOff,
    /// Ranked behind the last row.
    #[serde(rename = "rank.below_cut")]
    BelowCut,
    /// The columns proposed it, the ledger entries did not permit it.
    #[serde(rename = "verification.failed")]
    Unverified,
}

impl Exclusion {
    /// Every reason, in order.
    pub const ALL: [Self; 11] = [
        Self::Objected,
        Self::NoMessagesConsent,
        Self::NoRelevanceConsent,
        Self::Underage,
        Self::Frozen,
        Self::Filtered,
        Self::Stopped,
        Self::HeldOut,
        Self::PutOff,
        Self::BelowCut,
        Self::Unverified,
    ];

    /// Reasons that exclude before anything is drawn or ranked: what a question about reach counts.
    pub fn of_a_question() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().take_while(|reason| *reason < Self::HeldOut)
    }

    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Objected => "objected to direct marketing",
            Self::NoMessagesConsent => "did not consent to business messages",
            Self::NoRelevanceConsent => "did not consent to being ranked",
            Self::Underage => "younger than eighteen, never profiled",
            Self::Frozen => "processing restricted at the person's request",
            Self::Filtered => "outside the filter",
            Self::Stopped => "said stop to this business",
            Self::HeldOut => "kept aside at random to measure the effect",
            Self::PutOff => "the message is expected to put them off",
            Self::BelowCut => "ranked behind the last row",
            Self::Unverified => "consent could not be verified in the ledger",
        }
    }
}

/// Exact counts of one list. What a business sees is [`Waterfall::published`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waterfall {
    /// Accounts of the delivery app.
    pub accounts: u64,
    /// Those excluded, by reason; a reason that excluded nobody has no line.
    pub excluded: Vec<(Exclusion, u64)>,
    /// Rows of the list (in a dry run: people who could be rows).
    pub listed: u64,
}

impl Waterfall {
    /// Everybody still in.
    pub fn of(accounts: u64) -> Self {
        Self { accounts, excluded: Vec::new(), listed: accounts }
    }

    /// Takes `count` people out. More than are left cannot be taken.
    pub fn exclude(&mut self, reason: Exclusion, count: u64) {
        let count = count.min(self.listed);
        if count == 0 {
            return;
        }
        self.listed -= count;
        match self.excluded.binary_search_by_key(&reason, |(reason, _)| *reason) {
            Ok(at) => self.excluded[at].1 += count,
            Err(at) => self.excluded.insert(at, (reason, count)),
        }
    }

    /// How many `reason` excluded.
    pub fn count(&self, reason: Exclusion) -> u64 {
        self.excluded.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
    }

    /// What a business may see: a count of fewer than `k` people is withheld, because it would say
    /// something about few. The withheld counts can be summed from the others; so when their sum is
    /// below `k` too, the next smallest is withheld with them.
    pub fn published(&self, k: u64) -> PublishedWaterfall {
        let mut withheld: Vec<Exclusion> = Vec::new();
        let mut by_count = self.excluded.clone();
        by_count.sort_by_key(|(reason, count)| (*count, *reason));
        let mut hidden = 0;
        for (reason, count) in by_count {
            if count >= k && (hidden == 0 || hidden >= k) {
                break;
            }
            hidden += count;
            withheld.push(reason);
        }
        let steps = Exclusion::ALL.into_iter().map(|reason| Step {
            code: reason,
            text: reason.text().to_owned(),
            excluded: (!withheld.contains(&reason)).then(|| self.count(reason)),
        });
        PublishedWaterfall {
            accounts: self.accounts,
            steps: steps.collect(),
            listed: self.listed,
            withheld_below: k,
            noisy: false,
        }
    }

    /// The same of a list that narrows: its rows are there to be counted, and no other count is told,
    /// for the counts of two lists that narrow differently tell about the few between them.
    pub fn rows_alone(&self, k: u64) -> PublishedWaterfall {
        let mut seen = self.published(k);
        for step in &mut seen.steps {
            step.excluded = None;
        }
        seen
    }
}

/// How many people a request could reach, as a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reach {
    /// At least so many.
    pub low: u64,
    /// At most so many.
    pub high: u64,
}

impl Reach {
    /// Whole tens around a count with noise that is `margin` away from the true one at most, of which a
    /// `share` is kept.
    pub(super) fn around(count: i64, margin: u64, share: f64) -> Self {
        let of = |count: i64| share * count.max(0) as f64 / 10.0;
        let margin = margin.cast_signed();
        Self {
            low: of(count.saturating_sub(margin)).floor() as u64 * 10,
            high: of(count.saturating_add(margin)).ceil() as u64 * 10,
        }
    }
}

impl PublishedWaterfall {
    /// An answer about reach: counts with noise, of which a `holdout` share of those reached is kept
    /// aside. Counts that may be below `k` are withheld, for they are mostly noise.
    pub(super) fn of_answer(told: &Told, holdout: f64, k: u64) -> Self {
        let shown = |count: i64| u64::try_from(count).ok().filter(|count| *count >= k).map(round);
        let kept_aside = (told.reached.max(0) as f64 * holdout).round() as i64;
        let count = |reason| match reason {
            Exclusion::HeldOut if kept_aside == 0 => Some(0),
            Exclusion::HeldOut => shown(kept_aside),
            reason => match told.excluded.iter().find(|(other, _)| *other == reason) {
                Some((_, count)) => shown(*count),
                None => Some(0),
            },
        };
        let step = |reason: Exclusion| Step {
            code: reason,
            text: reason.text().to_owned(),
            excluded: count(reason),
        };
        let all: i64 = told.excluded.iter().map(|(_, count)| count).sum::<i64>() + told.reached;
        Self {
            accounts: round(all.max(0).unsigned_abs()),
            steps: Exclusion::ALL.into_iter().map(step).collect(),
            listed: round((told.reached - kept_aside).max(0).unsigned_abs()),
            withheld_below: k,
            noisy: true,
        }
    }
}

/// A waterfall as a business sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishedWaterfall {
    /// Accounts of the delivery app.
    pub accounts: u64,
    /// One line per reason, in order.
    pub steps: Vec<Step>,
    /// Rows of the list.
    pub listed: u64,
    /// Counts below this number are withheld, and larger ones beside them that would give them away.
    pub withheld_below: u64,
    /// Whether counts have noise added, and are rounded to tens or two significant digits.
    pub noisy: bool,
}

/// One line of a waterfall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// Stable code of the reason.
    #[schema(value_type = String, example = "messages.no_consent")]
    pub code: Exclusion,
    /// The reason in words.
    pub text: String,
    /// How many; null when withheld.
    pub excluded: Option<u64>,
}

fn step_of(count: u64) -> u64 {
    let mut step = 10;
    while count / step >= 100 {
        step *= 10;
    }
    step
}

/// A count to tens, or two significant digits.
pub(super) fn round(count: u64) -> u64 {
    let step = step_of(count);
    (count + step / 2) / step * step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waterfall(accounts: u64, excluded: &[(Exclusion, u64)]) -> Waterfall {
        let mut made = Waterfall::of(accounts);
        for (reason, count) in excluded {
            made.exclude(*reason, *count);
        }
        made
    }

    #[test]
    fn everybody_is_somewhere() {
        let made = waterfall(1000, &[(Exclusion::Filtered, 300), (Exclusion::Underage, 100)]);
        assert_eq!(made.listed, 600);
        assert_eq!(made.count(Exclusion::Filtered), 300);
        assert_eq!(made.excluded[0].0, Exclusion::Underage, "in the order of the reasons");
    }

    #[test]
    fn a_small_count_is_withheld_and_cannot_be_computed_from_the_rest() {
        let made = waterfall(
            1000,
            &[
                (Exclusion::NoMessagesConsent, 400),
                (Exclusion::Underage, 3),
                (Exclusion::Filtered, 120),
            ],
        );
        let seen = made.published(50);
        let shown = |code| seen.steps.iter().find(|step| step.code == code).unwrap().excluded;
        assert_eq!(shown(Exclusion::Underage), None);
        assert_eq!(shown(Exclusion::Filtered), None, "3 would be 1000 - 400 - 120 - 477");
        assert_eq!(shown(Exclusion::NoMessagesConsent), Some(400));
        assert_eq!(shown(Exclusion::Frozen), Some(0));
    }

    #[test]
    fn answers_are_coarse_and_tell_nothing_that_noise_does_not() {
        assert_eq!(round(12_345), 12_000);
        assert_eq!(round(996), 1000);
        assert_eq!(round(3), 0);
        assert_eq!(Reach::around(12_345, 30, 1.0), Reach { low: 12_310, high: 12_380 });
        assert_eq!(Reach::around(1000, 0, 0.9), Reach { low: 900, high: 900 });
        assert_eq!(Reach::around(-3, 30, 1.0), Reach { low: 0, high: 30 });
        let excluded = vec![(Exclusion::Objected, -4), (Exclusion::NoMessagesConsent, 404)];
        let told = Told { excluded, reached: 996, margin: 30 };
        let seen = PublishedWaterfall::of_answer(&told, 0.1, 50);
        assert_eq!((seen.accounts, seen.listed), (1400, 900));
        let shown = |code| seen.steps.iter().find(|step| step.code == code).unwrap().excluded;
        assert_eq!(shown(Exclusion::Objected), None, "less than nobody is few");
        assert_eq!(shown(Exclusion::NoMessagesConsent), Some(400));
        assert_eq!(shown(Exclusion::HeldOut), Some(100));
        assert_eq!(shown(Exclusion::Filtered), Some(0), "nothing was narrowed");
    }

    proptest! {
        #[test]
        fn withheld_counts_sum_to_nothing_or_to_k_at_least(
            counts in proptest::collection::vec(0u64..200, 11),
            k in 1u64..100,
        ) {
            let pairs: Vec<_> = Exclusion::ALL.into_iter().zip(counts).collect();
            let made = waterfall(10_000, &pairs);
            let seen = made.published(k);
            let mut hidden = 0;
            let mut all = true;
            for step in &seen.steps {
                match step.excluded {
                    None => hidden += made.count(step.code),
                    Some(count) => {
                        prop_assert!(count == 0 || count >= k);
                        all &= count == 0;
                    }
                }
            }
            prop_assert!(hidden == 0 || hidden >= k || all);
            let total: u64 = made.excluded.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(made.accounts, total + made.listed);
        }
    }
}
