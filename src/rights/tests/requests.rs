//! Every request has its clock, which no crash and no forgetting stops.

use std::time::Duration;

use volens_privacy::Jurisdiction;
use volens_privacy::rights::RequestKind;
use volens_privacy::topics::Topics;

use super::super::requests::{
    Details, Extension, Means, RECEIPT_KIND, RefusalReason, Request, RequestId, SAID_MAX, Said,
    SignedReceipt, State, Swept, all, cancel, extend, meet, receive, refuse, said_open, say,
    subject_of, sweep,
};
use super::*;

const DAY: Duration = Duration::from_hours(24);

async fn received(world: &World, kind: RequestKind, subject: SubjectId, n: u64) -> Request {
    let id = RequestId::random(&mut world.rng(n));
    let (now, asked) = (world.clock.now(), (kind, AskedBy::App));
    let mut tx = world.db.begin().await.expect("begins");
    let of = (&app("messenger"), id);
    let whose = (Some(subject), None);
    let request = receive(&mut tx, &world.keys, of, asked, whose, (now, now)).await;
    tx.commit().await.expect("commits");
    request.expect("on record")
}

async fn met(
    world: &World,
    request: &Request,
    details: &Details,
    answer: Option<&str>,
) -> Result<Request, RightsError> {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(&directory);
    let means =
        Means { db: &world.db, keys: &world.keys, journal: &journal, recorder: &world.consents };
    let mut rng = world.rng(9);
    let answer = answer.map(|text| Said::new(text).expect("short").expect("words"));
    meet(&means, request, details, answer.as_ref(), &mut rng, world.clock.now()).await
}

async fn swept(world: &World) -> Swept {
    let mut tx = world.db.begin().await.expect("begins");
    let swept = sweep(&mut tx, world.clock.now()).await.expect("sweeps");
    tx.commit().await.expect("commits");
    swept
}

async fn kind_of(world: &World, entry: u64) -> LeafKind {
    let mut tx = world.db.read().await.expect("a snapshot");
    let leaves = ledger::leaves(&mut tx, &[entry]).await.expect("leaves");
    Leaf::parse(&leaves[&entry]).expect("a leaf").kind()
}

const SAID: Statement = Statement::new(
    "rights::tests",
    "SAID",
    "select said, answer from subject_request_accounts where subject = $1",
    "select said, answer from subject_request_accounts where subject = $1",
);

#[test]
fn what_is_said_has_bounds_and_no_control_characters() {
    let said = |typed: &str| Said::new(typed);
    for nothing in ["", " \r\n\t ", "\u{0}\u{7}", "\u{200b}\u{feff}", "\u{3164}", "?!"] {
        assert!(said(nothing).expect("nothing").is_none(), "{nothing:?}");
    }
    for something in ["40", "não", "年齢"] {
        assert!(said(something).expect("short").is_some(), "{something}");
    }
    assert!(said(&"é".repeat(SAID_MAX)).expect("just so many").is_some());
    let more = said(&"é".repeat(SAID_MAX + 1)).err();
    assert!(matches!(more, Some(RightsError::SaidTooMuch)));
}

