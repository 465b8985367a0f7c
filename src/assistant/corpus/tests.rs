use proptest::prelude::*;

use super::*;

const BOTH: &[Language] = &[Language::English, Language::French];

fn document(kind: DocumentKind, content: &str) -> Document<'_> {
    Document { title: "Shop", kind, content, url: None, language: None }
}

fn passages(kind: DocumentKind, content: &str) -> Vec<Passage> {
    read(&document(kind, content), BOTH).expect("the document is read")
}

/// `title | text` per passage.
fn shown(kind: DocumentKind, content: &str) -> Vec<String> {
    let line = |passage: Passage| format!("{} | {}", passage.title, passage.text);
    passages(kind, content).into_iter().map(line).collect()
}

fn codes(kind: DocumentKind, content: &str) -> Vec<(Option<u64>, &'static str)> {
    let faults = read(&document(kind, content), BOTH).expect_err("the document is refused");
    faults.into_iter().map(|fault| (fault.row, fault.code)).collect()
}

#[test]
fn markdown_sections_carry_their_path() {
    let text = "# Shop\nWelcome.\n\n## Returns\nWithin *14* days.\n\n### Abroad\nAsk us.\n\n\
                ## Hours\n| day | from |\n|---|---|\n| Monday | 9 |\n";
    assert_eq!(
        shown(DocumentKind::Markdown, text),
        [
            "Shop | Welcome.",
            "Shop › Returns | Within 14 days.",
            "Shop › Returns › Abroad | Ask us.",
            "Shop › Hours | day | from | \nMonday | 9 |",
        ]
    );
}

#[test]
fn markdown_keeps_lists_links_code_and_lone_headings() {
    let text = "---\nowner: nobody\n---\n## Hotline 0800 123\n## Steps\n1. Open [the page](https://a.example/x)\n   \
                - press `Reset`\n\n<b>Done</b>\n";
    assert_eq!(
        shown(DocumentKind::Markdown, text),
        [
            "Shop › Hotline 0800 123 | Hotline 0800 123",
            "Shop › Steps | - Open the page (https://a.example/x)\n  - press Reset\n\nDone",
        ]
    );
}

#[test]
fn text_is_cut_between_paragraphs_then_sentences() {
    let sentence = "This is a sentence of some length. ";
    let text = format!("{}\n\n{}\n\nThe end.", sentence.repeat(20), sentence.repeat(60));
    let passages = passages(DocumentKind::Text, &text);
    assert!(passages.len() >= 3);
    for passage in &passages {
        assert!(passage.text.len() <= PASSAGE_BYTES);
        assert_eq!(passage.text, text[passage.range.clone()]);
        assert!(passage.text.ends_with('.'), "{}", passage.text);
    }
}

#[test]
fn csv_finds_its_columns_and_keeps_the_answer_word_for_word() {
    let text = "\u{feff}Antwort;Frage;URL;Sprache\r\n\"Ja; \"\"immer\"\".\nWirklich.\";Geht das?;https://a.example/;fr\r\n;;;\r\n";
    let passages = passages(DocumentKind::FaqCsv, text);
    assert_eq!(passages.len(), 1);
    let passage = &passages[0];
    assert_eq!(passage.title, "Geht das?");
    assert_eq!(passage.text, "Ja; \"immer\".\nWirklich.");
    assert_eq!(passage.url.as_deref(), Some("https://a.example/"));
    assert_eq!(passage.language, Language::French);
    assert!(text[passage.range.clone()].contains("Geht das?"));
}

#[test]
fn csv_faults_name_their_rows() {
    let text =
        "question,answer,url,language\nA?,,,\n,B.,,\nC?,D.,javascript:x,\nE?,F.,,nl\nG?,H.,,en\n";
    assert_eq!(
        codes(DocumentKind::FaqCsv, text),
        [
            (Some(2), "row.answer_empty"),
            (Some(3), "row.question_empty"),
            (Some(4), "row.url"),
            (Some(5), "row.language"),
        ]
    );
    let long = format!("question,answer\nA?,{}\n", "x".repeat(ANSWER_BYTES + 1));
    assert_eq!(codes(DocumentKind::FaqCsv, &long), [(Some(2), "row.answer_too_long")]);
    assert_eq!(codes(DocumentKind::FaqCsv, "what,ever\na,b\n"), [(None, "document.columns")]);
}

