use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

use super::*;
use crate::ledger::tlog_proof;
use crate::{DataKey, KeyRing};

const MODEL: [u8; 16] = [7; 16];

fn ring(seed: u64) -> KeyRing {
    KeyRing::generate(&mut StdRng::seed_from_u64(seed), Timestamp::from_micros(0))
}

fn data_key(seed: u64) -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn lesson(n: u8) -> Lesson {
    Lesson {
        model: MODEL,
        subject: SubjectId::from_bytes([n; 16]),
        messages: u64::from(n % 4) + 1,
        relevance_entry: 40 + u64::from(n),
        training_entry: 90 + u64::from(n),
    }
}

fn leaf(n: u8) -> [u8; 32] {
    lesson(n).leaf(&data_key(n.into()).lesson_key().salt(&MODEL))
}

/// Five people and the entry that a training of them leaves.
fn taught() -> (Manifest, Leaf) {
    let manifest = Manifest::new((1..6).map(leaf));
    let detail = json!({
        "manifest": MANIFEST_KIND,
        "model": format!("mdl_{}", hex(&MODEL)),
        "people": 5,
        "rows": 11,
        "ledger_size": 120,
        "as_of": "2026-11-21T10:22:32Z",
        "training_set": manifest.root(),
        "goal": "click",
    });
    let at = Timestamp::from_micros(1_000_000);
    (manifest, Leaf::new(LeafKind::ModelTrained, at).with_detail(detail))
}

/// The entry as the second of a ledger of three.
fn proved(leaf: &Leaf) -> ProvedEntry {
    let mut tree = MemoryTree::default();
    for bytes in [b"before".to_vec(), leaf.bytes(), b"after".to_vec()] {
        tree.append(leaf_hash(&bytes));
    }
    let signer = ring(1).log_signer();
    let origin = signer.origin().to_owned();
    let checkpoint =
        signer.sign(&Checkpoint { origin, before: 0, size: tree.size(), root: tree.root() });
    let path = prove_inclusion(1, 3, &|node| tree.node(node)).unwrap();
    ProvedEntry {
        index: 1,
        leaf: String::from_utf8(leaf.bytes()).unwrap(),
        tlog_proof: tlog_proof(1, &path, &checkpoint),
    }
}

fn proof(manifest: &Manifest, entry: ProvedEntry, n: u8) -> LessonProof {
    let salt = *data_key(n.into()).lesson_key().salt(&MODEL);
    let position = manifest.position(&lesson(n).leaf(&salt)).unwrap();
    let path = manifest.path(position).unwrap();
    LessonProof { kind: LESSON_KIND.to_owned(), lesson: lesson(n), salt, position, path, entry }
}

#[test]
fn a_leaf_and_a_root_are_what_the_documentation_says() {
    let salt = unhex("07e5be192caf4721ed7d433f7682d5e08937e4f86bffd43e405d2dc1a9677aba").unwrap();
    let lesson = Lesson {
        model: MODEL,
        subject: SubjectId::from_bytes([9; 16]),
        messages: 3,
        relevance_entry: 41,
        training_entry: 42,
    };
    let expected = "ddb121da41cd2983e9420b5ec41311f7063be48b41da15995d8a8cc733ce9000";
    assert_eq!(hex(&lesson.leaf(&salt)), expected);
    let manifest = Manifest::new([[3; 32], [1; 32], [2; 32]]);
    let expected = "df896896c799531f1fd1e556cea26a6989ab06853bcbfdd3e4f5097a611f658f";
    assert_eq!(manifest.root().to_string(), expected);
}

#[test]
fn every_part_of_a_lesson_and_its_key_make_the_leaf() {
    let of = |lesson: &Lesson, seed, model: [u8; 16]| {
        lesson.leaf(&data_key(seed).lesson_key().salt(&model))
    };
    let (one, known) = (lesson(3), of(&lesson(3), 3, MODEL));
    let others = [
        Lesson { subject: SubjectId::from_bytes([4; 16]), ..one },
        Lesson { messages: one.messages + 1, ..one },
        Lesson { relevance_entry: one.training_entry, ..one },
        Lesson { training_entry: one.training_entry - 1, ..one },
        Lesson { model: [8; 16], ..one },
    ];
    for other in others {
        assert_ne!(of(&other, 3, MODEL), known);
    }
    assert_ne!(of(&one, 4, MODEL), known, "another account's key");
    assert_ne!(of(&one, 3, [8; 16]), known, "the salt of another model");
}

