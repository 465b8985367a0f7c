use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;

use super::bundle::TlogProofError;
use super::checkpoint::CheckpointError;
use super::*;

/// Our tree and an independent one, grown from the same leaves.
struct Pair {
    nodes: BTreeMap<Node, Hash>,
    roots: Vec<Hash>,
    other: MemoryBackedTree<Sha256, Vec<u8>>,
}

fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

fn grow(size: u64) -> Pair {
    let mut tree = Frontier::default();
    let mut nodes = BTreeMap::new();
    let mut roots = vec![tree.root()];
    let mut other = MemoryBackedTree::new();
    for index in 0..size {
        nodes.extend(tree.append(leaf_hash(&leaf(index))));
        roots.push(tree.root());
        other.push(leaf(index));
    }
    Pair { nodes, roots, other }
}

proptest! {
    /// What serde writes in the order of the fields is what RFC 8785 demands.
    #[test]
    fn an_entry_is_in_canonical_form(
        fields in any::<[bool; 6]>(), id in "\\PC{0,12}", version: u32, byte: u8, micros: u32,
    ) {
        let at = crate::Timestamp::from_micros(i64::from(micros) * 1_000_000_000);
        let mut leaf = Leaf::new(LeafKind::ConsentGiven, at);
        let app = crate::AppId::parse("facelook").unwrap();
        if fields[0] { leaf = leaf.with_app(app.clone()); }
        if fields[1] { leaf = leaf.with_purpose(crate::PurposeKind::Relevance); }
        if fields[2] { leaf = leaf.with_peer(app); }
        if fields[3] { leaf = leaf.with_notice(&id, version); }
        if fields[4] { leaf = leaf.with_commitment([byte; 32]); }
        if fields[5] { leaf = leaf.with_detail(serde_json::json!({ "b": 1.5, "a": id })); }
        let bytes = leaf.bytes();
        prop_assert_eq!(&bytes, &serde_jcs::to_vec(&leaf).unwrap());
        prop_assert_eq!(Leaf::parse(&bytes), Ok(leaf));
    }

    #[test]
    fn the_tree_in_memory_is_the_stored_one(size in 0_u64..300) {
        let pair = grow(size);
        let mut tree = MemoryTree::default();
        for index in 0..size {
            tree.append(leaf_hash(&leaf(index)));
        }
        prop_assert_eq!((tree.size(), tree.root()), (size, pair.root(size)));
        for (node, hash) in pair.nodes {
            prop_assert_eq!(tree.node(node), Some(hash));
        }
        prop_assert_eq!(tree.node(Node { level: 0, index: size }), None);
    }
}

impl Pair {
    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        prove_inclusion(index, size, &|node| self.nodes.get(&node).copied()).unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        prove_consistency(from, to, &|node| self.nodes.get(&node).copied()).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        self.roots[size as usize]
    }
}

fn joined(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(Hash::as_bytes).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_independent_tree_agrees(size in 1_u64..300, at in 0_u64..300, from in 1_u64..300) {
        let (at, from) = (at % size, 1 + from % size);
        let pair = grow(size);
        let (ours, theirs) = (pair.root(size), pair.other.root());
        prop_assert_eq!(&ours.as_bytes()[..], &theirs.as_bytes()[..]);

        let ours = pair.inclusion(at, size);
        let theirs = pair.other.prove_inclusion(at as usize);
        prop_assert_eq!(joined(&ours), theirs.as_bytes());
        let ours_read = InclusionProof::<Sha256>::try_from_bytes(joined(&ours)).unwrap();
        prop_assert!(pair.other.root().verify_inclusion(&leaf(at), at, &ours_read).is_ok());
        let hash = leaf_hash(&leaf(at));
        prop_assert_eq!(verify_inclusion(&hash, at, size, &ours, &pair.root(size)), Ok(()));

        let ours = pair.consistency(from, size);
        let (before, after) = (pair.root(from), pair.root(size));
        prop_assert_eq!(verify_consistency(from, size, &before, &after, &ours), Ok(()));
        if from < size {
            let theirs = pair.other.prove_consistency((size - from) as usize);
            prop_assert_eq!(joined(&ours), theirs.as_bytes());
            let old = RootHash::<Sha256>::new((*before.as_bytes()).into(), from);
            let read = ConsistencyProof::<Sha256>::try_from_bytes(joined(&ours)).unwrap();
            prop_assert!(pair.other.root().verify_consistency(&old, &read).is_ok());
        }
    }

    #[test]
    fn the_nodes_named_are_the_nodes_used(size in 1_u64..300, at in 0_u64..300, from in 0_u64..300) {
        let (at, from) = (at % size, from % (size + 1));
        let pair = grow(size);
        let only = |allowed: Vec<Node>| {
            let nodes: BTreeMap<Node, Hash> =
                allowed.into_iter().map(|node| (node, pair.nodes[&node])).collect();
            move |node: Node| nodes.get(&node).copied()
        };
        let enough = only(inclusion_nodes(at, size));
        prop_assert_eq!(prove_inclusion(at, size, &enough), Ok(pair.inclusion(at, size)));
        let enough = only(consistency_nodes(from, size));
        prop_assert_eq!(prove_consistency(from, size, &enough), Ok(pair.consistency(from, size)));
        let edge = only(Frontier::nodes_for(size));
        let hashes = Frontier::nodes_for(size).into_iter().map(|node| edge(node).unwrap());
        let restored = Frontier::from_nodes(size, hashes.collect()).unwrap();
        prop_assert_eq!(restored.root(), pair.root(size));
    }

    #[test]
    fn arbitrary_proofs_do_not_verify_and_do_not_panic(
        index in any::<u64>(),
        size in any::<u64>(),
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..70),
    ) {
        let (leaf, root) = (leaf_hash(b"x"), leaf_hash(b"y"));
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(index, size, &leaf, &root, &proof).is_err());
    }
}

