//! Training manifests: from whom a model learned, as a tree with one leaf for each person.
//!
//! ```text
//! DataKey ─▶ LessonKey ─▶ salt of one model ─▶ Lesson::leaf ─▶ Manifest ─▶ root in `model.trained`
//! ```
//!
//! A leaf is `HMAC-SHA256(salt, kind, model, account, messages, entries of the two consents)`, each part
//! behind its length. Its salt comes from the account's data key: without that key a leaf says nothing
//! about anybody, and it is destroyed with the account. Leaves stand in the order of their bytes, so that
//! a place in the tree says nothing either. The tree is that of RFC 6962.

use serde::{Deserialize, Serialize};

use crate::encoding::{hex, hex_bytes, length_prefixed, unhex};
use crate::identity::SubjectId;
use crate::keys::EntryKey;
use crate::ledger::bundle::TlogProofError;
use crate::ledger::{
    Checkpoint, Hash, Leaf, LeafKind, LogVerifier, MemoryTree, ProofError, leaf_hash,
    parse_tlog_proof, prove_inclusion, verify_inclusion,
};
use crate::redact::hide_debug;
use crate::time::Timestamp;

/// The kind of manifest, named in the entry that commits to it and in its file.
pub const MANIFEST_KIND: &str = "volens/training-manifest/1";
/// The kind of document that proves what one person taught a model.
pub const LESSON_KIND: &str = "volens/training-lesson/1";

#[cfg(test)]
mod tests;

/// Why a manifest or a part of one was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not a document of a kind that this program knows.
    #[error("it is not a training manifest of a kind that is known")]
    Kind,
    /// Its entry is not one that commits to a manifest of this kind.
    #[error("its entry does not commit to a training manifest of this kind")]
    Entry,
    /// The proof of the entry does not hold.
    #[error("its entry is not proved: {0}")]
    Unproved(#[from] TlogProofError),
    /// A leaf is not 64 hexadecimal digits, or they are out of order, or one is there twice.
    #[error("its leaves are not in order")]
    Leaves,
    /// The entry says another number of people.
    #[error("it has {leaves} leaves, and its entry says {people} people")]
    People {
        /// Leaves there are.
        leaves: u64,
        /// People on record.
        people: u64,
    },
    /// The entry commits to other leaves.
    #[error("its entry commits to other leaves")]
    Root,
    /// The lesson is about another model than the entry.
    #[error("its entry is about another model")]
    Model,
    /// The path does not lead from this lesson's leaf to the root.
    #[error("no leaf of the manifest is of this lesson: {0}")]
    Path(#[from] ProofError),
}

/// What one person taught a model, and under which consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The model, 16 bytes of its id.
    #[serde(with = "hex_bytes")]
    pub model: [u8; 16],
    /// The account.
    pub subject: SubjectId,
    /// From the outcomes of how many messages it learned.
    pub messages: u64,
    /// Ledger entry of the consent to relevance that it rested on.
    pub relevance_entry: u64,
    /// Ledger entry of the consent to teach models that it rested on.
    pub training_entry: u64,
}

impl Lesson {
    /// The leaf of this lesson. `salt` is [`LessonKey::salt`](crate::keys::LessonKey::salt) for
    /// the model.
    pub fn leaf(&self, salt: &[u8; 32]) -> [u8; 32] {
        let content = length_prefixed(&[
            MANIFEST_KIND.as_bytes(),
            &self.model,
            self.subject.as_bytes(),
            &self.messages.to_be_bytes(),
            &self.relevance_entry.to_be_bytes(),
            &self.training_entry.to_be_bytes(),
        ]);
        EntryKey::from_bytes(*salt).commit(&content)
    }
}

/// The leaves of a model, in the order of their bytes, and the tree over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    leaves: Vec<[u8; 32]>,
    tree: MemoryTree,
}

impl Manifest {
    /// The manifest of these leaves, in whatever order they come.
    pub fn new(leaves: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let mut leaves: Vec<[u8; 32]> = leaves.into_iter().collect();
        leaves.sort_unstable();
        let mut tree = MemoryTree::default();
        for leaf in &leaves {
            tree.append(leaf_hash(leaf));
        }
        Self { leaves, tree }
    }

    /// The leaves, in order.
    pub fn leaves(&self) -> &[[u8; 32]] {
        &self.leaves
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The place of a leaf, counted from 0.
    pub fn position(&self, leaf: &[u8; 32]) -> Option<u64> {
        self.leaves.binary_search(leaf).ok().map(|at| at as u64)
    }

    /// The path from the leaf at a place to the root (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// [`ProofError::OutOfTree`].
    pub fn path(&self, position: u64) -> Result<Vec<Hash>, ProofError> {
        prove_inclusion(position, self.tree.size(), &|node| self.tree.node(node))
    }
}

/// What an entry `model.trained` says about its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trained {
    /// The id of the model.
    pub model: String,
    /// From how many people it learned.
    pub people: u64,
    /// From how many messages.
    pub rows: u64,
    /// Entries of the ledger that consents were read from.
    pub ledger_size: u64,
    /// The moment at which those consents lived.
    pub as_of: Timestamp,
    /// The root of the manifest.
    pub root: Hash,
}

#[derive(Deserialize)]
struct Detail {
    manifest: String,
    model: String,
    people: u64,
    rows: u64,
    ledger_size: u64,
    as_of: Timestamp,
    training_set: Hash,
}

