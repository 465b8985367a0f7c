//! The one place that wires the service: database, keys, clock, settings and what runs on them.
//!
//! Tests build it with the same constructor, a manual clock and a seeded generator.

use std::fs;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::ledger::LogSigner;
use volens_privacy::{Issuer, KeyRing, Notices, Parties, PartiesError, Timestamp};

use crate::access::key_ring::{self, KeyRingError};
use crate::access::keys::KeyCache;
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::consent::{self, ConsentError, Recorder, Recording, Registrar, Tokens};
use crate::db::group::{Group, Limits};
use crate::db::{self, Db, Tx};
use crate::keyring::file::RingFile;
use crate::keyring::sheet::ENDING as SHEET;
use crate::keyring::{self, Keeper, RotationError};
use crate::ledger::witnesses::{Endpoint, Witnesses};
use crate::ledger::{self, Kept, KeptError, LedgerError, Trust};
use crate::limits::{Buckets, InFlight};
use crate::metrics::Metrics;
use crate::pepper;
use crate::relevance::Columns;
use crate::rights::{self, Journal, RightsError};
use crate::search::Shelf;
use crate::signals::{Signals, Writer};
use crate::stretch::Stretch;

/// Search indexes that are kept open; the rest are opened when they are asked.
const OPEN_INDEXES: usize = 64;

/// Where search indexes are, in the directory of the data.
const INDEXES: &str = "indexes";

/// The running service. Cheap to clone; every handler gets one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What the service is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The keys, which are not in the database.
    pub keys: Arc<KeyRing>,
    /// The keys on disk.
    pub ring_file: RingFile,
    /// Which accounts were erased, kept beside the keys.
    pub erasures: Journal,
    /// A checkpoint of the ledger, kept beside the keys.
    pub kept: Kept,
    /// Who cosigns the ledger.
    pub witnesses: Witnesses,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Writes and signs receipts, and knows who answers for the data.
    pub receipts: Issuer,
    /// What was configured.
    pub settings: Arc<Settings>,
    /// The pool of slow hashing.
    pub stretch: Stretch,
    /// What makes link tokens of phone numbers.
    pub tokens: Tokens,
    /// Counters and durations.
    pub metrics: Arc<Metrics>,
    /// API keys that were used lately.
    pub api_keys: KeyCache,
    /// How much callers may ask for.
    pub rates: Rates,
    /// Search indexes of bots.
    pub shelf: Shelf,
    /// Requests with an `Idempotency-Key` that are being answered.
    pub in_flight: Arc<InFlight>,
    /// The one writer of accounts.
    pub accounts: Group<Registrar>,
    /// The one writer of decisions about consent.
    pub consents: Recorder,
    /// The one writer of signals.
    pub signals: Signals,
    /// All accounts in memory, for lists.
    pub columns: Columns,
    rng: Mutex<StdRng>,
}

