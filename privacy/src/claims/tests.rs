//! Strings that others published are read as their fields say, and no input does harm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// IAB Tech Lab, "Consent string and vendor list formats v2": the example of 2025, with the vendors that
/// were disclosed.
const SPEC_2025: &str = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA";
/// The same document's example of 2020, with vendors as bits.
const SPEC_2020: &str = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.\
     IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJ\
     AAIAAgAAAYQEAAAQmAgBC3ZAYzUw";
/// IAB Tech Lab, "GPP Consent String Specification", GPP String Examples 1 to 3.
const GPP_SPEC: [&str; 3] = [
    "DBABMA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA",
    "DBACNYA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN",
    "DBABjw~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN",
];
/// README of the IAB's own encoder (iabgpp-java), with segments for vendors that are all empty.
const GPP_README: &str = "DBACNYA~CPSG_8APSG_8ANwAAAENAwCAAAAAAAAAAAAAAAAAAAAA.QAAA.IAAA~1YNN";

fn tcf(text: &str) -> Result<TcfClaim, &'static str> {
    let read = Claims::read(&json!({ "tcf": text })).map_err(ClaimError::code);
    read.map(|claims| claims.and_then(|claims| claims.tcf).expect("it was given"))
}

fn gpp(text: &str) -> Result<GppClaim, &'static str> {
    let read = Claims::read(&json!({ "gpp": text })).map_err(ClaimError::code);
    read.map(|claims| claims.and_then(|claims| claims.gpp).expect("it was given"))
}

/// Bits as a segment; spaces are for the reader.
fn packed(bits: &str) -> String {
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextet = |six: &[u8]| (0..6).fold(0, |sum, at| sum * 2 + six.get(at).copied().unwrap_or(0));
    bits.chunks(6).map(|six| char::from(alphabet[usize::from(sextet(six))])).collect()
}

/// The core of a TC string up to its vendors: everything is consented to.
fn everything() -> String {
    let (zeros, ones) = ("0".repeat(72 + 12 + 12 + 6), "1".repeat(24));
    let flags = "0".repeat(12 + 6 + 2 + 12);
    format!("000010 {zeros} 000100001101 {flags} {ones} {ones} 0 000000000000")
}

/// Vendors as ranges, the same range again and again.
fn ranges(count: usize, first: u16, last: u16) -> String {
    format!("{:016b} 1 {count:012b} {}", last, format!("1 {first:016b} {last:016b}").repeat(count))
}

#[test]
fn published_tc_strings_are_read() {
    let claim = tcf(SPEC_2025).unwrap();
    assert_eq!((claim.version, claim.policy_version), (2, 2));
    assert_eq!(claim.created.to_string(), "2025-06-03T00:00:00.000000Z");
    assert_eq!(claim.created, claim.last_updated);
    assert_eq!((claim.cmp_id, claim.cmp_version, claim.vendor_list_version), (880, 0, 48));
    assert_eq!((claim.consent_language.as_str(), claim.vendors_consented), ("EN", 4));
    assert_eq!((claim.purposes_consented, claim.vendors_disclosed), (vec![], Some(7)));

    let claim = tcf(SPEC_2020).unwrap();
    assert_eq!(claim.created.to_string(), "2020-02-20T23:57:39.300000Z");
    assert_eq!((claim.cmp_id, claim.vendor_list_version), (27, 15));
    assert_eq!(claim.purposes_consented, [1, 2, 3]);
    assert_eq!((claim.vendors_consented, claim.vendors_disclosed), (3, Some(79)));
}

