//! The town with a photo app beside the messenger. Everybody has an account in both and agrees to
//! everything; all but every fourth are linked, and what one app knows is lent to lists of the other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use volens::accounts::subject_of;
use volens::relevance::Goal;
use volens_privacy::{AppId, PurposeKind, Timestamp};

use super::history::{Account, Consent, Deed, ListNumber, NEEDED, Operation, Person, Shown, Side};
use crate::support::town::{Town, link_report, name, report, view};
use crate::support::{Client, TestApp};

pub(in crate::journeys) struct World {
    pub(in crate::journeys) town: Town,
    photos: Client,
    /// Accounts by their ids in the tables.
    pub(super) accounts: BTreeMap<Vec<u8>, Account>,
    /// Accounts by the recipients that the shop is shown.
    pub(super) recipients: BTreeMap<String, Account>,
}

/// What a person agrees to in each of the apps.
pub(super) fn needed_of(person: Person) -> &'static [PurposeKind] {
    if person % 4 == 3 { &NEEDED[..2] } else { &NEEDED }
}

/// Everything that so many people agree to.
pub(super) fn all_consents(people: usize) -> impl Iterator<Item = Consent> {
    accounts(people)
        .flat_map(|account| needed_of(account.person).iter().map(move |p| account.to(*p)))
}

/// That they did before anything else happened.
pub(super) fn all_given(people: usize) -> Vec<Operation> {
    let given = all_consents(people).map(Deed::Gave);
    given.map(|deed| Operation { begun: 0, answered: 1, deed }).collect()
}

fn accounts(people: usize) -> impl Iterator<Item = Account> {
    (0..people).flat_map(|person| Side::BOTH.map(|side| Account { side, person }))
}

/// The consent as the app reports it at that moment.
pub(super) fn giving((account, purpose): Consent, now: Timestamp) -> Json {
    let reference = name(account.person);
    if purpose == PurposeKind::CrossAppLinking {
        let phone = format!("+4915112{:06}", account.person);
        link_report(&reference, account.side.peer().name(), &phone, now)
    } else {
        report(&reference, purpose)
    }
}

/// That it was taken back, as the app reports it.
pub(super) fn ending((account, purpose): Consent) -> Json {
    let mut body = json!({"account": name(account.person), "purpose": purpose});
    if purpose == PurposeKind::CrossAppLinking {
        body["peer"] = json!(account.side.peer().name());
    }
    body
}

/// The account looked at running shoes: without a profile it has nothing to lend, and whoever takes
/// their consent to relevance back has none. `nth` tells one look from another.
pub(super) fn look(account: Account, nth: u64) -> Json {
    let id = format!("look-{}-{nth}", account.person);
    json!({"batch": [view(&name(account.person), &id)]})
}

/// Whom a page or an export of a list shows, and what was lent for their rows.
pub(super) fn shown(
    recipients: &BTreeMap<String, Account>,
    list: ListNumber,
    text: &str,
) -> [Deed; 2] {
    let [mut rows, mut loans] = [BTreeSet::new(), BTreeSet::new()];
    let parts = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let all = parts.flat_map(|part| match &part["data"] {
        Json::Array(page) => page.clone(),
        _ => vec![part],
    });
    for row in all {
        // The manifest of an export names nobody.
        let Some(recipient) = row["recipient"].as_str() else { continue };
        let account = *recipients.get(recipient).expect("one of the world");
        rows.insert(account);
        if row["consent"]["borrowed"].as_array().is_some_and(|borrowed| !borrowed.is_empty()) {
            loans.insert(account);
        }
    }
    [Deed::Showed(Shown::Row, list, rows), Deed::Showed(Shown::Loan, list, loans)]
}

impl World {
    pub(in crate::journeys) async fn new(test: TestApp, people: usize) -> Self {
        test.assess().await;
        let town = Town::untaught(test, people).await;
        let photos = town.test.new_app(Side::Photos.name()).await;
        let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
        for n in 0..people {
            let path = format!("/v1/accounts/{}", name(n));
            assert!(photos.put(&path, details.clone()).await.status.is_success());
        }
        let (accounts, recipients) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { town, photos, accounts, recipients };
        let is_new = |(account, purpose): &Consent| {
            account.side == Side::Photos || *purpose == PurposeKind::CrossAppLinking
        };
        for consent in all_consents(people).filter(is_new) {
            world.give(consent).await;
        }
        for account in self::accounts(people) {
            world.look(account, 0).await;
        }
        // Who likes running does so in the other app, where that is known.
        let lent = |n: usize, features: &mut volens_models::features::Features| {
            if !n.is_multiple_of(3) {
                features.number("lent.topic.long", if n.is_multiple_of(2) { 0.9 } else { 0.0 });
            }
        };
        world.town.teach_seen(Goal::Click, lent).await;
        world.recognise(people).await;
        world
    }

    async fn recognise(&mut self, people: usize) {
        let app = &self.town.test.app;
        let mut tx = app.db.read().await.expect("begins");
        for account in accounts(people) {
            let side = AppId::parse(account.side.name()).expect("a slug");
            let found = subject_of(&mut tx, &app.keys, &side, &name(account.person)).await;
            let subject = found.expect("reads").expect("an account");
            self.accounts.insert(subject.as_bytes().to_vec(), account);
            let recipient = app.keys.recipient(self.town.business, subject);
            self.recipients.insert(recipient.to_string(), account);
        }
    }

    fn client(&self, side: Side) -> &Client {
        match side {
            Side::Messenger => &self.town.messenger,
            Side::Photos => &self.photos,
        }
    }

    pub(super) async fn give(&self, consent: Consent) {
        let body = giving(consent, self.town.test.app.now());
        self.client(consent.0.side).post("/v1/consents", body).await.expect(201);
    }

    pub(super) async fn withdraw(&self, consent: Consent) {
        let body = ending(consent);
        self.client(consent.0.side).post("/v1/consents/withdraw", body).await.expect(200);
    }

    pub(super) async fn look(&self, account: Account, nth: u64) {
        self.client(account.side).post("/v1/batch", look(account, nth)).await.expect(200);
    }

    /// The same message in either app.
    pub(in crate::journeys) async fn campaigns(&self) -> [Json; 2] {
        let [messenger, photos] = Side::BOTH.map(|side| self.town.campaign_in(side.name()));
        [messenger.await["id"].clone(), photos.await["id"].clone()]
    }
}
