//! From candidates to a decision: answer, ask back, or say that we do not know.
//!
//! A raw BM25 score says nothing across questions and bots, so none is ever compared with a
//! constant. Each candidate gets [`Evidence`] on a common scale, and a small logistic formula turns
//! the evidence of the best one into the probability that it is right. Its constants were fitted by
//! `examples/answers.rs calibrate` on public training data; docs/decisions says how and how well.

use std::ops::Range;

use volens_models::vector::Vector;

use super::corpus::PassageKind;
use super::similarity::{Sentence, Vocabulary, best_sentence, matched, meets_meaning};
use crate::search::{Found, Language, Question, Word};

/// How many passages are fetched for a question.
pub const CANDIDATES: usize = 20;
/// An answer is given from this probability of being right.
pub const ANSWER_FROM: f32 = 0.50;
/// And only when it is this many times likelier than the next answer.
pub const CLEAR_LEAD: f32 = 2.0;
/// Otherwise, from this joint probability of the best two or three, we ask back.
pub const CLARIFY_FROM: f32 = 0.50;
/// Without a shared word of meaning, only a title this near to the question counts: "Who are you?".
const GRAMMAR_ALONE: f32 = 0.9;
/// A choice offered when asking back has at least this probability of its own.
const CHOICE_FROM: f32 = 0.15;
/// Most choices offered when asking back.
const CHOICES: usize = 3;
/// How many of the best candidates take part in the vote.
const VOTERS: usize = 5;
/// How much of a long answer is compared, in bytes.
const COMPARED_BYTES: usize = 4_000;
/// Between the titles of a path.
const PATH: &str = " › ";

/// A passage that was found, with its text.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The passage's number within the version.
    pub number: u64,
    /// Question of a pair, or cited text.
    pub kind: PassageKind,
    /// The language it was analysed in.
    pub language: Language,
    /// Question, or path of titles.
    pub title: &'a str,
    /// Answer, or text.
    pub text: &'a str,
    /// Its BM25 score.
    pub score: f32,
}

/// What speaks for one candidate. Every part is between 0 and about 1.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its place in the slice of candidates.
    pub place: usize,
    /// BM25 over that of an ideal passage.
    pub bm25: f32,
    /// Share of the question that title and text meet, by weight.
    pub matched: f32,
    /// Share of the question that the title alone meets.
    pub titled: f32,
    /// Cosine of the words of question and title.
    pub words: f32,
    /// Cosine of the letter sequences of question and title.
    pub letters: f32,
    /// The best sentence of the text.
    pub sentence: Sentence,
    /// Whether more than grammar is shared.
    pub meaningful: bool,
}

impl Evidence {
    /// The order of candidates: BM25 finds, the cosines of the title refine.
    pub fn rank(&self) -> f32 {
        self.bm25 + self.words + self.letters
    }
}

/// Number of [`features`].
pub const FEATURES: usize = 7;

/// Weights of [`features`] and the constant, for one kind of passage.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// One per feature.
    pub weights: [f32; FEATURES],
    /// The logit when every feature is 0.
    pub constant: f32,
}

impl Calibration {
    /// The probability that the candidate with these features is the right answer.
    pub fn probability(&self, features: &[f32; FEATURES]) -> f32 {
        let products = self.weights.iter().zip(features).map(|(weight, value)| weight * value);
        let logit = self.constant + products.sum::<f32>();
        1.0 / (1.0 + (-logit).exp())
    }
}

/// For questions with answers.
pub const ANSWERS: Calibration =
    Calibration { weights: [1.434, 3.902, 0.0, 0.0, 1.635, 3.269, 0.922], constant: -7.163 };
/// For pieces of running text.
pub const SECTIONS: Calibration =
    Calibration { weights: [0.013, 1.396, 1.181, 3.758, 2.634, 1.935, 1.170], constant: -7.036 };

