//! `volens bench ledger`.
//!
//! A log of many entries is appended through the product's own writer, then verified by the
//! product's own verifier. The floor is what no verifier of this log can go below: SHA-256 over the
//! same leaves and nodes, from memory, measured in the same run.

use std::hint::black_box;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use volens_privacy::ledger::{
    Frontier, Leaf, LeafKind, MemoryTree, leaf_hash, prove_inclusion, verify_inclusion,
};
use volens_privacy::{AppId, KeyRing, PurposeKind, Timestamp};

use super::cpu::Stopwatch;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::clock::{Clock as _, SystemClock};
use crate::db::{Db, Engine};
use crate::ledger::{self, Trust, verify};

/// What `bench ledger` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Entries in the log
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Entries under one checkpoint, as the group commit makes them when it is busy
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch: u64,
    /// Inclusion proofs made from memory
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    proofs: u64,
    /// An empty database to measure on, sqlite:PATH or postgres://… ; a fresh SQLite file if absent.
    /// It is filled and left behind
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    engine: &'static str,
    entries: u64,
    nodes: u64,
    checkpoints: u64,
    verify_cpu_seconds: f64,
    verify_wall_seconds: f64,
    entries_per_cpu_second: f64,
    floor_cpu_seconds: f64,
    ratio_to_floor: f64,
    proof_microseconds: f64,
}

/// Makes the log, verifies it and measures.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Scratch::create("bench-ledger")?;
    let file = || format!("sqlite:{}", directory.path().join("ledger.db").display());
    let db = Db::open(&args.scratch.clone().unwrap_or_else(file)).await?;
    let mut rng = StdRng::seed_from_u64(1);
    let now = SystemClock.now();
    let keys = KeyRing::generate(&mut rng, now);
    let leaves = Leaves { app: AppId::parse("bench")?, now };

    let tree = fill(&db, &keys, &leaves, &mut rng, &args, context).await?;
    db.analyze().await?;

    let bar = context.output.progress(args.entries, "verifying");
    let mut tx = db.read().await?;
    let trust = Trust::key_only(keys.log_verifier());
    let watch = Stopwatch::start();
    let report = verify(&mut tx, &trust, |done, _| bar.set_position(done)).await?;
    let (cpu, wall) = (watch.cpu_seconds(), watch.wall().as_secs_f64());
    bar.finish_and_clear();
    drop(tx);
    let engine = match db.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    db.close().await;
    ensure!(report.faults.is_empty(), "the ledger that was just made does not verify");
    ensure!(report.root == tree.root().to_string(), "two computations of the root differ");

    let floor = floor(&leaves, args.entries);
    let measured = Measured {
        engine,
        entries: report.entries,
        nodes: report.nodes,
        checkpoints: report.checkpoints,
        verify_cpu_seconds: cpu,
        verify_wall_seconds: wall,
        entries_per_cpu_second: report.entries as f64 / cpu.max(0.01),
        floor_cpu_seconds: floor,
        ratio_to_floor: cpu / floor.max(0.01),
        proof_microseconds: prove(&tree, args.proofs, &mut rng)?,
    };
    context.output.result(&measured, text(&measured))?;
    Ok(Exit::Ok)
}

/// Entries of the most frequent kind.
struct Leaves {
    app: AppId,
    now: Timestamp,
}

impl Leaves {
    /// A consent with a commitment to nothing.
    fn leaf(&self, commitment: [u8; 32]) -> Leaf {
        Leaf::new(LeafKind::ConsentGiven, self.now)
            .with_app(self.app.clone())
            .with_purpose(PurposeKind::Relevance)
            .with_notice("relevance", 1)
            .with_commitment(commitment)
    }
}

/// Appends the entries batch by batch, and keeps the same tree in memory.
async fn fill(
    db: &Db,
    keys: &KeyRing,
    leaves: &Leaves,
    rng: &mut StdRng,
    args: &Args,
    context: &Context,
) -> Result<MemoryTree> {
    let signer = keys.log_signer();
    let bar = context.output.progress(args.entries, "appending");
    let mut tree = MemoryTree::default();
    ensure!(ledger::size(&mut db.read().await?).await? == 0, "the scratch database has a ledger");
    while tree.size() < args.entries {
        let count = args.batch.min(args.entries - tree.size());
        let batch: Vec<Leaf> = (0..count).map(|_| leaves.leaf(rng.random())).collect();
        let mut tx = db.begin().await?;
        ledger::append(&mut tx, &signer, &batch, leaves.now).await?;
        tx.commit().await?;
        for leaf in &batch {
            tree.append(leaf.hash());
        }
        bar.set_position(tree.size());
    }
    bar.finish_and_clear();
    Ok(tree)
}

/// CPU seconds for hashing as many leaves of the same length, and the nodes over them.
fn floor(leaves: &Leaves, entries: u64) -> f64 {
    let mut bytes = leaves.leaf([0; 32]).bytes();
    let at = bytes.len() - 8;
    let watch = Stopwatch::start();
    let mut tree = Frontier::default();
    for index in 0..entries {
        bytes[at..].copy_from_slice(&index.to_be_bytes());
        tree.append_into(leaf_hash(&bytes), &mut |_, hash| {
            black_box(hash);
        });
    }
    black_box(tree.root());
    watch.cpu_seconds()
}

/// Microseconds per proof of a random entry. Every thousandth is verified, outside the measurement.
fn prove(tree: &MemoryTree, count: u64, rng: &mut StdRng) -> Result<f64> {
    let (size, root) = (tree.size(), tree.root());
    let lookup = |node| tree.node(node);
    let indices: Vec<u64> = (0..count).map(|_| rng.random_range(0..size)).collect();
    let watch = Stopwatch::start();
    for index in &indices {
        black_box(prove_inclusion(*index, size, &lookup)?);
    }
    let each = watch.wall().as_secs_f64() * 1e6 / count as f64;
    for index in indices.iter().step_by(1000) {
        let leaf = tree.node(volens_privacy::ledger::Node { level: 0, index: *index });
        let proof = prove_inclusion(*index, size, &lookup)?;
        let leaf = leaf.ok_or_else(|| anyhow::anyhow!("entry {index} is not in the tree"))?;
        verify_inclusion(&leaf, *index, size, &proof, &root)?;
    }
    Ok(each)
}

fn text(measured: &Measured) -> String {
    let Measured { engine, entries, nodes, checkpoints, .. } = measured;
    format!(
        "{entries} entries, {nodes} nodes, {checkpoints} checkpoints on {engine}\n\
         verified in {:.2} CPU-seconds ({:.2} s): {:.0} entries a CPU-second\n\
         SHA-256 over the same bytes alone: {:.2} CPU-seconds; {:.1} times that\n\
         inclusion proof from memory: {:.2} µs",
        measured.verify_cpu_seconds,
        measured.verify_wall_seconds,
        measured.entries_per_cpu_second,
        measured.floor_cpu_seconds,
        measured.ratio_to_floor,
        measured.proof_microseconds,
    )
}
