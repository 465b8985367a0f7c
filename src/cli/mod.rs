//! The command line: one file per command.
//!
//! **Adding a command**: write `cli/<command>.rs` with `#[derive(clap::Args)] pub struct Args` and
//! `pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit>`, then add `mod` and
//! one line to `commands!` below. Data goes to standard output through [`Output`], everything else
//! to standard error.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};

mod accounts;
mod audit;
mod bench;
mod demo;
mod doctor;
mod evaluate;
mod export;
mod import;
mod keys;
mod ledger;
mod list;
mod logging;
mod migrate;
mod models;
mod notices;
mod openapi;
pub mod output;
mod pepper;
mod purge;
mod receipt;
mod scratch;
mod serve;
mod settings;
mod train;
mod variants;
mod witness;

pub(crate) use self::bench::STATEMENTS;
use self::output::Stop;
pub use self::output::{Exit, Output};
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{self, Settings};

/// SQL of the commands that keep something of their own.
pub(crate) const fn import_statements() -> &'static [crate::db::Statement] {
    import::STATEMENTS
}

/// Makes the enum of commands and its dispatch from one table.
macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $variant:ident => $module:ident; )+) => {
        #[derive(clap::Subcommand)]
        enum Command {
            $( $(#[doc = $doc])+ $variant($module::Args), )+
        }

        impl Command {
            async fn run(self, context: &Context) -> anyhow::Result<Exit> {
                match self {
                    $( Self::$variant(args) => $module::run(args, context).await, )+
                }
            }
        }
    };
}

commands! {
    /// Make a little town, do the whole main job in it, serve the pages.
    Demo => demo;
    /// Take in customers, consent evidence and signals from CSV or Parquet.
    Import => import;
    /// Learn from outcomes, and put the model in use.
    Train => train;
    /// Write models' cards, tell from whom one learned, and watch whether they still fit.
    Models => models;
    /// Serve the API and the pages.
    Serve => serve;
    /// Make a ranked list of the people willing to receive a campaign's message.
    List => list;
    /// Tell how the variants of a campaign's message do.
    Variants => variants;
    /// Replay lists, check invariants and exported files, and make what an authority asks for: register, assessments, breach, erasure.
    Audit => audit;
    /// Verify the ledger, or print its head or key.
    Ledger => ledger;
    /// Watch the ledgers of others and cosign what extends what was seen.
    Witness => witness;
    /// Hold a part of the pepper in a process of its own, and answer services that ask.
    Pepper => pepper;
    /// Check a receipt offline.
    Receipt => receipt;
    /// Check a person's export of their data offline.
    Export => export;
    /// Check the texts that people are shown, or compare their versions.
    Notices => notices;
    /// Measure speed as ratios within one run.
    Bench => bench;
    /// Make apps, businesses, users, keys and sign-in links.
    Accounts => accounts;
    /// Bring the database to this version and stop.
    Migrate => migrate;
    /// Look at the key ring, rotate it, or bring a restored database up to it.
    Keys => keys;
    /// Destroy the key that older copies were wrapped with, and rewrite the database so that nothing of what was deleted is left in its files.
    Purge => purge;
    /// Check disk, parties, clock, database, keys, ledger, losses, witnesses and pepper.
    Doctor => doctor;
    /// Print the OpenAPI document.
    Openapi => openapi;
    /// Measure the product's own learners on a table.
    Evaluate => evaluate;
    /// Print every setting with its default and its meaning.
    Settings => settings;
}

/// Reach the people who are willing, and nobody else.
#[derive(Parser)]
#[command(name = "volens", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 verification failed, \
    4 refused by consent or policy, 5 not found, 6 conflict.\n\
    Every setting of the service can be given as VOLENS_SECTION_KEY; see `volens settings`.";

/// What every command takes.
#[derive(clap::Args)]
struct Global {
    /// Directory of the database file, the key ring and the indexes [default: volens-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// sqlite:PATH or postgres://… [default: SQLite in the data directory]
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// The key ring [default: keyring.json in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// A settings file
    #[arg(long, global = true, value_name = "FILE", env = "VOLENS_CONFIG")]
    config: Option<PathBuf>,
    /// One machine-readable object on standard output
    #[arg(long, global = true)]
    json: bool,
}

/// What a command works with.
pub struct Context {
    /// What was configured.
    pub settings: Settings,
    /// Where results and progress go.
    pub output: Output,
}

impl Context {
    fn new(global: &Global) -> anyhow::Result<Self> {
        Ok(Self { settings: global.settings()?, output: Output::new(global.json) })
    }

    /// The service as configured, for commands that only look at data: nothing is made, so that a
    /// mistyped path is not taken for an empty installation that is in order.
    pub async fn existing(&self) -> anyhow::Result<App> {
        self.must_exist()?;
        self.app().await
    }

    /// Refuses an installation of which nothing is there.
    fn must_exist(&self) -> anyhow::Result<()> {
        let database = self.settings.database_url();
        let file = database.expose().strip_prefix("sqlite:").map(std::path::Path::new);
        let missing = file.filter(|file| !file.exists()).map(|file| file.display().to_string());
        let ring = self.settings.key_file();
        let missing = missing.or_else(|| (!ring.exists()).then(|| ring.display().to_string()));
        if let Some(missing) = missing {
            let said = format!("{missing} is not there; is --data right?");
            return Err(Stop::new(Exit::NotFound, said).into());
        }
        Ok(())
    }

    /// The service as configured, made where there is none.
    pub async fn app(&self) -> anyhow::Result<App> {
        self.open(self.settings.clone()).await
    }

    /// The service with settings that a command changed.
    async fn open(&self, settings: Settings) -> anyhow::Result<App> {
        let rng = StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")?;
        Ok(App::open(settings, Arc::new(SystemClock), rng).await?)
    }
}

impl Global {
    fn names_an_installation(&self) -> bool {
        self.data.is_some() || self.database.is_some() || self.keys.is_some()
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let file = match &self.config {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            ),
            None => None,
        };
        let mut all: Vec<(&str, String)> = Vec::new();
        if let Some(path) = &self.data {
            all.push(("data", path.display().to_string()));
        }
        if let Some(url) = &self.database {
            all.push(("database.url", url.clone()));
        }
        if let Some(path) = &self.keys {
            all.push(("keys.file", path.display().to_string()));
        }
        Ok(config::load(file.as_deref(), environment(), &all)?)
    }
}

