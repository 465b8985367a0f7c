//! `volens audit register`, `dpia` and `breach`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use volens_privacy::{PurposeKind, Timestamp};

use super::super::output::Stop;
use super::super::{Context, Exit};
use crate::assessments::{self, UNWRITTEN};
use crate::audit::records::{self, Breach, Held, NewIncident, Register};
use crate::ids::hex;

/// What can be done with impact assessments.
#[derive(clap::Subcommand)]
pub(super) enum Dpia {
    /// Print the assessment as far as the program knows it, to be filled in
    Template {
        /// Which purpose
        #[arg(long, default_value_t = PurposeKind::CrossAppLinking)]
        purpose: PurposeKind,
    },
    /// Attach a finished assessment: its hash goes into the ledger, and people can consent
    Attach {
        /// The document
        file: PathBuf,
        /// Your name for it
        #[arg(long)]
        id: String,
        /// Which purpose it assesses
        #[arg(long, default_value_t = PurposeKind::CrossAppLinking)]
        purpose: PurposeKind,
    },
    /// List what was attached and what is missing
    Show,
}

/// What `breach` takes.
#[derive(clap::Args)]
pub(super) struct BreachArgs {
    /// The first moment at which somebody may have taken data, RFC 3339
    #[arg(long)]
    from: Timestamp,
    /// The last
    #[arg(long)]
    to: Timestamp,
    /// The key ring was in reach too
    #[arg(long)]
    with_keys: bool,
    /// Keep it as an incident and start the clock of 72 hours
    #[arg(long)]
    note: bool,
    /// When somebody became aware of it [default: now]
    #[arg(long, requires = "note")]
    noticed: Option<Timestamp>,
    /// Print the random ids of the accounts, one per line, and nothing else
    #[arg(long, conflicts_with = "note")]
    ids: bool,
}

/// Ids printed at a time.
const PAGE: u32 = 5_000;

pub(super) async fn register(context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let register = records::register(&mut tx, &app.settings.audit, app.now()).await?;
    drop(tx);
    app.db.close().await;
    context.output.result(&register, register_text(&register))?;
    Ok(Exit::Ok)
}

fn register_text(register: &Register) -> String {
    let mut lines = vec![
        "Register of processing activities (GDPR Art. 30)".to_owned(),
        format!("as of {}", register.at),
        format!("controller: {}", register.controller),
        format!("contact: {}", register.contact),
        format!("data protection officer: {}", register.officer),
    ];
    if !register.missing.is_empty() {
        lines.push(format!("MISSING settings: {}", register.missing.join(", ")));
    }
    lines.push(format!(
        "{} accounts of {} apps; {} businesses",
        register.accounts,
        register.apps.len(),
        register.businesses
    ));
    for activity in &register.activities {
        lines.push(format!("\n{} – {}", activity.purpose, activity.title));
        lines.push(format!("  {}", activity.covers));
        lines.push(format!("  basis: {}", activity.legal_basis));
        lines.push(format!("  data: {}", activity.data.join("; ")));
        let recipients = match activity.recipients.as_slice() {
            [] => "nobody but the operator".to_owned(),
            some => some.join("; "),
        };
        lines.push(format!("  recipients: {recipients}"));
        let (days, live) = (activity.lasts_days, activity.live_consents);
        lines.push(format!("  ends after {days} days; {live} live consents"));
        if let Some(assessment) = &activity.assessment {
            lines.push(format!("  impact assessment: {}", assessment.id));
        } else if activity.assessment_missing {
            lines.push("  impact assessment MISSING: nobody can consent".to_owned());
        }
    }
    lines.push(format!("\ntransfers: {}", register.transfers));
    lines.extend(register.security.iter().map(|measure| format!("security: {measure}")));
    lines.join("\n")
}

pub(super) async fn dpia(action: Dpia, context: &Context) -> Result<Exit> {
    match action {
        Dpia::Template { purpose } => {
            let text = assessments::template(purpose);
            context.output.result(&json!({"purpose": purpose, "template": text}), text.clone())?;
            Ok(Exit::Ok)
        }
        Dpia::Attach { file, id, purpose } => attach(file, &id, purpose, context).await,
        Dpia::Show => show(context).await,
    }
}

