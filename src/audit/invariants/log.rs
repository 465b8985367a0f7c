//! I-5: the ledger, recomputed from its entries.

use super::{Finding, Look};
use crate::audit::AuditError;
use crate::ledger::{self, Fault};

/// Recomputes every hash and compares every checkpoint (RFC 6962 §2.1), every cosignature, and what
/// is kept outside the database.
pub(super) async fn recomputes(look: &mut Look<'_>) -> Result<(), AuditError> {
    let (progress, invariant) = (look.progress, look.invariant);
    let told = |done, of| progress(invariant, done, of);
    let report = ledger::verify(look.tx, look.trust, told).await?;
    look.looked(report.entries + report.nodes + report.checkpoints + report.cosignatures);
    for fault in report.faults {
        look.found(finding(&fault));
    }
    Ok(())
}

fn finding(fault: &Fault) -> Finding {
    match fault {
        Fault::MissingEntry { entry } => Finding::new("ledger.entry_missing").entry(*entry),
        Fault::UnreadableEntry { entry } => Finding::new("ledger.entry_unreadable").entry(*entry),
        Fault::WrongNode { before, level, index } => {
            let at = match before {
                0 => format!("level {level}, index {index}"),
                before => format!("after {before} entries, level {level}, index {index}"),
            };
            Finding::new("ledger.node_wrong").at(at)
        }
        Fault::WrongShards => Finding::new("ledger.shards_wrong"),
        Fault::WrongOpening { entry } => Finding::new("ledger.opening_wrong").entry(*entry),
        Fault::Beyond => Finding::new("ledger.beyond_head"),
        Fault::BadCheckpoint { size } => {
            Finding::new("ledger.checkpoint_bad").at(format!("checkpoint of {size}"))
        }
        Fault::WrongRoot { size } => {
            Finding::new("ledger.root_wrong").at(format!("checkpoint of {size}"))
        }
        Fault::Uncovered { size } => Finding::new("ledger.uncovered").at(format!("{size} entries")),
        Fault::TimeReversed { size } => {
            Finding::new("ledger.time_reversed").at(format!("checkpoint of {size}"))
        }
        Fault::Postdated { entry } => Finding::new("ledger.entry_postdated").entry(*entry),
        Fault::Shrunk { size, known, known_by } => {
            Finding::new("ledger.shrunk").at(format!("{size} entries, {known} by the {known_by}"))
        }
        Fault::OtherHistory { size, known_by } => {
            Finding::new("ledger.other_history").at(format!("{size} entries, by the {known_by}"))
        }
        Fault::BadKept => Finding::new("ledger.kept_bad"),
        Fault::BadCosignature { size, witness } => {
            Finding::new("ledger.cosignature_bad").at(format!("checkpoint of {size}, {witness}"))
        }
        Fault::Unconfirmed { size } => {
            Finding::new("ledger.unconfirmed").at(format!("{size} entries"))
        }
    }
}
