//! Where the pepper process is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The pepper process. The meaning of each is in `config.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting once")]
pub struct Pepper {
    process: String,
    pub token_file: PathBuf,
    pub answer_seconds: u32,
}

/// Where it answers: never over a network, whose encryption is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PepperAddress {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port of this machine.
    Loopback(SocketAddr),
}

impl PepperAddress {
    /// Reads `unix:/path` or `http://127.0.0.1:port`; nothing for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Path::new(path).is_absolute().then(|| Self::Unix(path.into()));
        }
        let address: SocketAddr = text.strip_prefix("http://")?.parse().ok()?;
        address.ip().is_loopback().then_some(Self::Loopback(address))
    }
}

impl Pepper {
    /// Where it is; nothing when there is none.
    pub fn address(&self) -> Option<PepperAddress> {
        PepperAddress::parse(&self.process)
    }

    /// What is wrong with it: the setting, and what is allowed.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.process.is_empty() {
            return None;
        }
        if self.address().is_none() {
            return Some((
                "pepper.process",
                "unix:/absolute/path, or http:// and a loopback address",
            ));
        }
        if self.token_file == Path::new("") {
            return Some(("pepper.token_file", "the file of the token, when there is a process"));
        }
        (self.answer_seconds == 0).then_some(("pepper.answer_seconds", "at least 1"))
    }
}
