//! The life of a canary: all that a person's accounts can have as far as nobody else sees any of it,
//! made by what serves everybody, and its end.
//!
//! A canary has two accounts, one in each of two apps that exist for nothing else, and one phone number,
//! so that they are linked. No business can name these apps, so no list, count, model or report knows them.
//! It talks to no bot and is on no list: both would be seen by a business.

use rand::Rng;
use serde_json::json;
use volens_privacy::consent::Decision;
use volens_privacy::identity::LinkToken;
use volens_privacy::keys::KeyRing;
use volens_privacy::notice::Notices;
use volens_privacy::phone::{PhoneEncoding, PhoneNumber};
use volens_privacy::purpose::PurposeKind;
use volens_privacy::rights::RequestKind;
use volens_privacy::{AgeBand, AppId, SubjectId, Timestamp, Topics};

use super::Keeper;
use crate::access::directory::{CANARY_APP as APP, CANARY_PEER as PEER};
use crate::accounts::{self, AccountError, Details, Registration};
use crate::consent::{AppPhones, Command, DecisionsRequest, Intake, PhoneRequest, Refused};
use crate::ids::hex;
use crate::rights::requests::{self, RequestId, Said};
use crate::rights::traces::Remembered;
use crate::rights::{
    AskedBy, RestrictionReason, RightsError, erase_for_good, interests, restrict, store,
};
use crate::signals::{self, Batch, Outcome, segment};
use crate::{ledger, privacy_centre};

/// Area codes of the North American plan, each with a hundred numbers (555-0100 to 555-0199) that are
/// kept for fiction and given to nobody.
const AREAS: [u16; 10] = [207, 208, 302, 304, 307, 406, 605, 701, 802, 907];

/// One account of a canary.
pub(super) struct Bird {
    pub(super) app: AppId,
    pub(super) reference: String,
    pub(super) subject: SubjectId,
}

/// The canary of a day. What it is called follows from the day and the keys. No `Debug`.
pub(super) struct Canary {
    pub(super) own: Bird,
    pub(super) peer: Bird,
    phone: String,
    message: String,
    request: RequestId,
    said: String,
}

impl Canary {
    /// The canary of the day (UTC) that a time lies in.
    pub(super) fn of(keys: &KeyRing, day: Timestamp) -> Self {
        let secret = |label| keys.caller_hash(label, &day.day().micros().to_be_bytes());
        let bird = |app, label| {
            let secret = secret(label);
            let (subject, reference) =
                secret.split_first_chunk::<16>().expect("a hash has 32 bytes");
            let app = AppId::parse(app).expect("a slug");
            Bird { app, reference: hex(reference), subject: SubjectId::from_bytes(*subject) }
        };
        let half = |label| *secret(label).first_chunk::<16>().expect("a hash has 32 bytes");
        let [area, line, ..] = half("canary/phone").map(usize::from);
        Self {
            own: bird(APP, "canary"),
            peer: bird(PEER, "canary/peer"),
            phone: format!("+1{}55501{:02}", AREAS[area % AREAS.len()], line % 100),
            message: hex(&half("canary/message")),
            request: RequestId::from_bytes(half("canary/request")),
            said: hex(&half("canary/said")),
        }
    }

    /// What it could still be known by, but for its link token, which takes long to make.
    pub(super) fn remembered(&self, keys: &KeyRing) -> Remembered {
        let mut all = Remembered::default();
        for Bird { app, reference, subject } in [&self.own, &self.peer] {
            all.extend(Remembered::reference(keys, app, reference).and_subject(*subject));
        }
        let phone = PhoneNumber::parse(&self.phone, None).expect("a number of the plan");
        all.and_phone(&phone).and_message(&self.message).and_words(&self.said)
    }

