use super::*;

fn entry(number: u64, language: Language, title: &str, body: &str) -> Entry {
    Entry { number, language, title: title.to_owned(), body: body.to_owned() }
}

fn index(languages: &[Language], entries: &[Entry]) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Index::build(folder.path(), languages, entries).expect("the index is built");
    let index = Index::open(folder.path(), languages).expect("the index opens");
    (folder, index)
}

/// Indexes `titles` in one language and returns the number of the best hit for `question`.
fn best(language: Language, titles: &[&str], question: &str) -> Option<u64> {
    let entries: Vec<Entry> =
        titles.iter().zip(0..).map(|(title, n)| entry(n, language, title, "")).collect();
    let (_folder, index) = index(&[language], &entries);
    let found = index.find(question, 5).expect("the search runs");
    found.hits.first().map(|hit| hit.number)
}

#[test]
fn stemming_finds_other_forms_in_five_languages() {
    let cases = [
        (Language::English, ["Returning an order", "Opening hours"], "how do I return orders"),
        (Language::French, ["Rembourser une commande", "Horaires"], "remboursement des commandes"),
        (Language::German, ["Rückgabe von Bestellungen", "Öffnungszeiten"], "Bestellung Rückgaben"),
        (Language::Spanish, ["Devoluciones de pedidos", "Horario"], "devolución de un pedido"),
        (Language::Portuguese, ["Devoluções de encomendas", "Horário"], "devolução da encomenda"),
    ];
    for (language, titles, question) in cases {
        assert_eq!(best(language, &titles, question), Some(0), "{language}: {question}");
    }
}

#[test]
fn accents_are_optional_on_both_sides() {
    let cases = [
        (Language::French, "Délai de réactivation", "delai reactivation"),
        (Language::French, "Delai de reactivation", "délai réactivation"),
        (Language::German, "Rückgabe", "Ruckgabe"),
        (Language::German, "Rückgabe", "Rueckgabe"),
        (Language::German, "Straße", "strasse"),
        (Language::Spanish, "Devolución", "devolucion"),
        (Language::Spanish, "Contraseña", "contrasena"),
        (Language::Portuguese, "Devolução", "devolucao"),
        // "é" as a letter and a combining mark, as some keyboards and files have it.
        (Language::French, "Délai", "de\u{301}lai"),
    ];
    for (language, title, question) in cases {
        assert_eq!(best(language, &[title], question), Some(0), "{language}: {question}");
    }
}

#[test]
fn a_typing_error_still_finds_but_counts_less_than_the_word() {
    let titles = ["Password reset", "Shipping abroad"];
    for question in ["pasword", "passwrod", "passwordd", "pazsword"] {
        assert_eq!(best(Language::English, &titles, question), Some(0), "{question}");
    }
    assert_eq!(best(Language::English, &titles, "abroda"), Some(1));
    // Short words are not guessed at.
    assert_eq!(best(Language::English, &["cat food"], "cad"), None);

    let entries = [entry(0, Language::English, "password", "")];
    let (_folder, index) = index(&[Language::English], &entries);
    let score = |text: &str| index.find(text, 1).expect("the search runs").hits[0].score;
    assert!(score("pasword") < score("password"));
}

#[test]
fn the_question_weighs_more_than_the_answer() {
    let entries = [
        entry(0, Language::English, "Delivery", "We ship with invoice and other papers."),
        entry(1, Language::English, "Invoice", "We ship with delivery and other papers."),
    ];
    let (_folder, index) = index(&[Language::English], &entries);
    assert_eq!(index.find("invoice", 2).expect("found").hits[0].number, 1);
    assert_eq!(index.find("delivery", 2).expect("found").hits[0].number, 0);
}

#[test]
fn query_syntax_in_a_question_is_only_words() {
    let titles = ["Refund", "Invoice"];
    let odd =
        ["+refund -invoice", "title:refund", "refund AND (", "\"refund", "refund~2^9 [* TO *]"];
    for question in odd {
        assert_eq!(best(Language::English, &titles, question), Some(0), "{question}");
    }
    for empty in ["", "   ", "?!…", "\u{0}"] {
        assert_eq!(best(Language::English, &titles, empty), None);
    }
}

