//! Everybody seen through one model and one message: the codes of a block of rows, read from the columns
//! without making a feature vector of anybody.
//!
//! It says what `Model::codes` says of `volens_models::features::pair`, to the last code; a property test
//! compares the two. Most people have nothing to do with a message's topics, nor with its business: they have
//! the codes of nothing, and only the others are looked at one by one. What linked accounts lend is not in
//! it: that needs their permits.

use roaring::{MultiOps as _, RoaringBitmap};
use volens_models::binning::{Bins, MISSING_CODE, OTHER_CODE};
use volens_models::features::{
    BUSINESS_LONG, BUSINESS_MEDIUM, BUSINESS_SHORT, DENIED, Decayed, ENGAGEMENT_LONG,
    ENGAGEMENT_SHORT, FATIGUE_RECEIVED, FATIGUE_REJECTED, LANGUAGE_MATCH, Message, RECENCY_DAYS,
    TOPIC_LONG, TOPIC_MEDIUM, TOPIC_RELATED, TOPIC_SHARE, TOPIC_SHORT, TRAIT, TREATMENT, family,
    primary,
};
use volens_models::model::ModelColumn;
use volens_models::scan::Codes;
use volens_privacy::Timestamp;

use super::standing::Fade;
use super::standings::{Counts, Standings, Words};
use super::table::Table;
use super::told::Cell;

/// The columns of a [`Table`] as a model reads them for a message at a moment.
pub struct View<'t> {
    standings: &'t Standings,
    fade: Fade,
    /// By topic code: what the message has to do with it.
    relations: Vec<Relation>,
    /// By topic code: whether who denies it denies one of the message's.
    denials: Vec<bool>,
    /// Who has, or denies, interests that matter to the message, where the model asks.
    concerned: RoaringBitmap,
    business: Option<u32>,
    columns: Vec<Column<'t>>,
}

/// What a message has to do with a topic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    None,
    /// Another topic of the same family.
    Related,
    /// One of the message's own.
    Own,
}

