//! The slice on both engines: who gets on a list, what is served of it, and what a replay says.

mod ahead;
mod audit;
mod chance;
mod export;
mod filters;
mod forecast;
mod increase;
mod lists;
mod pages;
mod reach;
mod recalls;
mod runs;
mod small;
mod topics;
pub(crate) mod town;
mod variants;
mod why;
