//! A history of operations, and what must never be found in one.
//!
//! Operations overlap: each has a moment at which it was begun and one at which it was answered, as
//! whoever asked saw them. Between the two it may take effect at any moment, so only what is wrong
//! whatever that moment was is called wrong (linearizability, Herlihy and Wing 1990).

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::PurposeKind;

/// What is shown of a person, and the consents it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// A row of a list: on a page, in an export, or in the table that holds it.
    Row,
    /// A score in its table.
    Score,
}

impl Shown {
    /// The purposes it needs.
    pub(super) const fn needs(self) -> &'static [PurposeKind] {
        match self {
            Self::Row => &[PurposeKind::BusinessMessages, PurposeKind::Relevance],
            Self::Score => &[PurposeKind::Relevance],
        }
    }
}

/// Every purpose that anything here needs.
pub(super) const NEEDED: [PurposeKind; 2] = [PurposeKind::BusinessMessages, PurposeKind::Relevance];

/// A person, by number.
pub(super) type Person = usize;
/// A list, by number.
pub(super) type ListNumber = usize;

/// What was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// A consent was given.
    Gave(Person, PurposeKind),
    /// A consent was taken back.
    Withdrew(Person, PurposeKind),
    /// This was shown of these people in a list.
    Showed(Shown, ListNumber, BTreeSet<Person>),
}

/// One operation, by the numbers of the moments at which it was begun and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) begun: u64,
    pub(super) answered: u64,
    pub(super) deed: Deed,
}

impl Operation {
    /// Whether this was over before the other began.
    fn precedes(&self, other: &Self) -> bool {
        self.answered < other.begun
    }
}

/// What is wrong with a history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    /// It was shown although a consent that it needs had ended before.
    Ended(Shown, ListNumber, Person, PurposeKind),
    /// It came back to a list that it had been taken off: it rests on a consent that is over.
    CameBack(Shown, ListNumber, Person, PurposeKind),
}

/// Everything that is wrong with a history, without repetition.
pub(super) fn wrongs(history: &[Operation]) -> BTreeSet<Wrong> {
    let known = Known::of(history);
    let mut found = BTreeSet::new();
    for shown in history {
        let Deed::Showed(what, list, people) = &shown.deed else { continue };
        for person in people {
            for purpose in what.needs() {
                if known.surely_none_lives_during(*person, *purpose, shown) {
                    found.insert(Wrong::Ended(*what, *list, *person, *purpose));
                }
                let first = known.first_seen.get(&(*what, *list, *person));
                if first.is_some_and(|first| known.ended_between(*person, *purpose, first, shown)) {
                    found.insert(Wrong::CameBack(*what, *list, *person, *purpose));
                }
            }
        }
    }
    found
}

/// A history by what it is about.
#[derive(Default)]
struct Known<'h> {
    given: BTreeMap<(Person, PurposeKind), Vec<&'h Operation>>,
    withdrawn: BTreeMap<(Person, PurposeKind), Vec<&'h Operation>>,
    /// The showing that was answered first.
    first_seen: BTreeMap<(Shown, ListNumber, Person), &'h Operation>,
}

impl<'h> Known<'h> {
    fn of(history: &'h [Operation]) -> Self {
        let mut known = Self::default();
        for operation in history {
            match &operation.deed {
                Deed::Gave(person, purpose) => {
                    known.given.entry((*person, *purpose)).or_default().push(operation);
                }
                Deed::Withdrew(person, purpose) => {
                    known.withdrawn.entry((*person, *purpose)).or_default().push(operation);
                }
                Deed::Showed(what, list, people) => {
                    for person in people {
                        let seen = (*what, *list, *person);
                        let first = known.first_seen.entry(seen).or_insert(operation);
                        if operation.answered < first.answered {
                            *first = operation;
                        }
                    }
                }
            }
        }
        known
    }

