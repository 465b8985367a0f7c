use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::age::AgeBand;
use crate::identity::{AppId, LinkError, LinkToken, SubjectId, link};
use crate::keys::DataKey;
use crate::notice::Notices;
use crate::phone::PhoneEncoding;
use crate::purpose::{
    BotMemory, BusinessMessages, CrossAppLinking, FollowUp, ModelTraining, PurposeKind, Relevance,
    Reports,
};
use crate::time::Timestamp;

const ME: SubjectId = SubjectId::from_bytes([1; 16]);
const DAY: Duration = Duration::from_hours(24);

fn key() -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(1))
}

fn app(name: &str) -> AppId {
    AppId::parse(name).unwrap()
}

/// The time `minutes` after the beginning of the test's world.
fn at(minutes: u64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).plus(Duration::from_mins(minutes))
}

fn record(decision: Decision, purpose: PurposeKind, minutes: u64) -> ConsentRecord {
    let notice = Notices::builtin().latest_for(purpose, "en").unwrap();
    ConsentRecord {
        id: [minutes as u8; 16],
        subject: ME,
        app: app("messenger"),
        purpose,
        peer: purpose.definition().needs_peer().then(|| app("photo")),
        decision,
        notice: (decision == Decision::Given).then(|| notice.reference(None)),
        requested_at: None,
        decided_at: at(minutes),
        recorded_at: at(minutes),
        expires_at: None,
        phone: None,
        evidence: None,
        assessment: None,
        chain: None,
    }
}

fn entry(index: u64, record: ConsentRecord) -> Entry {
    Entry { index, leaf: record.leaf(&key()).bytes(), record }
}

fn replay(records: Vec<ConsentRecord>) -> Consents {
    let entries = records.into_iter().zip(10..).map(|(record, index)| entry(index, record));
    Consents::replay(ME, AgeBand::Unknown, &key(), entries.collect()).unwrap()
}

fn relevance(decision: Decision, minutes: u64) -> ConsentRecord {
    record(decision, PurposeKind::Relevance, minutes)
}

fn refusal(consents: &Consents, now: Timestamp) -> Option<Refusal> {
    consents.permit::<Relevance>((), now).err()
}

#[test]
fn a_permit_tells_what_it_rests_on() {
    let consents = replay(vec![relevance(Decision::Given, 5)]);
    let permit = consents.permit::<Relevance>((), at(6)).unwrap();
    assert_eq!((permit.subject(), permit.entry()), (ME, 10));
    assert_eq!((permit.app(), permit.peer()), (&app("messenger"), None));
    assert_eq!((permit.notice().id.as_str(), permit.notice().version), ("messages", 5));
    assert_eq!(permit.expires_at(), at(5).plus(365 * DAY));
    assert_eq!(permit.leaf(), consents.history()[0].leaf);
    let doubled = permit.attach(21).map(|value| value * 2);
    assert_eq!((*doubled.value(), doubled.permit().entry()), (42, 10));
}

#[test]
fn consent_for_one_purpose_permits_no_other() {
    let consents = replay(vec![relevance(Decision::Given, 1)]);
    let now = at(2);
    assert!(consents.permit::<Relevance>((), now).is_ok());
    assert_eq!(consents.permit::<BusinessMessages>((), now).err(), Some(Refusal::Absent));
    assert_eq!(consents.permit::<BotMemory>((), now).err(), Some(Refusal::Absent));
    assert_eq!(consents.permit::<FollowUp>((), now).err(), Some(Refusal::Absent));
    assert_eq!(consents.permit::<ModelTraining>((), now).err(), Some(Refusal::Absent));
    assert_eq!(consents.permit::<Reports>((), now).err(), Some(Refusal::Absent));
    let linking = consents.permit::<CrossAppLinking>(app("photo"), now);
    assert_eq!(linking.err(), Some(Refusal::Absent));
}

#[test]
fn consent_for_one_peer_permits_no_other() {
    let consents = replay(vec![record(Decision::Given, PurposeKind::CrossAppLinking, 1)]);
    let permit = consents.permit::<CrossAppLinking>(app("photo"), at(2)).unwrap();
    assert_eq!(permit.peer(), Some(&app("photo")));
    let other = consents.permit::<CrossAppLinking>(app("social"), at(2));
    assert_eq!(other.err(), Some(Refusal::Absent));
}

