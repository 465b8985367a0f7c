//! `volens notices`: whether the texts say what the law demands, and what changed between versions.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;
use volens_privacy::notice::{NoticeDiff, Notices};

use super::output::Stop;
use super::{Context, Exit};
use crate::clock::{Clock as _, SystemClock};
use crate::consent;

/// What `notices` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Check the newest version of every notice against GDPR Art. 13, 14 and 26, the Portuguese ones
    /// against LGPD Art. 9 too; exit code 3 if one lacks something.
    Check,
    /// What changed between two versions of a notice, and how many people must be asked again.
    Diff {
        /// Which notice, for instance linking.
        notice: String,
        /// The earlier version; the one before the later by default.
        #[arg(long)]
        from: Option<u32>,
        /// The later version; the newest by default.
        #[arg(long)]
        to: Option<u32>,
        /// In which language.
        #[arg(long, default_value = "en")]
        language: String,
    },
}

/// Runs `volens notices …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.action {
        Action::Check => check(context),
        Action::Diff { notice, from, to, language } => {
            let notices = Notices::builtin();
            if notices.newest(&notice) == 0 {
                let all: BTreeSet<&str> = notices.all().iter().map(|one| one.id.as_str()).collect();
                let all = all.into_iter().collect::<Vec<_>>().join(", ");
                let said = format!("there is no notice {notice}; there are {all}");
                return Err(Stop::new(Exit::NotFound, said).into());
            }
            let to = to.unwrap_or_else(|| notices.newest(&notice));
            let from = from.unwrap_or_else(|| to.saturating_sub(1));
            let get = |version: u32| {
                let said = format!("there is no notice {notice} version {version} in {language}");
                notices
                    .get(&notice, version, &language)
                    .ok_or_else(|| Stop::new(Exit::NotFound, said))
            };
            diff(context, &NoticeDiff::between(get(from)?, get(to)?)).await
        }
    }
}

fn check(context: &Context) -> Result<Exit> {
    let notices = Notices::builtin();
    let lacks = notices.lacks();
    let ok = lacks.is_empty();
    let text = if ok {
        format!("{} texts; every newest version says what the law demands", notices.all().len())
    } else {
        lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    context.output.result(&json!({ "ok": ok, "lacks": lacks }), text)?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

async fn diff(context: &Context, diff: &NoticeDiff) -> Result<Exit> {
    // People are counted where there is an installation; the texts are compared anywhere.
    let live = match context.existing().await {
        Ok(app) => {
            let live = consent::live_under(&mut app.db.read().await?, SystemClock.now()).await?;
            let under =
                |one: &consent::LiveUnder| one.notice == diff.notice && one.version == diff.from;
            Some(live.into_iter().filter(under).collect::<Vec<_>>())
        }
        Err(error) if Exit::of(&error) == Exit::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut text = vec![format!("{} {} → {} ({})", diff.notice, diff.from, diff.to, diff.language)];
    for change in &diff.changes {
        let parts: Vec<&str> = change.parts.iter().map(|part| part.as_str()).collect();
        let heading = if change.heading.is_empty() { "the beginning" } else { &change.heading };
        let weight = if change.material { "MATERIAL" } else { "wording" };
        text.push(format!("\n{weight} {heading} ({})", parts.join(", ")));
        text.push(format!("- {}\n+ {}", change.before, change.after));
    }
    for added in &diff.purposes_added {
        text.push(format!("\nMATERIAL asks for {added} as well"));
    }
    if diff.describes_more {
        text.push(format!("\ndeclared to tell only more of what version {} was about", diff.from));
    }
    let again = diff.asks_again();
    let who =
        if again { "who agreed before must be asked again" } else { "nobody need be asked again" };
    text.push(format!("\n{who}"));
    for under in live.iter().flatten() {
        let consent::LiveUnder { consents, purpose, version, .. } = under;
        text.push(format!("{consents} live consents for {purpose} under version {version}"));
    }
    let text = text.join("\n");
    context.output.result(&json!({ "diff": diff, "asks_again": again, "live": live }), text)?;
    Ok(Exit::Ok)
}