impl Trained {
    /// Reads an entry; nothing when it is of something else, or commits to a training set in a form of
    /// before: a root over (account, message, entries), of which nothing else was kept.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        let detail = leaf.detail().filter(|_| leaf.kind() == LeafKind::ModelTrained)?;
        let detail = Detail::deserialize(detail).ok()?;
        (detail.manifest == MANIFEST_KIND).then_some(Self {
            model: detail.model,
            people: detail.people,
            rows: detail.rows,
            ledger_size: detail.ledger_size,
            as_of: detail.as_of,
            root: detail.training_set,
        })
    }
}

/// The entry that commits to a manifest, and the proof that it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvedEntry {
    /// Its number in the whole ledger.
    pub index: u64,
    /// Its canonical JSON, the bytes that are hashed into the tree.
    pub leaf: String,
    /// `c2sp.org/tlog-proof@v1`: the path and the signed checkpoint.
    pub tlog_proof: String,
}

impl ProvedEntry {
    fn verify(&self, log: &LogVerifier) -> Result<(Trained, Checkpoint), ManifestError> {
        let proof = parse_tlog_proof(&self.tlog_proof)?;
        let checkpoint = proof.verify(self.leaf.as_bytes(), log)?;
        let leaf = Leaf::parse(self.leaf.as_bytes()).ok().filter(|_| proof.entry() == self.index);
        let trained = leaf.as_ref().and_then(Trained::of).ok_or(ManifestError::Entry)?;
        Ok((trained, checkpoint))
    }
}

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestReport {
    /// What the entry says.
    #[serde(flatten)]
    pub trained: Trained,
    /// Its number in the ledger.
    pub entry: u64,
    /// Name of the log and year that signed.
    pub origin: String,
    /// Entries that the signed checkpoint covers.
    pub checkpoint_entries: u64,
}

impl ManifestReport {
    fn new(trained: Trained, entry: u64, checkpoint: &Checkpoint) -> Self {
        let origin = checkpoint.origin.clone();
        Self { trained, entry, origin, checkpoint_entries: checkpoint.entries() }
    }
}

/// A manifest to take away: it holds hashes only, and is checked without us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// [`MANIFEST_KIND`].
    pub kind: String,
    /// The entry that commits to the root.
    pub entry: ProvedEntry,
    /// The root of the tree over the leaves.
    pub root: Hash,
    /// The leaves in order, each 64 hexadecimal digits.
    pub leaves: Vec<String>,
}

impl ManifestFile {
    /// The file of a manifest.
    pub fn new(manifest: &Manifest, entry: ProvedEntry) -> Self {
        let leaves = manifest.leaves().iter().map(|leaf| hex(leaf)).collect();
        Self { kind: MANIFEST_KIND.to_owned(), entry, root: manifest.root(), leaves }
    }

    /// Checks that the log's key signed exactly these leaves.
    ///
    /// # Errors
    /// Says what does not hold.
    pub fn verify(&self, log: &LogVerifier) -> Result<ManifestReport, ManifestError> {
        if self.kind != MANIFEST_KIND {
            return Err(ManifestError::Kind);
        }
        let (trained, checkpoint) = self.entry.verify(log)?;
        let leaves = self.leaves.iter().map(|leaf| unhex::<32>(leaf)).collect::<Option<Vec<_>>>();
        let leaves = leaves.ok_or(ManifestError::Leaves)?;
        if !leaves.is_sorted_by(|a, b| a < b) {
            return Err(ManifestError::Leaves);
        }
        let (count, people) = (leaves.len() as u64, trained.people);
        if count != people {
            return Err(ManifestError::People { leaves: count, people });
        }
        let root = Manifest::new(leaves).root();
        if root != trained.root || root != self.root {
            return Err(ManifestError::Root);
        }
        Ok(ManifestReport::new(trained, self.entry.index, &checkpoint))
    }
}

/// What one person taught a model, proved: checked without us, and without the rest of the manifest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LessonProof {
    /// [`LESSON_KIND`].
    pub kind: String,
    /// What was taught.
    pub lesson: Lesson,
    /// What opens the leaf, 64 hexadecimal digits; it opens no other.
    #[serde(with = "hex_bytes")]
    pub salt: [u8; 32],
    /// The place of the leaf, counted from 0.
    pub position: u64,
    /// From the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The entry that commits to the root.
    pub entry: ProvedEntry,
}

hide_debug!(LessonProof);

impl LessonProof {
    /// The leaf.
    pub fn leaf(&self) -> String {
        hex(&self.lesson.leaf(&self.salt))
    }

    /// Checks that the model learned exactly this from exactly this account, as the log's key signed.
    ///
    /// # Errors
    /// Says what does not hold.
    pub fn verify(&self, log: &LogVerifier) -> Result<ManifestReport, ManifestError> {
        if self.kind != LESSON_KIND {
            return Err(ManifestError::Kind);
        }
        let (trained, checkpoint) = self.entry.verify(log)?;
        if !trained.model.ends_with(&format!("_{}", hex(&self.lesson.model))) {
            return Err(ManifestError::Model);
        }
        let leaf = leaf_hash(&self.lesson.leaf(&self.salt));
        verify_inclusion(&leaf, self.position, trained.people, &self.path, &trained.root)?;
        Ok(ManifestReport::new(trained, self.entry.index, &checkpoint))
    }
}