/// What to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// This candidate is the answer.
    Answer {
        /// Its place in the slice of candidates.
        place: usize,
        /// The probability that it is right.
        confidence: f32,
        /// The sentence to highlight, in bytes of the text.
        highlight: Range<usize>,
    },
    /// One of these two or three probably is; ask which.
    Clarify {
        /// Their places, the likeliest first.
        places: Vec<usize>,
        /// The probability that one of them is right.
        confidence: f32,
    },
    /// Nothing is likely enough.
    Unknown {
        /// The probability of the best candidate.
        confidence: f32,
    },
}

/// Decides on the candidates of a question.
pub fn decide(
    found: &Found,
    candidates: &[Candidate<'_>],
    vocabulary: &dyn Vocabulary,
) -> Decision {
    let ranked = weigh(found, candidates, vocabulary);
    let likely = likely(&ranked, candidates, found);
    let Some((best, confidence)) = likely.first() else {
        return Decision::Unknown { confidence: 0.0 };
    };
    let runner_up = likely.get(1).map_or(0.0, |(_, chance)| *chance);
    if *confidence >= ANSWER_FROM && *confidence >= CLEAR_LEAD * runner_up {
        let highlight = ranked[*best].sentence.range.clone();
        return Decision::Answer { place: ranked[*best].place, confidence: *confidence, highlight };
    }
    let title = |rank: usize| candidates[ranked[rank].place].title;
    let mut choices: Vec<&(usize, f32)> = Vec::new();
    for choice in likely.iter().filter(|(_, chance)| *chance >= CHOICE_FROM) {
        if !choices.iter().any(|(rank, _)| title(*rank) == title(choice.0)) {
            choices.push(choice);
        }
    }
    let joint: f32 = choices.iter().map(|(_, chance)| chance).sum();
    if choices.len() > 1 && joint >= CLARIFY_FROM {
        let places = choices.iter().map(|(rank, _)| ranked[*rank].place).collect();
        return Decision::Clarify { places, confidence: joint };
    }
    Decision::Unknown { confidence: *confidence }
}

/// The evidence for every candidate, best first.
pub fn weigh(
    found: &Found,
    candidates: &[Candidate<'_>],
    vocabulary: &dyn Vocabulary,
) -> Vec<Evidence> {
    let mut ranked: Vec<Evidence> = candidates
        .iter()
        .enumerate()
        .filter_map(|(place, candidate)| {
            let question = found.questions.get(&candidate.language)?;
            Some(evidence(place, question, candidate, vocabulary))
        })
        .collect();
    ranked.sort_by(|left, right| {
        right.rank().total_cmp(&left.rank()).then_with(|| left.place.cmp(&right.place))
    });
    ranked
}

fn evidence(
    place: usize,
    question: &Question,
    candidate: &Candidate<'_>,
    vocabulary: &dyn Vocabulary,
) -> Evidence {
    let title = vocabulary.words(candidate.language, candidate.title);
    let heading_start = candidate.title.rfind(PATH).map_or(0, |at| at + PATH.len());
    let heading = &title[title.partition_point(|word| word.start < heading_start)..];
    let compared = prefix(candidate.text, COMPARED_BYTES);
    let body = vocabulary.words(candidate.language, compared);
    let asked = Vectors::of_question(question);
    let cosines = [&title[..], heading].map(|words| {
        let titled = Vectors::of_title(question, words, candidate.language, vocabulary);
        (asked.words.cosine(&titled.words), asked.letters.cosine(&titled.letters))
    });
    Evidence {
        place,
        bm25: if question.ideal > 0.0 { candidate.score / question.ideal } else { 0.0 },
        matched: matched(question, &title.iter().chain(&body)),
        titled: matched(question, &title.iter()),
        words: cosines[0].0.max(cosines[1].0),
        letters: cosines[0].1.max(cosines[1].1),
        sentence: best_sentence(question, compared, &body),
        meaningful: meets_meaning(question, &title.iter().chain(&body)),
    }
}

struct Vectors {
    words: Vector,
    letters: Vector,
}

impl Vectors {
    fn of_question(question: &Question) -> Self {
        let words = &question.words;
        Self {
            words: Vector::of_words(words.iter().map(|word| (word.stem.as_str(), word.weight))),
            letters: Vector::of_letters(
                words.iter().map(|word| (word.plain.as_str(), word.weight)),
            ),
        }
    }

    /// A word the question also has goes by the stem the question sought it with.
    fn of_title(
        question: &Question,
        title: &[Word],
        language: Language,
        vocabulary: &dyn Vocabulary,
    ) -> Self {
        let mut stems = Vec::with_capacity(title.len());
        let mut plains = Vec::with_capacity(title.len());
        for word in title {
            let asked = question.words.iter().find(|asked| word.is(&asked.stem));
            let stem = asked.map_or(word.stem.as_str(), |asked| asked.stem.as_str());
            let weight = vocabulary.weight(language, word, stem);
            stems.push((stem, weight));
            plains.push((word.plain.as_str(), weight));
        }
        Self {
            words: Vector::of_words(stems.into_iter()),
            letters: Vector::of_letters(plains.into_iter()),
        }
    }
}

/// What the probability is computed from, for the candidate at `rank` among `ranked`: BM25 over
/// ideal, the share of the question it meets, the letters its title has in common with the question,
/// the share its title or its best sentence meets alone, the gap to the best candidate with another
/// answer (negative when that one is better), agreement of the best five, and the length of the
/// question.
pub fn features(
    rank: usize,
    ranked: &[Evidence],
    candidates: &[Candidate<'_>],
    found: &Found,
) -> [f32; FEATURES] {
    let evidence = &ranked[rank];
    let candidate = &candidates[evidence.place];
    let question = found.questions.get(&candidate.language);
    let same = |other: &Evidence| same_answer(candidate, &candidates[other.place]);
    let rival = ranked.iter().find(|other| !same(other)).map_or(0.0, Evidence::rank);
    let top = evidence.rank().max(rival).max(f32::EPSILON);
    let voters = &ranked[..ranked.len().min(VOTERS)];
    let votes: f32 = voters.iter().map(Evidence::rank).sum();
    let agreeing: f32 = voters.iter().filter(|other| same(other)).map(Evidence::rank).sum();
    [
        evidence.bm25.min(1.5),
        evidence.matched,
        evidence.letters,
        evidence.sentence.share.max(evidence.titled),
        (evidence.rank() - rival) / top,
        if votes > 0.0 { agreeing / votes } else { 0.0 },
        (question.map_or(0, |question| question.words.len()) as f32).ln_1p(),
    ]
}

/// The different answers among the candidates with their probabilities, best first, each by its
/// best candidate: `(rank, probability)`. At most one of them is right, so probabilities that add up to
/// more than one are scaled down: two equally good candidates cannot both be likely.
pub fn likely(
    ranked: &[Evidence],
    candidates: &[Candidate<'_>],
    found: &Found,
) -> Vec<(usize, f32)> {
    let mut likely: Vec<(usize, f32)> = Vec::new();
    for (rank, evidence) in ranked.iter().enumerate() {
        let candidate = &candidates[evidence.place];
        let known = |&(earlier, _): &(usize, f32)| {
            same_answer(candidate, &candidates[ranked[earlier].place])
        };
        if likely.len() < CHOICES && !likely.iter().any(known) {
            let features = features(rank, ranked, candidates, found);
            let counts = evidence.meaningful || evidence.words >= GRAMMAR_ALONE;
            let chance = calibration(candidate.kind).probability(&features);
            likely.push((rank, if counts { chance } else { 0.0 }));
        }
    }
    let total: f32 = likely.iter().map(|(_, chance)| chance).sum();
    for (_, chance) in &mut likely {
        *chance /= total.max(1.0);
    }
    likely.sort_by(|left, right| right.1.total_cmp(&left.1));
    likely
}

/// The formula for a kind of passage.
fn calibration(kind: PassageKind) -> &'static Calibration {
    match kind {
        PassageKind::Answer => &ANSWERS,
        PassageKind::Section => &SECTIONS,
    }
}

/// Several questions may lead to one answer.
fn same_answer(left: &Candidate<'_>, right: &Candidate<'_>) -> bool {
    left.number == right.number || left.kind == right.kind && left.text == right.text
}

fn prefix(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
