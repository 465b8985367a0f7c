//! Canaries: accounts of nobody that live for a moment every night, are erased like anybody's, and
//! are looked for afterwards in everything that is kept.
//!
//! What a canary is called follows from its day and the keys, so that nothing has to be kept to look
//! for it by: that would be the trace that is looked for.

use std::time::Duration;

use rand::Rng;
use volens_privacy::consent::Decision;
use volens_privacy::keys::KeyRing;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AgeBand, AppId, StretchCost, SubjectId, Timestamp};

use super::traces::{self, Remembered};
use super::{Journal, RightsError, erase_for_good, store};
use crate::accounts::{self, Details, Registration};
use crate::consent::{AppPhones, Command, DecisionsRequest, Intake, Recorder};
use crate::db::{self, Db, Tx};
use crate::ids::hex;
use crate::ledger;

/// The kind of job that lets one go and looks for the others.
pub const CANARY_JOB: &str = "rights.canary";
/// The app that canaries are users of.
const APP: &str = "volens-canary";
/// What they consent to.
const PURPOSES: [PurposeKind; 2] = [PurposeKind::BusinessMessages, PurposeKind::Relevance];
/// Canaries of so many days are looked for.
const DAYS: Duration = Duration::from_hours(30 * 24);
/// The mark that tables in memory need; a purge forgets it.
const MARK: &str = "removed_accounts.subject";

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// How many canaries were looked for.
    pub canaries: u64,
    /// How many of them were erased before the last purge, and looked for in the files too.
    pub in_files: u64,
    /// Places where something of one was found.
    pub found: u64,
}

/// Who lets canaries go.
pub struct Keeper<'a> {
    /// The database.
    pub db: &'a Db,
    /// The keys.
    pub keys: &'a KeyRing,
    /// The journal of erasures.
    pub journal: &'a Journal,
    /// The writer of decisions.
    pub consents: &'a Recorder,
}

/// The canary of a day (UTC): its account's id and reference.
pub(super) fn canary(keys: &KeyRing, day: Timestamp) -> (SubjectId, String) {
    let secret = keys.caller_hash("canary", &day.day().micros().to_be_bytes());
    let (subject, reference) = secret.split_first_chunk::<16>().expect("a hash has 32 bytes");
    (SubjectId::from_bytes(*subject), hex(reference))
}

/// Makes the canary of today, lets it consent, erases it, and looks for it and those of the last
/// weeks: in every table, and for those from before the last purge in every file of the database.
pub async fn fly(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Look, RightsError> {
    let today = now.day();
    if !store::has_canary(&mut keeper.db.read().await?, today).await? {
        release(keeper, rng, now).await?;
    }
    let look = look(keeper, now).await?;
    let mut tx = keeper.db.begin().await?;
    store::note_look(&mut tx, today, &look).await?;
    store::forget_canaries(&mut tx, today.minus(DAYS)).await?;
    tx.commit().await?;
    Ok(look)
}

fn details() -> Details {
    Details {
        language: "en".to_owned(),
        country: String::new(),
        time_zone: String::new(),
        age_band: AgeBand::From35To49,
    }
}

/// Takes up where an attempt of the same day broke off: what is erased never comes back, a canary
/// neither.
async fn release(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<(), RightsError> {
    let Keeper { db, keys, journal, .. } = keeper;
    let (subject, reference) = canary(keys, now);
    let app = AppId::parse(APP).expect("a slug");
    let mut tx = db.begin().await?;
    ledger::hold(&mut tx).await?;
    let erasure = store::erasure(&mut tx, keys.erasure_tag(subject)).await?;
    let erased_at = if let Some((_, at)) = erasure {
        at
    } else {
        let new = Registration::with_id(keys, rng, &app, &reference, details(), subject);
        accounts::register(&mut tx, &[new], now).await?;
        tx.commit().await?;
        consent(keeper, &app, &reference, now).await?;
        let erased = erase_for_good(db, keys, journal, subject, now).await?;
        tx = db.begin().await?;
        erased.at
    };
    store::add_canary(&mut tx, now.day(), erased_at).await?;
    tx.commit().await?;
    Ok(())
}

async fn consent(
    keeper: &Keeper<'_>,
    app: &AppId,
    reference: &str,
    now: Timestamp,
) -> Result<(), RightsError> {
    let Keeper { keys, consents, .. } = keeper;
    let notices = Notices::builtin();
    for purpose in PURPOSES {
        let Some(notice) = notices.latest_for(purpose, "en") else { continue };
        let request = DecisionsRequest::of(reference, notice, purpose, Decision::Given);
        let intake = Intake::check(request, app, &AppPhones::default(), keys, notices, now);
        let intake = intake.map_err(|_refused| RightsError::Canary)?;
        let decide = intake.finish(keys, &StretchCost::default());
        let decide = decide.map_err(|_elsewhere| RightsError::Canary)?;
        let done = consents.submit_patiently(Command::Decide(decide)).await;
        done.map_err(|_| RightsError::Canary)?.map_err(|_| RightsError::Canary)?;
    }
    Ok(())
}

async fn look(keeper: &Keeper<'_>, now: Timestamp) -> Result<Look, RightsError> {
    let mut tx = keeper.db.read().await?;
    let purged = store::purged_at(&mut tx).await?;
    let all = store::canaries(&mut tx, now.minus(DAYS)).await?;
    drop(tx);
    let (mut old, mut young) = (Remembered::default(), Remembered::default());
    let mut look = Look { at: now, canaries: all.len() as u64, in_files: 0, found: 0 };
    let app = AppId::parse(APP).expect("a slug");
    for (day, erased_at) in all {
        let (subject, reference) = canary(keeper.keys, day);
        let known = Remembered::reference(keeper.keys, &app, &reference).and_subject(subject);
        if erased_at < purged {
            old.extend(known);
            look.in_files += 1;
        } else {
            young.extend(known);
        }
    }
    let of_old = traces::search(keeper.db, &old).await?;
    let of_young = traces::search_tables(keeper.db, &young).await?;
    let of_young = of_young.iter().filter(|trace| trace.place != MARK);
    look.found = (of_old.len() + of_young.count()) as u64;
    Ok(look)
}

/// What the last look found, if there was one.
pub async fn last(tx: &mut Tx) -> db::Result<Option<Look>> {
    store::last_look(tx).await
}

#[cfg(test)]
mod tests;
