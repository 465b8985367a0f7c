//! What is alike in the accounts of one person and not in those of others, within the crowd that
//! coarse facts leave: the same language, and as far towards linking.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use volens_models::features::{Features, Schema};
use volens_models::learner::{Options, train};
use volens_models::model::Model;
use volens_models::table::Table;
use volens_privacy::{Leaf, SubjectId, Timestamp};

use super::attack::{COMMON, Material, run_number};
use super::world::{Linking, World};
use crate::dump::Cell;

/// People, and two apps in which each has an account.
pub(super) struct Pairs {
    pub(super) apps: [usize; 2],
    pub(super) people: Vec<usize>,
}

/// How well an attack tells who belongs together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Share of people whose other account was thought the likeliest of its crowd.
    pub(super) top: f64,
    /// What guessing gives.
    pub(super) chance: f64,
    /// How often the right account is thought likelier than another one of the crowd.
    pub(super) auc: f64,
}

impl Found {
    /// The gate: at most three times chance, and hardly better than a coin.
    pub(super) fn is_chance(&self) -> bool {
        self.top <= 3.0 * self.chance && self.auc <= 0.52
    }
}

/// Bins of hashed texts.
const TEXT: usize = 128;
/// Times are counted by the hour of the day.
const HOURS: usize = 24;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// What is known of one account, made comparable.
struct Sketch {
    /// Numbers of its `(column, value)`, in order.
    values: Vec<usize>,
    /// Rare runs of eight bytes, in order.
    runs: Vec<u64>,
    text: [f64; TEXT],
    hours: [f64; HOURS],
    /// By column: the mean of its numbers.
    numbers: BTreeMap<String, f64>,
    /// By column: how many values it has.
    counts: BTreeMap<String, f64>,
    /// Both again, in the order of [`Attacker::columns`].
    row: Vec<(Option<f64>, f64)>,
}

/// The thief with everything at hand: a sketch per account, what is rare, and a classifier.
pub(super) struct Attacker {
    sketches: Vec<Vec<Sketch>>,
    /// Weight of each value: the rarer, the heavier.
    weights: Vec<f64>,
    /// Columns that differ between accounts.
    columns: Vec<Column>,
    model: Option<Model>,
}

impl Attacker {
    /// Looks at the columns that `wanted` names; those of links are no news to anybody.
    pub(super) fn on(
        world: &World,
        materials: &BTreeMap<SubjectId, Material>,
        wanted: impl Fn(&str) -> bool,
    ) -> Self {
        let wanted = |label: &str| {
            let linking = ["link_tokens.", "links.", "length of link"];
            wanted(label) && !linking.iter().any(|prefix| label.starts_with(prefix))
        };
        let chosen: Vec<Vec<Material>> = world
            .accounts
            .iter()
            .map(|accounts| {
                let of = |subject: &SubjectId| {
                    let all = materials[subject].iter();
                    all.filter(|(label, _)| wanted(label)).cloned().collect()
                };
                accounts.iter().map(of).collect()
            })
            .collect();
        let mut numbering = Numbering::default();
        for material in chosen.iter().flatten() {
            numbering.count(material);
        }
        let mut sketches: Vec<Vec<Sketch>> = chosen
            .iter()
            .map(|side| side.iter().map(|material| numbering.sketch(material)).collect())
            .collect();
        let columns = columns(&sketches);
        for sketch in sketches.iter_mut().flatten() {
            let both = |column: &Column| {
                let count = sketch.counts.get(&column.label).copied().unwrap_or_default();
                (sketch.numbers.get(&column.label).copied(), count)
            };
            sketch.row = columns.iter().map(both).collect();
        }
        let weights = numbering.weights();
        let mut attacker = Self { sketches, weights, columns, model: None };
        attacker.learn(world);
        attacker
    }

    /// Trains on the pairs who consented: the thief sees who is linked.
    fn learn(&mut self, world: &World) {
        let mut rng = StdRng::seed_from_u64(11);
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for crowd in crowds(world, &(0..world.people.len()).collect::<Vec<_>>()) {
            if world.people[crowd[0]].linking != Linking::Consented {
                continue;
            }
            for person in &crowd {
                let others = (0..3).filter_map(|_| crowd.choose(&mut rng));
                for other in others.filter(|other| *other != person).chain([person]) {
                    rows.push(self.features([0, 1], *person, *other));
                    labels.push(other == person);
                }
            }
        }
        let schema = Schema::covering(&rows);
        let table = Table::from_features(&schema, &rows);
        let options = Options { averaged: 1, ..Options::default() };
        let trained = train(&table, &labels, None, &options).expect("there are both kinds");
        self.model = Some(trained.model);
    }

