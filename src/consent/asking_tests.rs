//! Who is asked, who answers for the data, and when nobody may be asked.

use std::time::Duration;

use volens_privacy::consent::Decision;
use volens_privacy::ledger::Leaf;
use volens_privacy::notice::{Notice, Notices};
use volens_privacy::parties::Parties;
use volens_privacy::purpose::{PurposeKind, Reports};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::{QUICK, World, app};

const DAY: Duration = Duration::from_hours(24);

async fn asking(world: &World, subject: SubjectId, gatekeeper: bool) -> Asking {
    let mut tx = world.db.read().await.unwrap();
    let about = (PurposeKind::BusinessMessages, None);
    may_ask(&mut tx, subject, about, gatekeeper, world.clock.now()).await.unwrap()
}

#[tokio::test]
async fn who_said_no_is_not_asked_again_for_half_a_year() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let purpose = PurposeKind::BusinessMessages;
        assert!(asking(&world, anna, false).await.may_ask, "nobody asked yet");
        world.give("messenger", "anna", purpose).await;
        assert_eq!(asking(&world, anna, false).await.reason, Some("live"));
        world.clock.advance(DAY);
        world.withdraw("messenger", "anna", purpose, None).await.unwrap();
        let no = world.clock.now();
        let told = asking(&world, anna, false).await;
        assert_eq!((told.reason, told.from), (Some("said_no"), Some(no.plus(183 * DAY))));
        let gatekeeper = asking(&world, anna, true).await;
        assert_eq!(gatekeeper.from, Some(no.plus(365 * DAY)), "a gatekeeper waits a year");

        world.clock.advance(182 * DAY);
        let mut request = world.choice("anna", purpose, None, Decision::Given, None);
        request.requested_at = Some(world.clock.now());
        let early = world.decide("messenger", request.clone()).await;
        assert_eq!(early.err(), Some(Refused::AskedTooEarly));
        // What somebody does on their own is not asked for.
        request.requested_at = None;
        let own = request.clone();
        world.clock.advance(DAY);
        assert!(asking(&world, anna, false).await.may_ask);
        request.requested_at = Some(world.clock.now());
        assert!(world.decide("messenger", request).await.is_ok(), "the time is over");
        world.withdraw("messenger", "anna", purpose, None).await.unwrap();
        world.clock.advance(DAY);
        assert!(world.decide("messenger", own).await.is_ok(), "people may change their mind");
    })
    .await;
}

#[tokio::test]
async fn a_no_to_a_question_that_came_too_early_is_still_recorded() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "anna").await;
        let purpose = PurposeKind::Reports;
        let mut request = world.choice("anna", purpose, None, Decision::Refused, None);
        world.decide("messenger", request.clone()).await.unwrap();
        world.clock.advance(DAY);
        request.requested_at = Some(world.clock.now());
        let recorded = world.decide("messenger", request).await.unwrap();
        assert!(recorded[0].receipt.is_some());
    })
    .await;
}

#[tokio::test]
async fn who_answers_for_the_data_is_on_record_with_its_time() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (signer, begin) = (world.keys.log_signer(), world.clock.now());
        let other = Parties::EXAMPLE.replacen("4 Example Street", "9 Other Street", 1);
        let mut tx = world.db.begin().await.unwrap();
        for (text, version) in
            [(Parties::EXAMPLE, 1), (Parties::EXAMPLE, 1), (other.as_str(), 2), (other.as_str(), 2)]
        {
            let parties = Parties::parse(text).unwrap();
            let now = world.clock.now();
            let recorded = publish_parties(&mut tx, &signer, (text, &parties), now).await.unwrap();
            assert_eq!(recorded, version);
            world.clock.advance(DAY);
        }
        for (days, version) in [(0, 1), (1, 1), (2, 2), (9, 2)] {
            let found = parties_at(&mut tx, begin.plus(days * DAY)).await.unwrap().unwrap();
            assert_eq!(found.version, version, "after {days} days");
            let street = if version == 1 { "4 Example" } else { "9 Other" };
            assert!(found.parties.operator.address.starts_with(street));
        }
        let before = parties_at(&mut tx, begin.minus(DAY)).await.unwrap().unwrap();
        assert_eq!(before.version, 1, "the first answers for the time before it");
    })
    .await;
}

