//! End-to-end tests of Volens, in one binary: the whole service, and rules about its code.

mod dump;
mod journeys;
mod sql;
mod tidy;