#[test]
fn the_order_of_leaves_tells_nothing_and_everybody_has_a_path() {
    let (manifest, _) = taught();
    assert_eq!(manifest, Manifest::new((1..6).rev().map(leaf)));
    assert!(manifest.leaves().is_sorted());
    for n in 1..6 {
        let position = manifest.position(&leaf(n)).unwrap();
        let path = manifest.path(position).unwrap();
        verify_inclusion(&leaf_hash(&leaf(n)), position, 5, &path, &manifest.root()).unwrap();
    }
    assert_eq!(manifest.position(&leaf(9)), None);
    manifest.path(5).expect_err("there are five");
}

#[test]
fn a_file_proves_the_whole_manifest_and_a_proof_one_person() {
    let ((manifest, entry), log) = (taught(), ring(1).log_verifier());
    let file = ManifestFile::new(&manifest, proved(&entry));
    let report = file.verify(&log).unwrap();
    assert_eq!((report.entry, report.checkpoint_entries, report.trained.people), (1, 3, 5));
    for n in 1..6 {
        let proof = proof(&manifest, proved(&entry), n);
        assert_eq!(proof.verify(&log).unwrap(), report);
        assert!(file.leaves.contains(&proof.leaf()));
    }
    let another = ring(2).log_verifier();
    file.verify(&another).expect_err("signed by another log");
    proof(&manifest, proved(&entry), 2).verify(&another).expect_err("signed by another log");
}

/// Alters every character of a text that holds, one at a time.
fn alter(text: &str, holds: impl Fn(&str) -> bool) {
    assert!(holds(text));
    for (at, character) in text.char_indices() {
        let other = match character {
            '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from(character as u8 + 1),
            _ => '~',
        };
        let altered = format!("{}{other}{}", &text[..at], &text[at + character.len_utf8()..]);
        assert!(!holds(&altered), "at {at}: {character} became {other}");
    }
}

#[test]
fn one_altered_character_anywhere_is_refused() {
    let ((manifest, entry), log) = (taught(), ring(1).log_verifier());
    let file = ManifestFile::new(&manifest, proved(&entry));
    alter(&serde_json::to_string(&file).unwrap(), |text| {
        let read = serde_json::from_str::<ManifestFile>(text);
        read.is_ok_and(|file| file.verify(&log).is_ok())
    });
    let proof = proof(&manifest, proved(&entry), 2);
    alter(&serde_json::to_string(&proof).unwrap(), |text| {
        let read = serde_json::from_str::<LessonProof>(text);
        read.is_ok_and(|proof| proof.verify(&log).is_ok())
    });
}

#[test]
fn what_a_file_says_of_itself_does_not_count() {
    let ((manifest, entry), log) = (taught(), ring(1).log_verifier());
    let of = |manifest: &Manifest| ManifestFile::new(manifest, proved(&entry));
    let with_another = Manifest::new((1..5).chain([9]).map(leaf));
    assert_eq!(of(&with_another).verify(&log), Err(ManifestError::Root));
    let without_one = Manifest::new((1..5).map(leaf));
    let fewer = ManifestError::People { leaves: 4, people: 5 };
    assert_eq!(of(&without_one).verify(&log), Err(fewer));
    let mut turned = of(&manifest);
    turned.leaves.swap(0, 1);
    assert_eq!(turned.verify(&log), Err(ManifestError::Leaves));
    let mut renamed = of(&manifest);
    renamed.kind = LESSON_KIND.to_owned();
    assert_eq!(renamed.verify(&log), Err(ManifestError::Kind));
    let of_another_model = LessonProof {
        lesson: Lesson { model: [8; 16], ..lesson(2) },
        ..proof(&manifest, proved(&entry), 2)
    };
    assert_eq!(of_another_model.verify(&log), Err(ManifestError::Model));
}

#[test]
fn an_entry_of_before_is_read_as_what_it_is() {
    let (manifest, entry) = taught();
    assert_eq!(Trained::of(&entry).unwrap().root, manifest.root());
    let mut detail = entry.detail().unwrap().clone();
    detail.as_object_mut().unwrap().remove("manifest");
    let before = Leaf::new(LeafKind::ModelTrained, entry.at()).with_detail(detail);
    assert_eq!(Trained::of(&before), None);
    let file = ManifestFile::new(&manifest, proved(&before));
    assert_eq!(file.verify(&ring(1).log_verifier()), Err(ManifestError::Entry));
    let other_kind = Leaf::new(LeafKind::ModelCleared, entry.at());
    let other_kind = other_kind.with_detail(entry.detail().unwrap().clone());
    assert_eq!(Trained::of(&other_kind), None);
}
