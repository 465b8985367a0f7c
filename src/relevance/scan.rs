//! Everybody seen through one model and one message: the codes of a block of rows, read from the columns
//! without making a feature vector of anybody.
//!
//! It says what `Model::codes` says of `volens_models::features::pair`, to the last code; a property test
//! compares the two. What linked accounts lend is not in it: that needs their permits.

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
use super::standings::{Cell, Standings, Words};
use super::table::Table;

/// The columns of a [`Table`] as a model reads them for a message at a moment.
pub struct View<'t> {
    standings: &'t Standings,
    fade: Fade,
    /// By topic code: what the message has to do with it.
    relations: Vec<Relation>,
    /// By topic code: whether who denies it denies one of the message's.
    denials: Vec<bool>,
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
    Number(Source, &'t Bins),
    /// Language, by code; the last one is for who has none.
    Language(Vec<u16>),
    /// A trait by name, and the codes of what it says in words.
    Told {
        name: u32,
        words: Vec<u16>,
        bins: &'t Bins,
    },
}

#[derive(Clone, Copy)]
enum Source {
    /// The place among [`Interests`].
    Interest(usize),
    Dealings(Half),
    Engagement(Half),
    Received,
    Rejected,
    Recency,
}

type Half = fn(Decayed) -> f64;

const SHORT: Half = |counts| counts.short;
const MEDIUM: Half = |counts| counts.medium;
const LONG: Half = |counts| counts.long;

/// Direct interest at three half-lives, related interest, share.
type Interests = [f64; 5];

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
        let column = |column: &'t ModelColumn| {
            Column::of(standings, &column.name, &column.bins, message, treated)
        };
        Self {
            standings,
            fade: Fade::to(now),
            relations: relations(standings, message),
            denials: denials(standings, message),
            business: standings.businesses.code(&message.business),
            columns: columns.iter().map(column).collect(),
        }
    }

    /// Replaces `codes` by those of these rows.
    pub fn codes(&self, rows: &[u32], codes: &mut Codes) {
        let interests: Vec<Interests> = if self.reads_interests() {
            rows.iter().map(|row| self.interests(*row as usize)).collect()
        } else {
            Vec::new()
        };
        codes.refill(self.columns.len(), |index, codes| match &self.columns[index] {
            Column::Constant(code) => codes.resize(rows.len(), *code),
            Column::Number(Source::Interest(which), bins) => {
                codes.extend(Coder::of(bins).all(interests.iter().map(|values| values[*which])));
            }
            Column::Number(source, bins) => {
                let values = rows.iter().map(|row| self.value(*source, *row as usize));
                codes.extend(Coder::of(bins).all(values));
            }
            Column::Language(by_code) => {
                codes.extend(rows.iter().map(|row| self.language(by_code, *row as usize)));
            }
            Column::Told { name, words, bins } => {
                codes.extend(rows.iter().map(|row| self.told(*name, words, bins, *row as usize)));
            }
        });
    }

    fn reads_interests(&self) -> bool {
        let of = |column: &Column<'_>| matches!(column, Column::Number(Source::Interest(_), _));
        self.columns.iter().any(of)
    }

    /// As `volens_models::features::pair` adds them up, in the same order.
    fn interests(&self, row: usize) -> Interests {
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

    fn value(&self, source: Source, row: usize) -> f64 {
        let Self { standings, fade, .. } = self;
        match source {
            Source::Interest(which) => self.interests(row)[which],
            Source::Dealings(half) => {
                let held = standings.dealings[row].iter();
                let of = held.filter(|(business, _)| Some(*business) == self.business);
                of.map(|(_, counts)| half(fade.apply(*counts))).next().unwrap_or_default()
            }
            Source::Engagement(half) => half(fade.apply(standings.engagement[row])),
            Source::Received => fade.apply(standings.received[row]).short,
            Source::Rejected => fade.apply(standings.rejected[row]).long,
            Source::Recency => {
                standings.last_hour[row].map_or(f64::NAN, |hour| fade.days_since(hour))
            }
        }
    }

    fn language(&self, by_code: &[u16], row: usize) -> u16 {
        let code = self.standings.own_language[row].or(self.standings.language[row]);
        code.map_or(MISSING_CODE, |code| by_code[code as usize])
    }

    fn told(&self, name: u32, words: &[u16], bins: &Bins, row: usize) -> u16 {
        let told = self.standings.told[row].iter().find(|(of, _)| *of == name);
        told.map_or(MISSING_CODE, |(_, cell)| match cell {
            Cell::Number(number) => bins.code_of_number(*number),
            Cell::Word(code) => words[*code as usize],
        })
    }
}

impl<'t> Column<'t> {
    fn of(
        standings: &Standings,
        name: &str,
        bins: &'t Bins,
        message: &Message,
        treated: Option<f64>,
    ) -> Self {
        let source = match name {
            TOPIC_SHORT => Source::Interest(0),
            TOPIC_MEDIUM => Source::Interest(1),
            TOPIC_LONG => Source::Interest(2),
            TOPIC_RELATED => Source::Interest(3),
            TOPIC_SHARE => Source::Interest(4),
            BUSINESS_SHORT => Source::Dealings(SHORT),
            BUSINESS_MEDIUM => Source::Dealings(MEDIUM),
            BUSINESS_LONG => Source::Dealings(LONG),
            ENGAGEMENT_SHORT => Source::Engagement(SHORT),
            ENGAGEMENT_LONG => Source::Engagement(LONG),
            FATIGUE_RECEIVED => Source::Received,
            FATIGUE_REJECTED => Source::Rejected,
            RECENCY_DAYS => Source::Recency,
            TREATMENT => return Self::Constant(bins.code_of_number(treated.unwrap_or(f64::NAN))),
            LANGUAGE_MATCH => return Self::language(standings, bins, message),
            _ => return Self::told(standings, name, bins),
        };
        Self::Number(source, bins)
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

/// Codes numbers. Most people have done nothing of most kinds, so zero is looked up once.
struct Coder<'b> {
    bins: &'b Bins,
    zero: u16,
}

impl<'b> Coder<'b> {
    fn of(bins: &'b Bins) -> Self {
        Self { bins, zero: bins.code_of_number(0.0) }
    }

    fn all(&self, values: impl Iterator<Item = f64>) -> impl Iterator<Item = u16> {
        values.map(|value| match value {
            0.0 => self.zero,
            value if value.is_finite() => self.bins.code_of_number(value),
            _ => MISSING_CODE,
        })
    }
}
