//! The slice's SQL.

mod campaigns;
mod lists;
pub(super) mod recalls;
mod rows;

use crate::db::Statement;

pub(super) use campaigns::{add_campaign, campaign, campaign_owner, campaigns};
pub(super) use lists::{
    add_leaves, add_list, begin, end, expired, leaves, list, lists, owner, progress, remove_leaves,
    rows_removed, seal,
};
pub(super) use rows::{
    Arm, Footing, Grant, NewLoan, NewRow, NewScore, StoredRow, add_loans, add_rows, add_scores,
    add_stop, count, hold, page, remove, remove_loans, remove_some, rows_about, stops, subjects,
};

/// Every statement of the slice.
pub(crate) fn statements() -> Vec<Statement> {
    [campaigns::STATEMENTS, lists::STATEMENTS, recalls::STATEMENTS, rows::STATEMENTS].concat()
}

/// JSON that this slice wrote.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, finite numbers and lists are JSON")
}
