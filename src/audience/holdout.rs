//! The people a campaign keeps aside at random, so that what the message brings about can be told
//! from what would have happened anyway.

use volens_privacy::SubjectId;
use volens_privacy::keys::KeyRing;

use crate::ids::CampaignId;

/// The share kept aside unless a request says otherwise.
pub const SHARE_DEFAULT: f64 = 0.1;
/// No request keeps more aside.
pub const SHARE_MAX: f64 = 0.5;

/// Whether an account is kept aside from a campaign: a keyed coin that falls the same way each time,
/// so that a second list of the campaign keeps the same people aside, and that nobody without the
/// key can predict.
pub fn kept_aside(keys: &KeyRing, campaign: CampaignId, subject: SubjectId, share: f64) -> bool {
    coin(keys, "audience/holdout", campaign, subject) < share
}

/// A number from 0 up to 1, uniform over accounts and the same each time. `what` keeps the draws apart.
pub(super) fn coin(keys: &KeyRing, what: &str, campaign: CampaignId, subject: SubjectId) -> f64 {
    let mut of = [0; 32];
    of[..16].copy_from_slice(campaign.as_bytes());
    of[16..].copy_from_slice(subject.as_bytes());
    let hash = keys.caller_hash(what, &of);
    let bits = hash.iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    // 53 bits are what a double holds exactly.
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
