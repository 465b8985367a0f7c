//! Cosignatures and the decision of a witness. The vector was made by another implementation,
//! transparency-dev/formats 0.1.1 with Go's `sumdb/note`, from fixed seeds.

use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

const LOG: &str = "example.com/vector-log+4516a1da+ARGkVJ4QEa2MOOLGBO6i7NVSJ1FQ97tIX+w+Ku0RZ6Em";
const SKEY: &str =
    "PRIVATE+KEY+witness.example.com/vector+416f103d+BJEX3xv88eoQIKT4E+GkxZcXaJCYlQfi/GJ3NDFmZIW8";
const VKEY: &str =
    "witness.example.com/vector+416f103d+BK/QmJFVP3SKJOqAMhFxBQPtylo3sjwWibyFDAlZKK8B";
const TEXT: &str = "example.com/vector-log\n1234\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n";
const LOG_LINE: &str = "— example.com/vector-log RRah2qlLrSlk6J8DA1HmNewppUM15Quhs5cAIb1KjBsV3otVirJTW8AFVsQtJkTW1Zny7GuoAxZpI6bUPcpM68QOIgE=";
const WITNESS_LINE: &str = "— witness.example.com/vector QW8QPQAAAABqwLUbDdj7sDNRIVjmjYgqFI6y4UJhPg/UAA8J8wAdqSd3q4PedRhkgXA4xFN/Jg5uWn7ZkBA+H/UHQs5d9hITdXmQAA==";

fn at() -> Timestamp {
    Timestamp::from_micros(1_791_014_171_000_000)
}

fn vector() -> SignedCheckpoint {
    SignedCheckpoint::parse(&format!("{TEXT}\n{LOG_LINE}\n")).unwrap()
}

#[test]
fn another_implementations_cosignature_verifies_and_is_reproduced() {
    let witness = Witness::from_vkey(VKEY).unwrap();
    assert_eq!(witness.vkey(), VKEY);
    let log = LogVerifier::from_vkey(LOG).unwrap();
    let note = vector().with([WITNESS_LINE]).unwrap();
    assert_eq!(log.verify(note.as_str()).unwrap().size, 1234);
    let found = witness.on(&note).unwrap();
    assert_eq!((found.witness.as_str(), found.at), ("witness.example.com/vector", at()));

    let cosigner = Cosigner::from_skey(SKEY).unwrap();
    assert_eq!(*cosigner.skey(), SKEY);
    assert_eq!(cosigner.verifier(), witness);
    assert_eq!(cosigner.cosign(&vector(), at()), WITNESS_LINE);
}

#[test]
fn what_is_altered_is_no_cosignature() {
    let witness = Witness::from_vkey(VKEY).unwrap();
    let line = WITNESS_LINE;
    // Another tree under the same cosignature.
    let other = format!("{}\n{LOG_LINE}\n{line}\n", TEXT.replace("1234", "1235"));
    assert_eq!(witness.on(&SignedCheckpoint::parse(&other).unwrap()), None);
    // Another time: the last character before the signature carries bits of it.
    let moved = line.replace("bDdj7", "cDdj7");
    assert_ne!(moved, line);
    assert_eq!(witness.on(&vector().with([moved.as_str()]).unwrap()), None);
    // A line of somebody else, or none.
    assert_eq!(witness.on(&vector()), None);
    assert_eq!(witness.line_in(&vector(), "— somebody.example AAAAAAAA\nnonsense\n"), None);
    let answer = format!("— somebody.example AAAAAAAA\n{line}\n");
    assert_eq!(witness.line_in(&vector(), &answer).unwrap().0, line);
    // A log's key is no witness's key, and the other way round.
    assert!(Witness::from_vkey(LOG).is_err());
    assert!(LogVerifier::from_vkey(VKEY).is_err());
    assert!(Cosigner::from_skey(&SKEY.replace("BJEX", "BJEY")).is_err());
}

#[test]
fn adding_a_signature_changes_nothing_else_and_only_once() {
    let once = vector().with([WITNESS_LINE]).unwrap();
    assert_eq!(once.with([WITNESS_LINE]).unwrap(), once);
    assert!(vector().with(["no signature"]).is_err());
    assert!(vector().with(["— a b\n\n— c d"]).is_err());
}

fn cosigner(name: &str, seed: u8) -> Cosigner {
    Cosigner::new(name, &[seed; 32]).unwrap()
}

#[test]
fn a_quorum_counts_each_witness_once() {
    let (a, b, c) = (cosigner("a", 1), cosigner("b", 2), cosigner("c", 3));
    let of = |needed| Quorum::new(vec![a.verifier(), b.verifier(), c.verifier()], needed).unwrap();
    let (first, second) = (a.cosign(&vector(), at()), b.cosign(&vector(), at()));
    let later = a.cosign(&vector(), Timestamp::from_micros(1_800_000_000_000_000));
    let note = vector().with([first.as_str(), later.as_str()]).unwrap();
    assert!(of(1).is_met(&note));
    assert!(!of(2).is_met(&note), "the same witness twice is one");
    assert!(of(2).is_met(&note.with([second.as_str()]).unwrap()));
    assert!(Quorum::default().is_met(&vector()), "nobody is asked");

    let twice = |other: Cosigner| Quorum::new(vec![a.verifier(), other.verifier()], 1);
    assert_eq!(twice(cosigner("d", 1)), Err(QuorumError::Twice), "the same key");
    assert_eq!(twice(cosigner("a", 4)), Err(QuorumError::Twice), "the same name");
    assert_eq!(Quorum::new(vec![a.verifier()], 0), Err(QuorumError::Count));
    assert_eq!(Quorum::new(vec![a.verifier()], 2), Err(QuorumError::Count));
    assert_eq!(Quorum::new(Vec::new(), 1), Err(QuorumError::Count));
}