#[test]
fn a_mixed_corpus_is_asked_in_any_of_its_languages() {
    let languages = [Language::English, Language::German];
    let entries = [
        entry(0, Language::English, "Returning an order", "Send it back within 14 days."),
        entry(1, Language::German, "Rückgabe einer Bestellung", "Innerhalb von 14 Tagen."),
    ];
    let (_folder, index) = index(&languages, &entries);
    assert_eq!(index.find("return my orders", 2).expect("found").hits[0].number, 0);
    assert_eq!(index.find("Bestellungen zurückgeben", 2).expect("found").hits[0].number, 1);
}

#[test]
fn the_ideal_is_met_by_the_question_itself() {
    let entries: Vec<Entry> = (0..50)
        .map(|n| entry(n, Language::English, &format!("topic{n} common question"), "text"))
        .collect();
    let (_folder, index) = index(&[Language::English], &entries);
    let found = index.find("topic7 common question", 3).expect("found");
    let ratio = found.hits[0].score / found.questions[&Language::English].ideal;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    let other = found.hits[1].score / found.questions[&Language::English].ideal;
    assert!(other < 0.5, "{other}");
}

#[test]
fn no_text_is_stored_in_the_index() {
    let secret = "Unmistakable Sentence About Giraffes";
    let entries = [entry(0, Language::English, secret, secret)];
    let (folder, _index) = index(&[Language::English], &entries);
    for file in std::fs::read_dir(folder.path()).expect("the folder is read") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("a file is read");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("Unmistakable") && !text.contains("Giraffes"));
    }
}

#[test]
fn words_keep_their_places() {
    let text = "L’été à Besançon: 14 j.";
    let words = Analyzer::new(Language::French).words(text);
    let shown: Vec<&str> = words.iter().map(|word| &text[word.start..word.end]).collect();
    assert_eq!(shown, ["L", "été", "à", "Besançon", "14", "j"]);
    assert_eq!(words[1].plain, "ete");
}

proptest::proptest! {
    #[test]
    fn analysis_takes_any_text(text in "\\PC{0,200}") {
        for language in Language::ALL {
            let mut end = 0;
            for word in Analyzer::new(language).words(&text) {
                assert!(word.start >= end && word.end > word.start);
                assert!(text.get(word.start..word.end).is_some());
                end = word.end;
            }
        }
    }

}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]
    #[test]
    fn any_question_is_answered_without_an_error(text in "\\PC{0,200}") {
        let (_folder, index) = index(&[Language::English], &[entry(0, Language::English, "a b", "c")]);
        index.find(&text, 5).expect("the search runs");
    }
}

#[test]
fn languages_are_read_from_tags_and_headers() {
    assert_eq!(Language::parse("pt-BR"), Some(Language::Portuguese));
    assert_eq!(Language::parse("EN"), Some(Language::English));
    assert_eq!(Language::parse("nl"), None);
    let both = [Language::English, Language::French];
    let header = "nl, fr-CH;q=0.9, en;q=0.8, *;q=0.5";
    assert_eq!(Language::accepted(header, &both), Some(Language::French));
    assert_eq!(Language::accepted("en;q=0, de", &both), None);
    let question = "Où est passée ma commande de la semaine dernière ?";
    assert_eq!(Language::detect(question, &both), Some(Language::French));
    assert_eq!(Language::detect("…", &[]), None);
}

fn volume(entries: &[Entry]) -> Volume {
    let languages = vec![Language::English];
    let fingerprint = Volume::fingerprint_of(&languages, entries);
    Volume { bot: "b0".to_owned(), version: 1, fingerprint, languages }
}

#[tokio::test]
async fn an_index_survives_the_process_and_comes_back_when_deleted_or_damaged() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries = vec![entry(7, Language::English, "Refund", "")];
    let volume = volume(&entries);
    let ask = async |shelf: &Shelf, rebuild: bool| {
        let entries = rebuild.then(|| entries.clone());
        let index = shelf.index(&volume, async { entries.ok_or(SearchError::Stale) }).await;
        let found = index.expect("the index opens").find("refund", 1).expect("the search runs");
        assert_eq!(found.hits[0].number, 7);
    };
    Shelf::new(root.path().into(), 4).build(&volume, entries.clone()).await.expect("built");
    ask(&Shelf::new(root.path().into(), 4), false).await;

    std::fs::remove_dir_all(root.path().join("b0")).expect("deleted");
    ask(&Shelf::new(root.path().into(), 4), true).await;
    ask(&Shelf::new(root.path().into(), 4), false).await;

    std::fs::write(root.path().join("b0/1/meta.json"), b"{").expect("damaged");
    ask(&Shelf::new(root.path().into(), 4), true).await;
}

