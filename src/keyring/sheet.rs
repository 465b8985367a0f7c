//! The sheet of wrapped keys: a copy, beside the key ring, of the wrapped key of every living account
//! and conversation, written by each ratchet before the old root is destroyed.
//!
//! A backup from before holds keys wrapped under roots that are gone. Restoring it needs the sheet,
//! which has the same keys wrapped under the present root, except those of whoever was erased since.
//! The next ratchet makes this sheet as unreadable as the backup: only the latest is worth keeping.
//!
//! Layout: a line of text, the version of the root (32 bits), then per key a byte `a` or `c`, the
//! row's id (32 bytes) and the wrapped key (52 bytes), in the order of the ids, `a` before `c`; at
//! the end a byte `z`, the number of keys (64 bits) and the SHA-256 of all before it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use volens_privacy::keys::KeyDomain;

use super::file::{private, sync_parent};
use super::rotate::BATCH;
use super::store::{self, KINDS, Place, Wrapped};
use super::{Keeper, Progress, RotationError};

/// What the file's name ends in, beside the key ring.
pub const ENDING: &str = "wrapped";
const FIRST_LINE: &[u8] = b"volens/wrapped-keys/1\n";
/// Bytes of a wrapped key.
const WRAPPED: usize = 52;
const ENTRY: usize = 32 + WRAPPED;

/// Writes the sheet of this moment in place of the last one; after a crash one of them is there,
/// whole. Gives the number of keys.
pub(super) async fn write(
    keeper: &Keeper<'_>,
    progress: Progress<'_>,
) -> Result<u64, RotationError> {
    let (path, new) = (keeper.file.beside(ENDING), keeper.file.beside("wrapped.new"));
    let failed = |error| RotationError::File { path: new.clone(), error };
    let of = store::count_wrapped(&mut keeper.db.read().await?).await?;
    let version = keeper.keys.active_version(KeyDomain::Kek);
    let opened = private().create(true).truncate(true).open(&new).map_err(failed)?;
    let mut sheet = Sheet { file: BufWriter::new(opened), hash: Sha256::new(), keys: 0 };
    sheet.put(FIRST_LINE).and_then(|()| sheet.put(&version.to_be_bytes())).map_err(failed)?;
    for mut last in KINDS {
        let Some(kind) = kind(&last) else { continue };
        loop {
            let page = store::wrapped_after(&mut keeper.db.read().await?, &last, BATCH).await?;
            let Some(end) = page.last() else { break };
            last = end.row.clone();
            for wrapped in &page {
                sheet.entry(kind, wrapped).map_err(failed)?;
            }
            progress("sheet", sheet.keys, of);
        }
    }
    let keys = sheet.keys;
    sheet.finish().map_err(failed)?;
    fs::rename(&new, &path).and_then(|()| sync_parent(&path)).map_err(failed)?;
    Ok(keys)
}

fn kind(place: &Place) -> Option<u8> {
    match place {
        Place::Account(_) => Some(b'a'),
        Place::Conversation(..) => Some(b'c'),
        // Kept answers live for hours: a restore forgets them.
        Place::Answer(_) => None,
    }
}

fn id(place: &Place) -> [u8; 32] {
    let mut id = [0; 32];
    match place {
        Place::Account(subject) => id[..16].copy_from_slice(subject),
        Place::Conversation(bot, conversation) => {
            id[..16].copy_from_slice(bot);
            id[16..].copy_from_slice(conversation);
        }
        Place::Answer(answer) => id = *answer,
    }
    id
}

/// A sheet that is being written.
struct Sheet {
    file: BufWriter<File>,
    hash: Sha256,
    keys: u64,
}

impl Sheet {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    fn entry(&mut self, kind: u8, wrapped: &Wrapped) -> io::Result<()> {
        if wrapped.bytes.len() != WRAPPED {
            return Err(io::Error::other("a wrapped key has another length"));
        }
        self.keys += 1;
        self.put(&[kind])?;
        self.put(&id(&wrapped.row))?;
        self.put(&wrapped.bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        let keys = self.keys.to_be_bytes();
        self.put(b"z")?;
        self.put(&keys)?;
        let hash = self.hash.clone().finalize();
        self.file.write_all(&hash)?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// A sheet that is read alongside the rows of a database, both in the order of their ids.
pub(super) struct Reader {
    file: BufReader<File>,
    /// Version of the root that its keys are wrapped under.
    pub(super) version: u32,
    next: Option<(u8, [u8; 32], Vec<u8>)>,
}

impl Reader {
    /// Checks the whole sheet, then begins to read it.
    pub(super) fn open(path: &Path) -> Result<Self, RotationError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RotationError::Sheet("there is none beside the key ring"),
            io::ErrorKind::UnexpectedEof => RotationError::Sheet("it ends too early"),
            _ => RotationError::File { path: path.to_owned(), error },
        };
        check(path).map_err(failed)?;
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut head = [0; FIRST_LINE.len() + 4];
        file.read_exact(&mut head).map_err(failed)?;
        let (_, version) = head.split_last_chunk::<4>().expect("it was read with four bytes more");
        let mut reader = Self { file, version: u32::from_be_bytes(*version), next: None };
        reader.step().map_err(failed)?;
        Ok(reader)
    }

    fn step(&mut self) -> io::Result<()> {
        let (mut kind, mut entry) = ([0], [0; ENTRY]);
        self.file.read_exact(&mut kind)?;
        if kind == *b"z" {
            self.next = None;
            return Ok(());
        }
        self.file.read_exact(&mut entry)?;
        let (id, wrapped) = entry.split_first_chunk::<32>().expect("an entry begins with its id");
        self.next = Some((kind[0], *id, wrapped.to_vec()));
        Ok(())
    }

    /// The wrapped key of a row. Rows have to be asked for in the sheet's order.
    pub(super) fn find(&mut self, place: &Place) -> Result<Option<Vec<u8>>, RotationError> {
        let Some(kind) = kind(place) else { return Ok(None) };
        let wanted = (kind, id(place));
        while let Some((kind, id, wrapped)) = &self.next {
            if (*kind, *id) == wanted {
                return Ok(Some(wrapped.clone()));
            }
            if (*kind, *id) > wanted {
                return Ok(None);
            }
            self.step().map_err(|_error| RotationError::Sheet("it ends too early"))?;
        }
        Ok(None)
    }
}

/// Whether the hash at the end is that of what stands before it.
fn check(path: &Path) -> io::Result<()> {
    const HASH: u64 = 32;
    let damaged = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let length = fs::metadata(path)?.len();
    let body = length.checked_sub(HASH).ok_or_else(damaged)?;
    let mut file = BufReader::new(File::open(path)?);
    let mut hash = Sha256::new();
    let mut first = vec![0; FIRST_LINE.len()];
    file.read_exact(&mut first)?;
    if first != FIRST_LINE {
        return Err(damaged());
    }
    hash.update(&first);
    io::copy(&mut (&mut file).take(body - FIRST_LINE.len() as u64), &mut HashWriter(&mut hash))?;
    let mut told = [0; HASH as usize];
    file.read_exact(&mut told)?;
    if told[..] == hash.finalize()[..] { Ok(()) } else { Err(damaged()) }
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
