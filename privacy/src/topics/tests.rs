use super::*;

const FILE: &str = include_str!("../../topics.toml");

#[test]
fn builtin_topics_are_complete() {
    let topics = Topics::parse(FILE).unwrap();
    assert!(topics.all().count() >= 45);
    let usable: Vec<&str> = Topics::builtin().usable().map(TopicId::as_str).collect();
    assert!(usable.contains(&"sport.running") && !usable.contains(&"religion"));
    for topic in topics.all() {
        let bare = LANGUAGES.into_iter().find(|language| topic.keywords_in(language).count() == 0);
        assert_eq!(bare, None, "{} has no keyword", topic.id());
    }
}

#[test]
fn every_special_category_is_refused() {
    for id in [
        "ethnicity",
        "politics",
        "religion",
        "union",
        "genetics",
        "biometrics",
        "health",
        "health.conditions",
        "sexuality",
        "crime",
    ] {
        assert_eq!(Topics::builtin().check(id), Err(TopicRefusal::Sensitive), "{id}");
    }
}

#[test]
fn what_is_under_a_sensitive_topic_is_sensitive() {
    let check = |id: &str| Topics::builtin().check(id);
    assert_eq!(check("health.sleep"), Err(TopicRefusal::Sensitive));
    assert_eq!(check("religion.christian.feasts"), Err(TopicRefusal::Sensitive));
    assert_eq!(check("sport.chess"), Err(TopicRefusal::Unknown));
    assert_eq!(check("Sport"), Err(TopicRefusal::Unknown));
    assert_eq!(check(""), Err(TopicRefusal::Unknown));
    assert_eq!(check("sport.running").map(TopicId::as_str), Ok("sport.running"));
}

#[test]
fn parents_and_titles() {
    let running = Topics::builtin().get("sport.running").unwrap();
    assert_eq!(running.parent(), Some("sport"));
    assert_eq!(running.title("de-AT"), "Laufen");
    assert_eq!(running.title("ja"), "Running");
}

#[test]
fn mistakes_are_named() {
    let title = r#"title = { en = "a", fr = "a", de = "a", es = "a", pt = "a" }"#;
    let check = |text: &str, expected: &str| {
        let error = Topics::parse(&text.replace("TITLE", title)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("[[topic]]\nid = \"a\"\nTITLE\n[[topic]]\nid = \"a\"\nTITLE", "topic a: repeated");
    check("[[topic]]\nid = \"a.b\"\nTITLE", "topic a.b: its parent is missing");
    check("[[topic]]\nid = \"A\"\nTITLE", "an id is one or two words");
    check("[[topic]]\nid = \"a\"\nTITLE\nkeywords = { en = [\"Big\"] }", "keywords are lower case");
    check(
        "[[topic]]\nid = \"a\"\nTITLE\nkeywords = { it = [\"big\"] }",
        "one of the five languages",
    );
    check("[[topic]]\nid = \"a\"\nname = \"a\"\nTITLE", "unknown field");
    check("[[topic]]\nid = \"a\"", "missing field `title`");
    check(
        "[[topic]]\nid = \"a\"\nsensitive = true\nTITLE\n[[topic]]\nid = \"a.b\"\nTITLE",
        "under a sensitive topic",
    );
}
