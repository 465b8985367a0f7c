//! Fits and measures the answer decision on public data sets. Not part of the service.
//!
//! ```text
//! cargo run --example answers -- calibrate BANKING_TRAIN CLINC_TRAIN UNANSWERABLE_VAL
//! cargo run --example answers -- intents TRAIN TEST [UNANSWERABLE]
//! cargo run --example answers -- documents DOCUMENTS.jsonl QUERIES.tsv LANGUAGE
//! ```
//! Tables are tab-separated with the columns `label` and `text`; documents are JSON lines
//! `{id, title, text}`, their queries `query` and `id`.

#[path = "answers/fit.rs"]
mod fit;
#[path = "answers/world.rs"]
mod world;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use volens::assistant::answer::Decision;
use volens::assistant::corpus::PassageKind;
use volens::search::Language;
use world::{Item, Query, World};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    match arguments[..] {
        ["calibrate", banking, clinc, unanswerable] => {
            fit::calibrate(&mut out, &table(banking)?, &table(clinc)?, &table(unanswerable)?)
        }
        ["intents", train, test] => intents(&mut out, &table(train)?, &table(test)?, &[]),
        ["intents", train, test, unanswerable] => {
            intents(&mut out, &table(train)?, &table(test)?, &table(unanswerable)?)
        }
        ["documents", documents, queries, language] => {
            let language = Language::parse(language).context("an unknown language")?;
            measure_documents(&mut out, documents, queries, language)
        }
        _ => bail!("usage: answers calibrate|intents|documents FILES"),
    }
}

/// Reads `label` and `text`.
fn table(path: &str) -> Result<Vec<(String, String)>> {
    columns(path, ["label", "text"])
}

fn columns(path: &str, names: [&str; 2]) -> Result<Vec<(String, String)>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .quoting(false)
        .from_path(path)
        .with_context(|| format!("cannot read {path}"))?;
    let header = reader.headers()?.clone();
    let place = |name: &str| {
        header.iter().position(|found| found == name).with_context(|| format!("no column {name}"))
    };
    let [first, second] = [place(names[0])?, place(names[1])?];
    reader
        .records()
        .map(|record| {
            let record = record?;
            let cell = |place: usize| record.get(place).unwrap_or_default().to_owned();
            Ok((cell(first), cell(second)))
        })
        .collect()
}

/// Every training phrase is a question, every label an answer.
fn intents(
    out: &mut impl Write,
    train: &[(String, String)],
    test: &[(String, String)],
    unanswerable: &[(String, String)],
) -> Result<()> {
    let items = train.iter().map(|(label, text)| Item {
        label: label.clone(),
        kind: PassageKind::Answer,
        title: text.clone(),
        text: format!("The answer named {label}."),
    });
    let queries = test.iter().map(|(label, text)| (Some(label.clone()), text.clone()));
    let strangers = unanswerable.iter().map(|(_, text)| (None, text.clone()));
    let queries: Vec<Query> =
        queries.chain(strangers).map(|(label, text)| Query { label, text }).collect();
    report(out, &World::new(items.collect(), Language::English)?, &queries)
}

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    title: String,
    text: String,
}

/// Documents are cut into passages as the service cuts them; a hit is the right document.
fn measure_documents(
    out: &mut impl Write,
    documents: &str,
    queries: &str,
    language: Language,
) -> Result<()> {
    let mut items = Vec::new();
    for line in std::fs::read_to_string(Path::new(documents))?.lines() {
        let line: Line = serde_json::from_str(line)?;
        items.extend(world::cut(&line.id, &line.title, &line.text, language)?);
    }
    let queries: Vec<Query> = columns(queries, ["query", "id"])?
        .into_iter()
        .map(|(text, id)| Query { label: Some(id), text })
        .collect();
    report(out, &World::new(items, language)?, &queries)
}

fn report(out: &mut impl Write, world: &World, queries: &[Query]) -> Result<()> {
    let mut tally = fit::Tally::default();
    let mut ranks = [0usize; 3];
    let mut bm25 = [0usize; 2];
    let mut answerable = 0usize;
    for query in queries {
        let seen = world.ask(&query.text)?;
        if let Some(label) = &query.label {
            answerable += 1;
            let place = seen.labels.iter().position(|found| found == label);
            for (count, limit) in ranks.iter_mut().zip([1, 3, 5]) {
                *count += usize::from(place.is_some_and(|place| place < limit));
            }
            let place = seen.bm25_labels.iter().position(|found| found == label);
            for (count, limit) in bm25.iter_mut().zip([1, 5]) {
                *count += usize::from(place.is_some_and(|place| place < limit));
            }
        }
        let right = |place: usize| query.label.as_deref() == Some(seen.label_at(place));
        match &seen.decision {
            Decision::Answer { place, .. } => tally.answered(right(*place)),
            Decision::Clarify { places, .. } => {
                tally.asked_back(places.iter().any(|&place| right(place)));
            }
            Decision::Unknown { .. } => tally.unknown(query.label.is_some()),
        }
        let top_right = query.label.is_some() && seen.labels.first() == query.label.as_ref();
        tally.probability(seen.probability, top_right, query.label.is_some());
    }
    let share = |count: usize| count as f64 / answerable.max(1) as f64;
    writeln!(out, "passages {}  questions {}", world.len(), queries.len())?;
    writeln!(out, "BM25 alone    hit@1 {:.3}  hit@5 {:.3}", share(bm25[0]), share(bm25[1]))?;
    writeln!(
        out,
        "candidates    hit@1 {:.3}  hit@3 {:.3}  hit@5 {:.3}",
        share(ranks[0]),
        share(ranks[1]),
        share(ranks[2])
    )?;
    tally.write(out)
}
