//! What officers may do, and where it is looked for what should be gone.

use std::path::PathBuf;

use serde::Deserialize;

/// Who may open a person's record. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Audit {
    pub asking_hours: u32,
    pub opening_hours: u32,
    pub lone_officer: LoneOfficer,
    pub controller: String,
    pub contact: String,
    pub officer_contact: String,
    look_into: String,
}

impl Audit {
    /// The files and folders with exports and logs that erased canaries are looked for in.
    pub fn look_into(&self) -> impl Iterator<Item = PathBuf> {
        let each = self.look_into.split(',').map(str::trim);
        each.filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}

/// What becomes of the only officer of an installation who wants to open a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoneOfficer {
    /// A second officer has to be made first.
    Refused,
    /// It is allowed, said aloud and recorded.
    Recorded,
}