#[test]
fn each_ending_has_its_own_refusal() {
    let after = |decision| {
        let consents = replay(vec![relevance(Decision::Given, 1), relevance(decision, 2)]);
        refusal(&consents, at(3))
    };
    assert_eq!(after(Decision::Withdrawn), Some(Refusal::Withdrawn));
    assert_eq!(after(Decision::Refused), Some(Refusal::Refused));
    assert_eq!(after(Decision::Expired), Some(Refusal::Expired));
    assert_eq!(after(Decision::Given), None);
    assert_eq!(refusal(&replay(vec![]), at(3)), Some(Refusal::Absent));
}

#[test]
fn a_permit_begins_with_the_decision_and_ends_to_the_microsecond() {
    let mut given = relevance(Decision::Given, 5);
    given.expires_at = Some(at(7));
    let consents = replay(vec![given]);
    let tick = Duration::from_micros(1);
    assert_eq!(refusal(&consents, at(5).minus(tick)), Some(Refusal::Absent));
    assert_eq!(refusal(&consents, at(5)), None);
    assert_eq!(refusal(&consents, at(7).minus(tick)), None);
    assert_eq!(refusal(&consents, at(7)), Some(Refusal::Expired));
}

#[test]
fn no_consent_outlasts_its_purpose() {
    let mut given = relevance(Decision::Given, 5);
    given.expires_at = Some(at(5).plus(5_000 * DAY));
    let consents = replay(vec![given]);
    let limit = at(5).plus(365 * DAY);
    assert_eq!(refusal(&consents, limit.minus(Duration::from_micros(1))), None);
    assert_eq!(refusal(&consents, limit), Some(Refusal::Expired));
}

#[test]
fn a_consent_that_arrives_late_does_not_undo_a_withdrawal() {
    let mut late = relevance(Decision::Given, 1);
    late.recorded_at = at(9);
    late.id = [9; 16];
    let consents =
        replay(vec![relevance(Decision::Given, 1), relevance(Decision::Withdrawn, 5), late]);
    assert_eq!(refusal(&consents, at(10)), Some(Refusal::Withdrawn));
}

#[test]
fn a_withdrawal_counts_even_if_it_claims_to_be_older() {
    let mut withdrawn = relevance(Decision::Withdrawn, 6);
    withdrawn.decided_at = at(1);
    let consents = replay(vec![relevance(Decision::Given, 5), withdrawn]);
    assert_eq!(refusal(&consents, at(7)), Some(Refusal::Withdrawn));
}

#[test]
fn a_clock_running_ahead_does_not_block_or_extend() {
    let mut withdrawn = relevance(Decision::Withdrawn, 5);
    withdrawn.decided_at = at(1_000_000);
    let consents = replay(vec![withdrawn, relevance(Decision::Given, 6)]);
    assert_eq!(refusal(&consents, at(7)), None);

    let mut given = relevance(Decision::Given, 5);
    given.decided_at = at(5).plus(3_000 * DAY);
    let consents = replay(vec![given]);
    assert_eq!(refusal(&consents, at(5).plus(365 * DAY)), Some(Refusal::Expired));
}

#[test]
fn minors_get_no_permit_for_what_profiles_or_advertises() {
    let all: Vec<Entry> = PurposeKind::ALL
        .into_iter()
        .zip(1..)
        .map(|(purpose, minute)| entry(minute, record(Decision::Given, purpose, minute)))
        .collect();
    let codes = |age| {
        let consents = Consents::replay(ME, age, &key(), all.clone()).unwrap();
        let now = at(20);
        [
            consents.permit::<CrossAppLinking>(app("photo"), now).err(),
            consents.permit::<Relevance>((), now).err(),
            consents.permit::<BusinessMessages>((), now).err(),
            consents.permit::<ModelTraining>((), now).err(),
            consents.permit::<BotMemory>((), now).err(),
            consents.permit::<FollowUp>((), now).err(),
            consents.permit::<Reports>((), now).err(),
        ]
    };
    let young = Some(Refusal::Underage);
    assert_eq!(codes(AgeBand::Under16), [young; 7]);
    assert_eq!(codes(AgeBand::From16To17), [young, young, young, young, None, None, None]);
    for adult in [AgeBand::Unknown, AgeBand::From18To24, AgeBand::From65] {
        assert_eq!(codes(adult), [None; 7], "{adult}");
    }
}