/// Token buckets by kind of caller.
pub struct Rates {
    /// Apps, per key.
    pub apps: Buckets,
    /// Everyone else with a credential, per key or user.
    pub callers: Buckets,
    /// Requests without a valid credential, per address.
    pub addresses: Buckets,
    /// Sign-ins, per account.
    pub sign_ins: Buckets,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("the database cannot be used")]
    Db(#[from] db::Error),
    /// A file or directory.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The key ring's file is not one, or a rotation is not finished.
    #[error("the key ring cannot be used")]
    Ring(#[from] RotationError),
    /// The database was written with keys, and there are none.
    #[error(
        "{path} does not exist, but this database was written with a key ring: restore that file; \
         a new one could open nothing in it"
    )]
    RingMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The key ring is another one.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The notices that people consent under could not be put on record.
    #[error("the notices cannot be published")]
    Notices(#[from] ConsentError),
    /// Who answers for the data is not said, or not completely.
    #[error("{path}: {error}")]
    Parties {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: PartiesError,
    },
    /// It is not certain that the ledger is whole.
    #[error("the ledger cannot be compared with the checkpoint kept outside")]
    Ledger(#[source] LedgerError),
    /// It is not certain that what was erased is gone.
    #[error("erasures cannot be replayed")]
    Erasures(#[from] RightsError),
}

impl App {
    /// Opens database and keys and wires the service. Makes both on the first start; refuses keys
    /// that are not those the database was written with.
    ///
    /// Commands open it too, perhaps without the service's settings. So settings that name nobody, no
    /// witness and no party, leave those in force that are.
    pub async fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        mut rng: StdRng,
    ) -> Result<Self, StartError> {
        make_directory(&settings.data)?;
        let db = Db::open(settings.database_url().expose()).await?;
        let ring_file = RingFile::new(&settings.key_file());
        let keys = key_ring(&db, &ring_file, clock.now(), &mut rng).await?;
        let mut tx = db.begin().await?;
        key_ring::verify(&mut tx, &keys).await?;
        keyring::check_finished(&mut tx, &keys).await?;
        let witnesses = witnesses(&settings.witnesses);
        ledger::witnesses::adopt(&mut tx, witnesses.quorum()).await.map_err(ConsentError::from)?;
        let signer = keys.log_signer();
        consent::publish_notices(&mut tx, &signer, Notices::builtin(), clock.now()).await?;
        let parties = parties(&mut tx, &settings, &signer, clock.now()).await?;
        tx.commit().await?;
        let kept = Kept::beside(&settings.key_file());
        if let Err(error) = consent::look_for_loss(&db, &kept, &keys.log_verifier()).await {
            match error {
                KeptError::Ledger(error) => return Err(StartError::Ledger(error)),
                // Consents from before are held back; what takes back is served all the same.
                error => other_ledger(&error),
            }
        }
        let erasures = Journal::beside(&settings.key_file());
        rights::replay_erasures(&db, &keys, &erasures, clock.now()).await?;
        let keys = Arc::new(keys);
        let stretch = stretch(&settings.stretch);
        let tokens = tokens(&keys, &settings, &stretch);
        let receipts = Issuer::new(Arc::new(parties), Arc::clone(&keys), final_within(&settings));
        let limits = limits(&settings.queues);
        let registrar =
            Registrar::new(Arc::clone(&keys), Arc::clone(&clock), StdRng::from_rng(&mut rng));
        let recording =
            Recording::new(Arc::clone(&keys), Arc::clone(&clock), StdRng::from_rng(&mut rng));
        let signals = Writer::spawn(
            db.clone(),
            Arc::clone(&keys),
            Arc::clone(&clock),
            StdRng::from_rng(&mut rng),
        );
        Ok(Self(Arc::new(Parts {
            signals,
            columns: Columns::default(),
            accounts: Group::spawn(db.clone(), Arc::new(registrar), limits),
            consents: Group::spawn(db.clone(), Arc::new(recording), limits),
            db,
            keys,
            ring_file,
            erasures,
            kept,
            witnesses,
            receipts,
            clock,
            stretch,
            tokens,
            metrics: Arc::new(Metrics::default()),
            api_keys: KeyCache::new(Duration::from_secs(settings.access.key_cache_seconds.into())),
            rates: Rates::new(&settings),
            shelf: Shelf::new(settings.data.join(INDEXES), OPEN_INDEXES),
            in_flight: Arc::new(InFlight::default()),
            settings: Arc::new(settings),
            rng: Mutex::new(rng),
        })))
    }

    /// A generator of its own for one piece of work, seeded from the service's.
    pub fn rng(&self) -> StdRng {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        StdRng::from_rng(&mut *rng)
    }

    /// What rotates this service's keys.
    pub fn keeper(&self) -> Keeper<'_> {
        let (db, keys, file) = (&self.db, &*self.keys, &self.ring_file);
        Keeper { db, keys, file, clock: &*self.clock, heed_nodes: true }
    }

    /// Files and folders besides the database that may hold something of people: the search indexes, the
    /// sheet of wrapped keys, and what the settings name.
    pub fn beside(&self) -> Vec<PathBuf> {
        let own = [self.settings.data.join(INDEXES), self.ring_file.beside(SHEET)];
        let own = own.into_iter().filter(|path| path.exists());
        own.chain(self.settings.audit.look_into()).collect()
    }

    /// What a verification of the ledger is held against.
    pub fn trust(&self) -> Result<Trust, KeptError> {
        let (log, quorum) = (self.keys.log_verifier(), self.witnesses.quorum().clone());
        Ok(Trust { log, quorum, kept: self.kept.read()? })
    }

    /// Now, by the service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The database is older than the checkpoint kept outside, or that cannot be read.
fn other_ledger(error: &KeptError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "the ledger does not continue the checkpoint that is kept outside");
}

