//! The accounts in memory: one row each, features in columns, eligibility in bitmaps.
//!
//! Bitmaps and columns narrow and propose; they never permit. Who leaves the house is verified from
//! ledger entries by the slice that lets them out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use roaring::RoaringBitmap;
use volens_models::features::{Features, Message, Person, Value, pair};
use volens_privacy::{AgeBand, AppId, PurposeKind, SubjectId, Timestamp};

use super::recent::Recent;
use super::standing::Standing;
use crate::signals::DayCounts;

/// What is known about one account, as read from the database.
#[derive(Clone, PartialEq)]
pub struct Known {
    /// Its app.
    pub app: AppId,
    /// BCP 47.
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// As its app says.
    pub age_band: AgeBand,
    /// Processing restricted (GDPR Art. 18).
    pub frozen: bool,
    /// Objects to direct marketing (GDPR Art. 21).
    pub objects: bool,
    /// Purposes with a live grant.
    pub live: Vec<PurposeKind>,
    /// Where it stands, when it has a profile.
    pub standing: Option<Standing>,
    /// Whether it agreed to a notice that says that acts are counted by day.
    pub counted: bool,
    /// What it did lately, without topics that the person denies.
    pub recent: DayCounts,
}

/// All accounts. Rows are numbered from zero and keep their number.
#[derive(Default)]
pub struct Table {
    subjects: Vec<SubjectId>,
    rows: BTreeMap<SubjectId, u32>,
    present: RoaringBitmap,
    profiled: RoaringBitmap,
    frozen: RoaringBitmap,
    objecting: RoaringBitmap,
    apps: BTreeMap<String, RoaringBitmap>,
    languages: BTreeMap<String, RoaringBitmap>,
    countries: BTreeMap<String, RoaringBitmap>,
    age_bands: BTreeMap<&'static str, RoaringBitmap>,
    live: BTreeMap<PurposeKind, RoaringBitmap>,
    interested: BTreeMap<u32, RoaringBitmap>,
    recent: Recent,
    columns: Columns,
}

/// The standings, in columns. What most accounts have none of is kept sparse, by code.
#[derive(Default)]
struct Columns {
    words: Words,
    own_language: Vec<Option<u32>>,
    language: Vec<Option<u32>>,
    last_hour: Vec<Option<i64>>,
    engagement: Vec<[f64; 3]>,
    received: Vec<[f64; 3]>,
    rejected: Vec<[f64; 3]>,
    topics: Vec<Counters>,
    denied: Vec<Box<[u32]>>,
    businesses: Vec<Counters>,
    traits: Vec<Box<[(u32, Cell)]>>,
}

/// Counters at three half-lives by the code of what they count.
type Counters = Box<[(u32, [f64; 3])]>;

#[derive(Clone, Copy)]
enum Cell {
    Number(f64),
    Word(u32),
}

/// Each distinct text once.
#[derive(Default)]
struct Words {
    codes: BTreeMap<String, u32>,
    texts: Vec<String>,
}

impl Words {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.codes.insert(text.to_owned(), code);
        code
    }

    fn text(&self, code: u32) -> &str {
        &self.texts[code as usize]
    }
}

static NOBODY: LazyLock<RoaringBitmap> = LazyLock::new(RoaringBitmap::new);

impl Table {
    /// The accounts there are.
    pub fn accounts(&self) -> &RoaringBitmap {
        &self.present
    }

    /// The accounts of an app.
    pub fn of_app(&self, app: &AppId) -> &RoaringBitmap {
        self.apps.get(app.as_str()).unwrap_or(&NOBODY)
    }

    /// The accounts with a live grant for a purpose. For linking: with any app.
    pub fn live(&self, purpose: PurposeKind) -> &RoaringBitmap {
        self.live.get(&purpose).unwrap_or(&NOBODY)
    }

    /// The accounts whose app says that they use this language (primary subtag).
    pub fn speaking(&self, language: &str) -> &RoaringBitmap {
        self.languages.get(language).unwrap_or(&NOBODY)
    }

    /// The accounts in a country.
    pub fn in_country(&self, country: &str) -> &RoaringBitmap {
        self.countries.get(country).unwrap_or(&NOBODY)
    }