#[test]
fn published_gpp_strings_are_read() {
    let sections = |text: &str| -> Vec<(u8, &str, u8)> {
        let read = gpp(text).unwrap().sections;
        read.iter().map(|section| (section.id, section.name, section.version)).collect()
    };
    let (european, american) = ((2, "tcfeuv2", 2), (6, "uspv1", 1));
    assert_eq!(sections(GPP_SPEC[0]), [european]);
    assert_eq!(sections(GPP_SPEC[1]), [european, american]);
    assert_eq!(sections(GPP_SPEC[2]), [(5, "tcfcav1", 2), american]);
    let claim = gpp(GPP_README).unwrap().sections.remove(0).tcf.unwrap();
    assert_eq!(claim.created.to_string(), "2022-01-01T00:00:00.000000Z");
    assert_eq!((claim.cmp_id, claim.vendor_list_version), (880, 48));
    // Three sections: each offset is from the one before.
    let header = packed("000011 000001 000000000011 0 011 0 01011 0 011");
    let three = format!("{header}~{SPEC_2020}~1YNN~BVVqAAAAAAA.QA");
    let ids: Vec<u8> =
        gpp(&three).map(|claim| claim.sections.iter().map(|s| s.id).collect()).unwrap();
    assert_eq!(ids, [2, 9, 11], "2, and 7 more, and 2 more");
}

