use super::*;
use crate::parties::Parties;

#[test]
fn builtin_notices_are_complete() {
    let notices = Notices::builtin();
    assert_eq!(notices.all().len(), 14 * LANGUAGES.len());
    assert!(notices.lacks().is_empty(), "{:?}", notices.lacks());
    for purpose in PurposeKind::ALL {
        for language in LANGUAGES {
            let notice = notices.latest_for(purpose, language).unwrap();
            assert_eq!(notice.language, language);
            assert!(notice.purposes.contains(&purpose), "{purpose}");
        }
    }
}

#[test]
fn texts_are_frozen_by_their_hash() {
    // A published version is never edited: a changed text is a new version with a new line here.
    let line = |notice: &Notice| {
        let hash = crate::encoding::hex(&notice.sha256[..8]);
        format!("{}/{}/{} {hash}\n", notice.id, notice.version, notice.language)
    };
    let listed: String = Notices::builtin().all().iter().map(line).collect();
    assert_eq!(listed, include_str!("../../notices/published.txt"));
}

#[test]
fn languages_and_versions_are_found() {
    let notices = Notices::builtin();
    assert_eq!(notices.get("linking", 1, "de-CH").unwrap().language, "de");
    assert_eq!(notices.latest("linking", "ja").unwrap().language, "en");
    assert!(notices.get("linking", 99, "de").is_none());
    assert!(notices.get("linking", 1, "ja").is_none());
    assert!(notices.latest("nothing", "en").is_none());
}

#[test]
fn references_name_the_hash_of_the_file() {
    let notice = Notices::builtin().get("reports", 1, "pt").unwrap();
    let reference = notice.reference(Some([7; 32]));
    let file = include_bytes!("../../notices/reports/1/pt.md");
    assert_eq!(reference.content_sha256, <[u8; 32]>::from(Sha256::digest(file)));
    assert_eq!(reference.rendered_sha256, Some([7; 32]));
}

const FILES: [(&str, &str); 5] = [
    ("reports/1/en.md", include_str!("../../notices/reports/1/en.md")),
    ("reports/1/fr.md", include_str!("../../notices/reports/1/fr.md")),
    ("reports/1/de.md", include_str!("../../notices/reports/1/de.md")),
    ("reports/1/es.md", include_str!("../../notices/reports/1/es.md")),
    ("reports/1/pt.md", include_str!("../../notices/reports/1/pt.md")),
];

#[test]
fn mistakes_are_named() {
    assert!(Notices::read(&FILES).is_ok());
    let check = |from: &str, to: &str, expected: &str| {
        let mut files = FILES;
        assert!(files[0].1.contains(from), "the file has {from}");
        let changed = files[0].1.replace(from, to);
        files[0].1 = &changed;
        let error = Notices::read(&files).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("+++", "---", "reports/1/en.md: does not begin with a header");
    check("version = 1", "version = 2", "differ from its place");
    check("\n## Your rights\n", "\n## Rights\n", "section “Your rights” is missing");
    check(
        "Counting decides nothing about you. No profile is made for it.",
        "No.",
        "“How decisions are made” is missing or empty",
    );
    check("\"reports\"]", "\"counting\"]", "unknown purpose");
    check("\"reports\"]", "\"follow_up\"]", "all for the same purposes");
    check("complaint = ", "complaints = ", "unknown variant");
    let more = |earlier: u32| format!("\ndescribes_more_of = {earlier}\n\n[sections]");
    check("\n\n[sections]", &more(1), "describes more of a version that is not earlier");
    check("\n\n[sections]", &more(0), "all for the same purposes");
    let four: Vec<_> = FILES[1..].to_vec();
    assert!(Notices::read(&four).unwrap_err().to_string().contains("one file per language"));
    let repeated = [&FILES[..], &FILES[..1]].concat();
    assert!(Notices::read(&repeated).is_err());
}

fn linking(version: u32, language: &str) -> Notice {
    Notices::builtin().get("linking", version, language).unwrap().clone()
}

#[test]
fn what_the_law_demands_and_the_text_lacks_is_named() {
    let check = |part: Part, language: &str, expected: &str, change: &dyn Fn(&mut Notice)| {
        let mut notice = linking(3, language);
        assert!(notice.lacks().is_empty());
        change(&mut notice);
        let lacks = notice.lacks();
        let told = lacks.iter().find(|lack| lack.part == part).unwrap().to_string();
        let place = format!("linking/3 in {language}: {part} ({})", part.article());
        assert!(told.starts_with(&place) && told.contains(expected), "{told}");
    };
    for part in Part::ALL {
        check(part, "de", "the header names no section", &|notice| {
            notice.sections.remove(&part);
        });
        check(part, "fr", "is missing or empty", &|notice| {
            let heading = notice.sections[&part].clone();
            let text = notice.section(&heading).unwrap().to_owned();
            notice.text = notice.text.replace(&text, "—");
        });
    }
    let without = |name: &'static str| {
        move |notice: &mut Notice| notice.text = notice.text.replace(name, "we")
    };
    check(Part::Controller, "en", "does not name {{controllers}}", &without("{{controllers}}"));
    check(Part::Contact, "es", "does not name {{contacts}}", &without("{{contacts}}"));
    check(Part::Recipients, "pt", "does not name {{operator}}", &without("{{operator}}"));
    check(Part::Complaint, "en", "does not name {{authority}}", &without("{{authority}}"));
    check(Part::Basis, "en", "says nothing of article_6", &without("Art. 6"));
    check(Part::Controller, "en", "nobody is called {{ceo}}", &|notice| {
        notice.text.push_str(" {{ceo}}");
    });
}

