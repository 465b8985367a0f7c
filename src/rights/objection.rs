//! Objection to direct marketing (GDPR Art. 21(2), (3)): at any time, without grounds, for good.
//!
//! It ends the consents to messages, to the profiling that serves them and to follow-ups, each with
//! an entry in the ledger, and leaves a keyed tag that outlives the account
//! ([`crate::accounts::suppression`]).

use volens_privacy::Timestamp;
use volens_privacy::identity::{AccountTag, AppId};

use super::RightsError;
use crate::consent::{Command, Decided, Effects, Objecting, Recorder, Replies};
use crate::db;

/// An objection that took effect.
pub struct Objected {
    /// Ledger index of the entry that says that somebody objected, and not who.
    pub entry: u64,
    /// The consents that are at an end; none for an account that is not known (any more).
    pub ended: Vec<Decided>,
    /// What went with them.
    pub effects: Effects,
}

/// Records the objection of an account of `app`, whether or not there is such an account. Waits for
/// its turn; nobody who objects is turned away.
pub async fn object(
    recorder: &Recorder,
    (app, account): (AppId, AccountTag),
    now: Timestamp,
) -> Result<Objected, RightsError> {
    let objecting = Objecting { app, account, decided_at: now };
    match recorder.submit_patiently(Command::Object(objecting)).await? {
        Ok(Replies::Stopped { ended, effects, entry: Some(entry) }) => {
            Ok(Objected { entry, ended, effects })
        }
        // The recorder answers a stop with a stop and refuses none.
        Ok(_) | Err(_) => Err(db::Error::Damaged("recorder").into()),
    }
}
