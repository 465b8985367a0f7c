//! Text and JSON say the same, and what is wrong is found where it is.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use volens_privacy::topics::{TopicId, Topics};
use volens_privacy::{AgeBand, AppId};

use super::tree::{ACTIVE_MAX, DAYS_MAX, Expr, NODES_MAX, Part, TIMES_MAX, Target, TopicRange};
use super::{Filter, FilterIn, Short, json, text};
use crate::ids::CampaignId;
use crate::signals::Kind;

fn topic(id: &str) -> TopicId {
    Topics::builtin().check(id).expect("a topic")
}

fn read(text: &str) -> String {
    text::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).to_string()
}

fn set<T: Ord + std::fmt::Debug>(
    values: impl Strategy<Value = T>,
    least: usize,
) -> impl Strategy<Value = BTreeSet<T>> {
    prop::collection::vec(values, least..4).prop_map(|values| values.into_iter().collect())
}

fn range() -> impl Strategy<Value = TopicRange> {
    let ids =
        prop::sample::select(vec!["sport", "sport.running", "fashion", "fashion.shoes", "home"]);
    (ids, any::<bool>()).prop_map(|(id, family)| {
        let id = topic(id);
        if family { TopicRange::Family(id) } else { TopicRange::One(id) }
    })
}

fn leaf(kinds: &'static [Kind], days: u16) -> impl Strategy<Value = Expr> {
    let apps = prop::sample::select(vec!["messenger", "photos", "in"]);
    let target =
        prop_oneof![Just(Target::Any), Just(Target::Us), set(range(), 1).prop_map(Target::Topics),];
    let adults = vec![AgeBand::Unknown, AgeBand::From18To24, AgeBand::From65];
    let campaigns = set((0..3_u8).prop_map(|n| CampaignId::from_bytes([n; 16])), 0);
    prop_oneof![
        set(apps.prop_map(|app| AppId::parse(app).expect("an app")), 1).prop_map(Expr::App),
        set(prop::sample::select(vec!["IE", "GB", "IN"]).prop_map(str::to_owned), 1)
            .prop_map(Expr::Country),
        set(prop::sample::select(vec!["en", "de", "or"]).prop_map(str::to_owned), 1)
            .prop_map(Expr::Language),
        set(prop::sample::select(adults), 1).prop_map(Expr::Age),
        set(range(), 1).prop_map(Expr::Topic),
        (1..=ACTIVE_MAX.min(days * 2)).prop_map(Expr::Active),
        (prop::sample::select(kinds), target, 1..=5_u16, 1..=days)
            .prop_map(|(kind, target, at_least, days)| Expr::Did { kind, target, at_least, days }),
        (prop::sample::select(Part::ALL.to_vec()), campaigns)
            .prop_map(|(part, of)| Expr::Campaign(part, of)),
    ]
}

pub(super) fn expr(kinds: &'static [Kind], days: u16) -> impl Strategy<Value = Expr> {
    leaf(kinds, days).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| Expr::Not(Box::new(of))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::All),
            prop::collection::vec(inner, 1..4).prop_map(Expr::Any),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(expr in expr(&Kind::ALL, DAYS_MAX)) {
        let expr = expr.normal();
        prop_assume!(!expr.is_too_large());
        prop_assert_eq!(&expr.clone().normal(), &expr, "one form is its own form");
        let printed = expr.to_string();
        prop_assert_eq!(&text::read(&printed).expect(&printed), &expr);
        let written = json::write(&expr);
        prop_assert_eq!(&json::read(&written).expect("reads"), &expr);
        let stored = serde_json::to_string(&FilterIn::Tree(written.clone())).expect("JSON");
        let stored: FilterIn = serde_json::from_str(&stored).expect("a filter");
        let short = FilterIn::Short(Short::default());
        let same = stored == FilterIn::Tree(written) || stored == short;
        prop_assert!(same && Filter::check(&stored).is_ok_and(|read| read.0 == expr));
    }

    #[test]
    fn order_and_repetition_do_not_matter(
        parts in prop::collection::vec(expr(&Kind::ALL, DAYS_MAX), 1..5)
            .prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle())),
    ) {
        let (parts, mut shuffled) = parts;
        shuffled.push(parts[0].clone());
        for join in [Expr::All as fn(Vec<Expr>) -> Expr, Expr::Any] {
            prop_assert_eq!(join(parts.clone()).normal(), join(shuffled.clone()).normal());
        }
    }

    #[test]
    fn whatever_is_typed_is_read_or_refused_at_a_place_in_it(typed in "\\PC{0,60}") {
        if let Err(fault) = text::read(&typed) {
            let super::Place::Text { line: 1, column } = fault.place else {
                return Err(TestCaseError::fail("one line"));
            };
            prop_assert!(column <= typed.chars().count() + 1);
        }
    }
}

