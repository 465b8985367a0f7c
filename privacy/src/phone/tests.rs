use proptest::prelude::*;

use super::*;

/// Numbers with the encodings that Google's, Meta's and UID2's own libraries give.
const VECTORS: [(&str, Option<&str>, [&str; 4]); 8] = [
    ("1 (234) 567-8901", Some("US"), UID2_DOCS),
    ("+1 650-253-1234", None, MOUNTAIN_VIEW),
    ("0151 12345678", Some("DE"), GERMAN),
    ("+49 (0)151 12345678", Some("DE"), GERMAN),
    ("+49 (0)151 12345678", None, GERMAN),
    ("0049 151 12345678", Some("DE"), GERMAN),
    ("0491 570 006", Some("AU"), AUSTRALIAN),
    ("06 1234 5678", Some("IT"), ROMAN),
];

const UID2_DOCS: [&str; 4] = [
    "+12345678901",
    "10e6f0b47054a83359477dcb35231db6de5c69fb1816e1a6b98e192de9e5b9ee",
    "254aa248acb47dd654ca3ea53f48c2c26d641d23d7e2e93a1ec56258df7674c4",
    "EObwtHBUqDNZR33LNSMdtt5cafsYFuGmuY4ZLenlue4=",
];
const MOUNTAIN_VIEW: [&str; 4] = [
    "+16502531234",
    "e101d1333c2310c83a1f96c4e0c12aa18b151ee0baaa2db3998ee3797d74b685",
    "bd7b52a0fffc6680469135b69d575132a985a745c9c5bb754c0a00b4cd0c73fe",
    "4QHRMzwjEMg6H5bE4MEqoYsVHuC6qi2zmY7jeX10toU=",
];
const GERMAN: [&str; 4] = [
    "+4915112345678",
    "536afd523e19dc83fccba822ef5e4ca646111314aaf0aa286667c5bea18dd70b",
    "8efb96404be52f6109b9db0f687274a81e9e3cc23fabd6f0da5d38baa3d2facd",
    "U2r9Uj4Z3IP8y6gi715MpkYRExSq8KooZmfFvqGN1ws=",
];
const AUSTRALIAN: [&str; 4] = [
    "+61491570006",
    "858658053d2e122b7d9ddef2f65e42e738e7421be32b7a91df35aeb3e8fcce8f",
    "e416e589669758da9d47418c8bd6438405c6630216d3b50eedd3a596342b6088",
    "hYZYBT0uEit9nd7y9l5C5zjnQhvjK3qR3zWus+j8zo8=",
];
const ROMAN: [&str; 4] = [
    "+390612345678",
    "37b702607839d6dc5fc81d95b52e550e336413bf7ae2e04cafeca79f066ea44b",
    "472e1123cd4e2f66f1df06bd488dc6135dab8f80cbfcc4af144d042c005f0fb2",
    "N7cCYHg51txfyB2VtS5VDjNkE7964uBMr+ynnwZupEs=",
];

fn parsed(text: &str, region: Option<&str>) -> PhoneNumber {
    PhoneNumber::parse(text, region).ok().unwrap_or_else(|| panic!("{text} is a number"))
}

fn refused(text: &str, region: Option<&str>) -> Option<PhoneError> {
    PhoneNumber::parse(text, region).err()
}

#[test]
fn numbers_have_the_encodings_of_the_platforms() {
    for (text, region, expected) in VECTORS {
        let number = parsed(text, region);
        for (encoding, expected) in PhoneEncoding::ALL.into_iter().zip(expected) {
            assert_eq!(number.encode(encoding).as_str(), expected, "{text} as {encoding}");
        }
    }
}

#[test]
fn misread_numbers_do_not_match() {
    // what products give that strip characters instead of parsing
    let german = parsed("0151 12345678", Some("DE"));
    let meta = german.encode(PhoneEncoding::Meta);
    assert!(!meta.starts_with("b3f8e6be0d88"), "sha256 of 49015112345678");
    let google = german.encode(PhoneEncoding::Google);
    assert!(!google.starts_with("aa7a1077119b"), "sha256 of +015112345678");
    assert_eq!(hex(&Sha256::digest("49015112345678"))[..12], *"b3f8e6be0d88");
    assert_eq!(hex(&Sha256::digest("+015112345678"))[..12], *"aa7a1077119b");
}

