//! Where everybody went: from the accounts of an app to the rows of a list, every exclusion counted
//! under the first reason that applied.

use serde::{Deserialize, Serialize};

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
    /// Ranked behind the last row.
    #[serde(rename = "rank.below_cut")]
    BelowCut,
    /// The columns proposed it, the ledger entries did not permit it.
    #[serde(rename = "verification.failed")]
    Unverified,
}

impl Exclusion {
    /// Every reason, in order.
    pub const ALL: [Self; 10] = [
        Self::Objected,
        Self::NoMessagesConsent,
        Self::NoRelevanceConsent,
        Self::Underage,
        Self::Frozen,
        Self::Filtered,
        Self::Stopped,
        Self::HeldOut,
        Self::BelowCut,
        Self::Unverified,
    ];

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
            rounded: false,
        }
    }

    /// The same with every count rounded to tens, or to two significant digits: a dry run costs
    /// nothing, and a filter can be moved by one value, so exact differences must not be for sale
    /// (DV360 shows sizes the same way). What is withheld is told by the exact counts.
    pub fn roughly(&self, k: u64) -> PublishedWaterfall {
        let mut seen = self.published(k);
        seen.accounts = round(seen.accounts);
        seen.listed = round(seen.listed);
        for step in &mut seen.steps {
            step.excluded = step.excluded.map(round);
        }
        PublishedWaterfall { rounded: true, ..seen }
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
    /// The numbers that share their two leading digits with `count` (below 1000: their tens); below
    /// `k`, the range from nobody to `k`.
    pub fn around(count: u64, k: u64) -> Self {
        if count < k {
            return Self { low: 0, high: k };
        }
        let step = step_of(count);
        let low = count / step * step;
        Self { low: low.max(k), high: low + step - 1 }
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
    /// Whether counts are rounded to tens, or to two significant digits.
    pub rounded: bool,
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

fn round(count: u64) -> u64 {
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
    fn dry_runs_are_coarse() {
        assert_eq!(round(12_345), 12_000);
        assert_eq!(round(996), 1000);
        assert_eq!(round(3), 0);
        assert_eq!(Reach::around(12_345, 50), Reach { low: 12_000, high: 12_999 });
        assert_eq!(Reach::around(49, 50), Reach { low: 0, high: 50 });
        assert_eq!(Reach::around(73, 50), Reach { low: 70, high: 79 });
    }

    proptest! {
        #[test]
        fn withheld_counts_sum_to_nothing_or_to_k_at_least(
            counts in proptest::collection::vec(0u64..200, 10),
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