mod verification {
    use super::*;

    fn error(entries: Vec<Entry>) -> Option<ConsentError> {
        Consents::replay(ME, AgeBand::Unknown, &key(), entries).err()
    }

    fn two() -> Vec<Entry> {
        vec![entry(4, relevance(Decision::Given, 1)), entry(9, relevance(Decision::Withdrawn, 2))]
    }

    #[test]
    fn entries_swapped_or_repeated_are_refused() {
        let swapped = two().into_iter().rev().collect();
        assert_eq!(error(swapped), Some(ConsentError::Order { index: 4 }));
        let repeated = two().into_iter().chain(two()).collect();
        assert_eq!(error(repeated), Some(ConsentError::Order { index: 4 }));
        let twice = vec![two()[0].clone(), two()[0].clone()];
        assert_eq!(error(twice), Some(ConsentError::Order { index: 4 }));
        // exchanging only the records, or only the leaves, does not help
        let mut exchanged = two();
        exchanged[0].record = two()[1].record.clone();
        assert_eq!(error(exchanged), Some(ConsentError::Leaf { index: 4 }));
        let mut exchanged = two();
        exchanged[1].leaf = two()[0].leaf.clone();
        assert_eq!(error(exchanged), Some(ConsentError::Leaf { index: 9 }));
    }

    #[test]
    fn an_altered_field_is_refused() {
        type Change = fn(&mut ConsentRecord);
        let changes: [Change; 9] = [
            |record| record.id = [77; 16],
            |record| record.purpose = PurposeKind::BusinessMessages,
            |record| record.peer = Some(app("photo")),
            |record| record.decision = Decision::Given,
            |record| record.decided_at = at(50),
            |record| record.recorded_at = at(2).plus(Duration::from_micros(1)),
            |record| record.expires_at = Some(at(60)),
            |record| record.evidence = Some(serde_json::json!({"forged": true})),
            |record| {
                record.phone =
                    Some(PhoneEvidenceLabel { encoding: PhoneEncoding::E164, verified_at: None });
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut entries = two();
            change(&mut entries[1].record);
            assert_eq!(error(entries), Some(ConsentError::Leaf { index: 9 }), "change {number}");
        }
    }

    #[test]
    fn an_altered_leaf_is_refused() {
        for position in 0..two()[1].leaf.len() {
            let mut entries = two();
            entries[1].leaf[position] ^= 1;
            assert_eq!(error(entries), Some(ConsentError::Leaf { index: 9 }), "byte {position}");
        }
    }

    #[test]
    fn entries_of_another_account_app_or_key_are_refused() {
        let mut entries = two();
        let mut stranger = relevance(Decision::Given, 3);
        stranger.subject = SubjectId::from_bytes([2; 16]);
        entries.push(entry(10, stranger));
        assert_eq!(error(entries), Some(ConsentError::OtherSubject { index: 10 }));

        let mut entries = two();
        let mut elsewhere = relevance(Decision::Given, 3);
        elsewhere.app = app("photo");
        entries.push(entry(10, elsewhere));
        assert_eq!(error(entries), Some(ConsentError::OtherApp { index: 10 }));

        let other = DataKey::generate(&mut StdRng::seed_from_u64(2));
        let replayed = Consents::replay(ME, AgeBand::Unknown, &other, two());
        assert_eq!(replayed.err(), Some(ConsentError::Leaf { index: 4 }));
    }

    #[test]
    fn incomplete_records_are_refused_even_if_committed() {
        let mut no_notice = relevance(Decision::Given, 1);
        no_notice.notice = None;
        assert_eq!(error(vec![entry(1, no_notice)]), Some(ConsentError::NoticeMissing));
        let mut no_peer = record(Decision::Withdrawn, PurposeKind::CrossAppLinking, 1);
        no_peer.peer = None;
        assert_eq!(error(vec![entry(1, no_peer)]), Some(ConsentError::Peer));
        let mut own_peer = record(Decision::Given, PurposeKind::CrossAppLinking, 1);
        own_peer.peer = Some(own_peer.app.clone());
        assert_eq!(error(vec![entry(1, own_peer)]), Some(ConsentError::Peer));
        let mut peer = relevance(Decision::Given, 1);
        peer.peer = Some(app("photo"));
        assert_eq!(error(vec![entry(1, peer)]), Some(ConsentError::Peer));
    }
}

mod linking {
    use super::*;

