//! The attack itself: what the accounts of one person share and those of others do not.

use std::collections::BTreeMap;

use volens_privacy::SubjectId;

use super::world::World;
use crate::dump::{Cell, Table};

/// A run of bytes that so many accounts of one app share says nothing about one of them.
pub(super) const COMMON: usize = 20;
/// So many different values a coarse column may have.
pub(super) const FEW: usize = 16;
/// Columns in clear that hold one of few values: what an app tells about its user, and what was
/// decided. They narrow to a crowd (docs/threat-model.md says so), and two of them never join.
/// Whatever is not in this list must share nothing at all.
pub(super) const COARSE: &[&str] = &[
    "accounts.age_band",
    "accounts.country",
    "accounts.language",
    "accounts.time_zone",
    "grants.language",
    "grants.notice",
    "grants.peer",
    "grants.purpose",
    "grants.state",
    "record.assessment.entry",
    "record.assessment.name",
    "record.assessment.sha256",
    "record.chain.previous.decision",
    "record.decision",
    "record.notice.content_sha256",
    "record.notice.language",
    "record.notice.published.at",
    "record.notice.published.entry",
    "length of consent_records.sealed",
    "length of profiles.sealed",
    "record.phone.encoding",
];
/// Everything known about one account: `table.column` and value.
pub(super) type Material = Vec<(String, Cell)>;

/// Sorts a dump by account. A row belongs to every account whose id stands in it, and brings the
/// ledger entry it names.
pub(super) fn by_account(
    tables: &[Table],
    accounts: &[SubjectId],
) -> BTreeMap<SubjectId, Material> {
    let mut found: BTreeMap<SubjectId, Material> =
        accounts.iter().map(|subject| (*subject, Vec::new())).collect();
    let entries: BTreeMap<i64, &Cell> = tables
        .iter()
        .filter(|table| table.name == "ledger_entries")
        .flat_map(|table| &table.rows)
        .filter_map(|row| Some((number(row, "idx")?, value(row, "leaf")?)))
        .collect();
    for table in tables {
        for row in &table.rows {
            let owners: Vec<SubjectId> = row.iter().filter_map(|(_, cell)| owner(cell)).collect();
            let leaf = number(row, "entry").and_then(|entry| entries.get(&entry));
            for owner in owners {
                let Some(material) = found.get_mut(&owner) else { continue };
                for (column, cell) in row {
                    let label = format!("{}.{column}", table.name);
                    if let Cell::Bytes(bytes) = cell {
                        let length = Cell::Number(bytes.len() as i64);
                        material.push((format!("length of {label}"), length));
                    }
                    if self::owner(cell) != Some(owner) {
                        material.push((label, cell.clone()));
                    }
                }
                material
                    .extend(leaf.map(|leaf| ("ledger_entries.leaf".to_owned(), (*leaf).clone())));
            }
        }
    }
    found
}

pub(super) fn value<'a>(row: &'a [(String, Cell)], name: &str) -> Option<&'a Cell> {
    row.iter().find(|(column, _)| column == name).map(|(_, cell)| cell)
}

pub(super) fn number(row: &[(String, Cell)], name: &str) -> Option<i64> {
    match value(row, name) {
        Some(Cell::Number(number)) => Some(*number),
        _ => None,
    }
}

pub(super) fn owner(cell: &Cell) -> Option<SubjectId> {
    match cell {
        Cell::Bytes(bytes) => Some(SubjectId::from_bytes(bytes.as_slice().try_into().ok()?)),
        Cell::Number(_) | Cell::Text(_) => None,
    }
}

/// How often something is shared by the two accounts of one person, and how often chance alone
/// would have it, given how often any account of one app shares it with any of the other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    of_one_person: f64,
    by_chance: f64,
}

impl Shared {
    /// More than six standard deviations above chance, and more than a coincidence or two.
    fn is_a_join(&self) -> bool {
        self.of_one_person > self.by_chance + 6.0 * self.by_chance.sqrt() + 2.0
    }
}

/// Values seen, each with the person it was seen with; sorted and without repetition.
pub(super) type Sightings = Vec<(u64, usize)>;

/// Sightings grouped by value: the value and everybody it was seen with.
pub(super) fn groups(sightings: &Sightings) -> impl Iterator<Item = (u64, &[(u64, usize)])> {
    sightings.chunk_by(|a, b| a.0 == b.0).map(|group| (group[0].0, group))
}

