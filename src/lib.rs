//! Volens.

pub mod cli;
pub mod config;
