//! The accounts in memory: one row each, features in columns, eligibility in bitmaps.
//!
//! Bitmaps and columns narrow and propose; they never permit. Who leaves the house is verified from
//! ledger entries by the slice that lets them out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use roaring::RoaringBitmap;
use volens_models::features::{Features, Message, Person, pair};
use volens_privacy::{AgeBand, AppId, PurposeKind, SubjectId, Timestamp};

use super::recent::Recent;
use super::standing::Standing;
use super::standings::Standings;
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
    standings: Standings,
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
        let code = self.standings.topics.code(topic);
        code.and_then(|code| self.interested.get(&code)).unwrap_or(&NOBODY)
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
        self.standing(row).person(self.standings.own_language(row as usize), now)
    }

    /// The features of the person in a row and a message, without what linked accounts lend.
    pub fn features(&self, row: u32, message: &Message, now: Timestamp) -> Features {
        pair(&self.person(row, now), message, &[])
    }

    /// Everything that is known about the account in a row, put together again.
    pub fn known(&self, row: u32) -> Option<Known> {
        let has =
            |(name, rows): (&String, &RoaringBitmap)| rows.contains(row).then(|| name.clone());
        Some(Known {
            app: self.apps.iter().find_map(has).and_then(|app| AppId::parse(&app).ok())?,
            language: self.standings.own_language(row as usize).map(str::to_owned),
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
            self.standings.put_language(row as usize, Some(language));
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
            self.standings.put(row as usize, standing);
            for (topic, [_, _, long]) in &self.standings.interests[row as usize] {
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
        self.standings.grow();
        row
    }

    fn clear(&mut self, row: u32) {
        self.recent.clear(row);
        for (topic, _) in &self.standings.interests[row as usize] {
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
        self.standings.put_language(row as usize, None);
        self.standings.put(row as usize, &Standing::default());
    }

    /// The columns, for who scans them.
    pub(super) fn standings(&self) -> &Standings {
        &self.standings
    }

    fn standing(&self, row: u32) -> Standing {
        if self.profiled.contains(row) {
            self.standings.standing(row as usize)
        } else {
            Standing::default()
        }
    }
}
