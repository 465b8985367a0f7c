//! Published vectors: the reference tree of Certificate Transparency (transparency-dev/merkle,
//! `testonly/reference_test.go`) and the signed note of Go's `sumdb/note`.

use std::collections::BTreeMap;

use super::checkpoint::CheckpointError;
use super::*;
use crate::encoding::{hex, unhex};

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| unhex::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0])
        .collect()
}

fn hash(text: &str) -> Hash {
    text.parse().unwrap()
}

/// The nodes of the reference tree, stored as the service stores them.
fn reference_nodes() -> BTreeMap<Node, Hash> {
    let mut tree = Frontier::default();
    LEAVES.iter().flat_map(|leaf| tree.append(leaf_hash(&bytes(leaf)))).collect()
}

#[test]
fn roots_of_the_reference_tree() {
    let mut tree = Frontier::default();
    assert_eq!(tree.root(), hash(ROOTS[0]));
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        tree.append(leaf_hash(&bytes(leaf)));
        assert_eq!(tree.root(), hash(root), "after {} leaves", tree.size());
    }
}

#[test]
fn inclusion_proofs_of_the_reference_tree() {
    let nodes = reference_nodes();
    let check = |index: u64, size: u64, expected: &[&str]| {
        let proof = prove_inclusion(index, size, &|node| nodes.get(&node).copied()).unwrap();
        let expected: Vec<Hash> = expected.iter().map(|text| hash(text)).collect();
        assert_eq!(proof, expected, "entry {index} of {size}");
        let leaf = leaf_hash(&bytes(LEAVES[index as usize]));
        let root = hash(ROOTS[size as usize]);
        assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
    };
    check(0, 1, &[]);
    check(0, 2, &["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"]);
    check(1, 2, &["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"]);
    check(2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
}

#[test]
fn consistency_proofs_of_the_reference_tree() {
    let nodes = reference_nodes();
    let check = |from: u64, to: u64, expected: &[&str]| {
        let proof = prove_consistency(from, to, &|node| nodes.get(&node).copied()).unwrap();
        let expected: Vec<Hash> = expected.iter().map(|text| hash(text)).collect();
        assert_eq!(proof, expected, "{from} to {to}");
        let (before, after) = (hash(ROOTS[from as usize]), hash(ROOTS[to as usize]));
        assert_eq!(verify_consistency(from, to, &before, &after, &proof), Ok(()));
    };
    check(0, 8, &[]);
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
}

const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NEUMANN_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_note_of_go_verifies() {
    let verifier = LogVerifier::from_vkey(NEUMANN).unwrap();
    assert_eq!(verifier.vkey(), NEUMANN);
    let text = verifier.verify_text(NEUMANN_NOTE).unwrap();
    assert!(text.ends_with("your problem is.\n"));
    assert_eq!(verifier.verify(NEUMANN_NOTE), Err(CheckpointError::NotACheckpoint));
    let altered = NEUMANN_NOTE.replace("answer", "Answer");
    assert_eq!(verifier.verify_text(&altered), Err(CheckpointError::BadSignature));
}

#[test]
fn the_same_key_signs_the_same_note() {
    // PRIVATE+KEY+PeterNeumann+c74f20a3+… of the same test file
    let seed = crate::encoding::unbase64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
    let signer = LogSigner::new("PeterNeumann".to_owned(), seed[1..].try_into().unwrap());
    let text = &NEUMANN_NOTE[..=NEUMANN_NOTE.find("\n\n").unwrap()];
    assert_eq!(signer.sign_text(text), NEUMANN_NOTE);
    assert_eq!(signer.verifier().vkey(), NEUMANN);
}

#[test]
fn canonical_json_of_rfc_8785() {
    let input = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let value: serde_json::Value = serde_json::from_str(input).unwrap();
    let expected = "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d\
        62657273223a5b3333333333333333332e333333333333332c31652b33302c342e352c302e3030322c31\
        652d32375d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d";
    assert_eq!(hex(&serde_jcs::to_vec(&value).unwrap()), expected);
}

#[test]
fn canonical_json_sorts_by_utf_16_as_rfc_8785_says() {
    let input = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let value: serde_json::Value = serde_json::from_str(input).unwrap();
    let text = serde_jcs::to_string(&value).unwrap();
    let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
    let positions: Vec<usize> = order.iter().map(|word| text.find(word).unwrap()).collect();
    assert!(positions.is_sorted(), "{text}");
}
