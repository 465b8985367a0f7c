//! Several receipts of one person against each other: each record names the hash of the one before.

use std::collections::BTreeMap;

use super::ReceiptReport;
use crate::consent::{ConsentRecord, Previous};

/// The first of these receipts that contradicts another, by its place: the record that it names as the
/// one before is another, or two name the same. Receipts that are not here contradict nobody.
pub fn contradiction(reports: &[ReceiptReport]) -> Option<usize> {
    let by_id: BTreeMap<[u8; 16], &ReceiptReport> =
        reports.iter().map(|report| (report.record.id, report)).collect();
    let mut followed: BTreeMap<_, [u8; 16]> = BTreeMap::new();
    reports.iter().position(|report| {
        let Some(chain) = &report.record.chain else { return false };
        let before = chain.previous.as_ref();
        let known = before.and_then(|previous| Some((previous, *by_id.get(&previous.id)?)));
        let other = known.is_some_and(|(previous, known)| {
            Previous::of(&known.record) != *previous
                || about(&known.record) != about(&report.record)
                || known.index >= report.index
        });
        let place = (about(&report.record), before.map(|previous| previous.id));
        other || *followed.entry(place).or_insert(report.record.id) != report.record.id
    })
}

/// What the records of one chain have in common.
fn about(record: &ConsentRecord) -> impl Ord + use<'_> {
    let ConsentRecord { subject, app, purpose, peer, .. } = record;
    (subject, app, purpose, peer)
}
