//! A small world for tests of slices: a database, keys, a clock that stands still, and people who
//! decide.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::consent::{Consents, Decision};
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::keys::{KeyRing, StretchCost};
use volens_privacy::notice::Notices;
use volens_privacy::phone::PhoneEncoding;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AgeBand, Timestamp};

use crate::accounts::{Details, Registration};
use crate::assessments;
use crate::clock::{Clock, ManualClock};
use crate::consent::{
    self, AppPhones, Command, Decided, DecisionsRequest, Effects, Intake, PhoneRequest, Recorder,
    Recording, Refused, Replies, WithdrawRequest,
};
use crate::db::Db;
use crate::db::group::{Group, Limits};
use crate::ledger::Trust;

/// Argon2id at its smallest, so that tests are quick. The service refuses such a cost.
pub const QUICK: StretchCost = StretchCost { memory_kib: 8, passes: 1 };

/// Everything a slice's test needs.
pub struct World {
    /// A fresh database with the schema and the built-in notices.
    pub db: Db,
    /// A key ring of its own.
    pub keys: Arc<KeyRing>,
    /// Stands at 2026-11-21T00:00:00Z until moved.
    pub clock: Arc<ManualClock>,
    /// The writer of decisions.
    pub consents: Recorder,
    /// The apps that take part: `messenger`, `photos` (E.164) and `social` (Meta hashes).
    pub apps: AppPhones,
}

/// `AppId` of a literal.
pub fn app(name: &str) -> AppId {
    AppId::parse(name).expect("a literal app id")
}

impl World {
    /// The log's key, and nothing kept outside.
    pub fn trust(&self) -> Trust {
        Trust::key_only(self.keys.log_verifier())
    }

    /// A world over `db`.
    pub async fn new(db: Db) -> Self {
        let start = Timestamp::parse("2026-11-21T00:00:00Z").expect("a literal time");
        let clock = Arc::new(ManualClock::at(start));
        let keys = Arc::new(KeyRing::generate(&mut StdRng::seed_from_u64(1), start));
        let recording = Recording::new(
            Arc::clone(&keys),
            Arc::clone(&clock) as Arc<dyn Clock>,
            StdRng::seed_from_u64(2),
        );
        let consents =
            Group::spawn(db.clone(), Arc::new(recording), Limits { waiting: 1000, batch: 256 });
        let mut tx = db.begin().await.expect("a transaction");
        let signer = keys.log_signer();
        consent::publish_notices(&mut tx, &signer, Notices::builtin(), start)
            .await
            .expect("notices can be published");
        tx.commit().await.expect("a commit");
        let e164 = |region: &str| (PhoneEncoding::E164, Some(region.to_owned()));
        let apps = AppPhones(
            [
                (app("messenger"), e164("DE")),
                (app("photos"), e164("DE")),
                (app("social"), (PhoneEncoding::Meta, None)),
            ]
            .into(),
        );
        Self { db, keys, clock, consents, apps }
    }

    /// A generator that is the same in every run for the same `number`.
    pub fn rng(&self, number: u64) -> StdRng {
        StdRng::seed_from_u64(number)
    }

    /// Makes `reference` an account of `name`.
    pub async fn account(&self, name: &str, reference: &str) -> SubjectId {
        self.account_aged(name, reference, AgeBand::From25To34).await
    }

    /// Makes `reference` an account of `name` in an age band.
    pub async fn account_aged(&self, name: &str, reference: &str, age_band: AgeBand) -> SubjectId {
        let details = Details {
            language: "de".to_owned(),
            country: "DE".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            age_band,
        };
        let seed = self.keys.account_tag(&app(name), reference);
        let seed = seed.as_bytes().first_chunk::<32>().expect("a tag has 48 bytes");
        let mut rng = StdRng::from_seed(*seed);
        let new = Registration::new(&self.keys, &mut rng, &app(name), reference, details);
        let mut tx = self.db.begin().await.expect("a transaction");
        let now = self.clock.now();
        let registered = consent::register(&mut tx, &self.keys, &mut rng, &[new], now)
            .await
            .expect("an account can be registered");
        tx.commit().await.expect("a commit");
        registered[0].subject()
    }

