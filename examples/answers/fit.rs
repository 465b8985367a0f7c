//! Simulated bots from labelled phrases, a logistic fit, and the figures that judge it.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use volens::assistant::answer::FEATURES;
use volens::assistant::corpus::PassageKind;
use volens::search::Language;

use crate::world::{Item, Query, World};

type Table = [(String, String)];
type Row = ([f32; FEATURES], bool, bool);

/// Phrases per answer of the simulated bots: from one well-kept question to a collection.
const PHRASES: [usize; 4] = [1, 3, 10, 30];
/// Most answers of the simulated bots: from a corner shop to a bank.
const ANSWERS: [usize; 4] = [6, 15, 40, 150];
/// Questions asked of each simulated bot.
const QUESTIONS: usize = 200;
/// Share of the labels a simulated bot has no answer for.
const ABSENT: f64 = 0.3;

pub(crate) fn calibrate(
    out: &mut impl Write,
    banking: &Table,
    clinc: &Table,
    unanswerable: &Table,
) -> Result<()> {
    for kind in [PassageKind::Answer, PassageKind::Section] {
        let mut rows: Vec<Row> = Vec::new();
        let mut held: Vec<Row> = Vec::new();
        for seed in 0..6u64 {
            for (table, others) in [(banking, clinc), (clinc, banking)] {
                for phrases in PHRASES {
                    let mut rng = StdRng::seed_from_u64(seed * 100 + phrases as u64);
                    let strangers: Vec<&str> = unanswerable
                        .sample(&mut rng, 30)
                        .chain(others.sample(&mut rng, 30))
                        .map(|(_, text)| text.as_str())
                        .collect();
                    let answers = ANSWERS[(seed % 4) as usize];
                    let size = Size { answers, phrases };
                    let (world, queries) = simulate(kind, table, &strangers, size, &mut rng)?;
                    let target = if seed >= 4 { &mut held } else { &mut rows };
                    for query in &queries {
                        let seen = world.ask(&query.text)?;
                        for (place, (row, label)) in seen.rows.into_iter().enumerate() {
                            target.push((row, Some(&label) == query.label.as_ref(), place == 0));
                        }
                    }
                }
            }
        }
        let weights = fit(&rows);
        writeln!(out, "{}: {} rows", kind.name(), rows.len())?;
        let shown: Vec<String> = weights.iter().map(|weight| format!("{weight:.3}")).collect();
        writeln!(out, "  weights and constant: {}", shown.join(", "))?;
        let mut tally = Tally::default();
        for (row, right, first) in &held {
            if *first {
                tally.probability(probability(&weights, row), *right, true);
            }
        }
        tally.write(out)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Size {
    answers: usize,
    phrases: usize,
}

/// A bot with `phrases` per present label, and questions from the phrases it was not given.
fn simulate(
    kind: PassageKind,
    table: &Table,
    strangers: &[&str],
    size: Size,
    rng: &mut StdRng,
) -> Result<(World, Vec<Query>)> {
    let mut by_label: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (label, text) in table {
        by_label.entry(label).or_default().push(text);
    }
    let wordy = rng.random_bool(0.5);
    let mut items = Vec::new();
    let mut queries = Vec::new();
    let present = ((size.answers as f64 / (1.0 - ABSENT)) as usize).min(by_label.len());
    let mut labels: Vec<&str> = by_label.keys().copied().collect();
    labels.shuffle(rng);
    for label in &labels[..present] {
        let mut texts = by_label[label].clone();
        texts.shuffle(rng);
        let absent = rng.random_bool(ABSENT);
        let (given, asked) = texts.split_at((size.phrases + 3).min(texts.len() / 2));
        let (spoken, given) = given.split_at(3.min(given.len()));
        if !absent {
            // Some customers pick a question from a page, or type nearly the same.
            queries.extend(given.choose(rng).map(|text| Query {
                label: Some((*label).to_owned()),
                text: mistyped(&shortened(text, rng), rng),
            }));
            items.extend(passages(kind, label, given, if wordy { spoken } else { &[] }));
        }
        queries.extend(asked.iter().map(|text| Query {
            label: (!absent).then(|| (*label).to_owned()),
            text: mistyped(text, rng),
        }));
    }
    queries.shuffle(rng);
    queries.truncate(QUESTIONS);
    queries.extend(strangers.iter().map(|text| Query { label: None, text: (*text).to_owned() }));
    Ok((World::new(items, Language::English)?, queries))
}

fn passages(kind: PassageKind, label: &str, given: &[&str], spoken: &[&str]) -> Vec<Item> {
    let name = label.replace('_', " ");
    match kind {
        PassageKind::Answer => given
            .iter()
            .map(|text| Item {
                label: label.to_owned(),
                kind,
                title: (*text).to_owned(),
                text: format!("Answer {label}. {}", spoken.join(". ")),
            })
            .collect(),
        PassageKind::Section => vec![Item {
            label: label.to_owned(),
            kind,
            title: if spoken.is_empty() { "Help".to_owned() } else { format!("Help › {name}") },
            text: given.join(". "),
        }],
    }
}

/// Without one of its words in every second question.
fn shortened(text: &str, rng: &mut StdRng) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    if words.len() > 4 && rng.random_bool(0.5) {
        words.remove(rng.random_range(0..words.len()));
    }
    words.join(" ")
}

/// One typing error in every fifth question: two letters swapped in its longest word.
fn mistyped(text: &str, rng: &mut StdRng) -> String {
    let longest = text.split(' ').max_by_key(|word| word.len()).unwrap_or_default();
    if longest.len() < 5 || !longest.is_ascii() || !rng.random_bool(0.2) {
        return text.to_owned();
    }
    let mut letters: Vec<char> = longest.chars().collect();
    let at = rng.random_range(1..letters.len() - 1);
    letters.swap(at, at + 1);
    text.replacen(longest, &letters.into_iter().collect::<String>(), 1)
}

fn probability(weights: &[f64; FEATURES + 1], row: &[f32; FEATURES]) -> f32 {
    let logit: f64 =
        row.iter().zip(weights).map(|(value, weight)| f64::from(*value) * weight).sum();
    (1.0 / (1.0 + (-(logit + weights[FEATURES])).exp())) as f32
}

/// Logistic regression by projected gradient steps with momentum, ridge 1e-4. Weights stay at or
/// above zero, so that more evidence never makes an answer less likely.
fn fit(rows: &[Row]) -> [f64; FEATURES + 1] {
    let mut weights = [0.0; FEATURES + 1];
    let mut speed = [0.0; FEATURES + 1];
    for _ in 0..4_000 {
        let mut gradient = [0.0; FEATURES + 1];
        for (row, right, _) in rows {
            let error = f64::from(probability(&weights, row)) - f64::from(u8::from(*right));
            for (slot, value) in gradient.iter_mut().zip(row.iter().chain(&[1.0])) {
                *slot += error * f64::from(*value);
            }
        }
        for place in 0..=FEATURES {
            let ridge = if place == FEATURES { 0.0 } else { 1e-4 * weights[place] };
            speed[place] = 0.95 * speed[place] - (gradient[place] / rows.len() as f64 + ridge);
            weights[place] += speed[place];
            if place < FEATURES && weights[place] < 0.0 {
                (weights[place], speed[place]) = (0.0, 0.0);
            }
        }
    }
    weights
}

/// Counts of decisions, and how honest the probabilities are.
#[derive(Default)]
pub(crate) struct Tally {
    right: usize,
    wrong: usize,
    asked_well: usize,
    asked_badly: usize,
    unknown_answerable: usize,
    unknown_rightly: usize,
    chances: Vec<(f32, bool, bool)>,
}

impl Tally {
    pub(crate) fn answered(&mut self, right: bool) {
        *(if right { &mut self.right } else { &mut self.wrong }) += 1;
    }

    pub(crate) fn asked_back(&mut self, well: bool) {
        *(if well { &mut self.asked_well } else { &mut self.asked_badly }) += 1;
    }

    pub(crate) fn unknown(&mut self, answerable: bool) {
        *(if answerable { &mut self.unknown_answerable } else { &mut self.unknown_rightly }) += 1;
    }

    pub(crate) fn probability(&mut self, chance: f32, right: bool, answerable: bool) {
        self.chances.push((chance, right, answerable));
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> Result<()> {
        if self.right + self.wrong > 0 {
            writeln!(out, "answered      right {}  wrong {}", self.right, self.wrong)?;
            writeln!(
                out,
                "asked back    with it {}  without {}",
                self.asked_well, self.asked_badly
            )?;
            writeln!(
                out,
                "did not know  answerable {}  unanswerable {}",
                self.unknown_answerable, self.unknown_rightly
            )?;
        }
        let right: Vec<(f32, bool)> =
            self.chances.iter().map(|&(p, right, _)| (p, right)).collect();
        writeln!(out, "right/wrong   AUROC {:.3}  ECE {:.3}", auroc(&right), ece(&right))?;
        let answerable: Vec<(f32, bool)> = self.chances.iter().map(|&(p, _, a)| (p, a)).collect();
        if answerable.iter().any(|(_, answerable)| !answerable) {
            writeln!(out, "unanswerable  AUROC {:.3}", auroc(&answerable))?;
        }
        for cut in [0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8] {
            let above = right.iter().filter(|(chance, _)| *chance >= cut);
            let (count, good) = above.fold((0, 0), |(n, g), (_, ok)| (n + 1, g + usize::from(*ok)));
            let all = right.iter().filter(|(_, ok)| *ok).count().max(1);
            writeln!(
                out,
                "  from {cut:.2}: precision {:.3} recall {:.3}",
                good as f64 / f64::from(count.max(1)),
                good as f64 / all as f64
            )?;
        }
        Ok(())
    }
}

/// Area under the receiver operating characteristic by ranks, ties counted half.
fn auroc(chances: &[(f32, bool)]) -> f64 {
    let mut sorted = chances.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut sum, mut start) = (0.0, 0);
    while start < sorted.len() {
        let end = start + sorted[start..].partition_point(|row| row.0 <= sorted[start].0);
        let middle = (start + end + 1) as f64 / 2.0;
        sum += middle * sorted[start..end].iter().filter(|(_, good)| *good).count() as f64;
        start = end;
    }
    let good = chances.iter().filter(|(_, good)| *good).count() as f64;
    let bad = chances.len() as f64 - good;
    (sum - good * (good + 1.0) / 2.0) / (good * bad).max(1.0)
}

/// Expected calibration error over 15 bins of equal width.
fn ece(chances: &[(f32, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0, 0usize); 15];
    for (chance, right) in chances {
        let bin = &mut bins[((chance * 15.0) as usize).min(14)];
        *bin = (bin.0 + f64::from(*chance), bin.1 + f64::from(u8::from(*right)), bin.2 + 1);
    }
    let total = chances.len().max(1) as f64;
    bins.iter().map(|(chance, right, _)| (chance - right).abs() / total).sum()
}
