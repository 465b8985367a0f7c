//! `volens pepper`: the process that holds a part of the pepper, and its directory.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use serde_json::json;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use volens_privacy::keys::{Blinding, PepperPublic};
use zeroize::Zeroizing;

use super::output::Stop;
use super::{Context, Exit, serve};
use crate::clock::{Clock as _, SystemClock};
use crate::pepper::{Client, Directory, HeldKey, Holder, PepperError, Rate, Silence, http};
use crate::web::server;

/// What `pepper` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Directory of its keys and clients; back it up apart from any service's key ring
    #[arg(long, value_name = "DIR", default_value = "volens-pepper", global = true)]
    state: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Answer clients until SIGTERM or SIGINT; SIGHUP reads the directory again
    Serve(Serving),
    /// Make a key, the first or the next; services take it up with `volens keys rotate pepper`
    AddKey,
    /// Forget a key for good: link tokens that were made with it can be tested by nobody any more
    ForgetKey {
        /// Its public half, as `status` prints it
        key: PepperPublic,
    },
    /// Make a client and print its token, once
    Client {
        /// What the log calls it
        name: String,
        /// Remove the client instead
        #[arg(long)]
        remove: bool,
    },
    /// Keys and clients. No secret is shown
    Status,
}

#[derive(clap::Args)]
struct Serving {
    /// Listen on a Unix socket
    #[arg(long, value_name = "PATH", required_unless_present = "listen")]
    socket: Option<PathBuf>,
    /// Listen on a loopback address, for example 127.0.0.1:8071
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    listen: Option<SocketAddr>,
    /// Elements evaluated a second for each client: how fast whoever took over a service could guess
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    per_second: u32,
    /// Elements evaluated at once for each client, after a pause
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    burst: u32,
}

/// An address of this machine: what is said is not encrypted.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_error| "not an address and port".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("only loopback: lead a tunnel here from other machines".to_owned())
    }
}

/// Runs `volens pepper …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Directory::at(&args.state);
    let mut rng = StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")?;
    match args.action {
        Action::Serve(serving) => answer(&args.state, serving, rng, context).await,
        Action::AddKey => {
            let key = directory.add_key(&mut rng, SystemClock.now()).map_err(stop)?;
            context.output.result(&key, line(&key))?;
            Ok(Exit::Ok)
        }
        Action::ForgetKey { key } => {
            let key = directory.forget_key(key).map_err(stop)?;
            context.output.result(&key, format!("{} is forgotten", line(&key)))?;
            Ok(Exit::Ok)
        }
        Action::Client { name, remove: true } => {
            directory.remove_client(&name).map_err(stop)?;
            context.output.result(&json!({"removed": name}), format!("{name} is removed"))?;
            Ok(Exit::Ok)
        }
        Action::Client { name, remove: false } => {
            let token = directory.add_client(&name, &mut rng).map_err(stop)?;
            context.output.result(&json!({"client": name, "token": *token}), &*token)?;
            Ok(Exit::Ok)
        }
        Action::Status => {
            let (keys, clients) = directory.status().map_err(stop)?;
            let mut lines: Vec<String> = keys.iter().map(line).collect();
            lines.extend(clients.iter().map(|name| format!("client {name}")));
            context.output.result(&json!({"keys": keys, "clients": clients}), lines.join("\n"))?;
            Ok(Exit::Ok)
        }
    }
}

fn line(key: &HeldKey) -> String {
    format!("key {} made {}: {}", key.number, key.made, key.public)
}

fn stop(error: PepperError) -> anyhow::Error {
    let exit = match &error {
        PepperError::InUse(_) | PepperError::ClientExists | PepperError::OnlyKey => Exit::Conflict,
        PepperError::NoKey | PepperError::KeyUnknown | PepperError::ClientUnknown => Exit::NotFound,
        PepperError::Damaged(_) | PepperError::Readable(_) => Exit::VerificationFailed,
        PepperError::File { .. } => return error.into(),
    };
    Stop::new(exit, error.to_string()).into()
}

async fn answer(state: &Path, serving: Serving, rng: StdRng, context: &Context) -> Result<Exit> {
    let rate = Rate { per_second: serving.per_second, burst: serving.burst };
    let holder = Holder::open(state, rate, Arc::new(SystemClock), rng).map_err(stop)?;
    let holder = Arc::new(holder);
    let (web, router) = (&context.settings.web, http::router(Arc::clone(&holder)));
    let tcp = match serving.listen {
        Some(address) => Some(TcpListener::bind(address).await.context("cannot listen")?),
        None => None,
    };
    let unix = match &serving.socket {
        Some(path) => Some(bind(path).await.with_context(|| path.display().to_string())?),
        None => None,
    };
    let listening = tcp.as_ref().map(TcpListener::local_addr).transpose()?;
    let said = [
        serving.socket.as_ref().map(|path| format!("pepper process on unix:{}", path.display())),
        listening.map(|address| format!("pepper process on http://{address}")),
    ];
    context.output.result(
        &json!({"listening": listening, "socket": serving.socket}),
        said.into_iter().flatten().collect::<Vec<_>>().join("\n"),
    )?;
    let reloading = tokio::spawn(reload(Arc::clone(&holder), signal(SignalKind::hangup())?));
    let over_tcp = async {
        if let Some(listener) = tcp {
            server::serve(listener, router.clone(), web, serve::stop()?).await;
        }
        anyhow::Ok(())
    };
    let over_unix = async {
        if let Some(listener) = unix {
            server::serve(listener, router.clone(), web, serve::stop()?).await;
        }
        anyhow::Ok(())
    };
    let (tcp, unix) = tokio::join!(over_tcp, over_unix);
    reloading.abort();
    if let Some(path) = &serving.socket {
        std::fs::remove_file(path)?;
    }
    tcp.and(unix)?;
    Ok(Exit::Ok)
}

async fn reload(holder: Arc<Holder>, mut hangups: tokio::signal::unix::Signal) {
    while hangups.recv().await.is_some() {
        match holder.reload() {
            Ok(()) => tracing::info!("the directory was read again"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the directory cannot be read; what was loaded stays");
            }
        }
    }
}

/// A socket for the user and the group of the process. One that a killed process left behind is
/// replaced; one that somebody answers is not.
async fn bind(path: &Path) -> io::Result<UnixListener> {
    let left = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if left {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// How often a command comes back when the process has answered as much as it may.
const TURNS: u32 = 5;

/// The newest key of a pepper process, after it has proved that it uses it.
pub(super) async fn newest(process: &Client, rng: &mut StdRng) -> Result<PepperPublic> {
    let asked = async {
        let held = process.keys().await?;
        let key = *held.last().context("the pepper process holds no key")?;
        let blinding = Blinding::new(vec![Zeroizing::new(b"a question".to_vec())], rng)?;
        let mut turns = TURNS;
        let answer = loop {
            match process.evaluate(key, blinding.elements()).await {
                // One that was just started has saved nothing yet.
                Err(Silence::Limited(seconds)) if turns > 0 => {
                    turns -= 1;
                    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                }
                answer => break answer?,
            }
        };
        blinding.open(&answer, key)?;
        anyhow::Ok(key)
    };
    asked.await.context("the pepper is not rotated")
}