/// Counts what the two accounts of each of `people` persons share. Both sides are in order, so one
/// walk through both finds every value that was seen on either.
pub(super) fn compare(one: &Sightings, other: &Sightings, people: usize) -> Shared {
    let mut shared = Shared::default();
    let mut others = groups(other).peekable();
    for (value, left) in groups(one) {
        while others.next_if(|(seen, _)| *seen < value).is_some() {}
        let Some((_, right)) = others.next_if(|(seen, _)| *seen == value) else { continue };
        let equal = left.iter().filter(|sighting| right.binary_search(sighting).is_ok()).count();
        shared.of_one_person += equal as f64;
        shared.by_chance += left.len() as f64 * right.len() as f64 / people as f64;
    }
    shared
}

pub(super) fn in_order(mut sightings: Sightings) -> Sightings {
    sightings.sort_unstable();
    sightings.dedup();
    sightings
}

/// Attack one: equal values, in every pair of columns. Gives the pairs that join people.
pub(super) fn equal_values(one: &[&Material], other: &[&Material]) -> Vec<String> {
    let mut numbers: BTreeMap<&Cell, u64> = BTreeMap::new();
    let mut columns = [const { BTreeMap::<&str, Sightings>::new() }; 2];
    for (side, columns) in [one, other].into_iter().zip(&mut columns) {
        for (person, material) in side.iter().enumerate() {
            for (label, cell) in *material {
                let next = numbers.len() as u64;
                let number = *numbers.entry(cell).or_insert(next);
                columns.entry(label).or_default().push((number, person));
            }
        }
    }
    let [left, right] = columns.map(|columns| {
        columns.into_iter().map(|(label, seen)| (label, in_order(seen))).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for (left_label, a) in &left {
        for (right_label, b) in &right {
            let coarse = is_coarse(left_label, a) && is_coarse(right_label, b);
            let shared = compare(a, b, one.len());
            if shared.is_a_join() && !coarse {
                found.push(format!("{left_label} = {right_label}: {shared:?}"));
            }
        }
    }
    found
}

/// Whether a column is one of the coarse ones and does hold one of few values.
fn is_coarse(label: &str, seen: &Sightings) -> bool {
    COARSE.contains(&label) && groups(seen).count() <= FEW
}

/// Attack two: the runs of eight bytes in what is known of each account, without those that many
/// accounts of the app have.
pub(super) fn runs(side: &[&Material]) -> Sightings {
    let mut sightings = Sightings::new();
    for (person, material) in side.iter().enumerate() {
        for (_, cell) in *material {
            let bytes = match cell {
                Cell::Bytes(bytes) => bytes.as_slice(),
                Cell::Text(text) => text.as_bytes(),
                Cell::Number(_) => &[],
            };
            sightings.extend(bytes.windows(8).map(|run| (run_number(run), person)));
        }
    }
    let sightings = in_order(sightings);
    groups(&sightings)
        .filter(|(_, group)| group.len() <= COMMON)
        .flat_map(|(_, g)| g)
        .copied()
        .collect()
}

pub(super) fn run_number(run: &[u8]) -> u64 {
    run.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Both attacks on the people who are `chosen`; what they find.
pub(super) fn attack(
    world: &World,
    materials: &BTreeMap<SubjectId, Material>,
    chosen: &[usize],
) -> Vec<String> {
    let side = |app: usize| -> Vec<&Material> {
        chosen.iter().map(|nth| &materials[&world.accounts[app][*nth]]).collect()
    };
    let (one, other) = (side(0), side(1));
    assert!(one.iter().chain(&other).all(|material| material.len() > 10), "there is much to see");
    let mut found = equal_values(&one, &other);
    let shared = compare(&runs(&one), &runs(&other), chosen.len());
    if shared.is_a_join() {
        found.push(format!("eight bytes: {shared:?}"));
    }
    found
}

pub(super) fn flatten(label: &str, value: &serde_json::Value, material: &mut Material) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{label}.{name}"), value, material);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                flatten(label, item, material);
            }
        }
        other => material.push((label.to_owned(), Cell::Text(other.to_string()))),
    }
}

#[test]
fn chance_is_no_join() {
    let seen = |value: fn(usize) -> u64| -> Sightings {
        in_order((0..200).map(|person| (value(person), person)).collect())
    };
    let often = seen(|person| person as u64 % 3);
    let also_often = seen(|person| person as u64 / 7 % 3);
    let shared = compare(&often, &also_often, 200);
    assert!(!shared.is_a_join(), "{shared:?}");
    assert!((shared.by_chance - 66.7).abs() < 0.5, "{shared:?}");
    let unique = seen(|person| person as u64);
    assert!(compare(&unique, &unique, 200).is_a_join());
    assert!(!compare(&unique, &seen(|person| 1_000 + person as u64), 200).is_a_join());
}