#[test]
fn what_is_not_well_formed_is_refused_by_its_code() {
    let core = SPEC_2025.split('.').next().unwrap();
    let whole = everything();
    for (text, code) in [
        (String::new(), "tcf.malformed"),
        ("C".into(), "tcf.malformed"),
        ("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA".into(), "tcf.version"),
        ("DBABMA".into(), "tcf.version"),
        (format!("{core}="), "tcf.malformed"),
        (format!("{core}."), "tcf.malformed"),
        (format!(" {core}"), "tcf.malformed"),
        (format!("{core}B"), "tcf.malformed"),
        (core[..40].to_owned(), "tcf.malformed"),
        (format!("{SPEC_2025}.IDKQA4AAgAKAGQAygAAA"), "tcf.malformed"),
        (format!("{core}.gAAA"), "tcf.malformed"),
        (packed(&format!("{whole} {} {}", ranges(1, 5, 4), "0".repeat(29))), "tcf.malformed"),
        (packed(&format!("{whole} {} {}", ranges(1, 0, 4), "0".repeat(29))), "tcf.malformed"),
        ("C".repeat(CLAIM_MAX + 1), "tcf.too_large"),
    ] {
        assert_eq!(tcf(&text), Err(code), "{text}");
    }
    for (text, code) in [
        ("", "gpp.malformed"),
        ("DBABMA", "gpp.malformed"),
        (SPEC_2025, "gpp.malformed"),
        ("DCABMA~x", "gpp.version"),
        ("DBABTA~2YNN", "gpp.malformed"),
        ("DBABTA~1YNN~1YNN", "gpp.malformed"),
        ("DBABTA~", "gpp.malformed"),
        ("DBABMA~BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "gpp.version"),
        (&format!("{}~x", packed("000011 000001 000000000001 0 0011")), "gpp.section_unknown"),
        (
            &format!(
                "{}~x",
                packed(&format!("000011 000001 000000000001 0 {}11", "01".repeat(12)))
            ),
            "gpp.section_unknown",
        ),
    ] {
        assert_eq!(gpp(text), Err(code), "{text}");
    }
    for value in [json!(null), json!(2), json!([SPEC_2025]), json!({ "core": SPEC_2025 })] {
        let refused = Claims::read(&json!({ "tcf": value })).unwrap_err();
        assert_eq!((refused.code(), refused.member()), ("tcf.malformed", "tcf"));
    }
    assert_eq!(gpp("DBAA").unwrap().sections, [], "a platform that has nothing to say");
}

#[test]
fn other_evidence_claims_nothing() {
    for evidence in [json!(null), json!("tcf"), json!([SPEC_2025]), json!({"JWS": "x", "TCF": 1})] {
        assert_eq!(Claims::read(&evidence), Ok(None));
    }
}

#[test]
fn an_apps_own_signature_names_its_key() {
    let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let good = header(r#"{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"messenger-2026-10"}"#);
    let read = |text: &str| {
        let claims = Claims::read(&json!({ "jws": text })).map_err(ClaimError::code)?;
        Ok(claims.and_then(|claims| claims.jws).expect("it is there").kid)
    };
    assert_eq!(read(&format!("{good}..c2ln")), Ok("messenger-2026-10".to_owned()));
    for text in [
        format!("{good}.cGF5bG9hZA.c2ln"),
        format!("{good}.."),
        format!("{good}..c2ln="),
        format!("{good}..c2ln.x"),
        "..c2ln".to_owned(),
        format!("{}..c2ln", header(r#"{"alg":"none","kid":"a"}"#)),
        format!("{}..c2ln", header(r#"{"alg":"EdDSA"}"#)),
        format!("{}..c2ln", header(r#"{"alg":"EdDSA","kid":"Ann Other"}"#)),
    ] {
        assert_eq!(read(&text), Err("jws.malformed"), "{text}");
    }
    assert_eq!(read(&format!("{good}..{}", "A".repeat(CLAIM_MAX))), Err("jws.too_large"));
}

#[test]
fn ranges_that_name_everybody_are_counted_and_not_written_out() {
    let text = packed(&format!("{} {} {}", everything(), ranges(500, 1, u16::MAX), "0".repeat(29)));
    assert!(text.len() < CLAIM_MAX);
    let claim = tcf(&text).unwrap();
    assert_eq!((claim.vendors_consented, claim.purposes_consented.len()), (65_535, 24));
    assert_eq!(claim.consent_language, "EN");
}

/// Anything, things that look like strings, and published ones with a character changed.
fn inputs() -> impl Strategy<Value = String> {
    let published = [SPEC_2025, SPEC_2020, GPP_SPEC[1], GPP_SPEC[2], GPP_README];
    let changed =
        (prop::sample::select(published.to_vec()), any::<prop::sample::Index>(), any::<char>());
    prop_oneof![
        any::<String>(),
        "[CD][A-Za-z0-9_.~-]{0,600}",
        "DB[A-Za-z0-9_-]{1,12}(~[A-Za-z0-9_.-]{0,80}){0,8}",
        "CPXxRfAPXxRfAAfKABENB-Cg[A-Za-z0-9_-]{0,400}(\\.[IQY][A-Za-z0-9_-]{0,60}){0,3}",
        changed.prop_map(|(text, at, other)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            characters[at] = other;
            characters.into_iter().collect()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_input_does_harm(text in inputs()) {
        if let Ok(claim) = tcf(&text) {
            prop_assert!(claim.vendors_consented <= 65_535 && claim.purposes_consented.len() <= 24);
        }
        if let Ok(claim) = gpp(&text) {
            prop_assert!(claim.sections.is_sorted_by(|one, next| one.id < next.id));
            prop_assert_eq!(claim.sections.len() + 1, text.split('~').count().max(1));
        }
    }

    #[test]
    fn ids_are_counted_once(ranges in prop::collection::vec((1_u16..400, 0_u16..40), 0..30)) {
        let last = |(first, more): &(u16, u16)| first + more;
        let highest = ranges.iter().map(last).max().unwrap_or(0);
        let ids: std::collections::BTreeSet<u16> =
            ranges.iter().flat_map(|range| range.0..=last(range)).collect();
        let entry = |range: (u16, u16)| format!("1 {:016b} {:016b}", range.0, last(&range));
        let entries: Vec<String> = ranges.iter().copied().map(entry).collect();
        let vendors = format!("{highest:016b} 1 {:012b} {}", ranges.len(), entries.concat());
        let text = packed(&format!("{} {vendors} {}", everything(), "0".repeat(29)));
        prop_assert_eq!(tcf(&text).unwrap().vendors_consented as usize, ids.len());
    }
}

#[test]
fn errors_do_not_repeat_the_string() {
    let refused = Claims::read(&json!({ "tcf": "secret" })).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("secret"));
    let shown = serde_json::to_value(tcf(SPEC_2020).unwrap()).unwrap();
    assert_eq!(shown["purposes_consented"], json!([1, 2, 3]));
    assert_ne!(shown["created"], Value::Null);
}
