//! Relevance: whom a message would be welcome to, learned from what earlier messages brought about.
//!
//! ```text
//! profile ─▶ Standing ─▶ Table (columns, bitmaps) ─▶ proposals   (narrow, never permit)
//!    │                                                    │
//!    └── Permit<Relevance> ─▶ features ─▶ Model::score ◀──┘
//! exposures + outcomes ── Permit<Relevance> + Permit<ModelTraining> ─▶ training ─▶ registry
//! ```
//!
//! Exposures hold the features as they were seen at that moment, sealed under the account's key, and
//! end with the consent they were kept under. A model is trained from scratch on the accounts that
//! consent at that time, so that whoever withdrew is not in it; the training is an entry of the
//! ledger that commits to the set it was trained on.

mod challenge;
#[cfg(test)]
mod challenge_tests;
pub mod columns;
mod evidence;
mod exposures;
pub mod features;
mod increase;
mod lessons;
#[cfg(test)]
mod lessons_tests;
pub mod manifest;
#[cfg(test)]
mod manifest_tests;
pub mod members;
pub mod proxies;
#[cfg(test)]
mod proxies_tests;
mod recent;
mod registry;
mod scan;
#[cfg(test)]
mod scan_tests;
mod standing;
mod standings;
mod store;
mod store_manifest;
mod table;
#[cfg(test)]
mod tests;
mod told;
pub mod training;
mod variant;
mod watch;

pub use challenge::Challenge;
pub use columns::{Columns, forget_order, forget_removed, known};
pub use exposures::{
    Exposure, Goal, Noted, Occasion, Outcome, OutcomeKind, forget_list, opened_features,
    record_exposures, record_met, record_outcomes, seen,
};
pub use lessons::{Order, Progress, TrainingSet, gather};
pub use recent::Recent;
pub use registry::{Active, Version, activate, active, all, find, roll_back, to_explain, versions};
pub use scan::View;
pub use standing::Standing;
pub use table::{Known, Table};
pub use training::{Learned, Report, keep, learn};
pub use variant::{Assigned, Variant};
pub use watch::{Watch, watch};

/// Every statement of the slice.
pub(crate) fn statements() -> Vec<db::Statement> {
    [store::STATEMENTS, store_manifest::STATEMENTS].concat()
}

use crate::{accounts, consent, db, ledger, signals};

/// Why something about relevance could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RelevanceError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// An account's data key could not be read.
    #[error("an account's data key could not be read")]
    Account(#[from] accounts::AccountError),
    /// A consent could not be verified.
    #[error("the consents of an account could not be verified")]
    Consent(#[from] consent::ConsentError),
    /// A profile could not be read.
    #[error("a profile could not be read")]
    Signals(#[from] signals::SignalError),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] ledger::LedgerError),
    /// Something sealed did not open.
    #[error("something sealed did not open")]
    Key(#[from] volens_privacy::KeyError),
    /// An account has no data key any more.
    #[error("an account has no data key any more")]
    NoKey,
    /// Something stored does not read as what it should be.
    #[error("a stored value is unreadable: {0}")]
    Unreadable(&'static str),
    /// The stored model cannot be used.
    #[error("a stored model cannot be used")]
    Artifact(#[from] volens_models::artifact::ArtifactError),
    /// Nothing could be learned.
    #[error("nothing could be learned: {0}")]
    Train(#[from] volens_models::learner::TrainError),
    /// No such version of the model.
    #[error("there is no such version of the model")]
    NoVersion,
    /// There is no manifest of the model: it is of before manifests were kept, or its people were forgotten
    /// with a later version.
    #[error("no manifest of this model is kept")]
    NoManifest,
    /// The kept leaves are not those that the ledger commits to.
    #[error("the kept manifest is not the one that the ledger commits to")]
    ManifestDiffers,
    /// The model waits until an officer has looked at what it could stand for.
    #[error("the model waits until an officer has looked at what its columns could stand for")]
    Held,
    /// The model does not wait for anybody.
    #[error("the model does not wait for an officer")]
    NotHeld,
    /// A reason is missing or too long.
    #[error("a reason of 1 to 1000 characters is needed")]
    Reason,
    /// The model learned from somebody who took that back more than a day ago, or nobody knows any
    /// more from whom it learned: it is not used until it is trained again.
    #[error("the model learned from people who took that back more than a day ago")]
    Stale,
}

/// Result of this slice.
pub type Result<T, E = RelevanceError> = std::result::Result<T, E>;