/// Every change of one bit, every omission, repetition and addition of a hash.
fn tampered(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut variants = Vec::new();
    for (position, hash) in proof.iter().enumerate() {
        for bit in 0..256 {
            let mut bytes = *hash.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut variant = proof.to_vec();
            variant[position] = Hash::from_bytes(bytes);
            variants.push(variant);
        }
        let mut variant = proof.to_vec();
        variant.remove(position);
        variants.push(variant);
        let mut variant = proof.to_vec();
        variant.insert(position, *hash);
        variants.push(variant);
    }
    variants.push([proof, &[empty_root()]].concat());
    variants
}

#[test]
fn no_tampered_inclusion_proof_verifies() {
    let pair = grow(21);
    for size in [1, 2, 7, 8, 20, 21] {
        for index in 0..size {
            let (proof, root) = (pair.inclusion(index, size), pair.root(size));
            let hash = leaf_hash(&leaf(index));
            let holds = |hash: &Hash, index, size, proof: &[Hash]| {
                verify_inclusion(hash, index, size, proof, &root).is_ok()
            };
            assert!(holds(&hash, index, size, &proof));
            for variant in tampered(&proof) {
                assert!(!holds(&hash, index, size, &variant), "{index} of {size}");
            }
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(!holds(&hash, other, size, &proof), "{index} shown as {other} of {size}");
            }
            assert!(!holds(&leaf_hash(b"other"), index, size, &proof));
            assert!(!holds(&hash, index, 0, &proof));
        }
    }
}

#[test]
fn no_tampered_consistency_proof_verifies() {
    let pair = grow(21);
    for to in [1, 2, 7, 8, 20, 21] {
        for from in 0..=to {
            let proof = pair.consistency(from, to);
            let holds = |from: u64, to: u64, before: Hash, proof: &[Hash]| {
                verify_consistency(from, to, &before, &pair.root(to), proof).is_ok()
            };
            assert!(holds(from, to, pair.root(from), &proof));
            for variant in tampered(&proof) {
                assert!(!holds(from, to, pair.root(from), &variant), "{from} to {to}");
            }
            assert!(!holds(from, to, leaf_hash(b"fork"), &proof), "{from} to {to}");
            for other in (0..=to).filter(|other| *other != from) {
                assert!(!holds(other, to, pair.root(from), &proof), "{from} shown as {other}");
            }
        }
    }
    let (before, after) = (pair.root(5), pair.root(4));
    let shrunk = verify_consistency(5, 4, &before, &after, &[]);
    assert_eq!(shrunk, Err(ProofError::Shrunk { from: 5, to: 4 }));
}

#[test]
fn missing_nodes_are_named() {
    let error = prove_inclusion(0, 4, &|_node| None).unwrap_err();
    assert_eq!(error, ProofError::NodeMissing { level: 0, index: 1 });
    assert_eq!(
        prove_inclusion(4, 4, &|_node| None),
        Err(ProofError::OutOfTree { index: 4, size: 4 })
    );
    assert!(inclusion_nodes(4, 4).is_empty());
    let error = Frontier::from_nodes(3, vec![empty_root()]).unwrap_err();
    assert_eq!(error, TreeError::FrontierLength { size: 3, expected: 2, given: 1 });
}

fn signer(name: &str) -> LogSigner {
    LogSigner::new(name.to_owned(), &[9; 32])
}

fn checkpoint(origin: &str) -> Checkpoint {
    Checkpoint { origin: origin.to_owned(), before: 0, size: 7, root: grow(7).root(7) }
}

#[test]
fn checkpoints_round_trip() {
    let signer = signer("log.example/a");
    let signed = signer.sign(&checkpoint("log.example/a"));
    let verifier = LogVerifier::from_vkey(&signer.verifier().vkey()).unwrap();
    assert_eq!(verifier.verify(signed.as_str()), Ok(checkpoint("log.example/a")));
    assert_eq!(signed.unverified(), checkpoint("log.example/a"));
    assert_eq!(SignedCheckpoint::parse(signed.as_str()), Ok(signed));
}

#[test]
fn cosignatures_of_others_are_ignored() {
    let signer = signer("log.example/a");
    let note = signer.sign(&checkpoint("log.example/a")).as_str().to_owned();
    let cosigned = format!("{note}— witness.example/w AAAAAAECAwQ=\n");
    assert!(signer.verifier().verify(&cosigned).is_ok());
    let stranger = LogSigner::new("log.example/a".to_owned(), &[8; 32]).verifier();
    assert_eq!(stranger.verify(&cosigned), Err(CheckpointError::Unsigned));
}