#[test]
fn texts_that_say_the_same_have_one_form() {
    for (said, form) in [
        ("", "everybody"),
        ("  ( ( country IE ) ) ", "country IE"),
        ("country = IE OR country GB", "country in (GB, IE)"),
        ("country in (IN) and language or", "country IN and language or"),
        ("not not topic sport.running", "topic sport.running"),
        ("topic in (sport.running, sport.*)", "topic sport.*"),
        ("bought us at least 3 within 1 day", "bought us >= 3 within 1 day"),
        ("bought sport.* >= 1 within 14 days", "bought sport.* within 14 days"),
        (
            "country in (IE, GB) and topic sport.running and bought sport.* >= 3 within 14 days\n\
             and not hid any within 30 days",
            "country in (GB, IE) and topic sport.running and bought sport.* >= 3 within 14 days \
             and not hid any within 30 days",
        ),
        (
            "age 65_plus and (received any or kept_aside any)",
            "age 65_plus and (received any or kept_aside any)",
        ),
        ("country IE or everybody", "everybody"),
    ] {
        assert_eq!(read(said), form, "{said}");
        assert_eq!(read(form), form);
    }
}

#[test]
fn the_short_form_says_what_the_others_say() {
    let short: FilterIn = serde_json::from_value(json!({
        "countries": ["IE", "GB"], "topics": ["sport.running"],
    }))
    .expect("a filter");
    let short = Filter::check(&short).expect("checked");
    let said = FilterIn::Text("topic sport.running and country in (GB, IE)".to_owned());
    assert_eq!(short, Filter::check(&said).expect("checked"));
    let tree = json!({"all": [{"topic": ["sport.running"]}, {"country": ["IE", "GB"]}]});
    assert_eq!(short, Filter::check(&FilterIn::Tree(tree)).expect("checked"));
    for nothing in [json!({}), json!(""), json!({"countries": []}), json!({"all": []})] {
        let nothing: FilterIn = serde_json::from_value(nothing).expect("a filter");
        assert!(Filter::check(&nothing).expect("checked").is_empty());
    }
    assert!(serde_json::from_value::<FilterIn>(json!(["IE"])).is_err());
}

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let nodes = vec!["country IE"; NODES_MAX].join(" or ");
    let deep = format!("{}country IE{}", "(".repeat(40), ")".repeat(40));
    for (text, column, code, nearest) in [
        ("contry IE", 1, "filter.syntax", Some("country")),
        ("country ie", 9, "filter.value", Some("IE")),
        ("country UK", 9, "filter.value", Some("GB")),
        ("country XX", 9, "filter.value", None),
        ("language EN", 10, "filter.value", Some("en")),
        ("language zz", 10, "filter.value", None),
        ("country IE and", 15, "filter.syntax", None),
        ("country IE language en", 12, "filter.syntax", None),
        ("age 25-34", 5, "filter.value", Some("25_34")),
        ("age 16_17", 5, "filter.underage", None),
        ("topic sport.runing", 7, "topic.unknown", Some("sport.running")),
        ("topic health.mental", 7, "topic.sensitive", None),
        ("topic health.*", 7, "topic.sensitive", None),
        ("topic health.anything", 7, "topic.sensitive", None),
        ("religion in (any)", 1, "topic.sensitive", None),
        ("gender = f", 1, "topic.sensitive", None),
        ("bougth us within 3 days", 1, "filter.syntax", Some("bought")),
        ("bought us", 10, "filter.syntax", None),
        ("bought us >= 0 within 3 days", 14, "filter.value", None),
        ("bought us within 36 days", 18, "filter.value", None),
        ("bought us within 3 weeks", 20, "filter.syntax", None),
        ("received cmp_1", 10, "filter.value", None),
        ("country in (IE", 15, "filter.syntax", None),
        ("country \"IE\"", 9, "filter.syntax", None),
        (&nodes, 1, "filter.too_large", None),
        (&deep, 33, "filter.too_large", None),
    ] {
        let fault = text::read(text).expect_err(text);
        let found = (fault.place.to_string(), fault.wrong.code, fault.wrong.nearest.as_deref());
        assert_eq!(found, (format!("column {column}"), code, nearest), "{text}: {fault}");
    }
    let fault = text::read("country IE\nand contry GB").expect_err("refused");
    assert_eq!(fault.place.to_string(), "line 2, column 5");
}

