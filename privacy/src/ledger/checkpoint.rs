//! The signed head of the tree: C2SP `tlog-checkpoint` in a C2SP signed note.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::shard::{is_shard, shard_origin, shard_year};
use super::tree::Hash;
use crate::encoding::{base64, hex, unbase64, unbase64_exact};

/// Longest note that is read, in bytes; room for post-quantum cosignatures of many witnesses.
const LONGEST_NOTE: usize = 256 * 1024;
/// Signature type identifier of Ed25519 in the signed-note registry.
const ED25519: u8 = 0x01;
/// A key name and its short id.
const KEY_ID: usize = 4;

/// First word of the line that says how many entries came before a shard.
const BEFORE: &str = "volens/before ";

/// What is signed: the name of the log, how many entries it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log, a schema-less URL; of a later shard of ours with the year at its end.
    pub origin: String,
    /// Entries of the shards before this one.
    pub before: u64,
    /// Number of entries of this tree.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines, and a fourth if something came before.
    pub fn text(&self) -> String {
        let Self { origin, before, size, root } = self;
        let earlier = if *before > 0 { format!("{BEFORE}{before}\n") } else { String::new() };
        format!("{origin}\n{size}\n{}\n{earlier}", base64(root.as_bytes()))
    }

    /// Entries of this shard and all before it.
    pub const fn entries(&self) -> u64 {
        self.before.saturating_add(self.size)
    }

    /// The number in the whole log of what is number `index` in this tree.
    pub const fn entry(&self, index: u64) -> u64 {
        self.before.saturating_add(index)
    }

    /// Reads the text; other extension lines after the third are accepted and not interpreted.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| is_log_name(origin))?;
        let size = decimal(lines.next()?)?;
        let root = Hash::from_bytes(unbase64_exact(lines.next()?)?);
        let mut before = None;
        for line in lines {
            match line.strip_prefix(BEFORE) {
                Some(count) if before.is_none() => before = Some(decimal(count)?),
                Some(_) => return None,
                None if line.is_empty() => return None,
                None => {}
            }
        }
        // Nothing is said by leaving the line out, so that one statement has one text.
        let stated = before != Some(0) && before.unwrap_or(0).checked_add(size).is_some();
        let before = before.unwrap_or(0);
        stated.then(|| Self { origin: origin.to_owned(), before, size, root })
    }
}

/// A number without sign or leading zeroes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok())?
}

/// A checkpoint with its signatures, as text. Holding one says nothing about who signed it:
/// [`LogVerifier::verify`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint(String);

impl SignedCheckpoint {
    /// Takes a note as it was stored or received; checks its form, not its signatures.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let (text, _signatures) = split_note(note)?;
        Checkpoint::parse(text).ok_or(CheckpointError::NotACheckpoint)?;
        Ok(Self(note.to_owned()))
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it states about how many entries came before its tree, whoever signed it.
    pub fn before(&self) -> u64 {
        let stated = self.text().split('\n').skip(3).find_map(|line| line.strip_prefix(BEFORE));
        stated.and_then(decimal).unwrap_or(0)
    }

    /// What is signed, without the signatures.
    pub(super) fn text(&self) -> &str {
        split_note(&self.0).map(|(text, _signatures)| text).expect("checked when it was made")
    }

    /// The same note with further signature lines, each without its line feed. Lines that it has
    /// already are not repeated.
    pub fn with<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CheckpointError> {
        let mut note = self.0.clone();
        for line in lines {
            SignatureLine::parse(line).ok_or(CheckpointError::NotANote)?;
            if !self.0.split('\n').any(|known| known == line) {
                note.push_str(line);
                note.push('\n');
            }
        }
        Self::parse(&note)
    }

    /// What the note states, whoever signed it.
    pub fn unverified(&self) -> Checkpoint {
        split_note(&self.0)
            .ok()
            .and_then(|(text, _signatures)| Checkpoint::parse(text))
            .expect("checked when it was made")
    }
}