    /// The accounts in an age band.
    pub fn aged(&self, band: AgeBand) -> &RoaringBitmap {
        self.age_bands.get(band.as_str()).unwrap_or(&NOBODY)
    }

    /// The accounts that may be profiled by age.
    pub fn old_enough(&self) -> RoaringBitmap {
        let bands = AgeBand::ALL.into_iter().filter(|band| band.profiling_allowed());
        bands.fold(RoaringBitmap::new(), |all, band| all | self.aged(band))
    }

    /// The accounts whose processing is restricted.
    pub fn frozen(&self) -> &RoaringBitmap {
        &self.frozen
    }

    /// The accounts whose people object to direct marketing.
    pub fn objecting(&self) -> &RoaringBitmap {
        &self.objecting
    }

    /// The accounts with a profile.
    pub fn profiled(&self) -> &RoaringBitmap {
        &self.profiled
    }

    /// The accounts that showed more interest than disinterest in a topic.
    pub fn interested_in(&self, topic: &str) -> &RoaringBitmap {
        let code = self.columns.words.codes.get(topic);
        code.and_then(|code| self.interested.get(code)).unwrap_or(&NOBODY)
    }

    /// What accounts did lately.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Whose row it is.
    pub fn subject(&self, row: u32) -> Option<SubjectId> {
        self.subjects.get(row as usize).copied().filter(|_| self.present.contains(row))
    }

    /// The row of an account.
    pub fn row(&self, subject: SubjectId) -> Option<u32> {
        self.rows.get(&subject).copied().filter(|row| self.present.contains(*row))
    }

    /// What a learner sees of the person in a row at `now`; an empty person without a profile.
    pub fn person(&self, row: u32, now: Timestamp) -> Person {
        let columns = &self.columns;
        let own = columns.own_language.get(row as usize).copied().flatten();
        self.standing(row).person(own.map(|code| columns.words.text(code)), now)
    }

    /// The features of the person in a row and a message, without what linked accounts lend.
    pub fn features(&self, row: u32, message: &Message, now: Timestamp) -> Features {
        pair(&self.person(row, now), message, &[])
    }

    /// Everything that is known about the account in a row, put together again.
    pub fn known(&self, row: u32) -> Option<Known> {
        let has =
            |(name, rows): (&String, &RoaringBitmap)| rows.contains(row).then(|| name.clone());
        let own = self.columns.own_language.get(row as usize).copied().flatten();
        Some(Known {
            app: self.apps.iter().find_map(has).and_then(|app| AppId::parse(&app).ok())?,
            language: own.map(|code| self.columns.words.text(code).to_owned()),
            country: self.countries.iter().find_map(has),
            age_band: AgeBand::ALL.into_iter().find(|band| self.aged(*band).contains(row))?,
            frozen: self.frozen.contains(row),
            objects: self.objecting.contains(row),
            live: PurposeKind::ALL.into_iter().filter(|p| self.live(*p).contains(row)).collect(),
            standing: self.profiled.contains(row).then(|| self.standing(row)),
            counted: self.recent.counted().contains(row),
            recent: self.recent.of(row),
        })
    }

    /// Replaces what is known about an account; `None` when it is gone.
    pub(crate) fn set(&mut self, subject: SubjectId, known: Option<&Known>) {
        let row = match self.rows.get(&subject) {
            Some(row) => *row,
            None if known.is_none() => return,
            None => self.add(subject),
        };
        self.clear(row);
        let Some(known) = known else { return };
        self.present.insert(row);
        self.recent.put(row, known);
        self.apps.entry(known.app.as_str().to_owned()).or_default().insert(row);
        if let Some(language) = &known.language {
            let primary = crate::signals::primary_language(language);
            self.languages.entry(primary.unwrap_or_default()).or_default().insert(row);
            self.columns.own_language[row as usize] = Some(self.columns.words.code(language));
        }
        if let Some(country) = &known.country {
            self.countries.entry(country.clone()).or_default().insert(row);
        }
        self.age_bands.entry(known.age_band.as_str()).or_default().insert(row);
        for purpose in &known.live {
            self.live.entry(*purpose).or_default().insert(row);
        }
        if known.frozen {
            self.frozen.insert(row);
        }
        if known.objects {
            self.objecting.insert(row);
        }
        if let Some(standing) = &known.standing {
            self.profiled.insert(row);
            self.columns.put(row as usize, standing);
            for (topic, [_, _, long]) in &self.columns.topics[row as usize] {
                if *long > 0.0 {
                    self.interested.entry(*topic).or_default().insert(row);
                }
            }
        }
    }

