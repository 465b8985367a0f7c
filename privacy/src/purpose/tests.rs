use super::*;

const FILE: &str = include_str!("../../purposes.toml");

#[test]
fn builtin_purposes_are_complete() {
    let purposes = Purposes::parse(FILE).unwrap();
    assert_eq!(purposes.all().len(), PurposeKind::ALL.len());
    for (kind, definition) in PurposeKind::ALL.into_iter().zip(purposes.all()) {
        assert_eq!(definition.kind(), kind);
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}

#[test]
fn minors_are_kept_out_of_everything_that_profiles() {
    for kind in [
        PurposeKind::CrossAppLinking,
        PurposeKind::Relevance,
        PurposeKind::BusinessMessages,
        PurposeKind::ModelTraining,
    ] {
        assert_eq!(kind.definition().minimum_age(), 18, "{kind}");
    }
}

#[test]
fn mistakes_are_named() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(FILE.contains(from), "the file has {from}");
        let error = Purposes::parse(&FILE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("lasts_days = 365", "lasts_days = 0", "lasts_days must be 1 to 1098");
    check("needs_peer = true", "needs_peer = false", "needs_peer is true for cross_app_linking");
    check("\"relevance\"", "\"reports\"", "purpose relevance: missing");
    check("\"relevance\"", "\"rellevance\"", "unknown purpose");
    check("\nminimum_age", "\nminimal_age", "unknown field");
    check("legal_basis = \"", "legal_basis = \"\" #", "legal_basis, data and sources are needed");
    check("sources = [\"app\", \"peer_app\"]", "sources = []", "data and sources are needed");
    check("sources = [\"business\"]", "sources = [\"inferred\"]", "reports: what derives data");
    check(
        "basis = \"consent\"",
        "basis = \"legitimate_interest\"",
        "cannot carry what combines apps",
    );
    check(
        "basis = \"consent\"\nlegal_basis = \"GDPR Art. 6(1)(a)\"\nlasts_days = 365\nask_again_after_days = 365\nminimum_age = 18\nneeds_peer = false\ncombines = false\nprofiles = true",
        "basis = \"legitimate_interest\"\nlegal_basis = \"GDPR Art. 6(1)(f)\"\nlasts_days = 365\nask_again_after_days = 365\nminimum_age = 18\nneeds_peer = false\ncombines = false\nprofiles = true",
        "relevance: legitimate_interest cannot carry what profiles people",
    );
    check("controllers = \"both_apps\"", "controllers = \"app\"", "both apps answer for");
    check("\"dpv:Match\"", "\"Match\"", "dpv needs purposes");
    check("\"pd:TelephoneNumber\"", "\"phone\"", "dpv needs purposes");
}

#[test]
fn what_needs_consent_is_not_done_without_it() {
    let check = |from: &str, to: &str, expected: &str| {
        let at = FILE.find("[[activity]]").unwrap();
        let (purposes, activities) = FILE.split_at(at);
        assert!(activities.contains(from), "the file has {from}");
        let text = format!("{purposes}{}", activities.replacen(from, to, 1));
        let error = Purposes::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "combines = false",
        "combines = true",
        "persona_reply: contract cannot carry what combines",
    );
    check("profiles = false", "profiles = true", "contract cannot carry what profiles people");
    check("\"contract\"", "\"consent\"", "what needs consent is a purpose");
    check("kept = \"30 days\"", "kept = \"\"", "activity security: title");
}