/// Why a signed checkpoint was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error("not a signed note")]
    NotANote,
    /// A signed note, but not about a tree.
    #[error("the note is not a checkpoint")]
    NotACheckpoint,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log")]
    OtherOrigin,
    /// Nobody known signed it.
    #[error("the checkpoint is not signed by the expected key")]
    Unsigned,
    /// The expected key's signature is wrong.
    #[error("the signature does not verify")]
    BadSignature,
    /// Not a verifier key `name+hash+key`.
    #[error("not a verifier key of the form name+hash+key")]
    BadVerifierKey,
}

/// Splits a note into its text and its signature lines.
pub(super) fn split_note(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), CheckpointError> {
    let no_control = !note.chars().any(|c| c < ' ' && c != '\n');
    if note.len() > LONGEST_NOTE || !no_control {
        return Err(CheckpointError::NotANote);
    }
    let split = note.rfind("\n\n").ok_or(CheckpointError::NotANote)?;
    let (text, signatures) = (&note[..=split], &note[split + 2..]);
    let lines = signatures.strip_suffix('\n').ok_or(CheckpointError::NotANote)?;
    let lines = lines.split('\n').map(SignatureLine::parse).collect::<Option<Vec<_>>>();
    Ok((text, lines.ok_or(CheckpointError::NotANote)?))
}

pub(super) struct SignatureLine<'a> {
    pub(super) name: &'a str,
    pub(super) key_id: [u8; KEY_ID],
    pub(super) signature: Vec<u8>,
}

impl<'a> SignatureLine<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = unbase64(encoded)?;
        let (key_id, signature) = bytes.split_first_chunk::<KEY_ID>()?;
        let valid = is_log_name(name) && !signature.is_empty();
        valid.then(|| Self { name, key_id: *key_id, signature: signature.to_vec() })
    }
}

/// Whether a text can name a log or a key: not empty, no spaces, no `+`, no control characters.
pub(crate) fn is_log_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= 255 && !name.contains(forbidden)
}

/// The first bytes of a hash over name, kind of signature and key (C2SP `signed-note`).
pub(super) fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> [u8; KEY_ID] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    *hash.first_chunk().expect("a SHA-256 has 32 bytes")
}

/// Reads a verifier key `name+hash+key` of one kind of signature.
pub(super) fn read_vkey(vkey: &str, kind: u8) -> Option<(String, VerifyingKey)> {
    let (name, rest) = vkey.trim().split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let bytes = unbase64(encoded)?;
    let key: &[u8; 32] = bytes.strip_prefix(&[kind])?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(key).ok()?;
    let valid = is_log_name(name) && !key.is_weak() && hex(&key_id(name, kind, &key)) == id;
    valid.then(|| (name.to_owned(), key))
}

/// Writes what [`read_vkey`] reads.
pub(super) fn write_vkey(name: &str, kind: u8, key: &VerifyingKey) -> String {
    let bytes = [&[kind], &key.as_bytes()[..]].concat();
    format!("{name}+{}+{}", hex(&key_id(name, kind, key)), base64(&bytes))
}

/// The key that signs checkpoints of one log. Its name is the log's origin.
pub struct LogSigner {
    name: String,
    key: SigningKey,
}

impl LogSigner {
    /// A signer from its 32-byte Ed25519 seed (RFC 8032).
    pub(crate) fn new(name: String, seed: &[u8; 32]) -> Self {
        Self { name, key: SigningKey::from_bytes(seed) }
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// Signs a checkpoint, by convention one of [`LogSigner::origin`] or of one of its shards, which
    /// is signed in the shard's name.
    pub fn sign(&self, checkpoint: &Checkpoint) -> SignedCheckpoint {
        let shard = shard_year(&self.name, &checkpoint.origin).is_some();
        let name = if shard { &checkpoint.origin } else { &self.name };
        SignedCheckpoint(self.sign_as(name, &checkpoint.text()))
    }

    pub(crate) fn sign_text(&self, text: &str) -> String {
        self.sign_as(&self.name, text)
    }

    fn sign_as(&self, name: &str, text: &str) -> String {
        let id = key_id(name, ED25519, &self.key.verifying_key());
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        format!("{text}\n— {name} {}\n", base64(&[&id[..], &signature].concat()))
    }

    /// The public half.
    pub fn verifier(&self) -> LogVerifier {
        LogVerifier { name: self.name.clone(), key: self.key.verifying_key(), others: Vec::new() }
    }
}

/// Checks checkpoints of one log. Public; anybody may hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerifier {
    name: String,
    key: VerifyingKey,
    /// Further keys of the same log, each with the largest tree it vouches for.
    others: Vec<(VerifyingKey, u64)>,
}