#[tokio::test]
async fn an_index_of_other_content_is_stale() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let old = vec![entry(0, Language::English, "Refund", "")];
    let new = vec![entry(0, Language::English, "Invoice", "")];
    let shelf = Shelf::new(root.path().into(), 4);
    shelf.build(&volume(&old), old.clone()).await.expect("built");
    let entries = new.clone();
    let index = shelf
        .index(&volume(&new), async { Ok::<_, SearchError>(entries) })
        .await
        .expect("built again");
    assert!(index.find("refund", 1).expect("found").hits.is_empty());
    assert_eq!(index.find("invoice", 1).expect("found").hits.len(), 1);
}

#[tokio::test]
async fn discarding_removes_old_versions_only() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let entries = vec![entry(0, Language::English, "Refund", "")];
    let shelf = Shelf::new(root.path().into(), 4);
    for version in 1..=3 {
        let volume = Volume { version, ..volume(&entries) };
        shelf.build(&volume, entries.clone()).await.expect("built");
    }
    shelf.discard("b0", 2).await.expect("discarded");
    let exists = |version: u64| root.path().join(format!("b0/{version}")).exists();
    assert!(!exists(1) && !exists(2) && exists(3));
    shelf.discard("unknown", 9).await.expect("nothing to discard");
}

#[test]
fn terms_and_deleted_documents_are_seen_until_they_are_merged_away() {
    use tantivy::schema::{STORED, STRING, Schema, TEXT};
    use tantivy::{Term, doc};

    use crate::needles::{Needle, Needles, Tally};

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut schema = Schema::builder();
    let account = schema.add_text_field("account", STRING | STORED);
    let body = schema.add_text_field("body", TEXT | STORED);
    let index = tantivy::Index::create_in_dir(folder.path(), schema.build()).expect("an index");
    let mut writer: tantivy::IndexWriter =
        index.writer_with_num_threads(1, 20_000_000).expect("it");
    for name in ["planted", "other"] {
        let text = format!("{name} wrote this, and more of it");
        writer.add_document(doc!(account => name, body => text)).expect("added");
    }
    writer.commit().expect("committed");
    writer.delete_term(Term::from_field_text(account, "planted"));
    writer.commit().expect("committed");
    let needles = Needles::new(vec![Needle { what: "planted", bytes: b"planted".to_vec() }]);
    let places = || {
        let mut found = Tally::default();
        assert!(remains::is_index(folder.path()));
        let looked = remains::search(folder.path(), "index", &needles, &mut found).expect("read");
        assert!(looked > 0);
        found.traces().into_iter().map(|trace| trace.place).collect::<Vec<_>>()
    };
    for expected in ["index: term of account", "index: term of body", "index: document, body"] {
        assert!(places().iter().any(|place| place == expected), "{expected}: {:?}", places());
    }
    let segments = index.searchable_segment_ids().expect("segments");
    writer.merge(&segments).wait().expect("merged");
    writer.garbage_collect_files().wait().expect("collected");
    writer.wait_merging_threads().expect("idle");
    assert_eq!(places(), Vec::<String>::new());
}

#[test]
fn a_published_index_is_looked_into_too() {
    use crate::needles::{Needle, Needles, Tally};

    let entries = [entry(1, Language::English, "Returns", "Miss Zwetschgenknoedel wrote in")];
    let (folder, _index) = index(&[Language::English], &entries);
    let needle = |word: &str| Needle { what: "name", bytes: word.as_bytes().to_vec() };
    let found = |word: &str| {
        let (needles, mut found) = (Needles::new(vec![needle(word)]), Tally::default());
        remains::search(folder.path(), "index", &needles, &mut found).expect("read");
        found.traces().len()
    };
    assert!(found("zwetschgenknoedel") > 0);
    assert_eq!(found("marillenknoedel"), 0);
}
