//! Notices: the exact texts people are shown, per version and language, hashed.
//!
//! A notice is a file `notices/<id>/<version>/<language>.md` with a TOML header between `+++` lines.
//! Published text is never edited; a change is a new version.

use std::collections::BTreeSet;
use std::sync::LazyLock;

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
    /// SHA-256 of the whole file, header included.
    pub sha256: [u8; 32],
    /// Purposes it asks for.
    pub purposes: Vec<PurposeKind>,
}

impl Notice {
    /// How a consent refers to this notice.
    pub fn reference(&self, rendered_sha256: Option<[u8; 32]>) -> NoticeRef {
        NoticeRef {
            id: self.id.clone(),
            version: self.version,
            language: self.language.clone(),
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
    sections: Sections,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    controller: String,
    purposes: String,
    recipients: String,
    retention: String,
    rights: String,
    withdrawal: String,
    complaint: String,
    logic: String,
}

impl Sections {
    fn all(&self) -> [&str; 8] {
        [
            &self.controller,
            &self.purposes,
            &self.recipients,
            &self.retention,
            &self.rights,
            &self.withdrawal,
            &self.complaint,
            &self.logic,
        ]
    }
}

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
            let files = files!["linking" / 1, "messages" / 1, "assistant" / 1, "reports" / 1];
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
            let agreed = versions.iter().all(|other| other.purposes == notice.purposes);
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

    /// All notices, by id, version and language.
    pub fn all(&self) -> &[Notice] {
        &self.0
    }

    /// The newest version of a notice, in English when the language is not one of ours.
    pub fn latest(&self, id: &str, language: &str) -> Option<&Notice> {
        let newest = self.0.iter().filter(|notice| notice.id == id).map(|n| n.version).max()?;
        self.get(id, newest, language).or_else(|| self.get(id, newest, "en"))
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
    if !LANGUAGES.contains(&header.language.as_str()) || header.purposes.is_empty() {
        return Err(error("unknown language or no purposes".to_owned()));
    }
    for section in header.sections.all() {
        if !section_has_text(text, section) {
            return Err(error(format!("section “{section}” is missing or empty")));
        }
    }
    Ok(Notice {
        id: header.id,
        version: header.version,
        language: header.language,
        title: header.title,
        text: text.trim().to_owned(),
        sha256: Sha256::digest(file.as_bytes()).into(),
        purposes: header.purposes,
    })
}

fn section_has_text(text: &str, heading: &str) -> bool {
    let marker = format!("\n## {heading}\n");
    let Some(start) = text.find(&marker) else { return false };
    let body = &text[start + marker.len()..];
    let body = body.split("\n## ").next().unwrap_or(body);
    body.trim().chars().count() >= 20
}

#[cfg(test)]
mod tests;
