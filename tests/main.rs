//! End-to-end tests of Volens, in one binary: the whole service, and rules about its code.

mod access;
mod api;
mod cli;
mod browser;
mod dump;
mod independent;
mod journeys;
mod peers;
mod slow;
mod sql;
mod support;
mod tidy;
