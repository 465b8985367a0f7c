//! A log that is divided by year: every shard is a tree of its own, and the shards are one history.
//!
//! The first shard bears the name of the log. Those after it bear `<name>/<year>`, are signed with the
//! same key under that name, say in every checkpoint how many entries came before them, and begin with
//! an entry that commits to where the shard before ended: its name, its size and its root. So an entry
//! keeps one number whatever the shard, and a shard that was cut or replaced after it ended does not
//! fit the next.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::leaf::{Leaf, LeafKind};
use super::tree::Hash;
use crate::time::Timestamp;

/// Digits of a year in a shard's name.
const YEAR: usize = 4;

/// The name of the shard of a year, of a log of that name.
pub fn shard_origin(log: &str, year: u16) -> String {
    format!("{log}/{year:04}")
}

/// Of which year the shard of that name is; nothing when it is no later shard of the log.
pub fn shard_year(log: &str, origin: &str) -> Option<u16> {
    let year = origin.strip_prefix(log)?.strip_prefix('/')?;
    let digits = year.len() == YEAR && year.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| year.parse().ok())?
}

/// Whether a name could be that of a later shard of some log.
pub(super) fn is_shard(origin: &str) -> bool {
    origin.rsplit_once('/').is_some_and(|(log, _)| shard_year(log, origin).is_some())
}

/// Where a shard ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Its name.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What the first entry of a later shard says, in its detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Name of the shard that it opens.
    pub origin: String,
    /// Entries of all shards before it.
    pub before: u64,
    /// The shard before it.
    pub after: Ended,
}

impl Opening {
    /// What opens the shard `origin` after one whose last checkpoint is this.
    pub fn after(last: &Checkpoint, origin: String) -> Self {
        let after = Ended { origin: last.origin.clone(), size: last.size, root: last.root };
        Self { origin, before: last.entries(), after }
    }

    /// The entry.
    pub fn leaf(&self, at: Timestamp) -> Leaf {
        let detail = serde_json::to_value(self).expect("names, numbers and a hash are JSON");
        Leaf::new(LeafKind::LogOpened, at).with_detail(detail)
    }

    /// What an entry says, if it is one that opens a shard.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        let detail = leaf.detail().filter(|_| leaf.kind() == LeafKind::LogOpened)?;
        Self::deserialize(detail).ok()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::KeyRing;
    use crate::ledger::{CheckpointError, LogVerifier, empty_root};

    const AT: Timestamp = Timestamp::from_micros(1_763_700_000_000_000);

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(&mut StdRng::seed_from_u64(seed), AT)
    }

    fn checkpoint(origin: &str, before: u64, size: u64) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), before, size, root: empty_root() }
    }

    #[test]
    fn a_year_has_one_name() {
        assert_eq!(shard_origin("a.example/log", 2027), "a.example/log/2027");
        assert_eq!(shard_year("a.example/log", "a.example/log/2027"), Some(2027));
        assert_eq!(shard_year("a.example/log", &shard_origin("a.example/log", 7)), Some(7));
        for other in ["", "/", "/27", "/02027", "/+027", "/2027/", "2027", "/2027/2028", "/٢٠٢٧"]
        {
            let origin = format!("a.example/log{other}");
            assert_eq!(shard_year("a.example/log", &origin), None, "{other}");
        }
        assert_eq!(shard_year("a.example/log", "b.example/log/2027"), None);
    }

    #[test]
    fn an_entry_opens_a_shard_after_the_one_before() {
        let last = checkpoint("a.example/log/2027", 30, 12);
        let opening = Opening::after(&last, "a.example/log/2028".to_owned());
        assert_eq!((opening.before, opening.after.size), (42, 12));
        let leaf = Leaf::parse(&opening.leaf(AT).bytes()).unwrap();
        assert_eq!(Opening::of(&leaf), Some(opening.clone()));
        let other = Leaf::new(LeafKind::AuditRun, AT).with_detail(leaf.detail().unwrap().clone());
        assert_eq!(Opening::of(&other), None);
    }

    #[test]
    fn the_logs_key_signs_every_shard_and_no_other_log() {
        let (ring, other) = (ring(1), ring(2));
        let (signer, log) = (ring.log_signer(), ring.log_verifier());
        let origin = shard_origin(signer.origin(), 2027);
        let later = checkpoint(&origin, 30, 12);
        let note = signer.sign(&later);
        assert!(note.as_str().contains("\nvolens/before 30\n"), "{}", note.as_str());
        assert_eq!((note.unverified(), note.before()), (later.clone(), 30));
        assert_eq!(log.verify(note.as_str()), Ok(later.clone()));
        assert_eq!((later.entries(), later.entry(11)), (42, 41));
        // Who knows the shard alone, as a witness elsewhere does, needs no word of ours.
        let alone = LogVerifier::from_vkey(&log.shard_vkey(2027)).unwrap();
        assert_eq!(alone.origin(), origin);
        assert_eq!(alone.verify(note.as_str()), Ok(later));
        assert!(alone.verify(&note.as_str().replace("volens/before 30\n", "")).is_err());
        assert!(other.log_verifier().verify(note.as_str()).is_err());
        let elsewhere = signer.sign(&checkpoint("elsewhere.example/log/2027", 30, 12));
        assert_eq!(log.verify(elsewhere.as_str()), Err(CheckpointError::OtherOrigin));
    }

    #[test]
    fn only_the_first_shard_has_nothing_before_it() {
        let ring = ring(1);
        let (signer, log) = (ring.log_signer(), ring.log_verifier());
        let first = signer.sign(&checkpoint(signer.origin(), 0, 7));
        assert!(!first.as_str().contains("before"), "as it was before there were shards");
        assert_eq!((log.verify(first.as_str()).unwrap().size, first.before()), (7, 0));
        let later = shard_origin(signer.origin(), 2027);
        for wrong in [checkpoint(&later, 0, 7), checkpoint(signer.origin(), 1, 7)] {
            let note = signer.sign(&wrong);
            assert_eq!(log.verify(note.as_str()), Err(CheckpointError::NotACheckpoint));
        }
        for wrong in ["", "x", "-1", "007", "0", "18446744073709551615"] {
            let text = first.as_str().replacen("\n\n", &format!("\nvolens/before {wrong}\n\n"), 1);
            assert!(crate::SignedCheckpoint::parse(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_retired_key_vouches_for_no_entry_after_its_time() {
        let (ring, other) = (ring(1), ring(2));
        let known = other.log_verifier().or(&ring.log_verifier(), 40);
        let origin = shard_origin(ring.log_signer().origin(), 2027);
        let note = |size| ring.log_signer().sign(&checkpoint(&origin, 30, size));
        assert!(known.verify(note(10).as_str()).is_ok(), "thirty and ten");
        assert_eq!(known.verify(note(11).as_str()), Err(CheckpointError::Unsigned));
    }
}
