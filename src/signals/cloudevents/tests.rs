//! The three modes of `CloudEvents`, and every way to be refused.

use super::super::item::Content;
use super::super::kinds::Kind;
use super::*;

/// As cloudevents 2.2.0 (Python) sends it, with a topic.
const EVENT: &str = r#"{"id":"m-1","source":"app://photonet","type":"com.example.signal.viewed","specversion":"1.0","subject":"u_1","datacontenttype":"application/json","time":"2026-11-21T10:49:24.833551Z","data":{"item":"A1","topics":["sport.running"]}}"#;

fn received() -> Timestamp {
    Timestamp::parse("2026-11-21T10:50:00Z").expect("a time")
}

fn refusal(body: &str) -> Option<&'static str> {
    let parsed = structured(Topics::builtin(), body.as_bytes(), received()).expect("readable");
    parsed.item.err().map(Reason::code)
}

fn same_everywhere(item: &Item) {
    assert_eq!(item.account, "u_1");
    let Content::Did(seen) = &item.content else { panic!("an act") };
    assert_eq!(seen.kind, Kind::Viewed);
    assert_eq!(seen.topics, ["sport.running"]);
    assert_eq!(seen.at, Timestamp::parse("2026-11-21T10:00:00Z").expect("a time"));
    assert_eq!(item.key.as_deref(), Some("14:app://photonetm-1"));
}

#[test]
fn the_three_modes_say_the_same() {
    let known = Topics::builtin();
    let one = structured(known, EVENT.as_bytes(), received()).expect("readable");
    same_everywhere(&one.item.expect("accepted"));
    let two = batch(known, format!("[{EVENT},{EVENT}]").as_bytes(), received()).expect("readable");
    assert_eq!(two.len(), 2);
    for parsed in two {
        same_everywhere(&parsed.item.expect("accepted"));
    }
    let headers = [
        ("id", "m-1"),
        ("source", "app:%2F%2Fphotonet"),
        ("type", "com.example.signal.viewed"),
        ("specversion", "1.0"),
        ("subject", "u_1"),
        ("time", "2026-11-21T10:49:24.833551Z"),
    ];
    let data = br#"{"item":"A1","topics":["sport.running"]}"#;
    let three = binary(known, headers, data, received()).expect("readable");
    same_everywhere(&three.item.expect("accepted"));
}

#[test]
fn data_may_come_in_base64() {
    let encoded = STANDARD.encode(r#"{"topics":["sport.running"]}"#);
    let body = EVENT.replace(
        r#""data":{"item":"A1","topics":["sport.running"]}"#,
        &format!(r#""data_base64":"{encoded}""#),
    );
    let parsed = structured(Topics::builtin(), body.as_bytes(), received()).expect("readable");
    same_everywhere(&parsed.item.expect("accepted"));
}

#[test]
fn what_is_missing_or_wrong_is_refused() {
    for (from, to, code) in [
        (r#""id":"m-1","#, "", "cloudevent.invalid"),
        (r#""source":"app://photonet","#, "", "cloudevent.invalid"),
        (r#""specversion":"1.0""#, r#""specversion":"0.3""#, "cloudevent.version"),
        (r#""subject":"u_1","#, "", "account.missing"),
        ("signal.viewed", "signal.born", "event.unknown"),
        ("2026-11-21T10:49:24.833551Z", "now", "time.invalid"),
        (r#"{"item":"A1","topics":["sport.running"]}"#, "7", "cloudevent.invalid"),
        ("sport.running", "no.such", "topic.unknown"),
    ] {
        assert_eq!(refusal(&EVENT.replace(from, to)), Some(code), "{from} → {to}");
    }
}

#[test]
fn source_and_id_do_not_run_into_each_other() {
    let key = |source: &str, id: &str| {
        let body = EVENT.replace("app://photonet", source).replace("m-1", id);
        let parsed = structured(Topics::builtin(), body.as_bytes(), received()).expect("readable");
        parsed.item.expect("accepted").key
    };
    assert_ne!(key("a", "bc"), key("ab", "c"));
}
