//! The assessment as far as the program knows it; what only people can say is left to be written.

use std::fmt::Write as _;

use volens_privacy::PurposeKind;

/// What stands where somebody has to write. A document that still holds it is not attached.
pub const UNWRITTEN: &str = "[to be written]";

/// Measures that the program takes, and where each is shown. They answer GDPR Art. 35(7)(d).
const MEASURES: &[(&str, &str)] = &[
    ("Accounts cannot be joined without consent", "tests/journeys/join_attack.rs"),
    ("A withdrawal takes effect before it is answered", "tests/journeys/withdrawal_under_load.rs"),
    ("Every decision is in a tamper-evident ledger", "volens ledger verify"),
    ("Records are sealed under a key of each account, destroyed with it", "volens audit erasure"),
    ("Readings leave a mark, and records need four eyes", "invariant I-20"),
    ("Sensitive topics are refused at the door", "invariant I-8"),
    ("Nobody known to be a minor is profiled", "invariant I-9"),
];

/// Risks to rights and freedoms that this processing has by its nature (GDPR Art. 35(7)(c)).
const RISKS: &[&str] = &[
    "Two accounts are joined although the person did not want it",
    "A recycled or shared phone number joins accounts of two people",
    "Interests from one context surprise in another",
    "The database or the keys are stolen",
    "A person is judged by a model that learned from people who left",
];

/// The template for one purpose, in Markdown.
pub fn template(purpose: PurposeKind) -> String {
    let known = purpose.definition();
    let mut text = String::new();
    let mut line = |words: &str| {
        writeln!(text, "{words}").expect("writing to a string does not fail");
    };
    line(&format!("# Data protection impact assessment: {}", known.title("en")));
    line(&format!("\nGDPR Art. 35 · purpose `{}`\n", known.kind()));
    line("## The processing and its purpose (Art. 35(7)(a))\n");
    line(known.covers("en"));
    line(&format!("\n- Legal basis: {}", known.legal_basis()));
    line(&format!("- Data: {}", known.data().join("; ")));
    line(&format!("- A consent lasts at most {} days", known.lasts_days()));
    line(&format!("- Nobody is asked again for {} days", known.ask_again_after_days()));
    line(&format!("- Youngest age: {}", known.minimum_age()));
    line(&format!("- Context, scale and number of people: {UNWRITTEN}"));
    line("\n## Necessity and proportionality (Art. 35(7)(b))\n");
    line(&format!("Why nothing milder serves: {UNWRITTEN}"));
    line("\n## Risks (Art. 35(7)(c))\n");
    line("| risk | likelihood | severity | what is left |\n|---|---|---|---|");
    for risk in RISKS {
        line(&format!("| {risk} | {UNWRITTEN} | {UNWRITTEN} | {UNWRITTEN} |"));
    }
    line("\n## Measures (Art. 35(7)(d))\n");
    line("| measure | shown by |\n|---|---|");
    for (measure, shown) in MEASURES {
        line(&format!("| {measure} | `{shown}` |"));
    }
    line("\n## Advice and views (Art. 35(2), 35(9))\n");
    line(&format!("- Data protection officer: {UNWRITTEN}"));
    line(&format!("- Views of the people concerned: {UNWRITTEN}"));
    line(&format!("- Decision, name and date: {UNWRITTEN}"));
    text
}
