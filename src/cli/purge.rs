//! `volens purge`.

use anyhow::Result;
use serde_json::json;

use super::{Context, Exit, keys};
use crate::db::Purged;
use crate::keyring;
use crate::rights::traces;

/// What `purge` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Keep the key that wraps keys: older copies of the erased stay readable with today's key ring
    #[arg(long)]
    keep_key: bool,
    /// Nobody serves with these keys: do not heed processes that were seen lately
    #[arg(long)]
    not_running: bool,
}

/// Makes deletion physical. Run it at night: tables are locked while they are rewritten.
///
/// The key first, so that the rewrite also takes what was wrapped under the old one. If it cannot be
/// replaced, the files are rewritten all the same, and the exit code says that it is not complete.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let keeper = keyring::Keeper { heed_nodes: !args.not_running, ..app.keeper() };
    let bar = context.output.progress(0, "wrapping");
    let progress = |step, done, of| {
        bar.set_message(step);
        bar.set_length(of);
        bar.set_position(done);
    };
    let mut rng = app.rng();
    let ratchet = if args.keep_key {
        None
    } else {
        let kek = async || keyring::kek(&keeper, &mut rng, &progress).await;
        Some(keys::patiently(kek).await)
    };
    bar.finish_and_clear();
    let began = app.now();
    let purged = traces::purge(&app.db).await?;
    let complete = purged == Purged::Complete;
    if complete {
        traces::note_purge(&app.db, began).await?;
    }
    app.db.close().await;
    let ratchet = match ratchet {
        None => None,
        Some(Ok(rotated)) => Some(rotated),
        Some(Err(error)) => return Err(keys::stop(error)),
    };
    let told = match purged {
        Purged::Complete => {
            "the database was rewritten; nothing of what was deleted is left in its files"
        }
        Purged::LogInUse => {
            "the database was rewritten, but a reader kept its write-ahead log: run it again"
        }
        Purged::StillSeen => {
            "the database was rewritten, but a transaction that began before the last deletion is \
             still open on the server or a standby, or a replication slot holds its time back: end \
             it and run it again"
        }
        Purged::SamplesKept => {
            "the tables were rewritten, but PostgreSQL kept old samples of their columns \
             (pg_statistic), which only the owner of the database may rewrite: run it as that role"
        }
    };
    let mut text = told.to_owned();
    if let Some(rotated) = &ratchet {
        text = format!("{}\n{text}", keys::told(rotated));
    }
    let object = json!({"complete": complete, "ratchet": ratchet});
    context.output.result(&object, text)?;
    Ok(if complete { Exit::Ok } else { Exit::Conflict })
}
