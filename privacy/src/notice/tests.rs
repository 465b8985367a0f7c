use super::*;

#[test]
fn builtin_notices_are_complete() {
    let notices = Notices::builtin();
    assert_eq!(notices.all().len(), 4 * LANGUAGES.len());
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
    assert!(notices.get("linking", 2, "de").is_none());
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
    check("complaint = ", "complaints = ", "unknown field");
    let four: Vec<_> = FILES[1..].to_vec();
    assert!(Notices::read(&four).unwrap_err().to_string().contains("one file per language"));
    let repeated = [&FILES[..], &FILES[..1]].concat();
    assert!(Notices::read(&repeated).is_err());
}
