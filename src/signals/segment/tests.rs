//! Segment-spec calls as captured from real clients, and every way to be refused.

use super::super::item::Content;
use super::super::profile::Trait;
use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn received() -> Timestamp {
    at("2026-11-21T10:39:10.413284Z")
}

fn items(body: &str) -> Vec<Parsed> {
    batch(Topics::builtin(), body.as_bytes(), received()).expect("a batch")
}

fn refusals(body: &str) -> Vec<Option<&'static str>> {
    items(body)
        .iter()
        .map(|parsed| parsed.item.as_ref().err().map(|reason| reason.code()))
        .collect()
}

/// As segment-analytics-python 2.4.0 sends it.
const SEGMENT: &str = r#"{"batch":[
 {"type":"identify","userId":"u_1","anonymousId":null,"messageId":"661c0ffe-1","timestamp":"2026-11-21T10:39:07.911+00:00",
  "traits":{"phone":"+4915112345678","plan":"gold","age_of_account":3},
  "context":{"consent":{"categoryPreferences":{"advertising":true}},"library":{"name":"analytics-python","version":"2.4.0"}},"integrations":{}},
 {"type":"track","userId":"u_1","event":"Product Viewed","properties":{"sku":"A1","topics":["sport.running"]},"messageId":"m-1","timestamp":"2026-11-21T10:39:07.912+00:00","context":{"ip":"192.0.2.1","userAgent":"x"},"integrations":{}},
 {"type":"alias","previousId":"anon_1","userId":"u_1","messageId":"m-2"},
 {"type":"group","userId":"u_1","groupId":"g_1","traits":{"name":"Acme"},"messageId":"m-3"}],
 "sentAt":"2026-11-21T10:39:08.413284+00:00","writeKey":"wk_test_1"}"#;

/// As rudder-sdk-python 2.1.9 sends it.
const RUDDER: &str = r#"{"batch":[
 {"type":"identify","userId":"u_1","anonymousId":null,"messageId":"r-1","channel":"server","originalTimestamp":"2026-11-21T10:39:07.911+00:00",
  "context":{"traits":{"email":"a@example.org","plan":"gold"},"locale":"de-AT","consentManagement":{"provider":"x","deniedConsentIds":[],"allowedConsentIds":["1"]}},"integrations":{"All":true}},
 {"type":"track","userId":"u_1","event":"Order Completed","properties":{"category":"sport.running"},"messageId":"r-2","channel":"server","context":{},"integrations":{"All":true}}]}"#;

#[test]
fn both_clients_are_understood() {
    for (body, dropped) in [(SEGMENT, 4), (RUDDER, 2)] {
        let parsed = items(body);
        assert_eq!(parsed.len(), dropped);
        let identify = parsed[0].item.as_ref().expect("identify");
        let Content::Is(said) = &identify.content else { panic!("identify describes") };
        assert!(said.traits.contains(&("plan".to_owned(), Trait::Category("gold".to_owned()))));
        assert!(parsed[0].notes.contains(&Reason::TraitIdentifier));
        assert!(parsed[0].notes.contains(&Reason::ConsentClaimIgnored));
        let track = parsed[1].item.as_ref().expect("track");
        let Content::Did(seen) = &track.content else { panic!("track is an act") };
        assert_eq!(seen.topics, ["sport.running"]);
        assert_eq!(track.account, "u_1");
    }
    let parsed = items(RUDDER);
    let Content::Is(said) = &parsed[0].item.as_ref().expect("identify").content else {
        panic!("identify describes")
    };
    assert_eq!(said.language.as_deref(), Some("de"));
}

