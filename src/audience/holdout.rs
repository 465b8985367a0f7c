//! The people a campaign keeps aside at random, so that what the message brings about can be told
//! from what would have happened anyway.

use volens_privacy::SubjectId;
use volens_privacy::keys::{CallerHasher, KeyRing};

use crate::ids::CampaignId;

/// The share kept aside unless a request says otherwise.
pub const SHARE_DEFAULT: f64 = 0.1;
/// No request keeps more aside.
pub const SHARE_MAX: f64 = 0.5;

/// The coins of a campaign: keyed, one for each account, that fall the same way each time, so that a second
/// list of the campaign keeps the same people aside, and that nobody without the key can predict.
pub struct Coins {
    hasher: CallerHasher,
    campaign: CampaignId,
}

impl Coins {
    /// Those by which people are kept aside.
    pub fn of_holdout(keys: &KeyRing, campaign: CampaignId) -> Self {
        Self::new(keys, "audience/holdout", campaign)
    }

    /// `what` keeps the draws apart.
    pub(super) fn new(keys: &KeyRing, what: &str, campaign: CampaignId) -> Self {
        Self { hasher: keys.caller_hasher(what), campaign }
    }

    /// A number from 0 up to 1, uniform over accounts.
    pub fn of(&self, subject: SubjectId) -> f64 {
        let hash = self.hasher.hash(&[self.campaign.as_bytes(), subject.as_bytes()]);
        let bits = hash.iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        // 53 bits are what a double holds exactly.
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}
