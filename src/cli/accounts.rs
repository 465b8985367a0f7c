//! `volens accounts`: apps, businesses, console users, keys and one-time sign-in links.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use serde_json::json;
use volens_privacy::{AppId, BusinessId, PhoneEncoding};

use super::output::Stop;
use super::{Context, Exit, serve};
use crate::access::directory::{self, AppRecord};
use crate::access::keys::{self, Owner};
use crate::access::{AccessError, Caller, Password, Role, sessions};
use crate::app::App;
use crate::ids::KeyId;
use crate::web::callers::sign_in_url;

/// What `accounts` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make an app
    App {
        /// A slug, for good: it appears in the ledger
        id: AppId,
        /// What people call it
        #[arg(long)]
        title: String,
        /// How it sends hashed phone numbers: e164, google, meta or uid2
        #[arg(long, default_value = "e164")]
        phone_encoding: PhoneEncoding,
        /// Where its national numbers are from (ISO 3166)
        #[arg(long)]
        region: Option<String>,
    },
    /// Make a business
    Business {
        /// What people call it
        name: String,
    },
    /// Make a console user
    User {
        /// The address it signs in with
        email: String,
        #[command(flatten)]
        role: Whose,
        /// Read a password from standard input; without one it signs in by links
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make an API key and print it, once
    Key {
        #[command(flatten)]
        role: Whose,
        /// What its owner calls it
        #[arg(long, default_value = "made at the command line")]
        label: String,
    },
    /// List API keys, without their secrets
    Keys,
    /// Revoke an API key
    Revoke {
        /// `key_…`
        key: KeyId,
    },
    /// Make a one-time sign-in link for a console user
    Link {
        /// The user's address
        email: String,
    },
}

/// A role and its tenant.
#[derive(clap::Args)]
struct Whose {
    /// What it may do
    #[arg(long)]
    role: Role,
    /// For the role app
    #[arg(long)]
    app: Option<AppId>,
    /// For the roles business and agent
    #[arg(long)]
    business: Option<BusinessId>,
}

impl Whose {
    fn caller(self) -> Result<Caller> {
        Caller::new(self.role, self.app, self.business).ok_or_else(|| {
            Stop::new(
                Exit::Usage,
                "app needs --app, business and agent need --business, officer and operator neither",
            )
            .into()
        })
    }
}

/// Runs one of the subcommands.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.app().await?;
    let done = match args.what {
        What::App { id, title, phone_encoding, region } => {
            let record = AppRecord { id, title, phone_encoding, region, created_at: app.now() };
            make_app(&app, context, &record).await
        }
        What::Business { name } => make_business(&app, context, &name).await,
        What::User { email, role, password_stdin } => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            make_user(&app, context, &email, role.caller()?, password).await
        }
        What::Key { role, label } => make_key(&app, context, &role.caller()?, &label).await,
        What::Keys => list(&app, context).await,
        What::Revoke { key } => revoke(&app, context, key).await,
        What::Link { email } => make_link(&app, context, &email).await,
    };
    app.db.close().await;
    done.map(|()| Exit::Ok)
}

async fn make_app(app: &App, context: &Context, record: &AppRecord) -> Result<()> {
    let mut tx = app.db.begin().await?;
    directory::create_app(&mut tx, record).await.map_err(stop)?;
    tx.commit().await?;
    context.output.result(&json!({"id": record.id}), &record.id)?;
    Ok(())
}

async fn make_business(app: &App, context: &Context, name: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let made = directory::create_business(&mut tx, &mut app.rng(), name, app.now()).await;
    let made = made.map_err(stop)?;
    tx.commit().await?;
    context.output.result(&json!({"id": made.id}), made.id)?;
    Ok(())
}

