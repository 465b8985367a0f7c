//! What is really in the files of an index: every term of its dictionaries and every stored document,
//! those that were deleted and not merged away among them.

use std::fs::{self, File};
use std::path::Path;

use tantivy::schema::OwnedValue;
use tantivy::schema::document::{Document as _, Value as _};
use tantivy::{Index, TantivyDocument};

use super::SearchError;
use crate::needles::{Needles, Tally};

/// What an index folder has in it.
const MANIFEST: &str = "meta.json";
/// Blocks of stored documents kept while they are read.
const BLOCKS: usize = 4;

/// Whether a folder is an index.
pub fn is_index(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Looks into an index: its terms, its documents, and the bytes of every file in the folder, also of
/// those that no segment names any more. Gives the number of terms and documents looked at. Blocks.
pub fn search(
    folder: &Path,
    name: &str,
    needles: &Needles,
    found: &mut Tally,
) -> Result<u64, SearchError> {
    let index = Index::open_in_dir(folder)?;
    let mut looked = 0;
    for segment in index.searchable_segments()? {
        let reader = tantivy::SegmentReader::open(&segment)?;
        for (field, entry) in index.schema().fields() {
            if !entry.is_indexed() {
                continue;
            }
            let inverted = reader.inverted_index(field)?;
            let mut terms = inverted.terms().stream()?;
            while terms.advance() {
                looked += 1;
                needles.in_value(terms.key(), &format!("{name}: term of {}", entry.name()), found);
            }
        }
        let store = reader.get_store_reader(BLOCKS)?;
        // Without a list of the living, the deleted are read too.
        for document in store.iter::<TantivyDocument>(None) {
            looked += 1;
            let document = document?;
            for (field, value) in document.iter_fields_and_values() {
                let place = format!("{name}: document, {}", index.schema().get_field_name(field));
                let value = OwnedValue::from(value.as_value());
                let text = serde_json::to_vec(&value).map_err(std::io::Error::other)?;
                needles.in_value(&text, &place, found);
                if let OwnedValue::Bytes(bytes) = &value {
                    needles.in_value(bytes, &place, found);
                }
                if let OwnedValue::Str(text) = &value {
                    needles.in_value(text.as_bytes(), &place, found);
                }
            }
        }
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            needles.in_stream(File::open(path)?, &format!("{name}: bytes"), found)?;
        }
    }
    Ok(looked)
}