    fn add(&mut self, subject: SubjectId) -> u32 {
        let row = self.subjects.len() as u32;
        self.subjects.push(subject);
        self.rows.insert(subject, row);
        self.columns.grow();
        row
    }

    fn clear(&mut self, row: u32) {
        self.recent.clear(row);
        for (topic, _) in &self.columns.topics[row as usize] {
            if let Some(rows) = self.interested.get_mut(topic) {
                rows.remove(row);
            }
        }
        for rows in self.apps.values_mut().chain(self.languages.values_mut()) {
            rows.remove(row);
        }
        for rows in self.countries.values_mut().chain(self.age_bands.values_mut()) {
            rows.remove(row);
        }
        for rows in self.live.values_mut() {
            rows.remove(row);
        }
        for rows in [&mut self.present, &mut self.profiled, &mut self.frozen, &mut self.objecting] {
            rows.remove(row);
        }
        self.columns.own_language[row as usize] = None;
        self.columns.put(row as usize, &Standing::default());
    }

    fn standing(&self, row: u32) -> Standing {
        if self.profiled.contains(row) {
            self.columns.standing(row as usize)
        } else {
            Standing::default()
        }
    }
}

impl Columns {
    fn grow(&mut self) {
        self.own_language.push(None);
        self.language.push(None);
        self.last_hour.push(None);
        self.engagement.push([0.0; 3]);
        self.received.push([0.0; 3]);
        self.rejected.push([0.0; 3]);
        self.topics.push(Box::default());
        self.denied.push(Box::default());
        self.businesses.push(Box::default());
        self.traits.push(Box::default());
    }

    fn put(&mut self, row: usize, standing: &Standing) {
        let words = &mut self.words;
        let mut coded = |held: &[(String, [f64; 3])]| -> Counters {
            held.iter().map(|(name, counts)| (words.code(name), *counts)).collect()
        };
        self.topics[row] = coded(&standing.topics);
        self.businesses[row] = coded(&standing.businesses);
        self.denied[row] = standing.denied.iter().map(|topic| words.code(topic)).collect();
        self.traits[row] = standing
            .traits
            .iter()
            .map(|(name, value)| {
                let cell = match value {
                    Value::Number(number) => Cell::Number(*number),
                    Value::Category(word) => Cell::Word(words.code(word)),
                };
                (words.code(name), cell)
            })
            .collect();
        self.language[row] = standing.language.as_ref().map(|language| words.code(language));
        self.last_hour[row] = standing.last_hour;
        self.engagement[row] = standing.engagement;
        self.received[row] = standing.received;
        self.rejected[row] = standing.rejected;
    }

    fn standing(&self, row: usize) -> Standing {
        let text = |code: u32| self.words.text(code).to_owned();
        let named = |held: &[(u32, [f64; 3])]| {
            held.iter().map(|(code, counts)| (text(*code), *counts)).collect()
        };
        let value = |cell: &Cell| match cell {
            Cell::Number(number) => Value::Number(*number),
            Cell::Word(code) => Value::Category(text(*code)),
        };
        Standing {
            topics: named(&self.topics[row]),
            denied: self.denied[row].iter().map(|code| text(*code)).collect(),
            businesses: named(&self.businesses[row]),
            engagement: self.engagement[row],
            received: self.received[row],
            rejected: self.rejected[row],
            last_hour: self.last_hour[row],
            language: self.language[row].map(text),
            traits: self.traits[row]
                .iter()
                .map(|(code, cell)| (text(*code), value(cell)))
                .collect(),
        }
    }
}
