use std::sync::Arc;

use super::*;
use crate::consent::Decision;
use crate::notice::Notices;
use crate::receipt::sample::{World, world};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T10:22:32Z").unwrap()
}

fn file(world: &World) -> String {
    let parties = Parties::example();
    let issuer = Issuer::new(Arc::new(parties.clone()), Arc::clone(&world.ring), 7);
    let notice = Notices::builtin().get("linking", 1, "de").unwrap();
    let shown = [Shown { notice, parties }];
    let receipts = [world.receipt.clone()];
    evidence(&issuer, &world.ring.log_verifier(), (&receipts, &shown, None), now())
}

fn code(world: &World, html: &str) -> &'static str {
    let checked = verify_evidence(html, &world.ring.log_verifier());
    checked.map_or_else(|error| error.code(), |_| "it verifies")
}

#[test]
fn a_file_proves_what_was_decided_and_shown() {
    let world = world(Decision::Given);
    let html = file(&world);
    let reports = verify_evidence(&html, &world.ring.log_verifier()).unwrap();
    assert_eq!((reports.len(), reports[0].index()), (1, 3));
    assert!(!html.contains("{policy}") && !html.contains("{data}"));
    assert!(!html.contains("src=") && !html.contains("href="), "nothing is loaded");
}

#[test]
fn one_altered_character_anywhere_in_the_file_is_refused() {
    let world = world(Decision::Given);
    let html = file(&world);
    // Every 17th character of the file, frame, script and data alike: all of it in a few seconds.
    for (at, character) in html.char_indices().step_by(17) {
        let other = if character == 'x' { 'y' } else { 'x' };
        let altered = format!("{}{other}{}", &html[..at], &html[at + character.len_utf8()..]);
        assert_ne!(code(&world, &altered), "it verifies", "at {at}: {character} became {other}");
    }
}

#[test]
fn each_kind_of_change_has_its_code() {
    let world = world(Decision::Given);
    let html = file(&world);
    let change = |from: &str, to: &str| {
        assert!(html.contains(from), "the file has {from}");
        code(&world, &html.replacen(from, to, 1))
    };
    assert_eq!(change("Evidence of consent", "Evidence of dissent"), "evidence.frame");
    assert_eq!(change("need(last === 0", "need(true || 0"), "evidence.frame");
    assert_eq!(change("\"created\":\"2026", "\"created\":\"2025"), "receipt.signature");
    assert_eq!(change("\"created\":", " \"created\":"), "evidence.frame");
    assert_eq!(change("id=\"evidence\"", "id=\"evidences\""), "evidence.malformed");
    assert_eq!(code(&world, ""), "evidence.malformed");
}

#[test]
fn a_text_that_was_not_shown_is_refused_even_if_signed() {
    let world = world(Decision::Given);
    let parties = Parties::example();
    let issuer = Issuer::new(Arc::new(parties.clone()), Arc::clone(&world.ring), 7);
    let mut notice = Notices::builtin().get("linking", 1, "de").unwrap().clone();
    notice.file.push(' ');
    let shown = [Shown { notice: &notice, parties }];
    let receipts = [world.receipt.clone()];
    let html = evidence(&issuer, &world.ring.log_verifier(), (&receipts, &shown, None), now());
    assert_eq!(code(&world, &html), "evidence.notice");
}