#[test]
fn a_log_cannot_speak_for_another() {
    let signer = signer("log.example/a");
    let signed = signer.sign(&checkpoint("log.example/b"));
    assert_eq!(signer.verifier().verify(signed.as_str()), Err(CheckpointError::OtherOrigin));
}

#[test]
fn no_altered_checkpoint_verifies() {
    let signer = signer("log.example/a");
    let note = signer.sign(&checkpoint("log.example/a")).as_str().to_owned();
    let verifier = signer.verifier();
    for position in 0..note.len() {
        for bit in 0..8 {
            let mut altered = note.clone().into_bytes();
            altered[position] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(altered) else { continue };
            assert!(verifier.verify(&altered).is_err(), "bit {bit} of byte {position}");
        }
    }
    for length in (0..note.len()).filter(|length| note.is_char_boundary(*length)) {
        assert!(verifier.verify(&note[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn malformed_notes_and_keys_are_refused() {
    let note = signer("log.example/a").sign(&checkpoint("log.example/a")).as_str().to_owned();
    let parse = |from: &str, to: &str| SignedCheckpoint::parse(&note.replacen(from, to, 1)).err();
    assert_eq!(parse("\n7\n", "\n07\n"), Some(CheckpointError::NotACheckpoint));
    assert_eq!(parse("\n7\n", "\n-7\n"), Some(CheckpointError::NotACheckpoint));
    assert_eq!(parse("\n7\n", "\n7\r\n"), Some(CheckpointError::NotANote));
    assert_eq!(parse("— ", "- "), Some(CheckpointError::NotANote));
    assert_eq!(parse("log.example/a\n7", "log example\n7"), Some(CheckpointError::NotACheckpoint));

    let vkey = signer("log.example/a").verifier().vkey();
    for wrong in [vkey.replacen("log", "lag", 1), vkey.replace("+A", "+B"), vkey[1..].to_owned()] {
        assert_eq!(LogVerifier::from_vkey(&wrong), Err(CheckpointError::BadVerifierKey), "{wrong}");
    }
}

#[test]
fn proof_text_has_the_published_form() {
    let pair = grow(7);
    let signed = signer("log.example/a").sign(&checkpoint("log.example/a"));
    let text = tlog_proof(6, &pair.inclusion(6, 7), &signed);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 6"]);
    assert_eq!(lines[4..7], ["", "log.example/a", "7"], "{text}");
    let read = parse_tlog_proof(&text).unwrap();
    assert_eq!(read.verify(&leaf(6), &signer("log.example/a").verifier()).unwrap().size, 7);
    let with_extra = text.replacen("index", "extra AAAA\nindex", 1);
    assert_eq!(parse_tlog_proof(&with_extra), Ok(read));
}

#[test]
fn no_altered_proof_text_verifies() {
    let pair = grow(7);
    let verifier = signer("log.example/a").verifier();
    let signed = signer("log.example/a").sign(&checkpoint("log.example/a"));
    let text = tlog_proof(4, &pair.inclusion(4, 7), &signed);
    let holds = |text: &str| {
        parse_tlog_proof(text).is_ok_and(|proof| proof.verify(&leaf(4), &verifier).is_ok())
    };
    assert!(holds(&text));
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.clone().into_bytes();
            altered[position] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(altered) else { continue };
            assert!(!holds(&altered), "bit {bit} of byte {position}");
        }
    }
    let malformed =
        |from: &str, to: &str| parse_tlog_proof(&text.replacen(from, to, 1)).unwrap_err();
    assert_eq!(malformed("@v1", "@v2"), TlogProofError::Malformed);
    assert_eq!(malformed("index 4", "index 04"), TlogProofError::Malformed);
    assert_eq!(malformed("index 4\n", ""), TlogProofError::Malformed);
}

#[test]
fn leaves_have_one_spelling() {
    let at = "2026-11-21T10:22:31.5Z".parse().unwrap();
    let leaf = Leaf::new(LeafKind::ListSealed, at)
        .with_app("photo".parse().unwrap())
        .with_detail(serde_json::json!({"rows": 2000, "root": "ab"}));
    let bytes = leaf.bytes();
    let text = r#"{"app":"photo","at":"2026-11-21T10:22:00.000000Z","detail":{"root":"ab","rows":2000},"kind":"list.sealed","v":1}"#;
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
    assert_eq!(Leaf::parse(&bytes), Ok(leaf));
    let refused = |from: &str, to: &str| Leaf::parse(text.replacen(from, to, 1).as_bytes()).err();
    assert_eq!(refused(",", ", "), Some(LeafError::NotCanonical));
    assert_eq!(refused("\"v\":1", "\"v\":2"), Some(LeafError::Malformed));
    assert_eq!(refused("\"v\":1", "\"v\":1,\"w\":1"), Some(LeafError::Malformed));
    assert_eq!(refused("list.sealed", "list.opened"), Some(LeafError::Malformed));
    for kind in LeafKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}
