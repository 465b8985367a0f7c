//! The real program in a process of its own, and connections to it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// No start takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program, serving.
pub(crate) struct Program {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// The program with the arguments that say which installation is meant.
pub(crate) fn command(directory: &Path, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.arg("--json").arg("--data").arg(directory).args(["--database", database]);
    command.kill_on_drop(true).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

impl Program {
    /// Starts it on a free port, with settings as its environment.
    pub(crate) async fn start(directory: &Path, database: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = command(directory, database)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let first = first.expect("it starts in time").expect("its output can be read");
        let said: Value = serde_json::from_str(&first.expect("it says where")).expect("JSON");
        let address = said["listening"].as_str().expect("an address");
        Self { child, address: address.parse().expect("an address") }
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the program is killed");
    }
}

/// One connection of a caller, used again and again. Every answer that does not come is `None`.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    key: Arc<str>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, key: Arc<str>) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self { stream: BufReader::new(stream), key })
    }

    /// Sends JSON; the status and the JSON that came back.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let (status, body) = self.ask(method, path, body).await?;
        Some((status, serde_json::from_slice(&body).ok()?))
    }

    /// Sends JSON, or nothing for null; the status and the bytes that came back.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Vec<u8>)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: volens\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all((head + &body).as_bytes()).await.ok()?;
        let (mut status, mut length, mut chunked) = (0, 0, false);
        loop {
            let line = self.line().await?;
            let lower = line.to_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next()?.parse().ok()?;
            } else if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse().ok()?;
            } else if lower == "transfer-encoding: chunked" {
                chunked = true;
            } else if lower.is_empty() {
                break;
            }
        }
        let body = if chunked { self.chunks().await? } else { self.bytes(length).await? };
        Some((status, body))
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    async fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }

    /// A body in chunks (RFC 9112 §7.1); a body that is cut off is none.
    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line().await?, 16).ok()?;
            body.extend(self.bytes(length).await?);
            self.line().await?;
            if length == 0 {
                return Some(body);
            }
        }
    }
}