#[test]
fn what_cannot_be_read_is_refused_by_code() {
    assert_eq!(codes(DocumentKind::Text, " \n \n"), [(None, "document.empty")]);
    assert_eq!(codes(DocumentKind::Text, "a\0b"), [(None, "document.unreadable")]);
    let large = "a".repeat(DOCUMENT_BYTES + 1);
    assert_eq!(codes(DocumentKind::Text, &large), [(None, "document.too_large")]);
    let many = "a.\n\n".repeat(10) + &"b".repeat(PASSAGE_BYTES * (DOCUMENT_PASSAGES / 10));
    assert!(read(&document(DocumentKind::Text, &many), BOTH).is_ok());
    let nameless = Document { title: " ", ..document(DocumentKind::Text, "a") };
    let faults = read(&nameless, BOTH).expect_err("refused");
    assert_eq!(faults[0].code, "document.title");
    for url in ["javascript:alert(1)", "https://", "/here", "https://a b"] {
        let odd = Document { url: Some(url), ..document(DocumentKind::Text, "a") };
        assert_eq!(read(&odd, BOTH).expect_err("refused")[0].code, "document.url", "{url}");
    }
}

#[test]
fn the_language_is_told_or_detected() {
    let text = "Vous pouvez renvoyer votre commande pendant quatorze jours.";
    assert_eq!(passages(DocumentKind::Text, text)[0].language, Language::French);
    let told = Document { language: Some(Language::English), ..document(DocumentKind::Text, text) };
    assert_eq!(read(&told, BOTH).expect("read")[0].language, Language::English);
}

#[test]
fn equal_passages_have_equal_hashes_and_others_do_not() {
    let hash = |text: &str| passages(DocumentKind::Text, text)[0].hash();
    assert_eq!(hash("one"), hash(" one\n"));
    assert_ne!(hash("one"), hash("two"));
}

/// The letters and digits of a text, in order: what may not be lost.
fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

/// Blocks of Markdown with the text a reader sees of each.
fn block() -> impl Strategy<Value = (String, String)> {
    let words = "[a-zA-Zäéñç]{1,9}( [a-zA-Z0-9ü]{1,9}){0,30}";
    prop_oneof![
        words.prop_map(|text| (format!("{text}\n\n"), text)),
        (1..5usize, words)
            .prop_map(|(level, text)| (format!("{} {text}\n\n", "#".repeat(level)), String::new())),
        words.prop_map(|text| (format!("- {text}\n- {text}\n\n"), text.repeat(2))),
        words.prop_map(|text| (format!("> **{text}**\n\n"), text)),
        words.prop_map(|text| (format!("```\n{text}\n```\n\n"), text)),
        words.prop_map(|text| (format!("| h |\n|---|\n| {text} |\n\n"), format!("h{text}"))),
    ]
}

proptest! {
    #[test]
    fn no_text_of_markdown_is_lost(blocks in prop::collection::vec(block(), 1..12)) {
        let source: String = blocks.iter().map(|(source, _)| source.as_str()).collect();
        let expected: String = blocks.iter().map(|(_, text)| letters(text)).collect();
        let passages = passages(DocumentKind::Markdown, &source);
        // A lone heading is a passage of itself and is left out of the comparison.
        let lone = |passage: &&Passage| !passage.title.ends_with(&format!("› {}", passage.text));
        let kept: String = passages.iter().filter(lone).map(|passage| letters(&passage.text)).collect();
        prop_assert_eq!(kept, expected);
        for passage in &passages {
            prop_assert!(passage.text.len() <= PASSAGE_BYTES);
            prop_assert!(source.get(passage.range.clone()).is_some());
        }
    }

    #[test]
    fn no_text_of_plain_text_is_lost(text in "([a-zé]{1,12}[ .\n]{1,3}){0,400}", odd in "\\PC{0,3000}") {
        for text in [text, odd] {
            let Ok(passages) = read(&document(DocumentKind::Text, &text), BOTH) else { continue };
            let kept: String = passages.iter().map(|passage| letters(&passage.text)).collect();
            prop_assert_eq!(kept, letters(&text));
            for passage in passages {
                prop_assert!(passage.text.len() <= PASSAGE_BYTES);
                prop_assert_eq!(&passage.text, &text[passage.range.clone()]);
            }
        }
    }

    #[test]
    fn no_content_breaks_the_reader(text in "\\PC{0,400}", csv in "(question|answer|[\",;\n\tab]){0,80}") {
        for kind in [DocumentKind::Markdown, DocumentKind::Text, DocumentKind::FaqCsv] {
            for content in [&text, &csv, &format!("question,answer\n{csv}")] {
                if let Ok(passages) = read(&document(kind, content), BOTH) {
                    for passage in passages {
                        prop_assert!(content.get(passage.range).is_some());
                    }
                }
            }
        }
    }
}
