use std::collections::BTreeMap;

use serde::Deserialize;

use super::read;
use crate::web::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is tested")]
struct In {
    name: String,
    #[serde(default)]
    ages: Vec<u8>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    free: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Good,
    Bad,
}

fn refused(text: impl AsRef<[u8]>) -> Problem {
    read::<In>(text.as_ref(), 8).expect_err("the body was accepted")
}

#[test]
fn the_answer_names_the_field_and_what_is_expected() {
    for (text, pointer, code, detail) in [
        (r"{}", "", "field.missing", "`name` is missing"),
        (r#"{"name":7}"#, "/name", "field.type", "expected a string"),
        (
            r#"{"name":"x","ages":[1,300]}"#,
            "/ages/1",
            "field.value",
            "expected a whole number in range",
        ),
        (r#"{"name":"x","ages":"no"}"#, "/ages", "field.type", "expected a list"),
        (r#"{"name":"x","free":[]}"#, "/free", "field.type", "expected an object"),
        (r#" ["x"]"#, "", "field.type", "expected an object"),
        (r#"{"name":"x","kind":"ugly"}"#, "/kind", "field.choice", "expected `good` or `bad`"),
        (
            r#"{"name":"x","nmae":"y"}"#,
            "/nmae",
            "field.unknown",
            "`nmae` is not a field here; expected one of `name`, `ages`, `kind`, `free`",
        ),
    ] {
        let problem = refused(text);
        let field = &problem.errors()[0];
        let found = (field.pointer.as_str(), field.code, field.detail.as_str());
        assert_eq!(found, (pointer, code, detail), "{text}");
    }
}

#[test]
fn no_value_comes_back() {
    let secret = "+4915112345678";
    for text in [
        format!(r#"{{"name":"x","ages":["{secret}"]}}"#),
        format!(r#"{{"name":"x","kind":"{secret}"}}"#),
        format!(r#"{{"name":"x","{secret}":1}}"#),
        format!(r#"{{"name":"x","free":{{"{secret}":"1"}}}}"#),
        format!(r#"{{"name":"x","free":{{"{secret}":1,"{secret}":2}}}}"#),
        format!(r#"{{"name":"{secret}"#),
        format!(r#"{{"name":["{secret}"]}}"#),
    ] {
        let problem = refused(&text);
        let said = format!("{problem:?}");
        assert!(!said.contains("49151"), "{said}");
        assert_eq!(problem.status(), 400);
    }
}

#[test]
fn malformed_bodies_have_codes() {
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    for (text, code) in [
        (b"{\"name\":\"\xff\"}".to_vec(), "body.utf8"),
        (br#"{"name":"a","name":"b"}"#.to_vec(), "body.duplicate_member"),
        (br#"{"name":"a","free":{"x":1,"x":2}}"#.to_vec(), "body.duplicate_member"),
        (deep, "body.deep"),
        (br#"{"name":NaN}"#.to_vec(), "body.malformed"),
        (br#"{"name":"a"} {}"#.to_vec(), "body.malformed"),
        (b"".to_vec(), "body.malformed"),
        (br#"{"name":1e999}"#.to_vec(), "body.malformed"),
    ] {
        assert_eq!(refused(text).code(), code);
    }
}
