//! A history of operations, and what must never be found in one.
//!
//! Operations overlap: each has a moment at which it was begun and one at which it was answered, as
//! whoever asked saw them. Between the two it may take effect at any moment, so only what is wrong
//! whatever that moment was is called wrong (linearizability, Herlihy and Wing 1990).

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::PurposeKind;

/// The apps of the world. Each delivers messages, and each borrows from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Messenger,
    Photos,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Messenger, Self::Photos];

    pub(super) const fn peer(self) -> Self {
        match self {
            Self::Messenger => Self::Photos,
            Self::Photos => Self::Messenger,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Messenger => "messenger",
            Self::Photos => "photos",
        }
    }
}

/// Somebody's account of one of the apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) side: Side,
    pub(super) person: Person,
}

impl Account {
    /// What this account agrees to, or not; linking with the account of the other app.
    pub(super) const fn to(self, purpose: PurposeKind) -> Consent {
        (self, purpose)
    }

    /// The same person's account of the other app.
    pub(super) const fn peer(self) -> Self {
        Self { side: self.side.peer(), person: self.person }
    }
}

/// A consent: whose, and what for.
pub(super) type Consent = (Account, PurposeKind);

/// Every purpose that anything here needs.
pub(super) const NEEDED: [PurposeKind; 3] =
    [PurposeKind::BusinessMessages, PurposeKind::Relevance, PurposeKind::CrossAppLinking];

/// What is shown of an account, and the consents it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// A row of a list: on a page, in an export, or in the table that holds it.
    Row,
    /// A score in its table.
    Score,
    /// What was seen of somebody who was scored, kept to learn from.
    Exposure,
    /// What the account of the other app lent to a score.
    Loan,
}

impl Shown {
    /// The consents it needs, whatever it rests on besides.
    fn needs(self, of: Account) -> Vec<Consent> {
        let lender = of.peer();
        match self {
            Self::Row => vec![of.to(PurposeKind::BusinessMessages), of.to(PurposeKind::Relevance)],
            Self::Score | Self::Exposure => vec![of.to(PurposeKind::Relevance)],
            Self::Loan => vec![
                of.to(PurposeKind::Relevance),
                of.to(PurposeKind::CrossAppLinking),
                lender.to(PurposeKind::CrossAppLinking),
                lender.to(PurposeKind::Relevance),
            ],
        }
    }
}

/// A person, by number.
pub(super) type Person = usize;
/// A list, by number.
pub(super) type ListNumber = usize;

/// What was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// A consent was given.
    Gave(Consent),
    /// A consent was taken back.
    Withdrew(Consent),
    /// This was shown of these accounts in a list.
    Showed(Shown, ListNumber, BTreeSet<Account>),
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
    Ended(Shown, ListNumber, Account, Consent),
    /// It came back to a list that it had been taken off: it rests on a consent that is over.
    CameBack(Shown, ListNumber, Account, Consent),
}

/// Everything that is wrong with a history, without repetition.
pub(super) fn wrongs(history: &[Operation]) -> BTreeSet<Wrong> {
    let known = Known::of(history);
    let mut found = BTreeSet::new();
    for shown in history {
        let Deed::Showed(what, list, accounts) = &shown.deed else { continue };
        for account in accounts {
            let first = known.first_seen.get(&(*what, *list, *account));
            for consent in known.needs(*what, *list, *account) {
                if known.surely_none_lives_during(consent, shown) {
                    found.insert(Wrong::Ended(*what, *list, *account, consent));
                }
                if first.is_some_and(|first| known.ended_between(consent, first, shown)) {
                    found.insert(Wrong::CameBack(*what, *list, *account, consent));
                }
            }
        }
    }
    found
}

/// How often a consent that something lent needed was taken back after it had been seen.
pub(super) fn loans_ended(history: &[Operation]) -> usize {
    let known = Known::of(history);
    let loans = known.first_seen.iter().filter(|((what, ..), _)| *what == Shown::Loan);
    let ended = loans.filter(|((_, _, account), first)| {
        let mut of_the_link = Shown::Loan.needs(*account).into_iter();
        of_the_link.any(|consent| {
            consent != account.to(PurposeKind::Relevance)
                && known
                    .withdrawn
                    .get(&consent)
                    .is_some_and(|all| all.iter().any(|w| first.precedes(w)))
        })
    });
    ended.count()
}