    const YOU: SubjectId = SubjectId::from_bytes([2; 16]);

    fn consents(subject: SubjectId, own: &str, peer: &str) -> Consents {
        let mut given = record(Decision::Given, PurposeKind::CrossAppLinking, 1);
        (given.subject, given.app, given.peer) = (subject, app(own), Some(app(peer)));
        Consents::replay(subject, AgeBand::Unknown, &key(), vec![entry(1, given)]).unwrap()
    }

    fn joined(first: &Consents, peer: &str, second: &Consents, back: &str) -> Option<LinkError> {
        let first = first.permit::<CrossAppLinking>(app(peer), at(2)).unwrap();
        let second = second.permit::<CrossAppLinking>(app(back), at(2)).unwrap();
        let token = LinkToken::from_bytes([3; 48]);
        link(&first, &second, &token, &token).err()
    }

    #[test]
    fn two_consents_that_name_each_other_and_equal_tokens_link() {
        let (mine, yours) =
            (consents(ME, "messenger", "photo"), consents(YOU, "photo", "messenger"));
        let first = mine.permit::<CrossAppLinking>(app("photo"), at(2)).unwrap();
        let second = yours.permit::<CrossAppLinking>(app("messenger"), at(2)).unwrap();
        let token = LinkToken::from_bytes([3; 48]);
        let linked = link(&first, &second, &token, &token).ok().unwrap();
        assert_eq!(linked.subjects(), (ME, YOU));
        assert_eq!(linked.apps(), (&app("messenger"), &app("photo")));
        let mut other = [3; 48];
        other[47] ^= 1;
        let differs = link(&first, &second, &token, &LinkToken::from_bytes(other));
        assert_eq!(differs.err(), Some(LinkError::TokensDiffer));
    }

