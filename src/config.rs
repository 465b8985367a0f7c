//! Settings: compiled-in defaults, then a file, then the environment, then flags.
//!
//! `config.toml` beside this file is the documentation and the schema: a key that is not in it is
//! refused, with the nearest one that is. Nothing here can be printed by accident, because
//! [`Settings`] has no `Debug` and [`Secret`] has a redacted one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};
use volens_privacy::ledger::{Quorum, Witness};

mod audit;
mod pepper;

pub use audit::{Audit, LoneOfficer};
pub use pepper::{Pepper, PepperAddress};

const DEFAULTS: &str = include_str!("config.toml");

/// Before every environment name.
const PREFIX: &str = "VOLENS_";

/// Names with the prefix that are not settings: what the test suite reads, and `--config`.
const NOT_SETTINGS: [&str; 3] = ["VOLENS_TEST", "VOLENS_REQUIRE", "VOLENS_CONFIG"];

/// The OWASP minimum of Argon2id: 19 MiB and two passes.
const STRETCH_MINIMUM: (u32, u32) = (19_456, 2);
/// Under this a count says something about a person.
const K_MINIMUM: u32 = 10;
/// Beyond it an answer is as good as exact.
const REACH_EPSILON_LIMIT: u32 = 10_000;
/// No session and no kept answer lasts longer, whatever the settings say.
pub const LONGEST: Duration = Duration::from_hours(31 * 24);

/// What was configured.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// How people reach it; see [`Settings::public_url`].
    public_url: String,
    /// Directory of the database file, the key ring and the indexes.
    pub data: PathBuf,
    database: Database,
    /// The key ring and its rotation.
    pub keys: Keys,
    parties: Parties,
    /// What is written about requests, and how.
    pub log: Log,
    /// Connections, bodies and pages.
    pub web: Web,
    /// Requests per second.
    pub rates: Rates,
    /// Sessions, links and sign-in.
    pub access: Access,
    /// Argon2id.
    pub stretch: Stretch,
    /// The process that holds a part of the pepper.
    pub pepper: Pepper,
    /// Floors and limits of lists.
    pub lists: Lists,
    /// Writes waiting for the group commit.
    pub queues: Queues,
    /// Who cosigns the ledger.
    pub witnesses: Witnesses,
    /// Who may open a person's record.
    pub audit: Audit,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: Secret,
}

/// The key ring and its rotation. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Keys {
    file: PathBuf,
    pub ratchet_days: u32,
    pub restore_days: u32,
    pub pepper_days: u32,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parties {
    file: PathBuf,
}

/// What is written about requests, and how.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A filter as `tracing-subscriber` reads it.
    pub level: String,
    /// Readable, JSON, or by what standard error is.
    pub format: LogFormat,
}

impl Log {
    /// Errors only, unless another level than the default was asked for.
    pub fn quiet(&self) -> Self {
        let asked_for = self.level != "info";
        let level = if asked_for { self.level.clone() } else { "error".to_owned() };
        Self { level, ..self.clone() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Readable on a terminal, JSON otherwise.
    Auto,
    /// Readable.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Connections, bodies and pages. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Web {
    pub connections: u32,
    pub connections_per_address: u32,
    proxy: String,
    pub first_request_seconds: u32,
    pub header_seconds: u32,
    pub body_seconds: u32,
    pub answer_seconds: u32,
    pub stop_seconds: u32,
    pub body_limit_bytes: u32,
    pub upload_limit_bytes: u32,
    pub json_depth: u32,
    pub page_default: u32,
    pub page_limit: u32,
    pub idempotency_hours: u32,
}

/// Requests per second. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Rates {
    pub app_per_second: u32,
    pub app_burst: u32,
    pub caller_per_second: u32,
    pub caller_burst: u32,
    pub address_per_second: u32,
    pub address_burst: u32,
    pub remembered: u32,
}

/// Sessions, links and sign-in. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Access {
    pub session_idle_minutes: u32,
    pub session_hours: u32,
    pub link_minutes: u32,
    pub sign_in_attempts: u32,
    pub sign_in_recovery_seconds: u32,
    pub key_cache_seconds: u32,
}

impl Access {
    /// After this long without a request a session ends.
    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.session_idle_minutes))
    }

    /// After this long a session ends in any case.
    pub fn session_lasts(&self) -> Duration {
        Duration::from_secs(3600 * u64::from(self.session_hours))
    }

    /// How long a one-time link works.
    pub fn link_lasts(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.link_minutes))
    }
}

/// Argon2id and the pool it runs on. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Stretch {
    pub memory_kib: u32,
    pub passes: u32,
    pub workers: u32,
    pub waiting: u32,
}

impl Stretch {
    /// The cost of stretching a phone number.
    pub fn cost(&self) -> volens_privacy::StretchCost {
        volens_privacy::StretchCost { memory_kib: self.memory_kib, passes: self.passes }
    }
}

