//! `Debug` of everything that holds a person or a secret shows nothing of it.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::encoding::{base64, hex};
use crate::*;

/// The bytes must not occur in the text in any spelling that `Debug` could give them.
fn hides(shown: &str, secret: &[u8]) {
    let list = format!("{secret:?}");
    let spellings = [
        hex(secret),
        hex(secret).to_uppercase(),
        base64(secret),
        list[1..list.len() - 1].to_owned(),
        String::from_utf8_lossy(secret).into_owned(),
    ];
    for spelling in spellings {
        assert!(!shown.contains(&spelling), "{shown} shows {spelling}");
    }
}

#[test]
fn ids_and_tags_hide_their_bytes() {
    let bytes: [u8; 48] = std::array::from_fn(|at| 65 + at as u8);
    let short: [u8; 16] = *bytes.first_chunk().unwrap();
    hides(&format!("{:?}", SubjectId::from_bytes(short)), &short);
    hides(&format!("{:#?}", Some(SubjectId::from_bytes(short))), &short);
    hides(&format!("{:?}", RecipientId::from_bytes(short)), &short);
    hides(&format!("{:?}", AccountTag::from_bytes(bytes)), &bytes);
    hides(&format!("{:?}", LinkToken::from_bytes(bytes)), &bytes);
    assert_eq!(format!("{:?}", SubjectId::from_bytes(short)), "SubjectId(redacted)");
}

#[test]
fn phones_and_keys_hide_their_bytes() {
    let number = PhoneNumber::parse("+4915112345678", None).ok().unwrap();
    let evidence = PhoneEvidence::from(number);
    hides(&format!("{evidence:?}"), b"4915112345678");
    let canonical = evidence.in_space(PhoneSpace::Plus).unwrap();
    hides(&format!("{canonical:?}"), canonical.as_bytes());

    let mut rng = StdRng::seed_from_u64(1);
    let ring = KeyRing::generate(&mut rng, Timestamp::from_micros(0));
    let cost = StretchCost { memory_kib: 8, passes: 1 };
    assert_eq!(format!("{:?}", ring.stretch(&canonical, &cost).unwrap()), "Stretched(redacted)");
    assert_eq!(format!("{:?}", DataKey::generate(&mut rng)), "DataKey(redacted)");
}

#[test]
fn records_entries_and_receipts_hide_the_person() {
    let subject = SubjectId::from_bytes([65; 16]);
    let app = AppId::parse("messenger").unwrap();
    let purpose = PurposeKind::Relevance;
    let record = ConsentRecord {
        id: [66; 16],
        subject,
        app,
        purpose,
        peer: None,
        decision: Decision::Given,
        notice: Notices::builtin().latest_for(purpose, "en").map(|notice| notice.reference(None)),
        requested_at: None,
        decided_at: Timestamp::from_micros(0),
        recorded_at: Timestamp::from_micros(0),
        expires_at: None,
        phone: None,
        evidence: Some(serde_json::json!({"name": "Alice"})),
        assessment: None,
        chain: None,
    };
    let key = DataKey::generate(&mut StdRng::seed_from_u64(1));
    let entry = Entry { index: 1, leaf: record.leaf(&key).bytes(), record: record.clone() };
    let consents = Consents::replay(subject, AgeBand::Unknown, &key, vec![entry.clone()]).unwrap();
    let permit = consents.permit::<purpose::Relevance>((), Timestamp::from_micros(1)).unwrap();
    let shown =
        format!("{record:?} {entry:?} {consents:?} {permit:?} {:?}", permit.attach("Alice"));
    hides(&shown, subject.as_bytes());
    hides(&shown, b"Alice");
    hides(&shown, b"Relevance");
    assert!(shown.contains("Permit(relevance, entry 1)"), "{shown}");
}