/// Where a model's column comes from, and how its values become codes.
enum Column<'t> {
    /// The same for everybody.
    Constant(u16),
    /// The place among [`INTERESTS`].
    Interest(usize, &'t Bins),
    /// The place among [`DEALINGS`].
    Dealings(usize, &'t Bins),
    /// What everybody has, and by what it is multiplied.
    Counter(&'t [f64], f64, &'t Bins),
    Recency(&'t Bins),
    /// Language, by code; the last one is for who has none.
    Language(Vec<u16>),
    /// A trait by name, and the codes of what it says in words.
    Told {
        name: u32,
        words: Vec<u16>,
        bins: &'t Bins,
    },
}

/// Direct interest at three half-lives, related interest, share.
const INTERESTS: [&str; 5] = [TOPIC_SHORT, TOPIC_MEDIUM, TOPIC_LONG, TOPIC_RELATED, TOPIC_SHARE];
/// Dealings with the business at three half-lives.
const DEALINGS: [&str; 3] = [BUSINESS_SHORT, BUSINESS_MEDIUM, BUSINESS_LONG];
/// Places among half-lives.
const SHORT: usize = 0;
const LONG: usize = 2;

impl<'t> View<'t> {
    /// Looks at a table. `treated` is what the model is told about the treatment: nothing,
    /// or 1 for who is addressed.
    pub fn new(
        table: &'t Table,
        columns: &'t [ModelColumn],
        message: &Message,
        treated: Option<f64>,
        now: Timestamp,
    ) -> Self {
        let standings = table.standings();
        let fade = Fade::to(now);
        let column = |ModelColumn { name, bins, .. }: &'t ModelColumn| {
            Column::of_acts(standings, fade, name, bins).unwrap_or_else(|| match name.as_str() {
                TREATMENT => Column::Constant(bins.code_of_number(treated.unwrap_or(f64::NAN))),
                LANGUAGE_MATCH => Column::language(standings, bins, message),
                _ => Column::told(standings, name, bins),
            })
        };
        let columns: Vec<Column<'t>> = columns.iter().map(column).collect();
        let (relations, denials) = (relations(standings, message), denials(standings, message));
        let asks = columns.iter().any(|column| matches!(column, Column::Interest(..)));
        let concerned = asks.then(|| concerned(standings, &relations, &denials));
        Self {
            standings,
            fade,
            relations,
            denials,
            concerned: concerned.unwrap_or_default(),
            business: standings.businesses.code(&message.business),
            columns,
        }
    }

    /// Replaces `codes` by those of these rows, which ascend.
    pub fn codes(&self, rows: &[u32], codes: &mut Codes) {
        let (interests, dealings) = (self.interested(rows), self.dealing(rows));
        let mut numbers: Vec<f64> = Vec::with_capacity(rows.len());
        codes.refill(self.columns.len(), |index, codes| {
            numbers.clear();
            match &self.columns[index] {
                Column::Constant(code) => codes.resize(rows.len(), *code),
                Column::Interest(which, bins) => interests.code(*which, bins, rows.len(), codes),
                Column::Dealings(which, bins) => dealings.code(*which, bins, rows.len(), codes),
                Column::Counter(counts, factor, bins) => {
                    numbers.extend(rows.iter().map(|row| finite(counts[*row as usize] * factor)));
                    bins.codes_of_numbers(&numbers, codes);
                }
                Column::Recency(bins) => {
                    numbers.extend(rows.iter().map(|row| self.recency(*row as usize)));
                    bins.codes_of_numbers(&numbers, codes);
                }
                Column::Language(by_code) => {
                    codes.extend(rows.iter().map(|row| self.language(by_code, *row as usize)));
                }
                Column::Told { name, words, bins } => {
                    numbers.resize(rows.len(), f64::NAN);
                    let mut said = Vec::new();
                    let told = self.standings.told.between(*name, ends(rows));
                    placed(rows, told).for_each(|(place, cell)| match cell {
                        Cell::Number(number) => numbers[place] = finite(number),
                        Cell::Word(word) => said.push((place, words[word as usize])),
                    });
                    bins.codes_of_numbers(&numbers, codes);
                    for (place, code) in said {
                        codes[place] = code;
                    }
                }
            }
        });
    }

    fn interested(&self, rows: &[u32]) -> Few<5> {
        let (first, last) = ends(rows);
        let concerned = self.concerned.range(first..=last).map(|row| (row, row));
        Few::of(placed(rows, concerned).map(|(place, row)| (place, self.interests(row as usize))))
    }

    fn dealing(&self, rows: &[u32]) -> Few<3> {
        let (first, last) = ends(rows);
        let dealers = self.business.and_then(|business| self.standings.dealers.of(business));
        let dealers = dealers.into_iter().flat_map(|dealers| dealers.range(first..=last));
        let dealers = placed(rows, dealers.map(|row| (row, row)));
        Few::of(dealers.map(|(place, row)| (place, self.dealings(row as usize))))
    }

    /// As `volens_models::features::pair` adds them up, in the same order.
    fn interests(&self, row: usize) -> [f64; 5] {
        let (held, denied) = (&self.standings.interests[row], &self.standings.denied[row]);
        let families = self.standings.topics.families();
        let (mut direct, mut related, mut all) = (Decayed::default(), 0.0, 0.0);
        for (topic, counts) in held {
            if denied.contains(topic) || denied.contains(&families[*topic as usize]) {
                continue;
            }
            let counts = self.fade.apply(*counts);
            all += counts.long;
            match self.relations[*topic as usize] {
                Relation::Own => direct = direct.plus(counts),
                Relation::Related => related += counts.long,
                Relation::None => {}
            }
        }
        if denied.iter().any(|topic| self.denials[*topic as usize]) {
            return [DENIED, DENIED, DENIED, related, 0.0];
        }
        let share = if all > 0.0 { direct.long / all } else { 0.0 };
        [direct.short, direct.medium, direct.long, related, share]
    }

    fn dealings(&self, row: usize) -> [f64; 3] {
        let mut held = self.standings.dealings[row].iter();
        let held = held.find(|(business, _)| Some(*business) == self.business);
        let counts = held.map(|(_, counts)| self.fade.apply(*counts)).unwrap_or_default();
        [counts.short, counts.medium, counts.long]
    }

    fn recency(&self, row: usize) -> f64 {
        self.standings.last_hour(row).map_or(f64::NAN, |hour| self.fade.days_since(hour))
    }

    fn language(&self, by_code: &[u16], row: usize) -> u16 {
        let code = self.standings.own_language[row].or(self.standings.language[row]);
        code.map_or(MISSING_CODE, |code| by_code[code as usize])
    }
}

/// The few of a block who have something that most have nothing of: their places, and `N` columns.
struct Few<const N: usize> {
    places: Vec<usize>,
    columns: [Vec<f64>; N],
}

impl<const N: usize> Few<N> {
    fn of(held: impl Iterator<Item = (usize, [f64; N])>) -> Self {
        let mut few = Self { places: Vec::new(), columns: [const { Vec::new() }; N] };
        held.for_each(|(place, values)| {
            few.places.push(place);
            for (column, value) in few.columns.iter_mut().zip(values) {
                column.push(finite(value));
            }
        });
        few
    }

    /// The codes of a column of all `rows` of the block: of nothing, but for these few.
    fn code(&self, which: usize, bins: &Bins, rows: usize, codes: &mut Vec<u16>) {
        let mut of_few = Vec::with_capacity(self.places.len());
        bins.codes_of_numbers(&self.columns[which], &mut of_few);
        codes.resize(rows, bins.code_of_number(0.0));
        for (place, code) in self.places.iter().zip(of_few) {
            codes[*place] = code;
        }
    }
}

/// The first and the last of these rows.
fn ends(rows: &[u32]) -> (u32, u32) {
    let end = |row: Option<&u32>| row.copied().unwrap_or_default();
    (end(rows.first()), end(rows.last()))
}

/// What is held of those among `rows`, with their places there. Both ascend.
fn placed<T>(
    rows: &[u32],
    held: impl Iterator<Item = (u32, T)>,
) -> impl Iterator<Item = (usize, T)> {
    let mut place = 0;
    held.filter_map(move |(row, value)| {
        while rows.get(place).is_some_and(|other| *other < row) {
            place += 1;
        }
        (rows.get(place) == Some(&row)).then_some((place, value))
    })
}

/// A number as a feature has it: what is not finite is missing.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { f64::NAN }
}