impl Rates {
    fn new(settings: &Settings) -> Self {
        let (rates, access) = (&settings.rates, &settings.access);
        let buckets = |rate, burst| Buckets::new(rate, 1, burst, rates.remembered);
        Self {
            apps: buckets(rates.app_per_second, rates.app_burst),
            callers: buckets(rates.caller_per_second, rates.caller_burst),
            addresses: buckets(rates.address_per_second, rates.address_burst),
            sign_ins: Buckets::new(
                1,
                access.sign_in_recovery_seconds,
                access.sign_in_attempts,
                rates.remembered,
            ),
        }
    }
}

/// What makes tokens. Settings and key ring that do not agree refuse consents to linking and no more.
fn tokens(keys: &Arc<KeyRing>, settings: &Settings, stretch: &Stretch) -> Tokens {
    let process = pepper::Client::new(&settings.pepper);
    let tokens = Tokens::new(Arc::clone(keys), process, stretch.clone(), settings.stretch.cost());
    if let Err(error) = tokens.check() {
        tracing::error!(code = error.code(), %error, "nobody can consent to linking");
    }
    tokens
}

/// The witnesses of the settings, which were checked when they were loaded.
pub(crate) fn witnesses(settings: &config::Witnesses) -> Witnesses {
    let quorum = settings.quorum().unwrap_or_default();
    let endpoints = settings.endpoints().unwrap_or_default().into_iter();
    let endpoints = endpoints.map(|(witness, url)| Endpoint { witness, url }).collect();
    Witnesses::new(endpoints, quorum, Duration::from_secs(settings.answer_seconds.into()))
}

/// Days after which nobody who was erased can be read from any copy: a key that outlives them for longer
/// than a month is a finding of I-11.
fn final_within(settings: &Settings) -> u32 {
    match settings.keys.ratchet_days {
        0 => 31,
        days => days,
    }
}

fn limits(queues: &config::Queues) -> Limits {
    Limits { waiting: queues.waiting as usize, batch: queues.batch as usize }
}

fn stretch(settings: &config::Stretch) -> Stretch {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if settings.workers == 0 { cores } else { settings.workers as usize };
    Stretch::new(workers, settings.waiting as usize)
}

fn make_directory(path: &Path) -> Result<(), StartError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| StartError::File { path: path.to_owned(), error })
}

/// Who answers for the data: as the installation's file says, or else as is on record, or else the
/// invented companies of the demonstration. What is new is recorded.
async fn parties(
    tx: &mut Tx,
    settings: &Settings,
    signer: &LogSigner,
    now: Timestamp,
) -> Result<Parties, StartError> {
    let path = settings.parties_file();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !settings.names_parties() => {
            if let Some(in_force) = consent::parties_at(tx, now).await? {
                return Ok(in_force.parties);
            }
            Parties::EXAMPLE.to_owned()
        }
        Err(error) => return Err(StartError::File { path, error }),
    };
    let parties = Parties::parse(&text).map_err(|error| StartError::Parties { path, error })?;
    consent::publish_parties(tx, signer, (&text, &parties), now).await?;
    Ok(parties)
}

/// Reads the key ring, or makes it when neither file nor database has seen one.
async fn key_ring(
    db: &Db,
    file: &RingFile,
    now: Timestamp,
    rng: &mut StdRng,
) -> Result<KeyRing, StartError> {
    if file.path().exists() {
        return Ok(file.read()?);
    }
    if key_ring::is_bound(&mut db.read().await?).await? {
        return Err(StartError::RingMissing { path: file.path().to_owned() });
    }
    let keys = KeyRing::generate(rng, now);
    file.create(&keys)?;
    Ok(keys)
}
