//! Notices: the exact texts people are shown, per version and language, hashed.
//!
//! A notice is a file `notices/<id>/<version>/<language>.md` with a TOML header between `+++` lines.
//! Published text is never edited; a change is a new version. `{{controllers}}` and the like stand for
//! whoever answers for the data in an installation ([`Parties::value`](crate::Parties::value)).

mod diff;
mod parts;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub use diff::{Change, NoticeDiff};
pub use parts::{Lack, Part};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::consent::NoticeRef;
use crate::language::{LANGUAGES, base_language};
use crate::purpose::PurposeKind;

/// One notice in one version and language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which notice, for instance `linking`.
    pub id: String,
    /// Version, rising from 1.
    pub version: u32,
    /// Language code.
    pub language: String,
    /// Heading.
    pub title: String,
    /// Text in Markdown, without the header.
    pub text: String,
    /// The whole file, header included.
    pub file: String,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Purposes it asks for.
    pub purposes: Vec<PurposeKind>,
    /// Heading under which each thing that the law demands is said.
    pub sections: BTreeMap<Part, String>,
    /// Whether it says that acts are counted by day for some weeks. Under a notice that does not, they
    /// are not.
    pub counts_by_day: bool,
    /// Whether it says that a purchase is noted after a message that was sent, or kept back by chance. Under
    /// a notice that does not, none is.
    pub notes_purchases: bool,
    /// The earlier version of whose processing this one only tells more, as whoever wrote it declares:
    /// what it says for the first time was done already, as people were told.
    pub describes_more_of: Option<u32>,
}

impl Notice {
    /// How a consent refers to this notice.
    pub fn reference(&self, rendered_sha256: Option<[u8; 32]>) -> NoticeRef {
        NoticeRef {
            id: self.id.clone(),
            version: self.version,
            language: self.language.clone(),
            published: None,
            content_sha256: self.sha256,
            rendered_sha256,
        }
    }
}

/// Why a notice could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("notice {path}: {problem}")]
pub struct NoticeError {
    /// File of the notice.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    id: String,
    version: u32,
    language: String,
    title: String,
    purposes: Vec<PurposeKind>,
    /// Heading under which each thing that GDPR Art. 13 and 14 demand is said.
    sections: BTreeMap<Part, String>,
    #[serde(default)]
    counts_by_day: bool,
    #[serde(default)]
    notes_purchases: bool,
    describes_more_of: Option<u32>,
}

/// What the first versions of the texts had to name.
const FIRST: [Part; 8] = [
    Part::Controller,
    Part::Purposes,
    Part::Recipients,
    Part::Retention,
    Part::Rights,
    Part::Withdrawal,
    Part::Complaint,
    Part::Logic,
];

/// All notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices(Vec<Notice>);

macro_rules! files {
    ($($id:literal / $version:literal),+ $(,)?) => {
        [$(
            files!(@one $id, $version, "en"), files!(@one $id, $version, "fr"),
            files!(@one $id, $version, "de"), files!(@one $id, $version, "es"),
            files!(@one $id, $version, "pt"),
        )+]
    };
    (@one $id:literal, $version:literal, $language:literal) => {(
        concat!($id, "/", $version, "/", $language, ".md"),
        include_str!(concat!("../notices/", $id, "/", $version, "/", $language, ".md")),
    )};
}