#[tokio::test]
async fn live_consents_are_counted_by_the_version_they_rest_on() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for (name, version) in [("anna", 1), ("ben", 2), ("cleo", 2), ("dora", 2)] {
            world.account("messenger", name).await;
            let purpose = PurposeKind::Reports;
            let mut request = world.choice(name, purpose, None, Decision::Given, None);
            request.notice.version = version;
            world.decide("messenger", request).await.unwrap();
        }
        world.withdraw("messenger", "dora", PurposeKind::Reports, None).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let live = live_under(&mut tx, world.clock.now()).await.unwrap();
        let counts: Vec<_> = live.iter().map(|l| (&*l.notice, l.version, l.consents)).collect();
        assert_eq!(counts, [("reports", 1, 1), ("reports", 2, 2)]);
    })
    .await;
}

#[tokio::test]
async fn a_notice_that_lacks_what_the_law_demands_is_not_published() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let mut files: Vec<(String, String)> = Vec::new();
        for language in volens_privacy::LANGUAGES {
            let path = format!("privacy/notices/reports/3/{language}.md");
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.replace("version = 3", "version = 4").replace("{{contacts}}", "us");
            files.push((format!("reports/4/{language}.md"), text));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (&**p, &**t)).collect();
        let notices = Notices::read(&files).unwrap();
        let mut tx = world.db.begin().await.unwrap();
        let signer = world.keys.log_signer();
        let refused = publish_notices(&mut tx, &signer, &notices, world.clock.now()).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("reports/4 in de: contact (GDPR Art. 13(1)(b))"), "{told}");
    })
    .await;
}

/// A text of an operator's own, as the demands of before let it pass.
fn written_before(version: u32) -> Notices {
    let files: Vec<(String, String)> = volens_privacy::LANGUAGES
        .into_iter()
        .map(|language| {
            let path = format!("privacy/notices/reports/2/{language}.md");
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.replace("version = 2", &format!("version = {version}"));
            let text = text.replace("id = \"reports\"", "id = \"survey\"");
            (format!("survey/{version}/{language}.md"), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    Notices::read(&files).unwrap()
}

#[tokio::test]
async fn a_notice_published_under_earlier_demands_stays_in_use() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (signer, now) = (world.keys.log_signer(), world.clock.now());
        let earlier = written_before(1);
        let lacks = "in de: data (GDPR Art. 14(1)(d))";
        let mut tx = world.db.begin().await.unwrap();
        let refused = publish_notices(&mut tx, &signer, &earlier, now).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(&format!("survey/1 {lacks}")), "nobody has seen it yet: {told}");

        // It was published by a version of this program that did not demand so much.
        let texts: Vec<&Notice> = earlier.all().iter().collect();
        let leaves: Vec<Leaf> = texts.iter().map(|text| notices::notice_leaf(text, now)).collect();
        let appended = ledger::append(&mut tx, &signer, &leaves, now).await.unwrap();
        store::add_notices(&mut tx, &texts, appended.first, now).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = world.db.begin().await.unwrap();
        let added = publish_notices(&mut tx, &signer, &earlier, now).await.unwrap();
        assert_eq!(added, 0, "the program starts");
        let refused = publish_notices(&mut tx, &signer, &written_before(2), now).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(&format!("survey/2 {lacks}")), "the next has to comply: {told}");
        drop(tx);

        let anna = world.account("messenger", "anna").await;
        let text = earlier.latest("survey", "en").unwrap();
        let request = DecisionsRequest::of("anna", text, PurposeKind::Reports, Decision::Given);
        let messenger = app("messenger");
        let intake =
            Intake::check(request, &messenger, &world.apps, &world.keys, &earlier, now).unwrap();
        let decide = intake.finish(&world.keys, &QUICK).unwrap();
        world.consents.submit(Command::Decide(decide)).await.unwrap().unwrap();
        let permits = async || {
            let consents = world.consents_of(anna).await.unwrap();
            let permit = consents.permit::<Reports>((), world.clock.now());
            permit.map(|permit| permit.notice().version).ok()
        };
        assert_eq!(permits().await, Some(1));
        world.clock.advance(364 * DAY);
        assert_eq!(permits().await, Some(1), "until it ends");
        world.clock.advance(2 * DAY);
        assert_eq!(permits().await, None);
    })
    .await;
}