#[tokio::test]
async fn what_is_said_with_a_request_is_sealed_read_by_whoever_handles_it_and_goes_with_the_account()
 {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, otto) = people(&world).await;
        let kind = RequestKind::Rectification;
        let (first, other) =
            (received(&world, kind, anna, 1).await, received(&world, kind, otto, 2).await);
        let text = "I live in Cork.\nNot in Dublin.";
        for typed in [" I live in Cork.\r\nNot in\u{0} Dublin.\n", "something else, later"] {
            let said = Said::new(typed).expect("short").expect("something");
            let mut tx = world.db.begin().await.expect("begins");
            let whose = (anna, &first);
            say(&mut tx, &world.keys, whose, &said, &mut world.rng(3)).await.expect("kept");
            tx.commit().await.expect("commits");
        }
        let open = async || {
            let mut tx = world.db.read().await.expect("a snapshot");
            said_open(&mut tx, &world.keys, 10).await.expect("they open")
        };
        let found = open().await;
        assert_eq!(found.get(&(first.app.clone(), first.id)).map(String::as_str), Some(text));
        assert!(!found.contains_key(&(other.app, other.id)), "nothing was said with that");

        let mut tx = world.db.read().await.expect("a snapshot");
        let row = tx.fetch_one(SAID, values![anna]).await.expect("a row");
        let sealed: Vec<u8> = row.get("said").expect("bytes");
        assert!(!sealed.windows(4).any(|part| part == b"Cork"), "it is sealed");
        drop(tx);
        let export = access::exported(&world, anna).await.export;
        assert_eq!(export.requests[0].said.as_deref(), Some(text));
        let export = access::exported(&world, otto).await.export;
        assert_eq!(export.requests[0].said, None, "nothing of somebody else");

        let answer = "It says Cork now.";
        let done = met(&world, &first, &Details::default(), Some(answer)).await.expect("by hand");
        assert_eq!(done.outcome.as_deref(), Some("rectified"));
        let mut tx = world.db.read().await.expect("a snapshot");
        let row = tx.fetch_one(SAID, values![anna]).await.expect("a row");
        let sealed: Vec<u8> = row.get("answer").expect("bytes");
        assert!(!sealed.windows(4).any(|part| part == b"Cork"), "it is sealed");
        drop(tx);
        let export = access::exported(&world, anna).await.export;
        assert_eq!(export.requests[0].answer.as_deref(), Some(answer));

        let directory = tempfile::tempdir().expect("a directory");
        let now = world.clock.now();
        erase_for_good(&world.db, &world.keys, &journal(&directory), anna, now)
            .await
            .expect("done");
        assert!(open().await.is_empty(), "it went with the account");
        let mut tx = world.db.read().await.expect("a snapshot");
        assert!(tx.fetch(SAID, values![anna]).await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_can_be_done_at_once_is_done_and_recorded_as_completed() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let none = Details::default();
        let topic = Topics::builtin().check("sport.running").expect("a topic");
        let denied = Details { denied: vec![topic], ..Details::default() };
        let outcomes = [
            (RequestKind::Access, &none, "available"),
            (RequestKind::Portability, &none, "available"),
            (RequestKind::Rectification, &denied, "rectified"),
            (RequestKind::Restriction, &none, "restricted"),
            (RequestKind::Objection, &none, "objected"),
            (RequestKind::Erasure, &none, "erased"),
        ];
        for (n, (kind, details, outcome)) in outcomes.into_iter().enumerate() {
            let request = received(&world, kind, anna, n as u64).await;
            assert_eq!(kind_of(&world, request.received_entry).await, LeafKind::RequestReceived);
            let done = met(&world, &request, details, None).await.expect("met");
            assert_eq!((done.state, done.outcome.as_deref()), (State::Completed, Some(outcome)));
            let entry = done.closed_entry.expect("on record");
            assert_eq!(kind_of(&world, entry).await, LeafKind::RequestClosed);
            let signed = SignedReceipt::of(&done, &world.keys).expect("signed");
            let log = world.keys.log_verifier();
            log.verify_document(RECEIPT_KIND, &signed.receipt, &signed.signature)
                .expect("verifies");
            assert_eq!(met(&world, &done, details, None).await.expect("once"), done);
        }
        assert_eq!(find(&world, "anna").await, None);
        let mut tx = world.db.read().await.expect("a snapshot");
        let kept = all(&mut tx, 100).await.expect("reads");
        assert_eq!(kept.len(), 6, "that they were answered is still to be shown");
        for request in &kept {
            let whose = subject_of(&mut tx, &request.app, request.id).await.expect("reads");
            assert_eq!(whose, None, "and not whose they were");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_needs_a_person_reminds_escalates_and_is_answered() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, otto) = people(&world).await;
        let first = received(&world, RequestKind::Rectification, anna, 1).await;
        let none = Details::default();
        let open = met(&world, &first, &none, None).await.expect("waits");
        assert!(open.is_open(), "nobody can tell by machine what is wrong");
        let due = first.due_at.since(first.received_at);
        world.clock.advance(due.saturating_sub(8 * DAY));
        assert_eq!(swept(&world).await, Swept::default());
        let second = received(&world, RequestKind::Rectification, otto, 2).await;
        world.clock.advance(DAY);
        assert_eq!(swept(&world).await, Swept { reminded: 1, escalated: 0 });
        assert_eq!(swept(&world).await, Swept::default(), "said once");

        let mut tx = world.db.begin().await.expect("begins");
        let now = world.clock.now();
        let longer = extend(&mut tx, &first, Extension::Complexity, now).await.expect("in time");
        assert_eq!(longer.due_at, Jurisdiction::Gdpr.extended(first.received_at).expect("known"));
        let again = extend(&mut tx, &first, Extension::Complexity, now).await;
        assert!(matches!(again, Err(RightsError::NotExtendable)), "once");
        let order: Vec<_> = all(&mut tx, 9).await.expect("reads").iter().map(|r| r.id).collect();
        assert_eq!(order, [second.id, first.id], "what is due first comes first");
        tx.commit().await.expect("commits");

        world.clock.advance(longer.due_at.since(now) + DAY);
        assert_eq!(swept(&world).await, Swept { reminded: 2, escalated: 2 });
        assert_eq!(swept(&world).await, Swept::default());
        let done = met(&world, &longer, &none, Some("It is 40 now.")).await.expect("by hand");
        assert_eq!(done.outcome.as_deref(), Some("rectified"));
        let now = world.clock.now();
        let reason = RefusalReason::DataAccurate;
        let refused = refuse(&world.db, &world.keys, &second, reason, now).await.expect("refused");
        assert_eq!(
            (refused.state, refused.outcome.as_deref()),
            (State::Refused, Some("data_accurate"))
        );
        let late = cancel(&world.db, &world.keys, &second, now).await;
        assert!(matches!(late, Err(RightsError::RequestClosed)));
        world.clock.advance(4 * 366 * DAY);
        swept(&world).await;
        let mut tx = world.db.read().await.expect("a snapshot");
        assert_eq!(all(&mut tx, 9).await.expect("reads"), []);
    })
    .await;
}

