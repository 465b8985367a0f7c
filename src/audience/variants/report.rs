//! What is known of a campaign's variants, as its business is told.
//!
//! Counts below the floor are withheld, others told to tens or two digits, rates and intervals from what is told:
//! two reports that differ by one person seldom differ.

use serde::Serialize;
use utoipa::ToSchema;
use volens_models::bandit::{self, Beta, Group};

use super::super::campaigns::{Campaign, Text};
use super::super::waterfall::round;
use super::super::{Result, store};
use crate::db::Tx;
use crate::ids::CampaignId;
use crate::relevance::Variant;

/// What is known of a campaign's variants.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = VariantsReport)]
pub struct Report {
    /// The campaign.
    #[schema(value_type = String, example = "cmp_00000000000000000000000000000000")]
    pub campaign: CampaignId,
    /// The goal that is counted: `click`, `reply` or `buy`.
    #[schema(example = "click")]
    pub goal: &'static str,
    /// Counts below this are withheld. Until each variant has gone to so many people of whose lists something
    /// was reported, none is preferred.
    pub withheld_below: u64,
    /// The share of each list that is spread evenly over the variants.
    #[schema(example = 0.2)]
    pub explored: f64,
    /// One for each; none where the campaign has one text.
    pub variants: Vec<Standing>,
}

/// What is known of one variant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = VariantStanding)]
pub struct Standing {
    /// `a` to `e`.
    #[schema(value_type = String, example = "a")]
    pub name: Variant,
    /// Its title.
    pub title: String,
    /// ISO 639-1.
    pub language: String,
    /// People who were given it, of lists of which an outcome was reported; null when withheld.
    pub recipients: Option<u64>,
    /// How many of them reached the goal; null when withheld.
    pub reached: Option<u64>,
    /// At which rate, by these two; null when either is withheld.
    pub rate: Option<Rate>,
    /// How many of them stopped or complained; null when withheld.
    pub stopped: Option<u64>,
    /// How probable it is that it is the best by goals less stops and complaints, to hundredths; null while too
    /// few were given any of them.
    pub best: Option<f64>,
    /// How probable it is for a row of the next list.
    pub next: f64,
}

/// A rate with its 95 % credible interval, to tenths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = VariantRate)]
pub struct Rate {
    /// Its mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What is known of the variants of a campaign now. `k` is the fewest people that are counted.
pub async fn report(tx: &mut Tx, campaign: &Campaign, k: u64) -> Result<Report> {
    let texts = campaign.texts();
    let several = texts.len() > 1;
    let groups = if several { store::variants::known(tx, campaign).await? } else { Vec::new() };
    Ok(Report {
        campaign: campaign.id,
        goal: campaign.goal.as_str(),
        withheld_below: k,
        explored: bandit::EXPLORED,
        variants: if several { standings(campaign, &groups, k) } else { Vec::new() },
    })
}

fn standings(campaign: &Campaign, groups: &[Group], k: u64) -> Vec<Standing> {
    let texts = campaign.texts();
    let sum = |variant: usize, of: fn(&Group) -> u64| {
        groups.iter().filter(|group| group.variant == variant).map(of).sum::<u64>()
    };
    let told = |count: u64| Some(count).filter(|count| *count >= k).map(round);
    let next = super::shares(groups, texts.len(), k);
    let best = super::known(groups, texts.len(), k).map(|known| bandit::best(&known));
    let standing = |(place, (name, text)): (usize, (Variant, Text))| {
        let recipients = told(sum(place, |group| group.people));
        let of = |count: fn(&Group) -> u64| recipients.and_then(|_| told(sum(place, count)));
        let reached = of(|group| group.met);
        Standing {
            name,
            title: text.title,
            language: text.language,
            recipients,
            reached,
            rate: reached.zip(recipients).map(|(met, people)| Rate::of(met, people)),
            stopped: of(|group| group.harmed),
            best: best.as_ref().map(|best| (best[place] * 100.0).round() / 100.0),
            next: next[place],
        }
    };
    texts.into_iter().enumerate().map(standing).collect()
}

impl Rate {
    fn of(hits: u64, of: u64) -> Self {
        let beta = Beta::after(hits as f64, of as f64);
        let told = |part: f64| (part * 1000.0).round() / 1000.0;
        let interval = beta.interval();
        Self { mean: told(beta.mean()), low: told(interval.low), high: told(interval.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_to_tenths_of_a_per_cent() {
        let Rate { mean, low, high } = Rate::of(100, 1000);
        assert_eq!((mean, low, high), (0.101, 0.083, 0.12));
    }
}