#[test]
fn only_linking_needs_the_arrangement_of_two_controllers() {
    let mut notice = Notices::builtin().get("reports", 3, "en").unwrap().clone();
    assert!(!notice.sections.contains_key(&Part::Joint) && notice.lacks().is_empty());
    notice.purposes = vec![PurposeKind::CrossAppLinking];
    assert!(notice.lacks().iter().any(|lack| lack.part == Part::Joint));
}

#[test]
fn a_text_is_shown_with_those_who_answer_for_it() {
    let parties = Parties::example();
    for notice in Notices::builtin().all() {
        let shown = notice.rendered(parties);
        assert!(!shown.contains("{{") && shown.contains("Messenger Ltd., 1 Example Street"));
        assert!(shown.contains("dpo@photo.example") && shown.contains("Data Protection Comm"));
    }
    // The first versions name the same companies in their own words.
    let first = Notices::builtin().get("linking", 1, "en").unwrap();
    assert_eq!(first.rendered(parties), first.text);
}

#[test]
fn a_change_of_what_was_agreed_to_asks_again() {
    let (first, now) = (linking(1, "en"), linking(2, "en"));
    let diff = NoticeDiff::between(&first, &now);
    let retention = diff.changes.iter().find(|change| change.parts.contains(&Part::Retention));
    let retention = retention.unwrap();
    assert!(retention.material && retention.before.contains("three years"));
    assert!(retention.after.contains("names nobody") && diff.asks_again());
    assert!(!NoticeDiff::between(&now, &now).asks_again());

    let mut wording = now.clone();
    wording.text = wording.text.replace("free of charge", "for nothing");
    let diff = NoticeDiff::between(&now, &wording);
    assert_eq!(diff.changes.len(), 1);
    assert_eq!(diff.changes[0].parts, [Part::Rights]);
    assert!(!diff.asks_again(), "rights put in other words change no agreement");

    let mut more = now.clone();
    more.purposes.push(PurposeKind::Reports);
    let diff = NoticeDiff::between(&now, &more);
    assert!(diff.changes.is_empty() && diff.asks_again());
    assert_eq!(diff.purposes_added, [PurposeKind::Reports]);
}

#[test]
fn telling_more_of_the_same_asks_nobody_again() {
    for language in LANGUAGES {
        for id in ["linking", "assistant", "reports"] {
            let of = |version| Notices::builtin().get(id, version, language).unwrap();
            let diff = NoticeDiff::between(of(2), of(3));
            let new: BTreeSet<Part> = diff.changes.iter().flat_map(|c| c.parts.clone()).collect();
            assert!([Part::Data, Part::Source, Part::Necessity].iter().all(|p| new.contains(p)));
            assert!(diff.describes_more && !diff.asks_again(), "{id} in {language}: {diff:?}");
            // Whoever agreed to the version before that one agreed to something else.
            let diff = NoticeDiff::between(of(1), of(3));
            assert!(!diff.describes_more && diff.asks_again(), "{id} in {language}");
        }
        // Version 4 said nothing of language, age band and traits: they are new to whoever read it.
        let of = |version| Notices::builtin().get("messages", version, language).unwrap();
        let diff = NoticeDiff::between(of(4), of(5));
        let material = |change: &&Change| change.material;
        let changed: Vec<_> = diff.changes.iter().filter(material).flat_map(|c| &c.parts).collect();
        assert_eq!(changed, [&Part::Data, &Part::Source, &Part::Necessity]);
        assert!(!diff.describes_more && diff.asks_again());
    }
}

#[test]
fn a_declaration_covers_only_what_was_not_said_before() {
    let (before, now) = (linking(2, "en"), linking(3, "en"));
    let asks_again = |from: &Notice, change: &dyn Fn(&mut Notice)| {
        let mut to = now.clone();
        change(&mut to);
        NoticeDiff::between(from, &to).asks_again()
    };
    assert!(!asks_again(&before, &|_| {}));
    assert!(asks_again(&before, &|to| to.describes_more_of = None), "nobody declared it");
    assert!(asks_again(&before, &|to| to.describes_more_of = Some(1)), "of another version");
    let word = |from: &'static str, new: &'static str| {
        move |to: &mut Notice| {
            assert!(to.text.contains(from), "{from}");
            to.text = to.text.replace(from, new);
        }
    };
    assert!(asks_again(&before, &word("twelve months", "two years")), "how long was said before");
    let again = |to: &mut Notice| {
        to.version = 4;
        to.describes_more_of = Some(3);
        word("Your verified phone number", "Your address")(to);
    };
    assert!(asks_again(&now, &again), "which data was said before");
    let mut alone = before.clone();
    alone.sections.remove(&Part::Joint);
    let joint = |to: &mut Notice| word("each answers", "one answers")(to);
    assert!(asks_again(&alone, &joint), "two controllers are no description");
}
