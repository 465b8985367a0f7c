//! The file format of SQLite, decoded page by page, to see what is really in a file: live rows, rows
//! that the trees do not lead to any more, gaps, free pages, and every frame of a write-ahead log.
//!
//! <https://www.sqlite.org/fileformat2.html>. Nothing here trusts what it reads: a page that is not
//! what it seems to be is looked at as bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::needles::{Needles, Tally};

/// What an SQLite file begins with.
pub const MAGIC: &[u8] = b"SQLite format 3\0";
/// The database's own header, before the first page's.
const FILE_HEADER: usize = 100;
const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
/// Longest chain of overflow pages that is followed; longer ones are a loop.
const CHAIN_MAX: usize = 1 << 16;

/// A database file and, where there is one, the write-ahead log beside it.
struct Image {
    main: File,
    log: Option<File>,
    page: usize,
    usable: usize,
    pages: u32,
    /// The last frame of each page in the log.
    newest: BTreeMap<u32, u64>,
}

/// Looks into every page of a database file and every frame of its log. `name` is how places in it
/// are called. Gives the number of pages looked at.
pub fn search(path: &Path, name: &str, needles: &Needles, found: &mut Tally) -> io::Result<u64> {
    let Some(image) = Image::open(path)? else { return Ok(0) };
    let owners = image.owners();
    for number in 1..=image.pages {
        let Some(page) = image.main_page(number) else { continue };
        let part = match owners.get(&number) {
            Some(owner) => format!("{name}: {owner}"),
            None => format!("{name}: page outside of every table"),
        };
        image.look(number, &page, &part, needles, found);
    }
    Ok(u64::from(image.pages) + image.look_at_log(&format!("{name}-wal"), needles, found)?)
}

