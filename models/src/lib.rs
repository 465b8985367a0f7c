//! Learning to rank welcome: the crate a data scientist reads.
//!
//! Everything here is a pure function of its arguments: no input or output, no async, no clock, no randomness
//! but from a seed that is handed in. What leaves the house about a person is scored under that person's
//! consent ([`model::Model::score`]); what trains a model comes in as a [`table::Table`].
//!
//! # The life of a model
//!
//! [`features`] (person and message as named values) → [`table`] → [`binning`] → [`learner`] (additive terms
//! by FTRL or boosted trees of two columns, chosen by cross-validation) → [`calibrate`] → [`model`] → [`score`] and [`explain`] → [`words`]
//! (reasons a person can read, and how two differ). [`flip`] finds the smallest change that would have
//! turned a decision. [`evaluate`] and [`uplift`] say how good it is, [`offpolicy`] what a list is expected to
//! bring, [`association`] what a column could stand for, [`reliability`] and [`segments`] whether its probabilities can be believed, [`card`] what it is, and [`artifact`] is the file it is kept in.
//!
//! [`scan`] finds the best of many, and [`drift`] tells when a model stops fitting. Beside it, [`topics`] reads what a message is about from its text, and [`bandit`] says which variant of a
//! message how many people get.

pub mod artifact;
pub mod association;
pub mod bandit;
pub mod binning;
pub mod calibrate;
pub mod card;
pub mod dataset;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod features;
pub mod flip;
pub mod learner;
mod math;
pub mod model;
pub mod offpolicy;
pub mod reliability;
pub mod scan;
pub mod score;
pub mod segments;
pub mod table;
pub mod topics;
pub mod topk;
mod units;
pub mod uplift;
pub mod vector;
pub mod words;

pub use crate::artifact::Artifact;
pub use crate::card::ModelCard;
pub use crate::explain::{Contribution, Explanation};
pub use crate::features::{Features, Message, Person, Schema, Value};
pub use crate::learner::{Options, Trained, train};
pub use crate::model::{Model, Score};
pub use crate::scan::{Codes, Scorer};
pub use crate::table::{Cell, Column, Table, TableBuilder};
pub use crate::topk::TopK;
pub use crate::words::{Reason, reasons};