    /// Every attack on these pairs, judged by one person of every `step`.
    pub(super) fn attack(
        &self,
        world: &World,
        pairs: &[Pairs],
        step: usize,
    ) -> BTreeMap<&'static str, Found> {
        type Likeness = fn(&Attacker, [usize; 2], usize, usize) -> f64;
        let attacks: [(&'static str, Likeness); 5] = [
            ("equal values", Self::equal_values),
            ("shared bytes", Self::shared_bytes),
            ("timing", Self::timing),
            ("texts", Self::texts),
            ("classifier", Self::classified),
        ];
        let judged = |likeness: Likeness| {
            let (mut found, mut people) = (Found::default(), 0.0);
            for pair in pairs {
                for crowd in crowds(world, &pair.people) {
                    for person in crowd.iter().step_by(step) {
                        let of = |other: &usize| likeness(self, pair.apps, *person, *other);
                        let one = judge(of(person), crowd.iter().filter(|o| *o != person).map(of));
                        found.top += one.top;
                        found.chance += one.chance;
                        found.auc += one.auc;
                        people += 1.0;
                    }
                }
            }
            Found {
                top: found.top / people,
                chance: found.chance / people,
                auc: found.auc / people,
            }
        };
        attacks.into_iter().map(|(name, likeness)| (name, judged(likeness))).collect()
    }

    fn sides(&self, [one, other]: [usize; 2], left: usize, right: usize) -> (&Sketch, &Sketch) {
        (&self.sketches[one][left], &self.sketches[other][right])
    }

    fn equal_values(&self, apps: [usize; 2], left: usize, right: usize) -> f64 {
        let (left, right) = self.sides(apps, left, right);
        let shared = left.values.iter().filter(|value| right.values.binary_search(value).is_ok());
        shared.map(|value| self.weights[*value]).sum()
    }

    fn shared_bytes(&self, apps: [usize; 2], left: usize, right: usize) -> f64 {
        let (left, right) = self.sides(apps, left, right);
        left.runs.iter().filter(|run| right.runs.binary_search(run).is_ok()).count() as f64
    }

    fn timing(&self, apps: [usize; 2], left: usize, right: usize) -> f64 {
        let (left, right) = self.sides(apps, left, right);
        cosine(&left.hours, &right.hours)
    }

    fn texts(&self, apps: [usize; 2], left: usize, right: usize) -> f64 {
        let (left, right) = self.sides(apps, left, right);
        cosine(&left.text, &right.text)
    }

    fn classified(&self, apps: [usize; 2], left: usize, right: usize) -> f64 {
        let model = self.model.as_ref().expect("it was trained");
        model.score_values(&self.features(apps, left, right)).probability
    }

    /// How two accounts differ, column by column, and what the other attacks say.
    fn features(&self, apps: [usize; 2], left: usize, right: usize) -> Features {
        let mut features = Features::default();
        features.number("equal", self.equal_values(apps, left, right));
        features.number("runs", self.shared_bytes(apps, left, right));
        features.number("timing", self.timing(apps, left, right));
        features.number("texts", self.texts(apps, left, right));
        let (left, right) = self.sides(apps, left, right);
        let rows = left.row.iter().zip(&right.row);
        for (Column { number, count, .. }, (a, b)) in self.columns.iter().zip(rows) {
            if let Some(((name, span), (a, b))) = number.as_ref().zip(a.0.zip(b.0)) {
                features.number(name, (a - b).abs() / span);
            }
            if let Some(name) = count {
                features.number(name, (a.1 - b.1).abs());
            }
        }
        features
    }
}

/// The people of each crowd: coarse facts are in clear, and the thief uses them.
fn crowds(world: &World, people: &[usize]) -> Vec<Vec<usize>> {
    let mut crowds: BTreeMap<(&str, u8), Vec<usize>> = BTreeMap::new();
    for nth in people {
        let person = &world.people[*nth];
        let crowd = (person.details.language.as_str(), person.linking as u8);
        crowds.entry(crowd).or_default().push(*nth);
    }
    crowds.into_values().filter(|crowd| crowd.len() > 1).collect()
}