impl Image {
    /// Nothing for a file that is empty or no database.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let main = File::open(path)?;
        let mut header = [0; FILE_HEADER];
        if main.metadata()?.len() < FILE_HEADER as u64 {
            return Ok(None);
        }
        main.read_exact_at(&mut header, 0)?;
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        if !header.starts_with(MAGIC) || page < 512 || !page.is_power_of_two() {
            return Ok(None);
        }
        let usable = page - usize::from(header[20]).min(page - 480);
        let pages = u32::try_from(main.metadata()?.len().div_ceil(page as u64)).unwrap_or(u32::MAX);
        let log = PathBuf::from(format!("{}-wal", path.display()));
        let log = if log.exists() { Some(File::open(log)?) } else { None };
        let mut image = Self { main, log, page, usable, pages, newest: BTreeMap::new() };
        let newest = image.frames()?.collect();
        image.newest = newest;
        Ok(Some(image))
    }

    /// Every frame of the log, of this life of it and of earlier ones: page and place.
    fn frames(&self) -> io::Result<impl Iterator<Item = (u32, u64)> + use<'_>> {
        let length =
            self.log.as_ref().map_or(Ok(0), |log| Ok(log.metadata()?.len())) as io::Result<u64>;
        let size = FRAME_HEADER + self.page as u64;
        let count = length?.saturating_sub(WAL_HEADER) / size;
        Ok((0..count).filter_map(move |nth| {
            let at = WAL_HEADER + nth * size;
            let mut number = [0; 4];
            self.log.as_ref()?.read_exact_at(&mut number, at).ok()?;
            Some((u32::from_be_bytes(number), at + FRAME_HEADER))
        }))
    }

    fn main_page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page];
        let at = u64::from(number.checked_sub(1)?) * self.page as u64;
        self.main.read_exact_at(&mut page, at).ok()?;
        Some(page)
    }

    fn log_page(&self, at: u64) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page];
        self.log.as_ref()?.read_exact_at(&mut page, at).ok()?;
        Some(page)
    }

    /// A page as a reader sees it: from the log if it is there.
    fn current(&self, number: u32) -> Option<Vec<u8>> {
        match self.newest.get(&number) {
            Some(at) => self.log_page(*at),
            None => self.main_page(number),
        }
    }

    fn look_at_log(&self, name: &str, needles: &Needles, found: &mut Tally) -> io::Result<u64> {
        let mut looked = 0;
        for (number, at) in self.frames()? {
            if let Some(page) = self.log_page(at) {
                self.look(number, &page, &format!("{name}: frame"), needles, found);
                looked += 1;
            }
        }
        Ok(looked)
    }

    /// Looks into the values of a page's cells, and into all of its bytes that are no cell.
    fn look(&self, number: u32, page: &[u8], part: &str, needles: &Needles, found: &mut Tally) {
        let Some(tree) = TreePage::read(number, page, self.usable) else {
            return needles.in_raw(page, &format!("{part}, overflow or free page"), found);
        };
        let place = format!("{part}, row");
        let mut rest = page.to_vec();
        for cell in tree.cells(page) {
            let mut payload = page[cell.payload.clone()].to_vec();
            rest[cell.payload].fill(0);
            if let Some(first) = cell.overflow {
                payload.extend(self.overflow(first, cell.length - payload.len()));
            }
            match values(&payload) {
                Some(values) => values.iter().for_each(|v| needles.in_value(v, &place, found)),
                None => needles.in_raw(&payload, &place, found),
            }
        }
        needles.in_raw(&rest, &format!("{part}, gap"), found);
    }

    fn overflow(&self, first: u32, length: usize) -> Vec<u8> {
        let (mut next, mut bytes) = (first, Vec::new());
        for _ in 0..CHAIN_MAX {
            if next == 0 || bytes.len() >= length {
                break;
            }
            let Some(page) = self.current(next) else { break };
            let take = (length - bytes.len()).min(self.usable - 4);
            bytes.extend_from_slice(&page[4..4 + take]);
            next = number_at(&page, 0).unwrap_or(0);
        }
        bytes
    }

    /// Which table or index each page belongs to, as far as the trees lead, and which are free.
    fn owners(&self) -> BTreeMap<u32, String> {
        let mut owners = BTreeMap::new();
        self.walk(1, "schema", &mut owners);
        let schema: Vec<u32> = owners.keys().copied().collect();
        for number in schema {
            let Some(page) = self.current(number) else { continue };
            let Some(tree) = TreePage::read(number, &page, self.usable) else { continue };
            for cell in tree.cells(&page) {
                let mut payload = page[cell.payload.clone()].to_vec();
                if let Some(first) = cell.overflow {
                    payload.extend(self.overflow(first, cell.length - payload.len()));
                }
                let Some(values) = values(&payload) else { continue };
                let [_, _, table, root, ..] = &values[..] else { continue };
                let root = root.iter().fold(0_u32, |n, byte| n.wrapping_shl(8) | u32::from(*byte));
                self.walk(root, &String::from_utf8_lossy(table), &mut owners);
            }
        }
        let mut trunk = self.current(1).and_then(|page| number_at(&page, 32)).unwrap_or(0);
        while trunk != 0 && !owners.contains_key(&trunk) {
            owners.insert(trunk, "free pages".to_owned());
            let Some(page) = self.current(trunk) else { break };
            let count = number_at(&page, 4).unwrap_or(0) as usize;
            for nth in 0..count.min(self.usable / 4) {
                if let Some(leaf) = number_at(&page, 8 + 4 * nth) {
                    owners.entry(leaf).or_insert_with(|| "free pages".to_owned());
                }
            }
            trunk = number_at(&page, 0).unwrap_or(0);
        }
        owners
    }

    fn walk(&self, root: u32, name: &str, owners: &mut BTreeMap<u32, String>) {
        let (mut waiting, mut seen) = (vec![root], BTreeSet::new());
        while let Some(number) = waiting.pop() {
            if number == 0 || number > self.pages.max(*self.newest.keys().last().unwrap_or(&0)) {
                continue;
            }
            if !seen.insert(number) || owners.contains_key(&number) {
                continue;
            }
            owners.insert(number, name.to_owned());
            let Some(page) = self.current(number) else { continue };
            let Some(tree) = TreePage::read(number, &page, self.usable) else { continue };
            waiting.extend(tree.children(&page));
            for cell in tree.cells(&page) {
                let mut next = cell.overflow.unwrap_or(0);
                while next != 0 && seen.insert(next) && !owners.contains_key(&next) {
                    owners.insert(next, name.to_owned());
                    next = self.current(next).and_then(|page| number_at(&page, 0)).unwrap_or(0);
                }
            }
        }
    }
}