async fn attach(file: PathBuf, id: &str, purpose: PurposeKind, context: &Context) -> Result<Exit> {
    let mut bytes = Vec::new();
    std::fs::File::open(&file)
        .and_then(|mut open| open.read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(!bytes.is_empty(), "the document is empty");
    let unwritten = String::from_utf8_lossy(&bytes).matches(UNWRITTEN).count();
    if unwritten > 0 {
        let said = format!("{unwritten} places of the document still say {UNWRITTEN}");
        return Err(Stop::new(Exit::Refused, said).into());
    }
    let app = context.existing().await?;
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let mut tx = app.db.begin().await?;
    let made = assessments::attach(&mut tx, &app.keys, purpose, (id, sha256), app.now())
        .await
        .map_err(|error| Stop::new(Exit::Refused, error.to_string()))?;
    tx.commit().await?;
    app.db.close().await;
    let text = format!("attached {} ({}) in entry {}", made.id, hex(&sha256), made.entry);
    context.output.result(&made, text)?;
    Ok(Exit::Ok)
}

async fn show(context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let mut tx = app.db.read().await?;
    let all = assessments::all(&mut tx).await?;
    let missing = assessments::missing(&mut tx).await?;
    drop(tx);
    app.db.close().await;
    let mut lines: Vec<String> = all
        .iter()
        .map(|one| format!("{}: {} ({}), entry {}", one.purpose, one.id, one.sha256, one.entry))
        .collect();
    lines.extend(missing.iter().map(|purpose| format!("{purpose}: MISSING")));
    context.output.result(&json!({"attached": all, "missing": missing}), lines.join("\n"))?;
    Ok(Exit::Ok)
}

pub(super) async fn breach(args: BreachArgs, context: &Context) -> Result<Exit> {
    if args.from > args.to {
        return Err(Stop::new(Exit::Usage, "a period begins before it ends").into());
    }
    let app = context.existing().await?;
    if args.ids {
        let (mut after, mut tx) = (None, app.db.read().await?);
        loop {
            let page = records::affected(&mut tx, args.to, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for subject in page {
                context.output.line(subject)?;
            }
        }
        drop(tx);
        app.db.close().await;
        return Ok(Exit::Ok);
    }
    let mut tx = app.db.begin().await?;
    let measured = records::measure(&mut tx, (args.from, args.to), args.with_keys).await?;
    let mut text = breach_text(&measured);
    let mut incident = None;
    if args.note {
        let now = app.now();
        let noticed_at = args.noticed.unwrap_or(now);
        let period = (args.from, args.to);
        let new = NewIncident { period, keys: args.with_keys, noticed_at };
        new.check(now).map_err(|fault| Stop::new(Exit::Refused, fault.to_string()))?;
        let noted = records::note(&mut tx, &app.keys, &mut app.rng(), new, now).await?;
        text = format!("{text}\nnoted as {}: tell the authority by {}", noted.id, noted.due_at);
        incident = Some(noted);
        tx.commit().await?;
    } else {
        drop(tx);
    }
    app.db.close().await;
    context.output.result(&json!({"breach": measured, "incident": incident}), text)?;
    Ok(Exit::Ok)
}

fn breach_text(breach: &Breach) -> String {
    let mut lines = vec![format!(
        "{} accounts were in reach between {} and {}, and up to {} that were erased since",
        breach.accounts, breach.from, breach.to, breach.erased_since
    )];
    lines.extend(breach.by_app.iter().map(|(app, accounts)| format!("  {app}: {accounts}")));
    let keys = if breach.keys { "the keys were in reach" } else { "the keys were not in reach" };
    lines.push(keys.to_owned());
    for table in &breach.tables {
        let columns = table.columns.iter().map(|column| {
            let held = match column.held {
                Held::Sealed if column.readable => "sealed, readable with the keys",
                Held::Sealed => "sealed",
                Held::Keyed => "keyed",
                Held::Stretched => "stretched",
                Held::Random => "random",
                Held::Clear => "in clear",
            };
            format!("{} ({held})", column.name)
        });
        lines.push(format!("  {}: {}", table.name, columns.collect::<Vec<_>>().join(", ")));
    }
    lines.extend(breach.consequences.iter().map(|line| format!("- {line}")));
    lines.join("\n")
}