    fn withdrawn_before(
        &self,
        person: Person,
        purpose: PurposeKind,
        shown: &Operation,
    ) -> impl Iterator<Item = &'h Operation> {
        let all = self.withdrawn.get(&(person, purpose)).into_iter().flatten().copied();
        all.filter(|withdrawn| withdrawn.precedes(shown))
    }

    /// Whether no consent can have lived at any moment of `shown`: none was begun before it was
    /// answered, or some withdrawal was answered before it began, and every consent was over before
    /// that withdrawal or begun after `shown`.
    fn surely_none_lives_during(
        &self,
        person: Person,
        purpose: PurposeKind,
        shown: &Operation,
    ) -> bool {
        let given = self.given.get(&(person, purpose)).map_or(&[][..], Vec::as_slice);
        let possible = || given.iter().filter(|given| !shown.precedes(given));
        // Of all withdrawals the one that began last leaves the fewest consents alive.
        let last = self.withdrawn_before(person, purpose, shown).max_by_key(|w| w.begun);
        possible().all(|given| last.is_some_and(|withdrawn| given.precedes(withdrawn)))
    }

    /// Whether a consent was withdrawn between two showings of the same: a new consent belongs on new
    /// lists.
    fn ended_between(
        &self,
        person: Person,
        purpose: PurposeKind,
        first: &Operation,
        shown: &Operation,
    ) -> bool {
        self.withdrawn_before(person, purpose, shown).any(|withdrawn| first.precedes(withdrawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: PurposeKind = PurposeKind::BusinessMessages;

    fn operation(begun: u64, answered: u64, deed: Deed) -> Operation {
        Operation { begun, answered, deed }
    }

    fn showed(begun: u64, answered: u64, list: ListNumber, people: &[Person]) -> Operation {
        operation(begun, answered, Deed::Showed(Shown::Row, list, people.iter().copied().collect()))
    }

    /// Person 7 consents to everything that is needed.
    fn willing() -> Vec<Operation> {
        NEEDED.map(|purpose| operation(0, 1, Deed::Gave(7, purpose))).to_vec()
    }

    fn with(more: &[Operation]) -> Vec<Wrong> {
        let history = [willing(), more.to_vec()].concat();
        wrongs(&history).into_iter().collect()
    }

    #[test]
    fn what_may_have_happened_is_right() {
        assert_eq!(with(&[showed(2, 3, 1, &[7])]), []);
        // The withdrawal was not answered yet when the page was asked for, or the page was answered
        // before it was asked for.
        for (begun, answered) in [(2, 9), (4, 9), (2, 5)] {
            let history =
                [operation(3, 6, Deed::Withdrew(7, MESSAGES)), showed(begun, answered, 1, &[7])];
            assert_eq!(with(&history), [], "{begun}");
        }
        // Consented again, and on a later list.
        let history = [
            showed(2, 3, 1, &[7]),
            operation(4, 5, Deed::Withdrew(7, MESSAGES)),
            operation(6, 7, Deed::Gave(7, MESSAGES)),
            showed(8, 9, 2, &[7]),
        ];
        assert_eq!(with(&history), []);
    }

    #[test]
    fn a_row_after_the_answer_is_wrong() {
        for purpose in NEEDED {
            let history = [operation(3, 6, Deed::Withdrew(7, purpose)), showed(7, 8, 1, &[7, 8])];
            let found = with(&history);
            assert!(found.contains(&Wrong::Ended(Shown::Row, 1, 7, purpose)), "{found:?}");
        }
        // Somebody who never consented.
        assert!(with(&[showed(2, 3, 1, &[8])]).contains(&Wrong::Ended(Shown::Row, 1, 8, MESSAGES)));
        // Consenting again after the page was answered does not heal it.
        let history = [
            operation(3, 6, Deed::Withdrew(7, MESSAGES)),
            showed(7, 8, 1, &[7]),
            operation(9, 10, Deed::Gave(7, MESSAGES)),
        ];
        assert_eq!(with(&history), [Wrong::Ended(Shown::Row, 1, 7, MESSAGES)]);
    }

    #[test]
    fn a_score_needs_no_consent_for_messages() {
        let scored =
            |begun| operation(begun, begun + 1, Deed::Showed(Shown::Score, 1, BTreeSet::from([7])));
        assert_eq!(with(&[operation(2, 3, Deed::Withdrew(7, MESSAGES)), scored(4)]), []);
        let relevance = PurposeKind::Relevance;
        let history = [operation(2, 3, Deed::Withdrew(7, relevance)), scored(4)];
        assert_eq!(with(&history), [Wrong::Ended(Shown::Score, 1, 7, relevance)]);
    }

    #[test]
    fn a_row_that_comes_back_is_wrong() {
        let history = [
            showed(2, 3, 1, &[7]),
            operation(4, 5, Deed::Withdrew(7, MESSAGES)),
            operation(6, 7, Deed::Gave(7, MESSAGES)),
            showed(8, 9, 1, &[7]),
        ];
        assert_eq!(with(&history), [Wrong::CameBack(Shown::Row, 1, 7, MESSAGES)]);
    }
}