/// What one person's likenesses come to: to the own account, and to the others of the crowd.
fn judge(own: f64, others: impl Iterator<Item = f64>) -> Found {
    let (mut count, mut above, mut equal) = (0.0, 0.0, 0.0);
    for other in others {
        count += 1.0;
        above += f64::from(u8::from(other > own));
        equal += f64::from(u8::from(other.total_cmp(&own).is_eq()));
    }
    Found {
        top: if above == 0.0 { 1.0 / (1.0 + equal) } else { 0.0 },
        chance: 1.0 / (1.0 + count),
        auc: 1.0 - (above + equal / 2.0) / count,
    }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

/// A column in which accounts differ, and what the classifier calls its features.
struct Column {
    label: String,
    /// How far its numbers lie apart, and the largest difference there is.
    number: Option<(String, f64)>,
    /// How many values there are.
    count: Option<String>,
}

fn columns(sketches: &[Vec<Sketch>]) -> Vec<Column> {
    let labels: BTreeSet<&String> =
        sketches.iter().flatten().flat_map(|sketch| sketch.counts.keys()).collect();
    let span = |of: &dyn Fn(&Sketch) -> Option<f64>| {
        let mut ends = (f64::INFINITY, f64::NEG_INFINITY);
        for number in sketches.iter().flatten().filter_map(of) {
            ends = (ends.0.min(number), ends.1.max(number));
        }
        (ends.1 > ends.0).then_some(ends.1 - ends.0)
    };
    let column = |label: &String| Column {
        number: span(&|sketch| sketch.numbers.get(label).copied())
            .map(|span| (format!("difference {label}"), span)),
        count: span(&|sketch| Some(sketch.counts.get(label).copied().unwrap_or_default()))
            .map(|_| format!("count {label}")),
        label: label.clone(),
    };
    labels.into_iter().map(column).collect()
}

/// Which values and runs there are, and in how many accounts.
#[derive(Default)]
struct Numbering {
    values: BTreeMap<(String, Cell), (usize, f64)>,
    runs: BTreeMap<u64, usize>,
    accounts: f64,
}

impl Numbering {
    fn count(&mut self, material: &Material) {
        self.accounts += 1.0;
        for one in material.iter().collect::<BTreeSet<_>>() {
            let next = self.values.len();
            self.values.entry(one.clone()).or_insert((next, 0.0)).1 += 1.0;
        }
        for run in runs(material) {
            *self.runs.entry(run).or_default() += 1;
        }
    }

    fn weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.values.len()];
        for (number, seen) in self.values.values() {
            weights[*number] = (self.accounts / seen).ln();
        }
        weights
    }

    fn sketch(&self, material: &Material) -> Sketch {
        let mut values: Vec<usize> = material.iter().map(|one| self.values[one].0).collect();
        values.sort_unstable();
        values.dedup();
        // A run of one account alone joins it to none.
        let rare = |run: &u64| (2..=COMMON).contains(&self.runs[run]);
        let mut sketch = Sketch {
            values,
            runs: runs(material).into_iter().filter(rare).collect(),
            text: [0.0; TEXT],
            hours: [0.0; HOURS],
            numbers: BTreeMap::new(),
            counts: BTreeMap::new(),
            row: Vec::new(),
        };
        for (label, cell) in material {
            *sketch.counts.entry(label.clone()).or_default() += 1.0;
            match cell {
                Cell::Number(number) => sketch.number(label, *number),
                Cell::Text(text) => sketch.read(text.as_bytes()),
                Cell::Bytes(bytes) => sketch.leaf(bytes),
            }
        }
        for (label, sum) in &mut sketch.numbers {
            *sum /= sketch.counts[label];
        }
        sketch
    }
}

impl Sketch {
    fn number(&mut self, label: &str, number: i64) {
        *self.numbers.entry(label.to_owned()).or_default() += number as f64;
        // What lies between 2020 and 2100 is a time in microseconds.
        if (1_577_836_800_000_000..4_102_444_800_000_000).contains(&number) {
            self.at(number);
        }
    }

    fn at(&mut self, micros: i64) {
        self.hours[(micros / MICROS_PER_HOUR % 24) as usize] += 1.0;
    }

    /// An entry of the ledger tells its minute; other bytes are sealed.
    fn leaf(&mut self, bytes: &[u8]) {
        if let Ok(leaf) = Leaf::parse(bytes) {
            self.at(Timestamp::micros(leaf.at()));
            self.read(bytes);
        }
    }

    /// Counts runs of four characters, hashed (Weinberger et al. 2009).
    fn read(&mut self, text: &[u8]) {
        for run in text.windows(4) {
            let hash = run.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            self.text[(hash % TEXT as u64) as usize] += 1.0;
        }
    }
}

/// Of all runs one in so many is compared here, the same on both sides; [`super::attack`] compares all.
const SAMPLED: u64 = 32;

/// Some of the runs of eight bytes in a material, in order.
fn runs(material: &Material) -> Vec<u64> {
    let mut found: Vec<u64> = material
        .iter()
        .flat_map(|(_, cell)| match cell {
            Cell::Bytes(bytes) => bytes.windows(8),
            Cell::Text(text) => text.as_bytes().windows(8),
            Cell::Number(_) => [].windows(8),
        })
        .map(run_number)
        .filter(|run| run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (SAMPLED - 1) == 0)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn guessing_is_chance_and_knowing_is_not() {
    let guess = judge(0.0, (0..99).map(|_| 0.0));
    assert!(guess.is_chance(), "{guess:?}");
    let known = judge(1.0, (0..99).map(|_| 0.0));
    assert!(!known.is_chance() && known.top > 0.99 && known.auc > 0.99, "{known:?}");
}