#[test]
fn what_is_wrong_in_json_is_told_by_a_pointer() {
    let did = |with: Value| {
        let mut did = json!({"kind": "bought", "within_days": 3});
        did.as_object_mut()
            .expect("an object")
            .extend(with.as_object().cloned().unwrap_or_default());
        json!({"any": [{"did": did}]})
    };
    let mut deep = json!({"country": ["IE"]});
    for _ in 0..40 {
        deep = json!({"not": deep});
    }
    for (tree, pointer, code) in [
        (json!({"religion": ["any"]}), "", "topic.sensitive"),
        (json!({"contry": ["IE"]}), "", "filter.syntax"),
        (json!({"country": ["IE"], "age": ["18_24"]}), "", "filter.syntax"),
        (
            json!({"all": [{"country": ["IE"]}, {"topic": ["health"]}]}),
            "/all/1/topic/0",
            "topic.sensitive",
        ),
        (json!({"not": {"age": ["16_17"]}}), "/not/age/0", "filter.underage"),
        (json!({"any": []}), "/any", "filter.syntax"),
        (json!({"country": "IE"}), "/country", "filter.syntax"),
        (did(json!({"weeks": 2})), "/any/0/did", "filter.syntax"),
        (did(json!({"within_days": 36})), "/any/0/did/within_days", "filter.value"),
        (did(json!({"about": ["nothing"]})), "/any/0/did/about/0", "topic.unknown"),
        (did(json!({"at_least": TIMES_MAX + 1})), "/any/0/did/at_least", "filter.value"),
    ] {
        let fault = json::read(&tree).expect_err("refused");
        let found = match fault.place {
            super::Place::Json(pointer) => pointer,
            super::Place::Text { .. } => unreachable!("a pointer"),
        };
        assert_eq!((found.as_str(), fault.wrong.code), (pointer, code), "{tree}");
    }
    assert_eq!(json::read(&deep).expect_err("refused").wrong.code, "filter.too_large");
}

#[test]
fn what_could_stand_for_something_else_is_said() {
    let warned = |text: &str| {
        let filter = Filter(text::read(text).expect("reads"));
        let about = filter.warnings().into_iter().map(|warning| warning.attribute);
        about.collect::<Vec<_>>()
    };
    assert_eq!(warned("country IE and topic sport.running"), Vec::<String>::new());
    assert_eq!(warned("country DE and not language de"), ["ethnic_origin"]);
    assert_eq!(warned("bought beauty.hair within 3 days"), ["sex"]);
    assert_eq!(warned("topic finance"), ["wealth_or_place"]);
    for attribute in &volens_privacy::proxies::Proxies::builtin().attributes {
        for topic in &attribute.topics {
            assert!(Topics::builtin().check(topic).is_ok(), "{topic} is no topic that may be used");
        }
        for field in attribute.fields.iter().flatten() {
            assert!(["app", "country", "language", "age", "active"].contains(&field.as_str()));
        }
    }
}

#[test]
fn a_stored_filter_names_its_words_also_when_it_cannot_be_read() {
    for filter in [
        json!("topic in (sport, religion.*) nonsense"),
        json!({"all": [{"topic": ["religion"]}]}),
        json!({"topics": ["religion"]}),
    ] {
        let filter: FilterIn = serde_json::from_value(filter).expect("a filter");
        assert!(filter.words().contains(&"religion".to_owned()), "{filter:?}");
    }
}
