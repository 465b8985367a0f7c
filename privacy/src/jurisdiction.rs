//! Laws under which apps take part, with their clocks and rights, as written in
//! `jurisdictions.toml`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// One law with its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jurisdiction {
    /// `EU`, `BR`.
    pub code: String,
    /// Its name, in words.
    pub law: String,
    /// The law as a term, `legal-eu:…` where the Data Privacy Vocabulary has it.
    pub term: String,
    /// The article on consent as a term.
    pub consent: String,
    /// The profile of ISO/IEC TS 27560 in the Data Privacy Vocabulary that holds what the law demands, if
    /// there is one; records under another law conform to the plain one.
    #[serde(default)]
    pub profile: Option<String>,
    /// Days to answer what a person demands; to the day it is
    /// [`rights::Jurisdiction::due`](crate::rights::Jurisdiction::due).
    pub answer_days: u32,
    /// Days by which that may be prolonged once.
    pub extension_days: u32,
    /// Days for the full answer about access.
    pub access_days: u32,
    /// Hours to tell the authority about a breach.
    pub breach_hours: u32,
    /// Rights of people.
    pub rights: Vec<Right>,
}

/// A right of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// The article as a term.
    pub term: String,
    /// Its name.
    pub title: String,
}

impl Jurisdiction {
    /// One law by its code.
    pub fn get(code: &str) -> Option<&'static Self> {
        Self::all().iter().find(|one| one.code == code)
    }

    /// All laws this program knows.
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Jurisdiction>> = LazyLock::new(|| {
            parse(include_str!("../jurisdictions.toml"))
                .expect("jurisdictions.toml is checked by `builtin_laws_are_complete`")
        });
        &ALL
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    jurisdiction: Vec<Jurisdiction>,
}

fn parse(text: &str) -> Result<Vec<Jurisdiction>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    for one in &file.jurisdiction {
        let repeated = file.jurisdiction.iter().filter(|other| other.code == one.code).count() > 1;
        let clocks = one.answer_days > 0 && one.access_days <= one.answer_days;
        if repeated || !clocks || one.breach_hours == 0 || one.rights.len() < 5 {
            return Err(format!("{}: a clock or a right is missing, or it is repeated", one.code));
        }
    }
    Ok(file.jurisdiction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_laws_are_complete() {
        let codes: Vec<&str> = Jurisdiction::all().iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, ["EU", "BR"]);
        let brazil = Jurisdiction::get("BR").unwrap();
        assert_eq!((brazil.answer_days, brazil.extension_days), (15, 0));
        assert_eq!(Jurisdiction::get("EU").unwrap().breach_hours, 72);
        assert!(Jurisdiction::get("XX").is_none());
    }

    #[test]
    fn the_clocks_are_those_that_requests_run_by() {
        let received = crate::Timestamp::parse("2026-11-21T00:00:00Z").unwrap();
        let days = |law: crate::rights::Jurisdiction| {
            (law.due(received).since(received).as_secs() / 86_400) as u32
        };
        let of = |code| Jurisdiction::get(code).unwrap().answer_days;
        assert_eq!(days(crate::rights::Jurisdiction::Lgpd), of("BR"));
        assert_eq!(days(crate::rights::Jurisdiction::Gdpr), of("EU"), "November has 30 days");
    }

    #[test]
    fn mistakes_are_refused() {
        let file = include_str!("../jurisdictions.toml");
        for (from, to) in [
            ("\"BR\"", "\"EU\""),
            ("answer_days = 15", "answer_days = 0"),
            ("breach_hours = 72", "breach_hours = 0"),
            ("extension_days = 60", "extention_days = 60"),
        ] {
            assert!(file.contains(from), "the file has {from}");
            assert!(parse(&file.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
