//! Several texts for one message, tried against each other while the campaign runs.
//!
//! Who is kept aside is drawn before, and gets none of them. Every list computes once how probable each variant
//! is ([`bandit::shares`]) from what earlier lists of the campaign brought about; each row is then given one by
//! a coin that depends on the campaign and the person alone. Whoever was written to by an earlier list keeps
//! the variant, and the probability it was drawn with. The texts, the probabilities and a commitment to the
//! counts they follow from are sealed with the list.

pub mod report;
pub mod words;

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use volens_models::bandit::{self, Group, Known};
use volens_privacy::ledger::Hash;
use volens_privacy::{KeyRing, SubjectId};

use super::campaigns::{Campaign, Text};
use super::holdout::Coins;
use super::{Result, store};
use crate::db::Tx;
use crate::ids::{CampaignId, hex};
use crate::relevance::{Assigned, Variant};

/// Shares that two machines compute differ by less.
const NEAR: f64 = 1e-5;

/// A variant that rows of a list can be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// `a` to `e`.
    #[schema(value_type = String, example = "a")]
    pub name: Variant,
    /// What is to be sent.
    pub message: Text,
    /// How probable it is for a row that no earlier list of the campaign gave one.
    pub share: f64,
}

/// What the variants of a list's rows were drawn from. Sealed with the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// In the order of their names.
    pub variants: Vec<Offered>,
    /// SHA-256 of the canonical JSON (RFC 8785) of the [`Basis`].
    pub basis: Hash,
}

/// What the shares follow from: kept with the list and told to nobody, for counts of few people are in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// 16 random bytes, in hexadecimal: the counts cannot be guessed from their hash.
    salt: String,
    /// So many people a variant must have gone to before any is preferred.
    fewest: u64,
    groups: Vec<Group>,
}

/// A draw with what it follows from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// What is sealed.
    pub draw: Draw,
    /// What it follows from.
    pub basis: Basis,
}

/// The draw for the next list of a campaign; nothing where it has one text.
pub async fn draw(
    tx: &mut Tx,
    campaign: &Campaign,
    fewest: u64,
    rng: &mut (dyn Rng + Send),
) -> Result<Option<Drawing>> {
    let texts = campaign.texts();
    if texts.len() < 2 {
        return Ok(None);
    }
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let groups = store::variants::known(tx, campaign).await?;
    let basis = Basis { salt: hex(&salt), fewest, groups };
    let shares = basis.shares(texts.len());
    let offered = texts.into_iter().zip(shares);
    let offered = offered.map(|((name, message), share)| Offered { name, message, share });
    let draw = Draw { variants: offered.collect(), basis: hash(&basis) };
    Ok(Some(Drawing { draw, basis }))
}

/// What is known of each variant; nothing before each of them went to so many people.
fn known(groups: &[Group], variants: usize, fewest: u64) -> Option<Vec<Known>> {
    let went_to = |variant: usize| {
        let own = groups.iter().filter(|group| group.variant == variant);
        own.map(|group| group.people).sum::<u64>()
    };
    let enough = (0..variants).all(|variant| went_to(variant) >= fewest);
    enough.then(|| (0..variants).map(|variant| Known::of(variant, groups)).collect())
}

/// How probable each variant is for a row of the next list.
fn shares(groups: &[Group], variants: usize, fewest: u64) -> Vec<f64> {
    let nothing = || (0..variants).map(|variant| Known::of(variant, &[])).collect();
    bandit::shares(&known(groups, variants, fewest).unwrap_or_else(nothing))
}

impl Basis {
    fn shares(&self, variants: usize) -> Vec<f64> {
        shares(&self.groups, variants, self.fewest)
    }
}

impl Draw {
    /// What the ledger's entry of the list commits to.
    pub fn hash(&self) -> Hash {
        hash(self)
    }

    /// Whether a row can have been given this variant.
    pub fn offers(&self, name: Variant) -> bool {
        self.variants.iter().any(|offered| offered.name == name)
    }

    /// The variant of somebody whom no earlier list of the campaign gave one, by what their coin of
    /// [`coins`] says.
    pub(super) fn assign(&self, coin: f64) -> Option<Assigned> {
        let shares: Vec<f64> = self.variants.iter().map(|offered| offered.share).collect();
        let fallen = self.variants.get(bandit::pick(&shares, coin))?;
        Some(Assigned { name: fallen.name, propensity: fallen.share })
    }
}

impl Drawing {
    /// Whether it offers the campaign's texts, and its shares follow from the counts it commits to.
    pub fn holds(&self, campaign: &Campaign) -> bool {
        let offered = self.draw.variants.iter();
        let texts: Vec<(Variant, Text)> =
            offered.clone().map(|offered| (offered.name, offered.message.clone())).collect();
        let shares = self.basis.shares(texts.len());
        texts == campaign.texts()
            && hash(&self.basis) == self.draw.basis
            && offered.zip(shares).all(|(said, share)| (said.share - share).abs() < NEAR)
    }
}

/// The coins by which people are given a variant of a campaign.
pub(super) fn coins(keys: &KeyRing, campaign: CampaignId) -> Coins {
    Coins::new(keys, "audience/variant", campaign)
}

/// What the members of a batch are given: what an earlier list gave them, or what the coin says.
pub(super) async fn assign(
    tx: &mut Tx,
    keys: &KeyRing,
    (campaign, draw): (&Campaign, Option<&Draw>),
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Assigned>> {
    let Some(draw) = draw else { return Ok(BTreeMap::new()) };
    let mut given = store::variants::given(tx, campaign, subjects).await?;
    let coins = coins(keys, campaign.id);
    for subject in subjects {
        if let (false, Some(assigned)) =
            (given.contains_key(subject), draw.assign(coins.of(*subject)))
        {
            given.insert(*subject, assigned);
        }
    }
    Ok(given)
}

fn hash<T: Serialize>(value: &T) -> Hash {
    let bytes = serde_jcs::to_vec(value).expect("finite numbers and strings are JSON");
    Hash::from_bytes(Sha256::digest(bytes).into())
}