async fn make_user(
    app: &App,
    context: &Context,
    email: &str,
    caller: Caller,
    password: Option<Password>,
) -> Result<()> {
    let stretch = (&app.stretch, &app.settings.stretch);
    let mut rng = app.rng();
    let new = directory::prepare_user(stretch, &mut rng, email, password, caller).await;
    let mut tx = app.db.begin().await?;
    let made = directory::create_user(&mut tx, &mut rng, new.map_err(stop)?, app.now()).await;
    let made = made.map_err(stop)?;
    tx.commit().await?;
    context.output.result(&json!({"id": made.id}), made.id)?;
    Ok(())
}

async fn make_key(app: &App, context: &Context, caller: &Caller, label: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let made = keys::issue(&mut tx, &app.keys, &mut app.rng(), caller, label, app.now()).await;
    let made = made.map_err(stop)?;
    tx.commit().await?;
    context.output.result(&json!({"id": made.id, "key": made.text.as_str()}), &*made.text)?;
    context.output.note("This key is not shown again; its id is in `volens accounts keys`.");
    Ok(())
}

async fn list(app: &App, context: &Context) -> Result<()> {
    let mut tx = app.db.read().await?;
    let all = keys::list(&mut tx, &Owner::Anyone, &[], i64::from(u32::MAX)).await.map_err(stop)?;
    let tenant = |key: &keys::Listed| match (&key.app, key.business) {
        (Some(app), _) => app.to_string(),
        (None, Some(business)) => business.to_string(),
        (None, None) => "-".to_owned(),
    };
    let row = |key: &keys::Listed| {
        json!({
            "id": key.id, "role": key.role, "tenant": tenant(key), "label": key.label,
            "created_at": key.created_at, "last_used_day": key.last_used_day,
            "revoked_at": key.revoked_at,
        })
    };
    let line = |key: &keys::Listed| {
        let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
        format!("{}  {:<8} {state:<7}  {}  {}", key.id, key.role.as_str(), tenant(key), key.label)
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let lines: Vec<_> = all.iter().map(line).collect();
    context.output.result(&json!({"keys": rows}), lines.join("\n"))?;
    Ok(())
}

async fn revoke(app: &App, context: &Context, key: KeyId) -> Result<()> {
    let mut tx = app.db.begin().await?;
    keys::revoke(&mut tx, &Owner::Anyone, key, app.now()).await.map_err(stop)?;
    tx.commit().await?;
    let seconds = app.settings.access.key_cache_seconds;
    context.output.result(
        &json!({"revoked": key}),
        format_args!("{key} is revoked; a running service notices within {seconds} seconds"),
    )?;
    Ok(())
}

async fn make_link(app: &App, context: &Context, email: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let user = directory::user_by_email(&mut tx, email).await.map_err(stop)?;
    let user = user.ok_or_else(|| Stop::new(Exit::NotFound, "there is no such user"))?;
    let expires = app.now().plus(app.settings.access.link_lasts());
    let mut rng = app.rng();
    let times = (app.now(), expires);
    let token = sessions::link(&mut tx, &app.keys, &mut rng, user, times).await.map_err(stop)?;
    tx.commit().await?;
    let url = sign_in_url(&serve::address(&app.settings), &token);
    context.output.result(&json!({"url": url, "expires_at": expires}), &url)?;
    Ok(())
}

fn read_password() -> Result<Password> {
    let mut text = String::new();
    std::io::stdin()
        .take(1024)
        .read_to_string(&mut text)
        .context("no password on standard input")?;
    Ok(Password::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The exit code that a refusal stands for.
fn stop(error: AccessError) -> anyhow::Error {
    let exit = match &error {
        AccessError::Taken => Exit::Conflict,
        AccessError::Unknown => Exit::NotFound,
        AccessError::Tenant
        | AccessError::Text
        | AccessError::Email
        | AccessError::Region
        | AccessError::Password(_) => Exit::Usage,
        AccessError::Throttled(_) | AccessError::Busy(_) | AccessError::Db(_) => {
            return error.into();
        }
    };
    Stop::new(exit, error.to_string()).into()
}
