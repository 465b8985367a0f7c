//! HTTP: every route is in [`router`]; the rest of this folder knows no slice but `access`.
//!
//! A request passes, from outside in: [`server`] (connections), [`observe`] (id, log, metrics),
//! [`headers`], [`callers`] (who, how much, from which page), [`idempotency`], then its handler.

pub mod body;
pub mod callers;
pub mod extract;
pub mod headers;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod observe;
pub mod openapi;
mod pages;
pub mod paging;
pub mod problem;
pub mod router;
pub mod server;
