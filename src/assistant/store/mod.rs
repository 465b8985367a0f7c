//! The slice in SQL.

pub(super) mod bots;
pub(super) mod conversations;
