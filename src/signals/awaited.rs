//! Purchases that are awaited: whether somebody buys from a business after its message was sent to them, or
//! kept back from them by chance.
//!
//! What a message changes is the difference between the two, so both are observed alike: by signals alone,
//! of the account that the message is for, towards that business, from the moment of the exposure to the end
//! of its window. Who is observed is settled at that moment, before anything depends on which of the two it
//! was; of everybody else there is no row, and nobody takes that for "did not buy".

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{BusinessId, DataKey, Permit, SubjectId, Timestamp};

use super::{SignalError, store};
use crate::db::Tx;
use crate::ids::ExposureId;

/// What is sealed until a purchase is seen, and from then on.
const NOT_SEEN: &[u8] = &[0];
const SEEN: &[u8] = &[1];

/// What is looked for after one exposure.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    /// Whose purchase.
    pub subject: SubjectId,
    /// After which message.
    pub exposure: ExposureId,
    /// From whom.
    pub business: BusinessId,
    /// An earlier one does not count.
    pub since: Timestamp,
    /// Nor a later one.
    pub until: Timestamp,
}

/// A purchase that was told.
pub(super) struct Bought {
    pub(super) subject: SubjectId,
    pub(super) business: BusinessId,
    pub(super) at: Timestamp,
}

/// What is awaited, and whether it was seen, sealed.
pub(super) struct Sealed {
    pub(super) awaited: Awaited,
    pub(super) bytes: Vec<u8>,
}

/// Whether purchases of the holder of these permits may be noted: they permit both uses, and the notices
/// they agreed to say that it is done.
pub fn may_be_noted(
    profiled: &Permit<'_, Relevance>,
    teaching: &Permit<'_, ModelTraining>,
) -> bool {
    let notices = Notices::builtin();
    profiled.subject() == teaching.subject()
        && notices.notes_purchases(profiled.notice())
        && notices.notes_purchases(teaching.notice())
}

/// Begins to look. What is awaited already stays as it is.
pub async fn begin(
    tx: &mut Tx,
    data_keys: &BTreeMap<SubjectId, DataKey>,
    awaited: impl IntoIterator<Item = Awaited>,
    rng: &mut (dyn Rng + Send),
) -> Result<(), SignalError> {
    let seal = |awaited: Awaited| {
        let key = data_keys.get(&awaited.subject)?;
        Some(Sealed { awaited, bytes: key.seal(&context(&awaited), NOT_SEEN, rng) })
    };
    let rows = awaited.into_iter().filter_map(seal).collect();
    Ok(store::begin_to_await(tx, rows).await?)
}

/// Of which exposures of these accounts a purchase is or was awaited, and whether it was seen.
pub async fn noted<'k>(
    tx: &mut Tx,
    subjects: &[SubjectId],
    key_of: impl Fn(SubjectId) -> Option<&'k DataKey>,
) -> Result<BTreeMap<(SubjectId, ExposureId), bool>, SignalError> {
    let mut noted = BTreeMap::new();
    for Sealed { awaited, bytes } in store::awaited(tx, subjects).await? {
        let Some(key) = key_of(awaited.subject) else { continue };
        let seen = key.open(&context(&awaited), &bytes)?.as_slice() == SEEN;
        noted.insert((awaited.subject, awaited.exposure), seen);
    }
    Ok(noted)
}

/// Notes purchases where they are awaited; the first is as good as any. Two statements at most, and none
/// where nobody bought.
pub(super) async fn note(
    tx: &mut Tx,
    data_keys: &BTreeMap<SubjectId, DataKey>,
    bought: &[Bought],
    rng: &mut (dyn Rng + Send),
) -> Result<(), SignalError> {
    let times = || bought.iter().map(|one| one.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(()) };
    let mut by_whom: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
    for one in bought {
        by_whom.entry((one.subject, one.business)).or_default().push(one.at);
    }
    let subjects: BTreeSet<SubjectId> = by_whom.keys().map(|(subject, _)| *subject).collect();
    let mut seen = Vec::new();
    for Sealed { awaited, bytes } in store::open_awaited(tx, &subjects, (first, last)).await? {
        let Some(key) = data_keys.get(&awaited.subject) else { continue };
        let times = by_whom.get(&(awaited.subject, awaited.business));
        let is_new = times.is_some_and(|times| awaited.is_met_by(times))
            && key.open(&context(&awaited), &bytes)?.as_slice() == NOT_SEEN;
        if is_new {
            let bytes = key.seal(&context(&awaited), SEEN, rng);
            seen.push(Sealed { awaited, bytes });
        }
    }
    Ok(store::put_awaited(tx, seen).await?)
}

impl Awaited {
    fn is_met_by(&self, times: &[Timestamp]) -> bool {
        times.iter().any(|at| (self.since..=self.until).contains(at))
    }
}

/// What binds a sealed note to its exposure.
fn context(awaited: &Awaited) -> [&[u8]; 3] {
    [b"volens/awaited-purchase", awaited.subject.as_bytes(), awaited.exposure.as_bytes()]
}
