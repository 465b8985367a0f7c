//! The slice's SQL.

mod campaigns;
mod lists;
mod nodes;
mod past;
pub(super) mod reach;
pub(super) mod recalls;
mod rows;
mod stops;
pub(super) mod variants;

use crate::db::Statement;

pub(super) use campaigns::{add_campaign, campaign, campaign_owner, campaigns, named};
pub(super) use lists::{
    Run, add_leaves, add_list, begin, expired, give_up, hold_run, leaves, list, lists, owner,
    refuse, remove_leaves, rows_removed, seal,
};
pub(super) use nodes::{add_nodes, nodes, remove_nodes};
pub(super) use past::part_of;
pub(super) use rows::{
    Arm, Footing, Grant, NewLoan, NewRow, NewScore, StoredRow, add_loans, add_rows, add_scores,
    count, cut, hold, page, remove, remove_loans, remove_some, rows_about, subjects,
};
pub(super) use stops::{
    NewStop, add_stops, end_rows, forget_stops, stopped, stopped_of, stopped_recipients, stops,
    stops_of,
};

/// Every statement of the slice.
pub(crate) fn statements() -> Vec<Statement> {
    [
        campaigns::STATEMENTS,
        reach::STATEMENTS,
        lists::STATEMENTS,
        nodes::STATEMENTS,
        past::STATEMENTS,
        recalls::STATEMENTS,
        rows::STATEMENTS,
        stops::STATEMENTS,
        variants::STATEMENTS,
    ]
    .concat()
}

/// JSON that this slice wrote.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, finite numbers and lists are JSON")
}