/// What the first byte of a tree page says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    IndexInterior,
    TableInterior,
    IndexLeaf,
    TableLeaf,
}

struct TreePage {
    kind: Kind,
    header: usize,
    cells: usize,
    usable: usize,
}

/// One cell: where its payload is, how long all of it is, and where it goes on.
struct Cell {
    payload: std::ops::Range<usize>,
    length: usize,
    overflow: Option<u32>,
}

impl TreePage {
    fn read(number: u32, page: &[u8], usable: usize) -> Option<Self> {
        let header = if number == 1 { FILE_HEADER } else { 0 };
        let kind = match page.get(header)? {
            0x02 => Kind::IndexInterior,
            0x05 => Kind::TableInterior,
            0x0a => Kind::IndexLeaf,
            0x0d => Kind::TableLeaf,
            _ => return None,
        };
        let cells =
            usize::from(u16::from_be_bytes([*page.get(header + 3)?, *page.get(header + 4)?]));
        let tree = Self { kind, header, cells, usable };
        (tree.pointers() + 2 * cells <= usable).then_some(tree)
    }

    fn is_interior(&self) -> bool {
        matches!(self.kind, Kind::IndexInterior | Kind::TableInterior)
    }

    fn pointers(&self) -> usize {
        self.header + if self.is_interior() { 12 } else { 8 }
    }

    fn starts<'p>(&'p self, page: &'p [u8]) -> impl Iterator<Item = usize> + use<'p> {
        let first = self.pointers();
        (0..self.cells).filter_map(move |nth| {
            let at = first + 2 * nth;
            let start = u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?]);
            (usize::from(start) < self.usable).then_some(usize::from(start))
        })
    }

    fn children(&self, page: &[u8]) -> Vec<u32> {
        if !self.is_interior() {
            return Vec::new();
        }
        let mut children: Vec<u32> =
            self.starts(page).filter_map(|start| number_at(page, start)).collect();
        children.extend(number_at(page, self.header + 8));
        children
    }

    fn cells(&self, page: &[u8]) -> Vec<Cell> {
        if self.kind == Kind::TableInterior {
            return Vec::new();
        }
        self.starts(page).filter_map(|start| self.cell(page, start)).collect()
    }

    fn cell(&self, page: &[u8], start: usize) -> Option<Cell> {
        let mut at = if self.is_interior() { start + 4 } else { start };
        let (length, read) = varint(page.get(at..self.usable)?)?;
        at += read;
        if self.kind == Kind::TableLeaf {
            at += varint(page.get(at..self.usable)?)?.1;
        }
        let length = usize::try_from(length).ok().filter(|length| *length < 1 << 31)?;
        let local = self.local(length);
        let payload = at..at + local;
        (payload.end <= self.usable).then_some(())?;
        let overflow = if local < length { Some(number_at(page, payload.end)?) } else { None };
        Some(Cell { payload, length, overflow })
    }

    /// Bytes of a payload that are on the page itself (file format, section 1.6).
    fn local(&self, length: usize) -> usize {
        let usable = self.usable;
        let most =
            if self.kind == Kind::TableLeaf { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
        if length <= most {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

/// The values of a record (file format, section 2.1); nothing for bytes that are none.
fn values(record: &[u8]) -> Option<Vec<&[u8]>> {
    let (header, mut at) = varint(record)?;
    let header = usize::try_from(header).ok().filter(|header| *header <= record.len())?;
    let (mut body, mut values) = (header, Vec::new());
    while at < header {
        let (kind, read) = varint(&record[at..header])?;
        at += read;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        values.push(record.get(body..body.checked_add(length)?)?);
        body += length;
    }
    Some(values)
}

/// A number of one to nine bytes, and how many they were.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (nth, byte) in bytes.iter().take(9).enumerate() {
        if nth == 8 {
            return Some(((value << 8) | u64::from(*byte), 9));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, nth + 1));
        }
    }
    None
}

fn number_at(page: &[u8], at: usize) -> Option<u32> {
    page.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}