#[tokio::test]
async fn the_clock_is_that_of_the_persons_law_and_an_objection_cannot_be_refused() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let (now, id) = (world.clock.now(), RequestId::random(&mut world.rng(1)));
        let mut tx = world.db.begin().await.expect("begins");
        let (of, messenger) = (id, app("messenger"));
        let mut receive_as = async |kind, law| {
            let whose = (Some(anna), law);
            let asked = (kind, AskedBy::Person);
            receive(&mut tx, &world.keys, (&messenger, of), asked, whose, (now, now)).await
        };
        let lgpd = receive_as(RequestKind::Objection, Some(Jurisdiction::Lgpd)).await.expect("new");
        assert_eq!(lgpd.due_at, now.plus(15 * DAY));
        let again = receive_as(RequestKind::Objection, None).await.expect("the same");
        assert_eq!(again, lgpd);
        let other = receive_as(RequestKind::Access, None).await;
        assert!(matches!(other, Err(RightsError::RequestDiffers)));
        let longer = extend(&mut tx, &lgpd, Extension::NumberOfRequests, now).await;
        assert!(matches!(longer, Err(RightsError::NotExtendable)), "not under that law");
        tx.commit().await.expect("commits");
        let reason = RefusalReason::Excessive;
        let refused = refuse(&world.db, &world.keys, &lgpd, reason, now).await;
        assert!(matches!(refused, Err(RightsError::NotRefusable)));
        let taken_back = cancel(&world.db, &world.keys, &lgpd, now).await.expect("open");
        assert_eq!(taken_back.state, State::Cancelled);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().replace('-', "").parse::<RequestId>().is_err());
    })
    .await;
}