    /// Its link token under the pepper of today; nothing when none can be made.
    pub(super) async fn token(
        &self,
        keeper: &Keeper<'_>,
        rng: &mut (dyn Rng + Send),
        now: Timestamp,
    ) -> Result<Option<LinkToken>, RightsError> {
        let linking = PurposeKind::CrossAppLinking;
        let Some(intake) = self.intake(keeper, (&self.own, &self.peer), linking, now)? else {
            return Ok(None);
        };
        match keeper.tokens.make_patiently(intake, rng).await {
            Ok(decide) => Ok(decide.items.into_iter().find_map(|item| Some(item.token?.token))),
            Err(error) => {
                tracing::warn!(code = error.code(), "canaries are not looked for by their tokens");
                Ok(None)
            }
        }
    }

    /// What it says to one purpose; nothing when no notice asks for it.
    fn intake(
        &self,
        keeper: &Keeper<'_>,
        (bird, other): (&Bird, &Bird),
        purpose: PurposeKind,
        now: Timestamp,
    ) -> Result<Option<Intake>, RightsError> {
        let notices = Notices::builtin();
        let Some(notice) = notices.latest_for(purpose, "en") else { return Ok(None) };
        let mut request = DecisionsRequest::of(&bird.reference, notice, purpose, Decision::Given);
        if purpose == PurposeKind::CrossAppLinking {
            request.decisions[0].peer = Some(other.app.to_string());
            request.phone = Some(PhoneRequest {
                e164: Some(self.phone.clone()),
                region: None,
                sha256: None,
                encoding: None,
                verified_at: now,
            });
        }
        let phones = [bird, other].map(|bird| (bird.app.clone(), (PhoneEncoding::E164, None)));
        let phones = AppPhones(phones.into());
        let intake = Intake::check(request, &bird.app, &phones, keeper.keys, notices, now);
        intake.map(Some).map_err(|_refused| RightsError::Canary)
    }

    /// Lets it live: both accounts, every consent that can be given here, a profile, a correction, an
    /// address of its own page. Each step can be repeated.
    pub(super) async fn live(
        &self,
        keeper: &Keeper<'_>,
        rng: &mut (dyn Rng + Send),
        now: Timestamp,
    ) -> Result<(), RightsError> {
        let Keeper { db, keys, .. } = *keeper;
        let Self { own, peer, .. } = self;
        let mut tx = db.begin().await?;
        for bird in [own, peer] {
            let Bird { app, reference, subject } = bird;
            let new = Registration::with_id(keys, rng, app, reference, details(), *subject);
            accounts::register(&mut tx, &[new], now).await?;
        }
        tx.commit().await?;
        for purpose in PurposeKind::ALL {
            self.consent(keeper, (own, peer), purpose, rng, now).await?;
        }
        self.consent(keeper, (peer, own), PurposeKind::CrossAppLinking, rng, now).await?;
        let topic = Topics::builtin().usable().next().ok_or(RightsError::Canary)?;
        let seen = json!({ "batch": [{
            "type": "track", "event": "Product Viewed", "userId": own.reference,
            "messageId": self.message, "properties": { "topics": [topic.as_str()] },
        }] });
        let items = segment::batch(Topics::builtin(), seen.to_string().as_bytes(), now);
        let items = items.map_err(|_unread| RightsError::Canary)?;
        let batch = Batch { app: own.app.clone(), received: now, items };
        let mut tx = db.begin().await?;
        let taken = signals::take_in(&mut tx, keys, &[batch], now, rng).await?.concat();
        if taken.iter().any(|one| matches!(one.outcome, Outcome::Refused(_))) {
            return Err(RightsError::Canary);
        }
        interests::correct(&mut tx, keys, own.subject, (topic, true), rng, now).await?;
        privacy_centre::link(&mut tx, keys, rng, (&own.app, &own.reference), now).await?;
        Ok(tx.commit().await?)
    }

