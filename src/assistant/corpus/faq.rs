//! CSV of questions and answers.

use std::ops::Range;

use csv::{ReaderBuilder, StringRecord};

use super::{
    ANSWER_BYTES, Document, Fault, Language, Passage, PassageKind, ROW_ERRORS, TITLE_BYTES,
    is_web_address, language_of,
};

/// Header names of each column, lower case, in the five languages.
const QUESTION: &[&str] = &["question", "frage", "pregunta", "pergunta", "q"];
const ANSWER: &[&str] = &["answer", "réponse", "reponse", "antwort", "respuesta", "resposta", "a"];
const URL: &[&str] = &["url", "link", "source"];
const LANGUAGE: &[&str] = &["language", "lang", "langue", "sprache", "idioma"];

/// Where each column stands.
struct Columns {
    question: usize,
    answer: usize,
    url: Option<usize>,
    language: Option<usize>,
}

/// One passage per row; the answer is kept word for word.
pub(super) fn read(
    document: &Document<'_>,
    languages: &[Language],
) -> Result<Vec<Passage>, Vec<Fault>> {
    let skipped = document.content.len() - document.content.trim_start_matches('\u{feff}').len();
    let content = &document.content[skipped..];
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(content))
        .flexible(true)
        .from_reader(content.as_bytes());
    let header = reader.headers().map_err(|error| vec![unreadable(&error)])?.clone();
    let columns = columns(&header).map_err(|fault| vec![fault])?;
    let mut passages = Vec::new();
    let mut faults = Vec::new();
    let mut records = reader.records();
    let mut row = 1;
    loop {
        let start = records.reader().position().byte() as usize;
        let Some(record) = records.next() else { break };
        row += 1;
        let end = records.reader().position().byte() as usize;
        let range = skipped + start..skipped + end;
        match record
            .map_err(|error| unreadable(&error))
            .and_then(|record| passage(document, languages, &columns, &record, row, range))
        {
            Ok(passage) => passages.extend(passage),
            Err(fault) if faults.len() < ROW_ERRORS => faults.push(fault),
            Err(_) => break,
        }
    }
    if faults.is_empty() { Ok(passages) } else { Err(faults) }
}

/// The separator that the first line has most of.
fn delimiter(content: &str) -> u8 {
    let line = content.lines().next().unwrap_or_default();
    let count = |byte: u8| line.bytes().filter(|&found| found == byte).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|&byte| count(byte)).unwrap_or(b',')
}

fn columns(header: &StringRecord) -> Result<Columns, Fault> {
    let find = |names: &[&str]| {
        header.iter().position(|name| names.contains(&name.trim().to_lowercase().as_str()))
    };
    let missing = |name: &str| {
        let message = format!("row 1 must name the columns question and answer; {name} is missing");
        Fault::document("document.columns", message)
    };
    Ok(Columns {
        question: find(QUESTION).ok_or_else(|| missing("question"))?,
        answer: find(ANSWER).ok_or_else(|| missing("answer"))?,
        url: find(URL),
        language: find(LANGUAGE),
    })
}

fn passage(
    document: &Document<'_>,
    languages: &[Language],
    columns: &Columns,
    record: &StringRecord,
    row: u64,
    range: Range<usize>,
) -> Result<Option<Passage>, Fault> {
    if record.iter().all(|cell| cell.trim().is_empty()) {
        return Ok(None);
    }
    let cell = |column: usize| record.get(column).unwrap_or_default().trim();
    let optional = |column: Option<usize>| column.map(cell).filter(|text| !text.is_empty());
    let title = checked(cell(columns.question), TITLE_BYTES, row, &QUESTION_CODES)?;
    let text = checked(cell(columns.answer), ANSWER_BYTES, row, &ANSWER_CODES)?;
    let url = optional(columns.url).or(document.url);
    if url.is_some_and(|url| !is_web_address(url)) {
        let message = "the address must begin with https:// or http://";
        return Err(Fault::row(row, "row.url", message));
    }
    let language = match optional(columns.language) {
        None => language_of(document, &format!("{title} {text}"), languages),
        Some(tag) => Language::parse(tag)
            .filter(|language| languages.contains(language))
            .ok_or_else(|| Fault::row(row, "row.language", "not a language of this bot"))?,
    };
    Ok(Some(Passage {
        kind: PassageKind::Answer,
        title,
        text,
        url: url.map(str::to_owned),
        language,
        range,
    }))
}

struct Codes {
    name: &'static str,
    empty: &'static str,
    long: &'static str,
}

const QUESTION_CODES: Codes =
    Codes { name: "question", empty: "row.question_empty", long: "row.question_too_long" };
const ANSWER_CODES: Codes =
    Codes { name: "answer", empty: "row.answer_empty", long: "row.answer_too_long" };

fn checked(text: &str, limit: usize, row: u64, codes: &Codes) -> Result<String, Fault> {
    let name = codes.name;
    if text.is_empty() {
        return Err(Fault::row(row, codes.empty, format!("the {name} is empty")));
    }
    if text.len() > limit {
        let message = format!("the {name} has more than {limit} bytes");
        return Err(Fault::row(row, codes.long, message));
    }
    Ok(text.to_owned())
}

fn unreadable(error: &csv::Error) -> Fault {
    Fault {
        row: error.position().map(csv::Position::record),
        code: "document.unreadable",
        message: "the content is not CSV".to_owned(),
    }
}