/// Floors and limits of lists. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Lists {
    pub k_floor: u32,
    pub reach_epsilon_thousandths: u32,
    pub reach_questions: u32,
    pub size_limit: u32,
    pub lasts_days: u32,
}

/// Writes waiting for the group commit. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Queues {
    pub waiting: u32,
    pub batch: u32,
}

/// Who cosigns the ledger. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Witnesses {
    list: String,
    pub needed: u32,
    pub answer_seconds: u32,
}

impl Witnesses {
    /// Each witness with the address where it answers; nothing if one cannot be read.
    pub fn endpoints(&self) -> Option<Vec<(Witness, String)>> {
        let each = self.list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        each.map(|entry| {
            let (key, url) = entry.split_once(char::is_whitespace)?;
            let host = url.trim().strip_prefix("http://").filter(|host| !host.is_empty())?;
            Some((Witness::from_vkey(key).ok()?, format!("http://{host}")))
        })
        .collect()
    }

    /// The witnesses and how many are enough; nothing if they do not make sense together.
    pub fn quorum(&self) -> Option<Quorum> {
        let witnesses = self.endpoints()?.into_iter().map(|(witness, _)| witness).collect();
        Quorum::new(witnesses, self.needed as usize).ok()
    }
}

/// A text that is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Why the settings were refused. Says where, never what stood there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("unknown setting `{key}`; the nearest one is `{nearest}`")]
    Unknown {
        /// As it was written.
        key: String,
        /// The nearest that exists.
        nearest: String,
    },
    /// A value of another type.
    #[error("setting `{key}` is {expected}")]
    Type {
        /// The setting.
        key: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A value that is not allowed.
    #[error("setting `{key}`: {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What is allowed.
        reason: &'static str,
    },
    /// The file is not TOML.
    #[error("line {line} of the settings file is not valid TOML")]
    Syntax {
        /// Counted from one.
        line: usize,
    },
}

/// Loads the settings. `flags` are `(dotted key, text)`; an empty environment is a valid one.
pub fn load(
    file: Option<&str>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Settings, ConfigError> {
    let defaults: Table = DEFAULTS.parse().expect("the compiled-in defaults are valid TOML");
    let mut merged = defaults.clone();
    if let Some(text) = file {
        let given: Table = text.parse().map_err(|error| syntax(text, &error))?;
        overlay(&mut merged, given, &defaults, "")?;
    }
    for (name, text) in environment {
        if let Some(key) = key_of(&name, &defaults)? {
            set(&mut merged, &key, text)?;
        }
    }
    for (key, text) in flags {
        set(&mut merged, key, text.clone())?;
    }
    let settings: Settings = Value::Table(merged).try_into().map_err(|_| ConfigError::Value {
        key: "listen, data, log.format or a number",
        reason: "an address is 127.0.0.1:8080, a format auto, pretty or json, a number 0 to 4294967295",
    })?;
    settings.check()?;
    Ok(settings)
}

/// The commented defaults: every setting there is.
pub fn documentation() -> &'static str {
    DEFAULTS
}

impl Web {
    /// The proxy whose word about where a request came from is believed.
    pub fn proxy(&self) -> Option<IpAddr> {
        self.proxy.parse().ok()
    }
}

impl Settings {
    /// Whether it was said how people reach the service.
    pub fn has_public_url(&self) -> bool {
        !self.public_url.is_empty()
    }

    /// The address people use, without a slash at the end.
    pub fn public_url(&self) -> String {
        if self.has_public_url() {
            self.public_url.clone()
        } else {
            format!("http://{}", self.listen)
        }
    }

    /// Where the database is; SQLite in the data directory by default.
    pub fn database_url(&self) -> Secret {
        if self.database.url.expose().is_empty() {
            Secret(format!("sqlite:{}", self.data.join("volens.db").display()))
        } else {
            self.database.url.clone()
        }
    }

    /// Uses another database.
    pub fn set_database(&mut self, url: String) {
        self.database.url = Secret(url);
    }

    /// Keeps database and key ring in a directory of their own, whatever was configured.
    pub fn move_to(&mut self, directory: &Path) {
        directory.clone_into(&mut self.data);
        self.database.url = Secret(String::new());
        self.keys.file = PathBuf::new();
    }

    /// Where the key ring is.
    pub fn key_file(&self) -> PathBuf {
        if self.keys.file == Path::new("") {
            self.data.join("keyring.json")
        } else {
            self.keys.file.clone()
        }
    }

    /// Where it is said who answers for the data.
    pub fn parties_file(&self) -> PathBuf {
        if self.names_parties() {
            self.parties.file.clone()
        } else {
            self.data.join("parties.toml")
        }
    }

