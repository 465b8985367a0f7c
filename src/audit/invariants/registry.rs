//! Which invariants there are, whom they serve, and which check belongs to each.

use super::{
    Look, apart, asking, conversations, derived, erased, keys, lifetimes, links, log, messages,
    models, readings, records, retention, texts, topics, used,
};
use crate::audit::AuditError;

/// A promise about everything that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I-1.
    LinksHaveTwoGrants,
    /// I-2.
    DerivedHasConsent,
    /// I-3.
    NothingAfterItsEnd,
    /// I-4.
    ErasedAreGone,
    /// I-5.
    LedgerRecomputes,
    /// I-6.
    GrantsAreOnRecord,
    /// I-7.
    EachForItsPurpose,
    /// I-8.
    NothingSensitive,
    /// I-9.
    MinorsAreNotProfiled,
    /// I-10.
    MessagesHaveConsent,
    /// I-11.
    ErasedAreUnreadable,
    /// I-12.
    NothingTooOld,
    /// I-13.
    NobodyIsPressed,
    /// I-14.
    MachinesSaySo,
    /// I-15.
    ModelsForget,
    /// I-16.
    AppsStayApart,
    /// I-17.
    KeysAreThose,
    /// I-18.
    TimeRunsForward,
    /// I-19.
    NoPhoneNumbers,
    /// I-20.
    ReadingsAreOnRecord,
}

/// What is said about an invariant.
pub(super) struct Definition {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) law: &'static str,
    pub(super) looks_at: &'static str,
}

const fn promise(
    id: &'static str,
    title: &'static str,
    law: &'static str,
    looks_at: &'static str,
) -> Definition {
    Definition { id, title, law, looks_at }
}

/// In the order of [`Invariant`].
const DEFINITIONS: [Definition; 20] = [
    promise(
        "I-1",
        "No link without two live grants for the same pair of apps",
        "GDPR Art. 6(1)(a); DMA Art. 5(2)",
        "link tokens and links, with the grants they name",
    ),
    promise(
        "I-2",
        "Nothing derived from a person outlives the consent it rests on",
        "GDPR Art. 7(3), 18, 21",
        "profiles, exposures, awaited purchases, scores, list rows and what was lent to them, with their grants",
    ),
    promise(
        "I-3",
        "No list was sealed upon a consent that had been taken back",
        "GDPR Art. 7(3)",
        "the consents that scores, rows and loans name, by the order of the ledger",
    ),
    promise(
        "I-4",
        "Whoever was erased is gone",
        "GDPR Art. 17",
        "every account against the erasures; canaries that are erased nightly, in every table and \
         file of the database, in search indexes, exports and logs; when the last purge was",
    ),
    promise(
        "I-5",
        "The ledger is what its checkpoints say, and only ever grew",
        "GDPR Art. 5(2), 7(1)",
        "every entry, stored hash, checkpoint and cosignature, recomputed; the checkpoint kept outside",
    ),
    promise(
        "I-6",
        "Every live grant has its entry, and every entry about consent its record",
        "GDPR Art. 5(2), 7(1)",
        "entries about consent; the records of all accounts, opened against them",
    ),
    promise(
        "I-7",
        "What is used of somebody names their own consent to just that",
        "GDPR Art. 5(1)(b), 6(1)(a)",
        "the consents that scores, rows and loans name, with the records they are",
    ),
    promise(
        "I-8",
        "No sensitive topic is kept, asked for or learned",
        "GDPR Art. 9; DSA Art. 26(3)",
        "topics of profiles, campaigns and filters; columns of the models in use; reasons of list rows",
    ),
    promise(
        "I-9",
        "Nothing is kept for a purpose of somebody known to be too young for it",
        "GDPR Art. 8; DSA Art. 28(2)",
        "all accounts by age band; their live consents, link tokens, loans, profiles, marks of signals, \
         exposures, scores, list rows, awaited purchases and places in models",
    ),
    promise(
        "I-10",
        "Nobody is handed out as a recipient without a live consent for messages, or after saying stop",
        "Directive 2002/58/EC Art. 13(1); GDPR Art. 21(3)",
        "rows of lists that were handed out or are open for it, with the consents to messages, objections \
         and stops of their people",
    ),
    promise(
        "I-11",
        "What older copies hold of the erased opens for nobody after a week, and no business keeps quiet \
         about them",
        "GDPR Art. 12(3), 17, 19, 32(1)(a)",
        "erasures, and the age of the roots that keys are wrapped under; recall notices of all that was handed out, and what became \
         of them",
    ),
    promise(
        "I-12",
        "Nothing is kept longer than what it is for",
        "GDPR Art. 5(1)(e)",
        "every table: whether it has a limit, and what is there beyond it; the days that profiles count by",
    ),
    promise(
        "I-13",
        "Nobody is asked again before the time that a refusal gives them",
        "DMA Art. 5(2); GDPR Art. 7(4)",
        "requests for consent that apps reported, with the decisions before them",
    ),
    promise(
        "I-14",
        "Every conversation with a bot begins by saying that it is a machine",
        "AI Act Art. 50(1), (5)",
        "the first message of every conversation, opened",
    ),
    promise(
        "I-15",
        "No model in use learned from somebody who took that back more than a day ago",
        "GDPR Art. 7(3), 17",
        "models in use with the people they learned from and their manifests, compared with the ledger",
    ),
    promise(
        "I-16",
        "Nothing that is stored is common to accounts of two apps but the token of a link",
        "GDPR Art. 5(1)(c), 25; DMA Art. 5(2)",
        "references, keys, marks, tokens and sealed records, compared with each other",
    ),
    promise(
        "I-17",
        "One active key per use, and every key that anything was written with is there",
        "GDPR Art. 32(1)(a)",
        "check values of the key ring; the key versions of accounts, conversations, kept answers and link \
         tokens; the fences",
    ),
    promise(
        "I-18",
        "No consent lasts longer than its purpose allows, and time does not run back",
        "GDPR Art. 5(1)(e), 7(1)",
        "grants, the times of ledger entries and of checkpoints",
    ),
    promise(
        "I-19",
        "No phone number stands in any text",
        "GDPR Art. 5(1)(c), 25",
        "every column of texts but those of a business's own words; the details of ledger entries",
    ),
    promise(
        "I-20",
        "Whoever reads about a person leaves a mark, and nobody opens a record alone",
        "GDPR Art. 5(2), 32",
        "readings and requests to open a record, with their entries",
    ),
];