#[test]
fn nothing_but_consent_joins() {
    let refused = refusals(SEGMENT);
    assert_eq!(
        refused,
        [None, None, Some("identity.consent_required"), Some("identity.consent_required")]
    );
    for call in [Call::Alias, Call::Group, Call::Merge] {
        let parsed = single(Topics::builtin(), call, br#"{"userId":"u_1"}"#, received());
        assert!(parsed.expect("readable").item == Err(Reason::IdentityConsentRequired));
    }
}

#[test]
fn the_clients_clock_is_corrected_and_cut_to_the_hour() {
    let parsed = items(SEGMENT);
    let track = parsed[1].item.as_ref().expect("track");
    assert_eq!(track.at, at("2026-11-21T10:39:09.912Z"), "two seconds later than the client says");
    let Content::Did(seen) = &track.content else { panic!("track is an act") };
    assert_eq!(seen.at, at("2026-11-21T10:00:00Z"));
    let parsed = items(RUDDER);
    assert_eq!(parsed[1].item.as_ref().expect("track").at, received(), "no time: when received");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_reason() {
    let long = "x".repeat(101);
    let huge = "x".repeat(40_000);
    let body = format!(
        r#"{{"batch":[
        5,
        {{"type":"nonsense","userId":"u"}},
        {{"type":"track","anonymousId":"a","event":"Product Viewed"}},
        {{"type":"track","event":"Product Viewed"}},
        {{"type":"track","userId":"u"}},
        {{"type":"track","userId":"u","event":"Signed Up"}},
        {{"type":"track","userId":"u","event":"Product Viewed","messageId":"{long}"}},
        {{"type":"track","userId":"u","event":"Product Viewed","timestamp":"yesterday"}},
        {{"type":"track","userId":"u","event":"Product Viewed","properties":{{"topics":["sport.running","no.such"]}}}},
        {{"type":"track","userId":"u","event":"Product Viewed","properties":{{"business":"acme"}}}},
        {{"type":"track","userId":"u","event":"Product Viewed","properties":{{"text":"{huge}"}}}},
        {{"type":"track","userId":"","event":"Product Viewed"}}]}}"#
    );
    let expected = [
        "item.invalid",
        "type.unknown",
        "account.anonymous",
        "account.missing",
        "event.missing",
        "event.unknown",
        "message_id.invalid",
        "time.invalid",
        "topic.unknown",
        "business.invalid",
        "item.too_large",
        "account.invalid",
    ];
    assert_eq!(refusals(&body), expected.map(Some));
}

#[test]
fn identifiers_and_special_categories_never_become_traits() {
    let refused = |name: &str, value: Value| {
        item::one_trait(Topics::builtin(), name, &value).err().map(Reason::code)
    };
    let text = |text: &str| Value::String(text.to_owned());
    for name in ["phone", "Phone Number", "workEmail", "firstName", "IP", "device_id", "userId"] {
        assert_eq!(refused(name, text("x")), Some("trait.identifier_refused"), "{name}");
    }
    for value in [
        "+49 151 1234567",
        "0151-1234567",
        "030123456",
        "a.b@example.org",
        "192.0.2.1",
        "2001:db8::1",
    ] {
        assert_eq!(refused("note", text(value)), Some("trait.identifier_refused"), "{value}");
    }
    assert_eq!(
        refused("score", Value::from(4_915_112_345_678_i64)),
        Some("trait.identifier_refused")
    );
    for name in [
        "religion",
        "healthStatus",
        "political_party",
        "krankheit",
        "Konfession",
        "partei",
        "gewerkschaft",
        "diabetes",
        "enfermedad",
        "doenca",
        "maladie_chronique",
    ] {
        assert_eq!(refused(name, text("x")), Some("trait.sensitive"), "{name}");
    }
    assert_eq!(refused("diabetic", Value::Bool(true)), Some("trait.sensitive"));
    for value in ["Diabetes Typ 2", "asthma", "katholisch", "Católico", "catolico", "sida", "CDU"]
    {
        assert_eq!(refused("note", text(value)), Some("trait.sensitive"), "{value}");
    }
    for (name, value) in [
        ("history", text("142.44")),
        ("history_segment", text("2) $100 - $200")),
        ("spend", text("12345.67")),
        ("zip_code", text("Surburban")),
        ("newbie", Value::Bool(true)),
        ("recency", Value::from(10)),
    ] {
        assert_eq!(refused(name, value), None, "{name}");
    }
}

#[test]
fn a_body_of_another_shape_is_no_batch() {
    for (body, why) in [
        ("", Unreadable::NotJson),
        ("[]", Unreadable::Shape),
        ("{}", Unreadable::NoBatch),
        (r#"{"batch":{}}"#, Unreadable::NoBatch),
    ] {
        assert_eq!(
            batch(Topics::builtin(), body.as_bytes(), received()).err(),
            Some(why),
            "{body}"
        );
    }
}
