//! `volens demo`: a little town in a fresh directory, the whole main job in it, then the pages.

mod api;
mod bots;
mod past;
mod seed;
mod story;
mod tamper;
mod world;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

use super::scratch::Scratch;
use super::{Context, Exit, serve};
use crate::access::{Caller, directory, sessions};
use crate::app::App;
use crate::web::router;

/// What `demo` takes.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// End after the story, also on a terminal
    #[arg(long, conflicts_with = "serve")]
    once: bool,
    /// Serve the pages afterwards, also when standard output is no terminal
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// People in the town
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(400..=20_000))]
    people: u32,
}

/// What is for other commands: taken so that it can be refused with a reason, and not offered.
#[derive(clap::Args)]
struct Elsewhere {
    #[arg(long, hide = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    #[arg(long, hide = true, value_name = "FILE")]
    keys: Option<PathBuf>,
}

impl Args {
    /// Whether an installation is named that the demo would not use.
    pub(super) fn names_an_installation(&self) -> bool {
        let Elsewhere { data, database, keys } = &self.elsewhere;
        data.is_some() || database.is_some() || keys.is_some()
    }
}

#[derive(clap::Subcommand)]
enum What {
    /// Change one character of the history in a copy of the demo's database, and verify it
    Tamper,
}

/// Ports that are tried for the pages.
const PORTS: std::ops::RangeInclusive<u16> = 8080..=8089;

/// How long the printed sign-in links work, in minutes.
const LINKS_LAST: u32 = 8 * 60;

/// Seeds, tells, serves.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    if let Some(What::Tamper) = args.what {
        return tamper::run(context).await;
    }
    let output = context.output;
    let scratch = Scratch::create("demo")?;
    let listener = listener(context.settings.listen).await?;
    let mut settings = context.settings.clone();
    settings.data = scratch.path().to_owned();
    settings.set_database(String::new());
    settings.listen = listener.local_addr()?;
    // Whoever tries the pages in turn gets to the last of them, too.
    settings.access.link_minutes = LINKS_LAST;
    // The demo is one caller that plays three apps at once.
    settings.rates.app_per_second = u32::MAX;
    settings.rates.app_burst = u32::MAX;
    let app = context.open(settings).await?;
    let router = router::router(app.clone());

    output.line("Volens: reach the people who are willing, and nobody else.")?;
    let people = world::people(args.people as usize);
    let bar = output.progress(u64::from(args.people) * 5, "seeding");
    #[expect(clippy::disallowed_methods, reason = "how long seeding took is part of the story")]
    let begin = Instant::now();
    let town = seed::fill(&app, &router, people, &bar).await?;
    let bots = bots::publish(&town).await?;
    bar.finish_and_clear();
    let seconds = begin.elapsed().as_secs_f64();
    let counts = &town.counts;
    output.line(format_args!(
        "\nTOWN   {} people with {} accounts in three apps: {} consents, {} refusals, {} consents \
         to linking by phone number\n       {} signals kept; {} turned away because nobody \
         consented to them; {} past messages, {} of them followed; {} bots\n       seeded in {seconds:.1} s, with real \
         Argon2id and a flush of the disk before every answer",
        counts.people,
        counts.accounts,
        counts.consents,
        counts.refusals,
        counts.linking_consents,
        counts.signals_accepted,
        counts.signals_refused.values().sum::<u64>(),
        counts.exposures,
        counts.clicks.values().sum::<u64>(),
        bots.len()
    ))?;
    let told = story::tell(&app, &router, &town, &bots, output).await?;
    if output.is_json() {
        let object = serde_json::json!({ "seconds": seconds, "town": counts, "story": told });
        output.document(object)?;
    }
    if args.serve || std::io::stdout().is_terminal() && !args.once && !output.is_json() {
        doors(&app, &town, &bots, output).await?;
        scratch.leave_signals();
        serve::until_stopped(&app, listener).await?;
    } else {
        app.db.close().await;
    }
    Ok(Exit::Ok)
}

/// Prints a way in for each kind of user.
async fn doors(app: &App, town: &seed::Town, bots: &[String], output: super::Output) -> Result<()> {
    let url = app.settings.public_url();
    let shop = world::SHOPS[0].name;
    let mut lines = vec![format!("\nOPEN   {url}  (each sign-in link works once)")];
    for (who, email, caller) in [
        (format!("business {shop}"), "shop@demo.example", Caller::Business(town.shops[0].0)),
        (format!("agent of {shop}"), "agent@demo.example", Caller::Agent(town.shops[0].0)),
        ("privacy officer".to_owned(), "officer@demo.example", Caller::Officer),
        ("second officer".to_owned(), "second@demo.example", Caller::Officer),
        ("operator".to_owned(), "operator@demo.example", Caller::Operator),
    ] {
        let link = sign_in_link(app, email, caller).await?;
        lines.push(format!("  {who:<20} {link}"));
    }
    lines.push(format!("  {:<20} {url}/b/{}", "customer", bots[0]));
    let person = town
        .people
        .iter()
        .find(|person| person.links[0])
        .context("somebody of this town is linked")?;
    let body = serde_json::json!({ "account": person.reference(0) });
    let link = town.apps[0].post("/v1/privacy-centre-links", body).await?;
    lines.push(format!("  {:<20} {}", "a person", api::text(&link, "/url")?));
    lines.push(format!("  {:<20} {url}/docs", "the API"));
    lines.push(format!(
        "\n       To officers that person is user {} of app messenger. While this runs, commands work on the \
         town with\n       --data {}\n",
        person.reference(0),
        app.settings.data.display()
    ));
    output.line(lines.join("\n"))?;
    Ok(())
}

async fn sign_in_link(app: &App, email: &str, caller: Caller) -> Result<String> {
    let mut rng = app.rng();
    let pool = (&app.stretch, &app.settings.stretch);
    let new = directory::prepare_user(pool, &mut rng, email, None, caller).await?;
    let mut tx = app.db.begin().await?;
    let user = directory::create_user(&mut tx, &mut rng, new, app.now()).await?;
    let now = app.now();
    let times = (now, now.plus(app.settings.access.link_lasts()));
    let token = sessions::link(&mut tx, &app.keys, &mut rng, user.id, times).await?;
    tx.commit().await?;
    Ok(crate::web::callers::sign_in_url(&app.settings.public_url(), &token))
}

/// Listens where the settings say; an address that nobody chose gives way to a free port.
async fn listener(wanted: SocketAddr) -> Result<TcpListener> {
    if wanted != SocketAddr::from(([127, 0, 0, 1], *PORTS.start())) {
        let listener = TcpListener::bind(wanted).await;
        return listener.with_context(|| format!("cannot listen on {wanted}"));
    }
    for port in PORTS {
        if let Ok(listener) = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await {
            return Ok(listener);
        }
    }
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("no free port")
}