/// The environment as text; a variable that is not UTF-8 cannot be one of ours.
fn environment() -> Vec<(String, String)> {
    let text = |value: OsString| value.into_string().ok();
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Demo(args) = &cli.command
        && (args.names_an_installation() || cli.global.names_an_installation())
    {
        let said = "the demo makes an installation of its own and removes it at the end; \
                    --data, --database and --keys are for the other commands";
        return Output::new(cli.global.json).failure(&anyhow::anyhow!(said), Exit::Usage);
    }
    let context = match Context::new(&cli.global) {
        Ok(context) => context,
        Err(error) => return Output::new(cli.global.json).failure(&error, Exit::Usage),
    };
    // What a service does is its log; a command's result is not to be drowned in it.
    let log = match cli.command {
        Command::Serve(_) | Command::Witness(_) | Command::Pepper(_) => {
            context.settings.log.clone()
        }
        _ => context.settings.log.quiet(),
    };
    logging::start(&log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return context.output.failure(&error.into(), Exit::Failure),
    };
    match runtime.block_on(cli.command.run(&context)) {
        Ok(exit) => exit.into(),
        Err(error) => context.output.failure(&error, Exit::of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    fn walk(command: &clap::Command, all: &clap::Command) {
        for own in command.get_subcommands() {
            for argument in own.get_arguments() {
                let same = all.get_arguments().find(|global| global.get_id() == argument.get_id());
                assert!(
                    same.is_none_or(|global| {
                        global.get_value_parser().type_id() == argument.get_value_parser().type_id()
                    }),
                    "{} of {} is of another type in every other command",
                    argument.get_id(),
                    own.get_name()
                );
            }
            walk(own, all);
        }
    }

    /// Two arguments of one name are one to the parser, and reading it as another type panics.
    #[test]
    fn an_argument_that_all_commands_have_is_of_one_type() {
        let all = Cli::command();
        walk(&all, &all);
    }
}