impl LogVerifier {
    /// Reads a verifier key `name+hash+key`, as in Go's `sumdb/note` and the C2SP formats.
    pub fn from_vkey(vkey: &str) -> Result<Self, CheckpointError> {
        let (name, key) = read_vkey(vkey, ED25519).ok_or(CheckpointError::BadVerifierKey)?;
        Ok(Self { name, key, others: Vec::new() })
    }

    /// Also accepts what another key of the same log signed, for trees of at most `until_size`
    /// entries: a key that was rotated away vouches for what was there in its time.
    #[must_use]
    pub fn or(mut self, other: &Self, until_size: u64) -> Self {
        if other.key != self.key {
            self.others.push((other.key, until_size));
        }
        self
    }

    /// The verifier key as text, to publish.
    pub fn vkey(&self) -> String {
        write_vkey(&self.name, ED25519, &self.key)
    }

    /// The same key in the name of the shard of a year: what a witness is told that knows nothing of
    /// shards.
    pub fn shard_vkey(&self, year: u16) -> String {
        write_vkey(&shard_origin(&self.name, year), ED25519, &self.key)
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// Checks the signature of a note about this log or one of its shards and returns what it states.
    /// Signatures by other keys are ignored, as the format demands.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let (text, until_size) = self.signed_text(note)?;
        let checkpoint = Checkpoint::parse(text).ok_or(CheckpointError::NotACheckpoint)?;
        let is_first = checkpoint.origin == self.name;
        if !is_first && shard_year(&self.name, &checkpoint.origin).is_none() {
            return Err(CheckpointError::OtherOrigin);
        }
        // Who was given the key of one later shard knows it as a log.
        let of_shard = is_first && is_shard(&self.name);
        if !of_shard && is_first != (checkpoint.before == 0) {
            return Err(CheckpointError::NotACheckpoint);
        }
        if checkpoint.entries() > until_size {
            return Err(CheckpointError::Unsigned);
        }
        Ok(checkpoint)
    }

    /// The text that any known key signed, a retired one too: for what is bound to a tree by other means.
    pub(crate) fn vouched_text<'a>(&self, note: &'a str) -> Result<&'a str, CheckpointError> {
        self.signed_text(note).map(|(text, _until_size)| text)
    }

    /// The text that a key signed which is not retired: a text that is no tree cannot show that it is
    /// from before the retirement.
    pub(super) fn verify_text<'a>(&self, note: &'a str) -> Result<&'a str, CheckpointError> {
        match self.signed_text(note)? {
            (text, u64::MAX) => Ok(text),
            _ => Err(CheckpointError::Unsigned),
        }
    }

    /// The text that known keys signed, and the largest tree that any of them vouches for. Every
    /// line by a known key must verify.
    fn signed_text<'a>(&self, note: &'a str) -> Result<(&'a str, u64), CheckpointError> {
        let (text, signatures) = split_note(note)?;
        let origin = text.split('\n').next().unwrap_or_default();
        let shard = shard_year(&self.name, origin).is_some();
        let name = if shard { origin } else { &self.name };
        let mut vouched = None;
        let own = [(&self.key, u64::MAX)];
        let keys = own.into_iter().chain(self.others.iter().map(|(key, until)| (key, *until)));
        for (key, until_size) in keys {
            let id = key_id(name, ED25519, key);
            for line in signatures.iter().filter(|l| l.name == name && l.key_id == id) {
                let signature = Signature::from_slice(&line.signature)
                    .map_err(|_error| CheckpointError::BadSignature)?;
                key.verify_strict(text.as_bytes(), &signature)
                    .map_err(|_error| CheckpointError::BadSignature)?;
                vouched = vouched.max(Some(until_size));
            }
        }
        Ok((text, vouched.ok_or(CheckpointError::Unsigned)?))
    }
}