impl<'t> Column<'t> {
    /// A column of what people did; nothing when it is of something else.
    fn of_acts(standings: &'t Standings, fade: Fade, name: &str, bins: &'t Bins) -> Option<Self> {
        let place = |names: &[&str]| names.iter().position(|of| *of == name);
        if let Some(which) = place(&INTERESTS) {
            return Some(Self::Interest(which, bins));
        }
        if let Some(which) = place(&DEALINGS) {
            return Some(Self::Dealings(which, bins));
        }
        let (Counts(columns), half_life) = match name {
            ENGAGEMENT_SHORT => (&standings.engagement, SHORT),
            ENGAGEMENT_LONG => (&standings.engagement, LONG),
            FATIGUE_RECEIVED => (&standings.received, SHORT),
            FATIGUE_REJECTED => (&standings.rejected, LONG),
            RECENCY_DAYS => return Some(Self::Recency(bins)),
            _ => return None,
        };
        Some(Self::Counter(&columns[half_life], fade.factor(half_life), bins))
    }

    fn language(standings: &Standings, bins: &Bins, message: &Message) -> Self {
        let Some(wanted) = message.language.as_deref().map(primary) else {
            return Self::Constant(MISSING_CODE);
        };
        let says = |language: &String| if primary(language) == wanted { "yes" } else { "no" };
        let languages = standings.languages.texts().iter();
        Self::Language(languages.map(|language| bins.code_of_word(says(language))).collect())
    }

    fn told(standings: &Standings, name: &str, bins: &'t Bins) -> Self {
        // What nobody was told about, and what is lent, is missing in every row.
        let name = name.strip_prefix(TRAIT).and_then(|name| standings.traits.code(name));
        let Some(name) = name else { return Self::Constant(MISSING_CODE) };
        Self::Told { name, words: coded(&standings.words, bins), bins }
    }
}

/// The code of every word: each known one is looked up, the rest are "any other".
fn coded(words: &Words, bins: &Bins) -> Vec<u16> {
    let Bins::Words { levels } = bins else {
        return words.texts().iter().map(|word| bins.code_of_word(word)).collect();
    };
    let mut codes = vec![OTHER_CODE; words.texts().len()];
    for level in levels {
        if let Some(code) = words.code(level) {
            codes[code as usize] = bins.code_of_word(level);
        }
    }
    codes
}

fn relations(standings: &Standings, message: &Message) -> Vec<Relation> {
    let families = standings.topics.families();
    let mut relations = vec![Relation::None; families.len()];
    for topic in &message.topics {
        let Some(of) = standings.topics.code(family(topic)) else { continue };
        for (relation, family) in relations.iter_mut().zip(families) {
            if *family == of && *relation == Relation::None {
                *relation = Relation::Related;
            }
        }
    }
    for code in message.topics.iter().filter_map(|topic| standings.topics.code(topic)) {
        relations[code as usize] = Relation::Own;
    }
    relations
}

fn denials(standings: &Standings, message: &Message) -> Vec<bool> {
    let mut denials = vec![false; standings.topics.families().len()];
    let topics = message.topics.iter().flat_map(|topic| [topic.as_str(), family(topic)]);
    for code in topics.filter_map(|topic| standings.topics.code(topic)) {
        denials[code as usize] = true;
    }
    denials
}

/// Who has an interest in a topic of the message's families, or denies one of its own.
fn concerned(standings: &Standings, relations: &[Relation], denials: &[bool]) -> RoaringBitmap {
    let related = |topic: &u32| relations[*topic as usize] != Relation::None;
    let denied = |topic: &u32| denials[*topic as usize];
    let topics = 0..relations.len() as u32;
    let holders = topics.clone().filter(related).filter_map(|topic| standings.holders.of(topic));
    let deniers = topics.filter(denied).filter_map(|topic| standings.deniers.of(topic));
    let concerned: Vec<&RoaringBitmap> = holders.chain(deniers).collect();
    concerned.union()
}