    async fn consent(
        &self,
        keeper: &Keeper<'_>,
        birds: (&Bird, &Bird),
        purpose: PurposeKind,
        rng: &mut (dyn Rng + Send),
        now: Timestamp,
    ) -> Result<(), RightsError> {
        let Some(intake) = self.intake(keeper, birds, purpose, now)? else { return Ok(()) };
        let decide = match keeper.tokens.make_patiently(intake, rng).await {
            Ok(decide) => decide,
            // As with everybody: nobody consents to linking then, and everything else goes on.
            Err(error) => {
                tracing::warn!(code = error.code(), "the canary could not consent to linking");
                return Ok(());
            }
        };
        let done = keeper.consents.submit_patiently(Command::Decide(decide)).await;
        match done.map_err(|_| RightsError::Canary)? {
            Ok(_) | Err(Refused::Unassessed) => Ok(()),
            Err(_) => Err(RightsError::Canary),
        }
    }

    /// Ends it as anybody's accounts end: one is restricted and then erased by its app, the other is
    /// erased because the person asked for it. The request is not kept: nobody made it.
    pub(super) async fn end(
        &self,
        keeper: &Keeper<'_>,
        rng: &mut (dyn Rng + Send),
        now: Timestamp,
    ) -> Result<(), RightsError> {
        let Keeper { db, keys, journal, consents, .. } = *keeper;
        let mut tx = db.begin().await?;
        let why = (RestrictionReason::AccuracyContested, AskedBy::App);
        let restricted = restrict(&mut tx, keys, self.peer.subject, why, now).await;
        match gone_is_fine(restricted)? {
            Some(_) => tx.commit().await?,
            None => tx.rollback().await,
        }
        gone_is_fine(erase_for_good(db, keys, journal, self.peer.subject, now).await)?;
        let Bird { app, subject, .. } = &self.own;
        let mut tx = db.begin().await?;
        ledger::hold(&mut tx).await?;
        if accounts::find(&mut tx, &[*subject]).await?.is_empty() {
            tx.rollback().await;
            return Ok(());
        }
        let asked = (RequestKind::Erasure, AskedBy::Person);
        let about = (Some(*subject), None);
        let of = (app, self.request);
        let request = requests::receive(&mut tx, keys, of, asked, about, (now, now)).await?;
        if let Some(said) = Said::new(&self.said)? {
            requests::say(&mut tx, keys, (*subject, &request), &said, rng).await?;
        }
        tx.commit().await?;
        let means = requests::Means { db, keys, journal, recorder: consents };
        requests::meet(&means, &request, &requests::Details::default(), None, rng, now).await?;
        Ok(())
    }

    /// Whether an earlier attempt erased one of its accounts: then it does not live again.
    pub(super) async fn is_erased_in_part(&self, keeper: &Keeper<'_>) -> Result<bool, RightsError> {
        let mut tx = keeper.db.read().await?;
        for bird in [&self.own, &self.peer] {
            let tag = keeper.keys.erasure_tag(bird.subject);
            if store::erasure(&mut tx, tag).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When both accounts were erased; nothing while one was not.
    pub(super) async fn erased_at(
        &self,
        keeper: &Keeper<'_>,
    ) -> Result<Option<Timestamp>, RightsError> {
        let mut tx = keeper.db.read().await?;
        let mut latest = None;
        for bird in [&self.own, &self.peer] {
            let erasure = store::erasure(&mut tx, keeper.keys.erasure_tag(bird.subject)).await?;
            let Some((_, at)) = erasure else { return Ok(None) };
            latest = latest.max(Some(at));
        }
        Ok(latest)
    }
}

pub(super) fn details() -> Details {
    Details {
        language: "en".to_owned(),
        country: String::new(),
        time_zone: String::new(),
        age_band: AgeBand::From35To49,
    }
}

/// An account that an earlier attempt erased.
fn gone_is_fine<T>(done: Result<T, RightsError>) -> Result<Option<T>, RightsError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(RightsError::Account(AccountError::Unknown)) => Ok(None),
        Err(error) => Err(error),
    }
}
