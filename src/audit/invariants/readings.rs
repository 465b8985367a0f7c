//! I-20: readings and their entries, counted against each other; and four eyes for every record.

use std::collections::BTreeSet;

use volens_privacy::ledger::{Leaf, LeafKind};

use super::{Finding, Look};
use crate::audit::AuditError;
use crate::ledger;
use crate::readings::{self, Reading};

/// Entries looked at together.
const ENTRIES: u64 = 2048;

/// Every entry of a reading has the one row that explains it, every row its entry; every record that
/// was read had been approved before.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let size = ledger::size(look.tx).await?;
    let since = readings::since(look.tx).await?;
    let mut approved = BTreeSet::new();
    let (mut from, mut explained) = (since, 0);
    while from < size {
        let to = size.min(from + ENTRIES);
        let mut kept = readings::between(look.tx, from, to).await?;
        for (index, bytes) in ledger::entries(look.tx, from, to).await? {
            let Ok(leaf) = Leaf::parse(&bytes) else { continue };
            let rows = kept.remove(&index).unwrap_or_default();
            explained += rows.len() as u64;
            match leaf.kind() {
                LeafKind::AccessDecided => approved.extend(approval(&leaf)),
                LeafKind::OfficerAccess => entry(look, index, &leaf, &rows, &approved),
                _ if rows.is_empty() => {}
                _ => look.found(Finding::new("reading.not_on_record").entry(index)),
            }
        }
        look.progress(to, size);
        from = to;
    }
    // Rows that name an entry outside the ledger, or one before they were kept.
    let astray = readings::count(look.tx).await?.saturating_sub(explained);
    if astray > 0 {
        look.found(Finding::new("reading.not_on_record"));
        look.more(astray - 1);
    }
    let (all, some, openings) = readings::one_pair_of_eyes(look.tx).await?;
    look.looked(openings);
    look.more(all - some.len() as u64);
    for subject in some {
        look.found(Finding::new("opening.one_pair_of_eyes").of(subject));
    }
    Ok(())
}

fn entry(
    look: &mut Look<'_>,
    index: u64,
    leaf: &Leaf,
    rows: &[Reading],
    approved: &BTreeSet<String>,
) {
    look.looked(1);
    let says = |row: &Reading| {
        let detail = leaf.detail();
        let said = |name: &str| detail.and_then(|detail| detail.get(name));
        leaf.commitment() == Some(&row.commitment)
            && said("what").and_then(|what| what.as_str()) == Some(row.what.as_str())
            && said("role").and_then(|role| role.as_str()) == Some(row.role.as_str())
            && said("people").and_then(serde_json::Value::as_u64) == Some(row.people)
    };
    if !matches!(rows, [row] if says(row)) {
        look.found(Finding::new("reading.unexplained").entry(index));
    }
    let detail = leaf.detail();
    if detail.is_some_and(|detail| detail["what"] == "record") {
        let opening = detail.and_then(|detail| detail["opening"].as_str());
        if !opening.is_some_and(|opening| approved.contains(opening)) {
            look.found(Finding::new("record.unapproved").entry(index));
        }
    }
}

/// The request that an entry approves.
fn approval(leaf: &Leaf) -> Option<String> {
    let detail = leaf.detail().filter(|detail| detail["approved"] == true)?;
    detail["opening"].as_str().map(str::to_owned)
}