impl Notices {
    /// The notices this program was built with.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Notices> = LazyLock::new(|| {
            let files = files![
                "linking" / 1,
                "messages" / 1,
                "assistant" / 1,
                "reports" / 1,
                "linking" / 2,
                "messages" / 2,
                "assistant" / 2,
                "reports" / 2,
                "messages" / 3,
                "messages" / 4,
                "linking" / 3,
                "messages" / 5,
                "assistant" / 3,
                "reports" / 3,
            ];
            Notices::read(&files)
                .expect("the notices are checked by `builtin_notices_are_complete`")
        });
        &BUILTIN
    }

    /// Reads notices from pairs of path and content, and checks that every version exists in every
    /// language for the same purposes.
    pub fn read(files: &[(&str, &str)]) -> Result<Self, NoticeError> {
        let mut notices =
            files.iter().map(|(path, file)| parse(path, file)).collect::<Result<Vec<_>, _>>()?;
        notices.sort_by(|a, b| key(a).cmp(&key(b)));
        for notice in &notices {
            let same = |other: &&Notice| other.id == notice.id && other.version == notice.version;
            let versions: Vec<&Notice> = notices.iter().filter(same).collect();
            let languages: BTreeSet<&str> =
                versions.iter().map(|other| other.language.as_str()).collect();
            let complete = languages.len() == LANGUAGES.len() && versions.len() == LANGUAGES.len();
            let agreed = versions.iter().all(|other| {
                other.purposes == notice.purposes
                    && other.describes_more_of == notice.describes_more_of
            });
            if !complete || !agreed {
                return Err(NoticeError {
                    path: format!("{}/{}", notice.id, notice.version),
                    problem: "needs one file per language, all for the same purposes".to_owned(),
                });
            }
        }
        Ok(Self(notices))
    }

    /// One notice.
    pub fn get(&self, id: &str, version: u32, language: &str) -> Option<&Notice> {
        let language = base_language(language);
        self.0.iter().find(|notice| key(notice) == (id, version, language))
    }

    /// Whether the notice that a consent names says that acts are counted by day. One that is not
    /// known does not.
    pub fn counts_by_day(&self, shown: &NoticeRef) -> bool {
        let notice = self.get(&shown.id, shown.version, &shown.language);
        notice.is_some_and(|notice| notice.counts_by_day)
    }

    /// Whether the notice that a consent names says that purchases are noted after messages that were
    /// sent or kept back. One that is not known does not.
    pub fn notes_purchases(&self, shown: &NoticeRef) -> bool {
        let notice = self.get(&shown.id, shown.version, &shown.language);
        notice.is_some_and(|notice| notice.notes_purchases)
    }

    /// All notices, by id, version and language.
    pub fn all(&self) -> &[Notice] {
        &self.0
    }

    /// The newest version of a notice, in English when the language is not one of ours.
    pub fn latest(&self, id: &str, language: &str) -> Option<&Notice> {
        let newest = self.0.iter().filter(|notice| notice.id == id).map(|n| n.version).max()?;
        self.get(id, newest, language).or_else(|| self.get(id, newest, "en"))
    }

    /// What the newest version of any notice lacks of what the law demands; earlier versions were
    /// published and stay as they are.
    pub fn lacks(&self) -> Vec<Lack> {
        let newest = self.0.iter().filter(|notice| notice.version == self.newest(&notice.id));
        newest.flat_map(Notice::lacks).collect()
    }

    /// The newest version of a notice; zero if there is none.
    pub fn newest(&self, id: &str) -> u32 {
        self.0.iter().filter(|notice| notice.id == id).map(|n| n.version).max().unwrap_or(0)
    }

    /// The newest notice that asks for a purpose.
    pub fn latest_for(&self, purpose: PurposeKind, language: &str) -> Option<&Notice> {
        let id = &self.0.iter().find(|notice| notice.purposes.contains(&purpose))?.id;
        self.latest(id, language)
    }
}

fn key(notice: &Notice) -> (&str, u32, &str) {
    (&notice.id, notice.version, &notice.language)
}

fn parse(path: &str, file: &str) -> Result<Notice, NoticeError> {
    let error = |problem: String| NoticeError { path: path.to_owned(), problem };
    let (header, text) = file
        .strip_prefix("+++\n")
        .and_then(|rest| rest.split_once("\n+++\n"))
        .ok_or_else(|| error("does not begin with a header between +++ lines".to_owned()))?;
    let header: Header =
        toml::from_str(header).map_err(|problem| error(problem.message().to_owned()))?;
    if path != format!("{}/{}/{}.md", header.id, header.version, header.language) {
        return Err(error("id, version or language differ from its place".to_owned()));
    }
    if header.describes_more_of.is_some_and(|earlier| earlier >= header.version) {
        return Err(error("describes more of a version that is not earlier".to_owned()));
    }
    if !LANGUAGES.contains(&header.language.as_str()) || header.purposes.is_empty() {
        return Err(error("unknown language or no purposes".to_owned()));
    }
    let notice = Notice {
        id: header.id,
        version: header.version,
        language: header.language,
        title: header.title,
        text: text.trim().to_owned(),
        sha256: Sha256::digest(file.as_bytes()).into(),
        file: file.to_owned(),
        purposes: header.purposes,
        sections: header.sections,
        counts_by_day: header.counts_by_day,
        notes_purchases: header.notes_purchases,
        describes_more_of: header.describes_more_of,
    };
    for part in FIRST {
        let Some(heading) = notice.sections.get(&part) else {
            return Err(error(format!("the header names no section for {part}")));
        };
        if notice.section(heading).is_none_or(|text| text.chars().count() < 20) {
            return Err(error(format!("section “{heading}” is missing or empty")));
        }
    }
    Ok(notice)
}

#[cfg(test)]
mod said_tests;
#[cfg(test)]
mod tests;
