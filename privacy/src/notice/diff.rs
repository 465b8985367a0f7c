//! What changed between two versions of a notice, and whether people must be asked again.

use serde::Serialize;

use super::{Notice, Part};
use crate::purpose::PurposeKind;

/// What is different in one version of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoticeDiff {
    /// Which notice.
    pub notice: String,
    /// Its language.
    pub language: String,
    /// From which version.
    pub from: u32,
    /// To which.
    pub to: u32,
    /// Sections whose text differs.
    pub changes: Vec<Change>,
    /// Whether the later version declares that it only tells more of the same processing.
    pub describes_more: bool,
    /// Purposes that only the later version asks for.
    pub purposes_added: Vec<PurposeKind>,
    /// Purposes that only the earlier version asks for.
    pub purposes_removed: Vec<PurposeKind>,
}

/// One section that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its heading in the later version, or in the earlier one where it was removed.
    pub heading: String,
    /// What the law demands to be said there.
    pub parts: Vec<Part>,
    /// Whether that changes what people agreed to.
    pub material: bool,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

impl NoticeDiff {
    /// Compares two versions of one notice in one language.
    pub fn between(from: &Notice, to: &Notice) -> Self {
        let mut headings: Vec<&str> = Vec::new();
        for heading in to.headings().chain(from.headings()) {
            if !headings.contains(&heading) {
                headings.push(heading);
            }
        }
        let only = |of: &Notice, other: &Notice| {
            of.purposes.iter().copied().filter(|kind| !other.purposes.contains(kind)).collect()
        };
        let mut changes: Vec<Change> =
            headings.into_iter().filter_map(|heading| change(heading, from, to)).collect();
        if from.lead() != to.lead() {
            changes.insert(
                0,
                Change {
                    heading: String::new(),
                    parts: Vec::new(),
                    material: false,
                    before: from.lead().to_owned(),
                    after: to.lead().to_owned(),
                },
            );
        }
        Self {
            notice: to.id.clone(),
            language: to.language.clone(),
            from: from.version,
            to: to.version,
            changes,
            describes_more: to.describes_more_of == Some(from.version),
            purposes_added: only(to, from),
            purposes_removed: only(from, to),
        }
    }

    /// Whether those who agreed to the earlier version must be asked again: something that they agreed
    /// to is different now. What is said for the first time counts as different, unless the later version
    /// declares that it only tells more of what the earlier one was about ([`Notice::describes_more_of`]),
    /// and only of data, sources and necessity.
    pub fn asks_again(&self) -> bool {
        !self.purposes_added.is_empty() || self.changes.iter().any(|change| change.material)
    }
}

fn change(heading: &str, from: &Notice, to: &Notice) -> Option<Change> {
    let before = from.section(heading).unwrap_or_default();
    let after = to.section(heading).unwrap_or_default();
    if before == after {
        return None;
    }
    let of = |notice: &Notice| -> Vec<Part> {
        let named = notice.sections.iter().filter(|(_, named)| *named == heading);
        named.map(|(part, _)| *part).collect()
    };
    let mut parts = of(to);
    parts.extend(of(from).into_iter().filter(|part| !of(to).contains(part)));
    let same = to.describes_more_of == Some(from.version);
    let told_more = |part: Part| same && part.describes() && !from.sections.contains_key(&part);
    let material = parts.iter().any(|part| part.is_material() && !told_more(*part));
    let (before, after) = (before.to_owned(), after.to_owned());
    Some(Change { heading: heading.to_owned(), parts, material, before, after })
}

impl Notice {
    /// Headings in their order.
    fn headings(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(|line| line.strip_prefix("## "))
    }

    /// What stands before the first heading.
    fn lead(&self) -> &str {
        self.text.split("\n## ").next().unwrap_or_default().trim()
    }
}
