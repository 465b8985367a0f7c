//! People in batches, each verified while the one before it is written.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::build::Workshop;
use super::ranking::Ranked;
use super::verify::Ahead;
use super::{AudienceError, Result};

/// Accounts scored, and rows written, at a time.
pub(super) const BATCH: usize = 512;

/// Ranked people, best first, that are verified and still to be written.
pub(super) struct Batches<'b> {
    workshop: &'b Workshop<'b>,
    left: &'b [Ranked],
    /// The next of them.
    verifying: JoinSet<Result<Ahead>>,
}

impl<'b> Batches<'b> {
    pub(super) fn new(workshop: &'b Workshop<'b>, ranked: &'b [Ranked]) -> Self {
        let mut batches = Self { workshop, left: ranked, verifying: JoinSet::new() };
        batches.verify();
        batches
    }

    fn verify(&mut self) {
        let next = &self.left[..self.left.len().min(BATCH)];
        let subjects: Vec<_> = next.iter().map(|one| one.subject).collect();
        let (db, keys) = (self.workshop.db.clone(), Arc::clone(self.workshop.keys));
        let now = self.workshop.clock.now();
        self.verifying.spawn(async move {
            let mut tx = db.read().await?;
            Ahead::read(&mut tx, &keys, subjects, now).await
        });
    }

    /// The next people, at most so many; nothing when that was all. Those after them are being verified from
    /// then on.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<(&'b [Ranked], Ahead)>> {
        if most == 0 || self.left.is_empty() {
            return Ok(None);
        }
        let verified = self.verifying.join_next().await.ok_or(AudienceError::Interrupted)?;
        let (batch, rest) = self.left.split_at(self.left.len().min(BATCH).min(most));
        self.left = rest;
        self.verify();
        Ok(Some((batch, verified.map_err(|_| AudienceError::Interrupted)??)))
    }
}