#[test]
fn what_is_not_one_persons_number_is_refused() {
    let check = |text: &str, region: Option<&str>, expected: PhoneError| {
        assert_eq!(refused(text, region), Some(expected), "{text}");
    };
    check("0151 12345678", None, PhoneError::RegionMissing);
    check("0049 151 12345678", None, PhoneError::RegionMissing);
    check("", None, PhoneError::RegionMissing);
    check("0151 12345678", Some("XX"), PhoneError::RegionUnknown);
    check("0151 12345678", Some("Germany"), PhoneError::RegionUnknown);
    check("", Some("DE"), PhoneError::Invalid);
    check("+", None, PhoneError::Invalid);
    check("+49", None, PhoneError::Invalid);
    check("+1 555", None, PhoneError::Invalid);
    check("+999 1234 5678", None, PhoneError::Invalid);
    check("+1 111 222 3333", None, PhoneError::Invalid);
    check("+49 151 1234567890123", None, PhoneError::Invalid);
    check("110", Some("DE"), PhoneError::Invalid);
    check("alice", Some("DE"), PhoneError::Invalid);
    check("+1 650-253-1234 ext. 7", None, PhoneError::Extension);
    check(&"1".repeat(100), Some("DE"), PhoneError::Invalid);
}

#[test]
fn digests_are_taken_only_in_their_exact_form() {
    let good = |text: &str, encoding| PhoneEvidence::hashed(text, encoding).is_ok();
    assert!(good(GERMAN[1], PhoneEncoding::Google));
    assert!(good(GERMAN[2], PhoneEncoding::Meta));
    assert!(good(GERMAN[3], PhoneEncoding::Uid2));
    let refused = |text: &str, encoding| {
        assert_eq!(PhoneEvidence::hashed(text, encoding).err(), Some(PhoneError::NotADigest));
    };
    refused(&GERMAN[1].to_uppercase(), PhoneEncoding::Google);
    refused(&GERMAN[1][..63], PhoneEncoding::Google);
    refused(&format!("{} ", GERMAN[1]), PhoneEncoding::Google);
    refused(GERMAN[1], PhoneEncoding::Uid2);
    refused(GERMAN[3], PhoneEncoding::Google);
    refused(GERMAN[3].trim_end_matches('='), PhoneEncoding::Uid2);
    refused(GERMAN[1], PhoneEncoding::E164);
    refused(GERMAN[0], PhoneEncoding::E164);
    refused("", PhoneEncoding::Meta);
}

#[test]
fn spaces_keep_encodings_apart() {
    let digest = |evidence: &PhoneEvidence, space| {
        evidence.in_space(space).map(|phone| hex(phone.as_bytes()))
    };
    let number = PhoneEvidence::from(parsed(GERMAN[0], None));
    let google = PhoneEvidence::hashed(GERMAN[1], PhoneEncoding::Google).unwrap();
    let meta = PhoneEvidence::hashed(GERMAN[2], PhoneEncoding::Meta).unwrap();
    let uid2 = PhoneEvidence::hashed(GERMAN[3], PhoneEncoding::Uid2).unwrap();

    let plus = Some(GERMAN[1].to_owned());
    let digits = Some(GERMAN[2].to_owned());
    assert_eq!(digest(&number, PhoneSpace::Plus), plus);
    assert_eq!(digest(&google, PhoneSpace::Plus), plus);
    assert_eq!(digest(&uid2, PhoneSpace::Plus), plus);
    assert_eq!(digest(&meta, PhoneSpace::Plus), None);
    assert_eq!(digest(&number, PhoneSpace::Digits), digits);
    assert_eq!(digest(&meta, PhoneSpace::Digits), digits);
    assert_eq!(digest(&google, PhoneSpace::Digits), None);
    assert_eq!(digest(&uid2, PhoneSpace::Digits), None);
    let weaker = [&number, &google, &meta, &uid2].map(PhoneEvidence::is_weaker);
    assert_eq!(weaker, [false, true, true, true]);
}

#[test]
fn encodings_have_names() {
    for encoding in PhoneEncoding::ALL {
        assert_eq!(encoding.as_str().parse(), Ok(encoding));
    }
    assert_eq!("sha256".parse::<PhoneEncoding>(), Err(PhoneError::EncodingUnknown));
}

proptest! {
    #[test]
    fn every_spelling_of_a_number_is_the_same(subscriber in 1_000_000_u32..9_999_999) {
        let spellings = [
            (format!("+49151{subscriber}9"), None),
            (format!("0151 {subscriber}9"), Some("DE")),
            (format!("0151/{subscriber}-9"), Some("de")),
            (format!("0049 151 {subscriber}9"), Some("DE")),
            (format!(" +49 (0) 151 {subscriber} 9 "), None),
            (format!("00 49 151 {subscriber}9"), Some("FR")),
        ];
        let expected = format!("+49151{subscriber}9");
        for (text, region) in spellings {
            let number = parsed(&text, region);
            let e164 = number.encode(PhoneEncoding::E164);
            prop_assert_eq!(e164.as_str(), &expected, "{}", text);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}", region in "[A-Za-z]{0,3}") {
        let _parsed = PhoneNumber::parse(&text, Some(&region));
        let _international = PhoneNumber::parse(&format!("+{text}"), None);
    }
}