/// A history by what it is about.
#[derive(Default)]
struct Known<'h> {
    given: BTreeMap<Consent, Vec<&'h Operation>>,
    withdrawn: BTreeMap<Consent, Vec<&'h Operation>>,
    /// The showing that was answered first.
    first_seen: BTreeMap<(Shown, ListNumber, Account), &'h Operation>,
}

impl<'h> Known<'h> {
    fn of(history: &'h [Operation]) -> Self {
        let mut known = Self::default();
        for operation in history {
            match &operation.deed {
                Deed::Gave(consent) => known.given.entry(*consent).or_default().push(operation),
                Deed::Withdrew(consent) => {
                    known.withdrawn.entry(*consent).or_default().push(operation);
                }
                Deed::Showed(what, list, accounts) => {
                    for account in accounts {
                        let seen = (*what, *list, *account);
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

    /// The consents that this needs. Whoever was once seen with a loan in a list was scored with it, so
    /// that everything else that the list shows of them needs what the loan needs.
    fn needs(&self, what: Shown, list: ListNumber, account: Account) -> BTreeSet<Consent> {
        let borrows = self.first_seen.contains_key(&(Shown::Loan, list, account));
        let lent = borrows.then(|| Shown::Loan.needs(account));
        what.needs(account).into_iter().chain(lent.into_iter().flatten()).collect()
    }

    fn withdrawn_before(
        &self,
        consent: Consent,
        shown: &Operation,
    ) -> impl Iterator<Item = &'h Operation> {
        let all = self.withdrawn.get(&consent).into_iter().flatten().copied();
        all.filter(|withdrawn| withdrawn.precedes(shown))
    }

    /// Whether no consent can have lived at any moment of `shown`: none was begun before it was
    /// answered, or some withdrawal was answered before it began, and every consent was over before
    /// that withdrawal or begun after `shown`.
    fn surely_none_lives_during(&self, consent: Consent, shown: &Operation) -> bool {
        let given = self.given.get(&consent).map_or(&[][..], Vec::as_slice);
        let possible = || given.iter().filter(|given| !shown.precedes(given));
        // Of all withdrawals the one that began last leaves the fewest consents alive.
        let last = self.withdrawn_before(consent, shown).max_by_key(|w| w.begun);
        possible().all(|given| last.is_some_and(|withdrawn| given.precedes(withdrawn)))
    }

    /// Whether a consent was withdrawn between two showings of the same: a new consent belongs on new
    /// lists.
    fn ended_between(&self, consent: Consent, first: &Operation, shown: &Operation) -> bool {
        self.withdrawn_before(consent, shown).any(|withdrawn| first.precedes(withdrawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: Account = Account { side: Side::Messenger, person: 7 };
    const MESSAGES: Consent = SEVEN.to(PurposeKind::BusinessMessages);
    const RELEVANCE: Consent = SEVEN.to(PurposeKind::Relevance);

    fn operation(begun: u64, answered: u64, deed: Deed) -> Operation {
        Operation { begun, answered, deed }
    }

    fn showed(what: Shown, begun: u64, list: ListNumber) -> Operation {
        operation(begun, begun + 1, Deed::Showed(what, list, BTreeSet::from([SEVEN])))
    }

    fn withdrew(begun: u64, consent: Consent) -> Operation {
        operation(begun, begun + 1, Deed::Withdrew(consent))
    }

    fn gave(begun: u64, consent: Consent) -> Operation {
        operation(begun, begun + 1, Deed::Gave(consent))
    }

    /// Person 7 consents to everything that is needed, in both apps.
    fn willing() -> Vec<Operation> {
        let all =
            NEEDED.into_iter().flat_map(|purpose| [SEVEN.to(purpose), SEVEN.peer().to(purpose)]);
        all.map(|consent| gave(0, consent)).collect()
    }

    fn with(more: &[Operation]) -> Vec<Wrong> {
        let history = [willing(), more.to_vec()].concat();
        wrongs(&history).into_iter().collect()
    }

    #[test]
    fn what_may_have_happened_is_right() {
        for what in [Shown::Row, Shown::Score, Shown::Exposure, Shown::Loan] {
            assert_eq!(with(&[showed(what, 2, 1)]), []);
        }
        // The withdrawal was not answered yet when the page was asked for, or the page was answered
        // before it was asked for.
        for (begun, answered) in [(2, 9), (4, 9), (2, 5)] {
            let shown = Deed::Showed(Shown::Row, 1, BTreeSet::from([SEVEN]));
            let history =
                [operation(3, 6, Deed::Withdrew(MESSAGES)), operation(begun, answered, shown)];
            assert_eq!(with(&history), [], "{begun}");
        }
        // Consented again, and on a later list.
        let history = [
            showed(Shown::Row, 2, 1),
            withdrew(4, MESSAGES),
            gave(6, MESSAGES),
            showed(Shown::Row, 8, 2),
        ];
        assert_eq!(with(&history), []);
    }

    #[test]
    fn a_row_after_the_answer_is_wrong() {
        for consent in [MESSAGES, RELEVANCE] {
            let found = with(&[withdrew(3, consent), showed(Shown::Row, 7, 1)]);
            assert_eq!(found, [Wrong::Ended(Shown::Row, 1, SEVEN, consent)]);
        }
        // Somebody who never consented.
        let stranger = Account { person: 8, ..SEVEN };
        let shown = Deed::Showed(Shown::Row, 1, BTreeSet::from([stranger]));
        let never = stranger.to(PurposeKind::BusinessMessages);
        assert!(with(&[operation(2, 3, shown)]).contains(&Wrong::Ended(
            Shown::Row,
            1,
            stranger,
            never
        )));
        // Consenting again after the page was answered does not heal it.
        let history = [withdrew(3, MESSAGES), showed(Shown::Row, 7, 1), gave(9, MESSAGES)];
        assert_eq!(with(&history), [Wrong::Ended(Shown::Row, 1, SEVEN, MESSAGES)]);
    }

    #[test]
    fn a_score_needs_no_consent_for_messages() {
        for what in [Shown::Score, Shown::Exposure] {
            assert_eq!(with(&[withdrew(2, MESSAGES), showed(what, 4, 1)]), []);
            let found = with(&[withdrew(2, RELEVANCE), showed(what, 4, 1)]);
            assert_eq!(found, [Wrong::Ended(what, 1, SEVEN, RELEVANCE)]);
        }
    }

    #[test]
    fn a_row_that_comes_back_is_wrong() {
        let history = [
            showed(Shown::Row, 2, 1),
            withdrew(4, MESSAGES),
            gave(6, MESSAGES),
            showed(Shown::Row, 8, 1),
        ];
        assert_eq!(with(&history), [Wrong::CameBack(Shown::Row, 1, SEVEN, MESSAGES)]);
    }

    #[test]
    fn what_was_lent_needs_both_sides() {
        let linking = PurposeKind::CrossAppLinking;
        let lender = SEVEN.peer();
        let either = [SEVEN.to(linking), lender.to(linking), lender.to(PurposeKind::Relevance)];
        for consent in either {
            let found = with(&[withdrew(2, consent), showed(Shown::Loan, 4, 1)]);
            assert_eq!(found, [Wrong::Ended(Shown::Loan, 1, SEVEN, consent)]);
            // What needs no link stays, and what was made with it goes with it.
            assert_eq!(with(&[withdrew(2, consent), showed(Shown::Row, 4, 1)]), []);
            for what in [Shown::Row, Shown::Score, Shown::Exposure] {
                let before = [showed(Shown::Loan, 2, 1), withdrew(4, consent), showed(what, 6, 1)];
                assert_eq!(with(&before), [Wrong::Ended(what, 1, SEVEN, consent)]);
                let other_list =
                    [showed(Shown::Loan, 2, 1), withdrew(4, consent), showed(what, 6, 2)];
                assert_eq!(with(&other_list), []);
            }
        }
        let of_the_lender =
            [withdrew(2, lender.to(PurposeKind::BusinessMessages)), showed(Shown::Loan, 4, 1)];
        assert_eq!(with(&of_the_lender), [], "who lends need not be written to");
    }
}