impl Invariant {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::LinksHaveTwoGrants,
        Self::DerivedHasConsent,
        Self::NothingAfterItsEnd,
        Self::ErasedAreGone,
        Self::LedgerRecomputes,
        Self::GrantsAreOnRecord,
        Self::EachForItsPurpose,
        Self::NothingSensitive,
        Self::MinorsAreNotProfiled,
        Self::MessagesHaveConsent,
        Self::ErasedAreUnreadable,
        Self::NothingTooOld,
        Self::NobodyIsPressed,
        Self::MachinesSaySo,
        Self::ModelsForget,
        Self::AppsStayApart,
        Self::KeysAreThose,
        Self::TimeRunsForward,
        Self::NoPhoneNumbers,
        Self::ReadingsAreOnRecord,
    ];

    /// Its number, `I-1` and so on.
    pub fn id(self) -> &'static str {
        self.definition().id
    }

    /// What it promises.
    pub fn title(self) -> &'static str {
        self.definition().title
    }

    pub(super) fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }
}

impl Look<'_> {
    pub(super) async fn run(&mut self) -> Result<(), AuditError> {
        match self.invariant {
            Invariant::LinksHaveTwoGrants => links::check(self).await,
            Invariant::DerivedHasConsent => derived::consented(self).await,
            Invariant::NothingAfterItsEnd => used::before_its_end(self).await,
            Invariant::ErasedAreGone => erased::gone(self).await,
            Invariant::LedgerRecomputes => log::recomputes(self).await,
            Invariant::GrantsAreOnRecord => records::check(self).await,
            Invariant::EachForItsPurpose => used::for_its_purpose(self).await,
            Invariant::NothingSensitive => topics::check(self).await,
            Invariant::MinorsAreNotProfiled => derived::old_enough(self).await,
            Invariant::ErasedAreUnreadable => erased::unreadable(self).await,
            Invariant::NothingTooOld => retention::check(self).await,
            Invariant::MachinesSaySo => conversations::check(self).await,
            Invariant::ModelsForget => models::check(self).await,
            Invariant::AppsStayApart => apart::check(self).await,
            Invariant::KeysAreThose => keys::check(self).await,
            Invariant::TimeRunsForward => lifetimes::check(self).await,
            Invariant::NoPhoneNumbers => texts::check(self).await,
            Invariant::ReadingsAreOnRecord => readings::check(self).await,
            Invariant::NobodyIsPressed => asking::check(self).await,
            Invariant::MessagesHaveConsent => messages::check(self).await,
        }
    }
}