/// A log with its trees, to ask witnesses with.
struct Log {
    signer: LogSigner,
    tree: MemoryTree,
    roots: Vec<Hash>,
}

impl Log {
    fn new(salt: &str, size: u64) -> Self {
        let signer = LogSigner::new("log.example".to_owned(), &[9; 32]);
        let mut tree = MemoryTree::default();
        let mut roots = vec![tree.root()];
        for index in 0..size {
            tree.append(leaf_hash(format!("{salt}{index}").as_bytes()));
            roots.push(tree.root());
        }
        Self { signer, tree, roots }
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let origin = self.signer.origin().to_owned();
        Checkpoint { origin, before: 0, size, root: self.roots[size as usize] }
    }

    fn asks(&self, old: u64, new: u64) -> AddCheckpoint {
        let proof = if old <= new {
            prove_consistency(old, new, &|node| self.tree.node(node)).unwrap()
        } else {
            Vec::new()
        };
        AddCheckpoint { old, proof, checkpoint: self.signer.sign(&self.checkpoint(new)) }
    }
}

#[test]
fn a_witness_answers_as_the_protocol_demands() {
    let log = Log::new("", 20);
    let key = log.signer.verifier();
    let latest = log.checkpoint(7);
    let judged = |request: &AddCheckpoint, latest| judge(request, Some(&key), latest);

    assert_eq!(judged(&log.asks(0, 7), None), Ok(latest.clone()));
    assert_eq!(judged(&log.asks(7, 20), Some(&latest)), Ok(log.checkpoint(20)));
    assert_eq!(judged(&log.asks(7, 7), Some(&latest)), Ok(latest.clone()));

    assert_eq!(judge(&log.asks(0, 7), None, None), Err(Unwitnessed::UnknownLog));
    let stranger = LogSigner::new("log.example".to_owned(), &[8; 32]).verifier();
    let unsigned = judge(&log.asks(0, 7), Some(&stranger), None);
    assert!(matches!(unsigned, Err(Unwitnessed::Unsigned(CheckpointError::Unsigned))));
    assert_eq!(judged(&log.asks(8, 7), Some(&latest)), Err(Unwitnessed::OldAboveNew));
    let conflict = Err(Unwitnessed::Conflict { size: 7 });
    assert_eq!(judged(&log.asks(0, 20), Some(&latest)), conflict);
    assert_eq!(judged(&log.asks(6, 6), Some(&latest)), conflict, "no way back");
    assert_eq!(judged(&log.asks(3, 20), None), Err(Unwitnessed::Conflict { size: 0 }));

    let fork = Log::new("other ", 20);
    assert_eq!(judged(&fork.asks(7, 7), Some(&latest)), conflict, "same size, another root");
    let forked = judged(&fork.asks(7, 20), Some(&latest));
    assert!(matches!(forked, Err(Unwitnessed::Inconsistent(_))));
    let unproved = AddCheckpoint { proof: Vec::new(), ..log.asks(7, 20) };
    assert!(matches!(judged(&unproved, Some(&latest)), Err(Unwitnessed::Inconsistent(_))));
    let superfluous = AddCheckpoint { old: 0, ..log.asks(7, 20) };
    assert!(matches!(judged(&superfluous, None), Err(Unwitnessed::Inconsistent(_))));
    let nothing = Checkpoint { size: 0, ..log.checkpoint(7) };
    let nothing =
        AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: log.signer.sign(&nothing) };
    assert!(matches!(judged(&nothing, None), Err(Unwitnessed::Inconsistent(_))));
}

#[test]
fn requests_are_read_as_written_and_nothing_else_is() {
    let asked = Log::new("", 9).asks(4, 9);
    let body = asked.to_body();
    assert!(body.starts_with("old 4\n"));
    assert_eq!(AddCheckpoint::parse(&body).unwrap(), asked);
    for bad in [
        body.replacen("old 4", "old 04", 1),
        body.replacen("old 4", "old -4", 1),
        body.replacen("old 4", "new 4", 1),
        body.replacen('\n', "\nAAAA\n", 1),
        body.replacen(
            '\n',
            &format!("{}\n", "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".repeat(64)),
            1,
        ),
        body.replacen("\n\n", "\n", 1),
        String::new(),
    ] {
        assert_eq!(AddCheckpoint::parse(&bad), None, "{bad}");
    }
}

proptest! {
    /// Whatever is asked in whatever order, what a witness cosigned is one history.
    #[test]
    fn a_witness_never_cosigns_two_histories(
        asked in proptest::collection::vec((0_u64..16, 0_u64..16, any::<bool>()), 1..40),
    ) {
        let logs = [Log::new("", 16), Log::new("other ", 16)];
        let key = logs[0].signer.verifier();
        let mut cosigned: Vec<Checkpoint> = Vec::new();
        for (old, new, which) in asked {
            let request = logs[usize::from(which)].asks(old, new);
            if let Ok(new) = judge(&request, Some(&key), cosigned.last()) {
                cosigned.push(new);
            }
        }
        let of = |log: &Log| {
            let on_it = |seen: &&Checkpoint| seen.size > 0 && log.checkpoint(seen.size) == **seen;
            cosigned.iter().filter(on_it).count()
        };
        let real = cosigned.iter().filter(|seen| seen.size > 0).count();
        prop_assert!(of(&logs[0]) == real || of(&logs[1]) == real);
        prop_assert!(cosigned.windows(2).all(|pair| pair[0].size <= pair[1].size));
    }
}