    /// A report of one choice, under the newest notice for its purpose, with a phone number.
    pub fn choice(
        &self,
        reference: &str,
        purpose: PurposeKind,
        peer: Option<&str>,
        decision: Decision,
        phone: Option<&str>,
    ) -> DecisionsRequest {
        let notice = Notices::builtin().latest_for(purpose, "en").expect("a notice per purpose");
        let mut request = DecisionsRequest::of(reference, notice, purpose, decision);
        request.decisions[0].peer = peer.map(str::to_owned);
        request.phone = phone.map(|number| PhoneRequest {
            e164: Some(number.to_owned()),
            region: None,
            sha256: None,
            encoding: None,
            verified_at: self.clock.now(),
        });
        request
    }

    /// Attaches the impact assessments that are missing, as an officer does before going live.
    pub async fn assess(&self) {
        let mut tx = self.db.begin().await.expect("a transaction");
        for purpose in assessments::missing(&mut tx).await.expect("they are known") {
            let document = ("tests/1", [7; 32]);
            assessments::attach(&mut tx, &self.keys, purpose, document, self.clock.now())
                .await
                .expect("an assessment is attached");
        }
        tx.commit().await.expect("a commit");
    }

    /// Sends a report through intake and recorder; linking is live.
    pub async fn decide(
        &self,
        name: &str,
        request: DecisionsRequest,
    ) -> Result<Vec<Decided>, Refused> {
        let linking = PurposeKind::CrossAppLinking.as_str();
        if request.decisions.iter().any(|decision| decision.purpose == linking) {
            self.assess().await;
        }
        self.report(name, request).await
    }

    /// Sends a report through intake and recorder, as things are.
    pub async fn report(
        &self,
        name: &str,
        request: DecisionsRequest,
    ) -> Result<Vec<Decided>, Refused> {
        let now = self.clock.now();
        let notices = Notices::builtin();
        let intake = Intake::check(request, &app(name), &self.apps, &self.keys, notices, now)
            .expect("the report is well-formed");
        let decide = intake.finish(&self.keys, &QUICK).expect("the ring holds all of its pepper");
        match self.consents.submit(Command::Decide(decide)).await.expect("the recorder answers")? {
            Replies::Decided(decided) => Ok(decided),
            Replies::Ended(..) | Replies::Stopped { .. } => {
                unreachable!("a decision is answered as one")
            }
        }
    }

    /// Gives one consent that names no peer.
    pub async fn give(&self, name: &str, reference: &str, purpose: PurposeKind) -> u64 {
        let request = self.choice(reference, purpose, None, Decision::Given, None);
        self.decide(name, request).await.expect("the consent is taken")[0].entry
    }

    /// Gives the consent to be linked with `peer` by this phone number.
    pub async fn give_link(&self, name: &str, reference: &str, peer: &str, phone: &str) -> u64 {
        let purpose = PurposeKind::CrossAppLinking;
        let request = self.choice(reference, purpose, Some(peer), Decision::Given, Some(phone));
        self.decide(name, request).await.expect("the consent is taken")[0].entry
    }

    /// Takes a consent back.
    pub async fn withdraw(
        &self,
        name: &str,
        reference: &str,
        purpose: PurposeKind,
        peer: Option<&str>,
    ) -> Result<(Decided, Effects), Refused> {
        let request = WithdrawRequest {
            account: reference.to_owned(),
            purpose: purpose.to_string(),
            peer: peer.map(str::to_owned),
        };
        let withdrawal = request
            .check(&app(name), &self.keys, self.clock.now())
            .expect("the withdrawal is well-formed");
        let reply = self.consents.submit_patiently(Command::Withdraw(withdrawal)).await;
        match reply.expect("the recorder answers")? {
            Replies::Ended(decided, effects) => Ok((decided, effects)),
            Replies::Decided(_) | Replies::Stopped { .. } => {
                unreachable!("a withdrawal is answered as one")
            }
        }
    }

    /// The verified consents of one account, if all its records stand.
    pub async fn consents_of(&self, subject: SubjectId) -> Option<Consents> {
        let mut tx = self.db.read().await.expect("a snapshot");
        let mut all = consent::consents_of(&mut tx, &self.keys, &[subject])
            .await
            .expect("consents can be read");
        all.remove(&subject)
    }
}