    #[test]
    fn links_are_mutual_and_not_transitive() {
        let me = consents(ME, "messenger", "photo");
        let elsewhere = consents(YOU, "photo", "social");
        assert_eq!(joined(&me, "photo", &elsewhere, "social"), Some(LinkError::NotMutual));
        let away = consents(ME, "messenger", "social");
        let back = consents(YOU, "photo", "messenger");
        assert_eq!(joined(&away, "social", &back, "messenger"), Some(LinkError::NotMutual));
        let social = consents(YOU, "social", "photo");
        assert_eq!(joined(&me, "photo", &social, "photo"), Some(LinkError::NotMutual));
        let myself = consents(ME, "photo", "messenger");
        assert_eq!(joined(&me, "photo", &myself, "messenger"), Some(LinkError::NotMutual));
        assert_eq!(joined(&me, "photo", &me, "photo"), Some(LinkError::NotMutual));
    }
}

/// What the rules say, written once more and as simply as possible: look at the decisions on one
/// purpose and peer in the order of the ledger and remember the last one that counts.
fn reference(records: &[ConsentRecord], of: &ConsentRecord, now: Timestamp) -> Option<Refusal> {
    let mut last: Option<&ConsentRecord> = None;
    let mut ended = Timestamp::MIN;
    for record in records.iter().filter(|r| (r.purpose, &r.peer) == (of.purpose, &of.peer)) {
        let taken = record.decided_at.min(record.recorded_at);
        match record.decision {
            Decision::Given if taken < ended => {}
            Decision::Given => last = Some(record),
            _ => {
                last = Some(record);
                ended = ended.max(taken);
            }
        }
    }
    let Some(last) = last else { return Some(Refusal::Absent) };
    let taken = last.decided_at.min(last.recorded_at);
    let days = if last.purpose == PurposeKind::FollowUp { 183 } else { 365 };
    let longest = taken.plus(days * DAY);
    let ends = last.expires_at.unwrap_or(longest).min(longest);
    match last.decision {
        Decision::Withdrawn => Some(Refusal::Withdrawn),
        Decision::Refused => Some(Refusal::Refused),
        Decision::Expired => Some(Refusal::Expired),
        Decision::Given if now < taken => Some(Refusal::Absent),
        Decision::Given if ends <= now => Some(Refusal::Expired),
        Decision::Given => None,
    }
}

fn any_record() -> impl Strategy<Value = ConsentRecord> {
    let purposes = [PurposeKind::CrossAppLinking, PurposeKind::Relevance, PurposeKind::FollowUp];
    let decisions = prop::sample::select(Decision::ALL.to_vec());
    let peers = prop::sample::select(vec!["photo", "social"]);
    let lasts = prop::option::of(0_u64..30);
    (
        any::<[u8; 16]>(),
        prop::sample::select(purposes.to_vec()),
        decisions,
        peers,
        0_u64..40,
        0_u64..40,
        lasts,
    )
        .prop_map(|(id, purpose, decision, peer, decided, recorded, lasts)| {
            let mut made = record(decision, purpose, recorded);
            made.id = id;
            made.peer = made.peer.map(|_| app(peer));
            made.decided_at = at(decided);
            made.expires_at = lasts.map(|minutes| at(decided + minutes));
            made
        })
}

/// The record with every member that it may have, the app's own `told` or not.
fn complete(record: ConsentRecord, told: bool) -> ConsentRecord {
    let notice = Notices::builtin().latest_for(record.purpose, "en").unwrap();
    let verified_at = Some(record.decided_at);
    ConsentRecord {
        notice: Some(NoticeRef {
            published: Some(Published { at: record.decided_at, entry: 3 }),
            ..notice.reference(Some([7; 32]))
        }),
        assessment: Some(AssessmentRef { entry: 4, name: "linking/2".to_owned(), sha256: [9; 32] }),
        chain: Some(Chain { previous: told.then(|| Previous::of(&record)) }),
        requested_at: Some(record.decided_at),
        expires_at: Some(record.decided_at.plus(DAY)),
        phone: Some(PhoneEvidenceLabel { encoding: PhoneEncoding::E164, verified_at }),
        evidence: told.then(|| serde_json::json!({"z": 1, "a": {"\u{e000}": 2, "\u{1f600}": 3}})),
        ..record
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn replay_agrees_with_the_reference(
        records in prop::collection::vec(any_record(), 0..12),
        minutes in 0_u64..80,
        days in prop::sample::select(vec![0_u32, 0, 182, 183, 364, 365]),
    ) {
        let now = at(minutes).plus(days * DAY);
        let consents = replay(records.clone());
        for asked in &records {
            let expected = reference(&records, asked, now);
            let found = match (&asked.peer, asked.purpose) {
                (Some(peer), _) => consents.permit::<CrossAppLinking>(peer.clone(), now).err(),
                (None, PurposeKind::Relevance) => consents.permit::<Relevance>((), now).err(),
                (None, _) => consents.permit::<FollowUp>((), now).err(),
            };
            prop_assert_eq!(found, expected);
            let shown = consents.deciding(asked.purpose, asked.peer.as_ref(), now).err();
            prop_assert_eq!(shown, expected);
        }
    }

    #[test]
    fn after_a_withdrawal_there_is_no_permit_whatever_came_before(
        records in prop::collection::vec(any_record(), 0..12),
        minutes in 0_u64..200,
    ) {
        let mut records = records;
        records.push(relevance(Decision::Withdrawn, 41));
        let consents = replay(records);
        prop_assert_eq!(refusal(&consents, at(minutes)), Some(Refusal::Withdrawn));
    }

    #[test]
    fn records_survive_json(record in any_record(), shown in any::<bool>(), told in any::<bool>()) {
        let record = if shown { complete(record, told) } else { record };
        let text = serde_json::to_string(&record).unwrap();
        let read: ConsentRecord = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.canonical_bytes(), record.canonical_bytes());
        prop_assert_eq!(serde_jcs::to_vec(&record).unwrap(), record.canonical_bytes());
        prop_assert!(read == record);
    }
}

#[test]
fn leaves_say_nothing_about_whom() {
    let mut given = record(Decision::Given, PurposeKind::CrossAppLinking, 5);
    given.recorded_at = at(5).plus(Duration::from_secs(17));
    given.evidence = Some(serde_json::json!({"note": "visible"}));
    let leaf = given.leaf(&key());
    let text = String::from_utf8(leaf.bytes()).unwrap();
    assert!(!text.contains(&ME.to_string()) && !text.contains("visible"), "{text}");
    assert_eq!(leaf.at(), given.recorded_at.minute());
    assert_eq!((leaf.app(), leaf.peer()), (Some(&app("messenger")), Some(&app("photo"))));
    assert_eq!(leaf.purpose(), Some(PurposeKind::CrossAppLinking));
    // two accounts with the same decision in the same minute cannot be told to be the same
    let mut second = given.clone();
    second.id = [99; 16];
    assert_ne!(leaf.commitment(), second.leaf(&key()).commitment());
}

#[test]
fn a_moment_knows_only_what_was_recorded_by_then() {
    let mut late = relevance(Decision::Withdrawn, 20);
    late.decided_at = at(10);
    let consents = replay(vec![relevance(Decision::Given, 5), late]);
    let told = |minutes| {
        let all = moments(consents.history(), at(minutes));
        all.first().map(|moment| (moment.entry.index, moment.refusal))
    };
    assert_eq!(told(4), None, "nothing was on record");
    assert_eq!(told(5), Some((10, None)));
    assert_eq!(told(15), Some((10, None)), "the withdrawal had not arrived");
    assert_eq!(told(20), Some((11, Some(Refusal::Withdrawn))));
    let consents = replay(vec![relevance(Decision::Given, 5)]);
    let year = consents.history()[0].record.ends_at();
    assert_eq!(moments(consents.history(), year)[0].refusal, Some(Refusal::Expired));
}

#[test]
fn what_was_recorded_later_is_told_apart() {
    let mut imported = relevance(Decision::Given, 20);
    imported.decided_at = at(5);
    let mut late = relevance(Decision::Withdrawn, 30);
    late.decided_at = at(10);
    let consents = replay(vec![imported, late]);
    let told = |minutes| {
        let all = told_since(consents.history(), at(minutes));
        all.first().map(|moment| (moment.entry.index, moment.refusal))
    };
    assert_eq!(told(4), None, "nobody had decided");
    assert_eq!(told(7), Some((10, None)), "it was given and had not arrived");
    assert_eq!(told(15), Some((11, Some(Refusal::Withdrawn))));
    assert_eq!(
        told(25),
        Some((11, Some(Refusal::Withdrawn))),
        "the consent was known, its end not"
    );
    assert_eq!(told(30), None, "everything was on record");
    assert_eq!(moments(consents.history(), at(7)).len(), 0);
}

proptest! {
    /// At the present, a moment and a permit say the same.
    #[test]
    fn moments_and_permits_agree(
        steps in prop::collection::vec((0_usize..4, 0_u64..30, 0_u64..30), 0..12),
        then in 0_u64..60,
    ) {
        let mut recorded = 0;
        let records = steps.into_iter().map(|(decision, decided, later)| {
            let mut record = relevance(Decision::ALL[decision], 0);
            recorded += later;
            (record.decided_at, record.recorded_at) = (at(decided), at(recorded));
            let notice = Notices::builtin().latest_for(PurposeKind::Relevance, "en").unwrap();
            record.notice = Some(notice.reference(None));
            record
        });
        let consents = replay(records.collect());
        let now = at(recorded + then);
        let moment = moments(consents.history(), now);
        prop_assert!(told_since(consents.history(), now).is_empty());
        let permit = consents.permit::<Relevance>((), now);
        match moment.first() {
            None => prop_assert_eq!(permit.err(), Some(Refusal::Absent)),
            Some(moment) => {
                prop_assert_eq!(permit.as_ref().err().copied(), moment.refusal);
                if let Ok(permit) = permit {
                    prop_assert_eq!(permit.entry(), moment.entry.index);
                }
            }
        }
    }
}
