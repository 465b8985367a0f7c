//! People to measure with: accounts with consents and profiles, made through the product's own use cases.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use volens_privacy::consent::Decision;
use volens_privacy::identity::AppId;
use volens_privacy::notice::Notices;
use volens_privacy::phone::PhoneEncoding;
use volens_privacy::{AgeBand, PurposeKind, Topics};
use zeroize::Zeroizing;

use crate::access::directory::{self, AppRecord};
use crate::access::{Caller, keys};
use crate::accounts::{Details, Registration};
use crate::app::App;
use crate::cli::Context;
use crate::consent::{self, AppPhones, Command, DecisionsRequest, Intake, Recording};
use crate::db::group::Grouped as _;
use crate::signals::{self, Batch, segment};

/// Accounts made, and decisions recorded, in one transaction.
const BATCH: usize = 256;

/// The app that people are accounts of.
pub(super) fn app_id() -> AppId {
    AppId::parse("bench").expect("a slug")
}

/// The reference of an account.
pub(super) fn name(nth: u64) -> String {
    format!("bench-person-{nth:09}")
}

/// Registers the app, unless it is there.
async fn register_app(app: &App) -> Result<()> {
    let id = app_id();
    let mut tx = app.db.begin().await?;
    if directory::app(&mut tx, &id).await?.is_none() {
        let record = AppRecord {
            id,
            title: "Bench".to_owned(),
            phone_encoding: PhoneEncoding::E164,
            region: None,
            created_at: app.now(),
        };
        directory::create_app(&mut tx, &record).await?;
    }
    Ok(tx.commit().await?)
}

/// What a caller sends as `Authorization`: a new key.
pub(super) async fn bearer(app: &App, caller: &Caller) -> Result<Zeroizing<String>> {
    let mut tx = app.db.begin().await?;
    let key = keys::issue(&mut tx, &app.keys, &mut app.rng(), caller, "bench", app.now()).await?;
    tx.commit().await?;
    Ok(Zeroizing::new(format!("Bearer {}", *key.text)))
}

fn details() -> Details {
    Details {
        language: "en".to_owned(),
        country: "IE".to_owned(),
        time_zone: String::new(),
        age_band: AgeBand::From25To34,
    }
}

/// Makes `count` accounts that consent to what `purposes` says of each, and did what `events` says: calls
/// of the Segment spec.
pub(super) async fn fill(
    app: &App,
    count: u64,
    purposes: impl Fn(u64) -> Vec<PurposeKind>,
    events: impl Fn(u64) -> Vec<Value>,
    context: &Context,
) -> Result<()> {
    register_app(app).await?;
    let id = app_id();
    let mut rng = app.rng();
    let recorder = StdRng::from_rng(&mut rng);
    let recording = Recording::new(Arc::clone(&app.keys), Arc::clone(&app.clock), recorder);
    let bar = context.output.progress(count, "making accounts");
    let all: Vec<u64> = (0..count).collect();
    for some in all.chunks(BATCH) {
        let mut new =
            |nth: &u64| Registration::new(&app.keys, &mut rng, &id, &name(*nth), details());
        let items: Vec<Registration> = some.iter().map(&mut new).collect();
        let decided = some.iter().flat_map(|nth| {
            purposes(*nth).into_iter().map(|purpose| consent(app, &id, *nth, purpose))
        });
        let commands: Vec<Command> = decided.collect::<Result<_>>()?;
        let mut tx = app.db.begin().await?;
        consent::register(&mut tx, &app.keys, &mut rng, &items, app.now()).await?;
        let replies = recording.apply(&mut tx, &commands).await?;
        ensure!(replies.iter().all(Result::is_ok), "a consent was refused");
        let did: Vec<Value> = some.iter().flat_map(|nth| events(*nth)).collect();
        if !did.is_empty() {
            let batch = batch(app, &id, &did)?;
            let taken = signals::take_in(&mut tx, &app.keys, &[batch], app.now(), &mut rng).await?;
            let refused =
                |taken: &signals::Taken| matches!(taken.outcome, signals::Outcome::Refused(_));
            ensure!(!taken.iter().flatten().any(refused), "a signal was refused");
        }
        tx.commit().await?;
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    Ok(app.db.analyze().await?)
}

fn consent(app: &App, id: &AppId, nth: u64, purpose: PurposeKind) -> Result<Command> {
    let notice = Notices::builtin().latest_for(purpose, "en");
    let notice = notice.with_context(|| format!("there is no notice for {purpose}"))?;
    let request = DecisionsRequest::of(&name(nth), notice, purpose, Decision::Given);
    let phones = AppPhones(BTreeMap::default());
    let intake = Intake::check(request, id, &phones, &app.keys, Notices::builtin(), app.now());
    let intake = intake.map_err(|error| anyhow!("{}", error.code))?;
    Ok(Command::Decide(intake.finish(&app.keys, &app.settings.stretch.cost())?))
}

fn batch(app: &App, id: &AppId, events: &[Value]) -> Result<Batch> {
    let body = json!({ "batch": events }).to_string();
    let now = app.now();
    let items = segment::batch(Topics::builtin(), body.as_bytes(), now)
        .map_err(|_| anyhow!("a batch that the program made is none"))?;
    Ok(Batch { app: id.clone(), received: now, items })
}
