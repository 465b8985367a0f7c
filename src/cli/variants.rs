//! `volens variants`: how the texts of a campaign do.

use anyhow::Result;

use super::list::with_exit;
use super::{Context, Exit};
use crate::audience::campaigns;
use crate::audience::request::Rules;
use crate::audience::variants::report::{Report, report};
use crate::audience::variants::words::Words;
use crate::ids::CampaignId;

/// Arguments of `volens variants`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The campaign
    #[arg(long, value_name = "ID")]
    campaign: CampaignId,
}

/// Prints what is known of a campaign's variants.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let rules = Rules::from(&app.settings.lists);
    let mut tx = app.db.read().await?;
    let found = async {
        let business = campaigns::owner(&mut tx, args.campaign).await?;
        let campaign = campaigns::find(&mut tx, business, args.campaign).await?;
        report(&mut tx, &campaign, rules.k).await
    };
    let found = found.await.map_err(|error| with_exit(error.into()))?;
    context.output.result(&found, lines(&found).join("\n"))?;
    Ok(Exit::Ok)
}

fn lines(report: &Report) -> Vec<String> {
    if report.variants.is_empty() {
        return vec!["the campaign has one text".to_owned()];
    }
    let words = Words::of("en");
    let mut lines = Vec::new();
    for of in &report.variants {
        lines.push(format!("{}  {}", of.name, of.title));
        for (what, told) in [
            (words.people, words.count(of.recipients)),
            (words.rate, words.rate_of(of)),
            (words.best, words.chance(of.best)),
            (words.next, words.chance(Some(of.next))),
            (words.stopped, words.count(of.stopped)),
        ] {
            lines.push(format!("   {what}: {told}"));
        }
    }
    lines.extend(words.notes(report));
    lines
}