    /// Whether that file was named, and so has to be there.
    pub fn names_parties(&self) -> bool {
        self.parties.file != Path::new("")
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError::Value { key, reason });
        if self.stretch.memory_kib < STRETCH_MINIMUM.0 || self.stretch.passes < STRETCH_MINIMUM.1 {
            return refuse(
                "stretch",
                "never below 19456 KiB and 2 passes, the OWASP minimum of Argon2id",
            );
        }
        if self.lists.k_floor < K_MINIMUM {
            return refuse("lists.k_floor", "never below 10");
        }
        if !(1..=REACH_EPSILON_LIMIT).contains(&self.lists.reach_epsilon_thousandths) {
            return refuse("lists.reach_epsilon_thousandths", "between 1 and 10000");
        }
        if !(24..=LONGEST.as_secs() / 3600).contains(&self.web.idempotency_hours.into()) {
            return refuse("web.idempotency_hours", "never below 24, at most 31 days");
        }
        if self.access.session_lasts() > LONGEST {
            return refuse("access.session_hours", "at most 31 days");
        }
        if self.web.page_default == 0 || self.web.page_default > self.web.page_limit {
            return refuse("web.page_default", "between 1 and web.page_limit");
        }
        if self.witnesses.endpoints().is_none() {
            let reason = "`verifier-key http://address` of each witness, with commas between";
            return refuse("witnesses.list", reason);
        }
        if self.witnesses.quorum().is_none() {
            let reason = "between 1 and as many as there are different witnesses; 0 without any";
            return refuse("witnesses.needed", reason);
        }
        if let Some((key, reason)) = self.pepper.fault() {
            return refuse(key, reason);
        }
        if self.witnesses.answer_seconds == 0 {
            return refuse("witnesses.answer_seconds", "at least 1");
        }
        if self.queues.waiting == 0 || self.queues.batch == 0 {
            return refuse("queues", "at least 1");
        }
        if !self.web.proxy.is_empty() && self.web.proxy().is_none() {
            return refuse("web.proxy", "an IP address, or nothing");
        }
        if self.public_url.ends_with('/')
            || !(self.public_url.is_empty() || self.public_url.starts_with("http"))
        {
            return refuse("public_url", "http:// or https:// and no slash at the end");
        }
        Ok(())
    }
}

/// Lays what a file gives over the defaults, refusing what they do not have.
fn overlay(
    base: &mut Table,
    given: Table,
    defaults: &Table,
    path: &str,
) -> Result<(), ConfigError> {
    for (name, value) in given {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (base.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => {
                overlay(inner, value, defaults, &key)?;
            }
            (Some(slot), value) if slot.type_str() == value.type_str() => *slot = value,
            (Some(slot), _) => return Err(wrong_type(key, slot)),
            (None, _) => return Err(unknown(key, &names(defaults))),
        }
    }
    Ok(())
}

/// Sets one leaf from text, read as the type the default has.
fn set(table: &mut Table, key: &str, text: String) -> Result<(), ConfigError> {
    let known = names(table);
    let mut parts = key.split('.');
    let mut slot = parts.next().and_then(|part| table.get_mut(part));
    for part in parts {
        slot = slot.and_then(|value| value.get_mut(part));
    }
    let Some(slot) = slot else { return Err(unknown(key.to_owned(), &known)) };
    let value = match slot {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::String(_) => Some(Value::String(text)),
        _ => None,
    };
    *slot = value.ok_or_else(|| wrong_type(key.to_owned(), slot))?;
    Ok(())
}

/// The setting an environment name stands for; `None` when the name is not ours.
fn key_of(name: &str, defaults: &Table) -> Result<Option<String>, ConfigError> {
    if !name.starts_with(PREFIX) || NOT_SETTINGS.iter().any(|other| name.starts_with(other)) {
        return Ok(None);
    }
    let known = names(defaults);
    if let Some(key) = known.iter().find(|key| environment_name(key) == name) {
        return Ok(Some(key.clone()));
    }
    let all: Vec<String> = known.iter().map(|key| environment_name(key)).collect();
    Err(unknown(name.to_owned(), &all))
}

fn environment_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Every leaf as a dotted key.
fn names(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                all.extend(names(inner).iter().map(|rest| format!("{name}.{rest}")));
            }
            _ => all.push(name.clone()),
        }
    }
    all
}

fn unknown(key: String, known: &[String]) -> ConfigError {
    let nearest = known.iter().min_by_key(|name| distance(&key, name)).cloned().unwrap_or_default();
    ConfigError::Unknown { key, nearest }
}

fn wrong_type(key: String, slot: &Value) -> ConfigError {
    let expected = match slot {
        Value::Integer(_) => "a whole number",
        Value::Table(_) => "a section",
        _ => "a text",
    };
    ConfigError::Type { key, expected }
}

fn syntax(text: &str, error: &toml::de::Error) -> ConfigError {
    let end = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text[..text.floor_char_boundary(end)].matches('\n').count();
    ConfigError::Syntax { line }
}

/// Edits between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
