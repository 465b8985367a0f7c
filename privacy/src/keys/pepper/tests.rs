//! A pepper in two places: what each half can do alone, and how it enters a ring.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::identity::{AppId, LinkToken};
use crate::keys::PepperSecret;
use crate::phone::{PhoneEvidence, PhoneNumber, PhoneSpace};
use crate::time::Timestamp;

const COST: StretchCost = StretchCost { memory_kib: 64, passes: 2 };

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn secret(seed: u8) -> PepperSecret {
    PepperSecret::from_seed(&[seed; 32])
}

/// A ring whose second pepper names `process`.
fn ring(seed: u64, process: Option<PepperPublic>) -> KeyRing {
    let now = Timestamp::from_micros(1);
    let mut ring = KeyRing::generate(&mut rng(seed), Timestamp::from_micros(0));
    let version = ring.add(KeyDomain::Pepper, &mut rng(seed + 1), now).unwrap();
    ring.name_pepper_process(version, process).unwrap();
    ring.activate(KeyDomain::Pepper, version, now).unwrap();
    ring
}

fn phone(number: &str) -> CanonicalPhone {
    let number = PhoneNumber::parse(number, None).ok().unwrap();
    PhoneEvidence::from(number).in_space(PhoneSpace::Plus).unwrap()
}

fn token(ring: &KeyRing, stretched: &Stretched) -> LinkToken {
    let app = |name| AppId::parse(name).unwrap();
    ring.link_token(stretched, &app("messenger"), &app("photos"), PhoneSpace::Plus)
}

fn asked(ring: &KeyRing, process: &PepperSecret, number: &str, seed: u64) -> LinkToken {
    let blinded = ring.blind(&[phone(number)], &mut rng(seed)).unwrap();
    let answer = process.evaluate(blinded.elements(), &mut rng(seed + 1)).unwrap();
    let opened = blinded.open(&answer).unwrap();
    token(ring, &opened[0].stretch(&COST))
}

#[test]
fn a_token_needs_the_ring_and_the_process() {
    let process = secret(1);
    let here = ring(1, Some(process.public()));
    let number = "+4915112345678";
    let made = asked(&here, &process, number, 10);
    assert_eq!(
        made.as_bytes(),
        asked(&here, &process, number, 20).as_bytes(),
        "whatever the blind"
    );
    assert_ne!(made.as_bytes(), asked(&here, &process, "+4915112345679", 10).as_bytes());
    // The ring alone makes nothing …
    let alone = here.stretch(&phone(number), &COST);
    assert_eq!(alone.map(|_| ()), Err(KeyError::PepperElsewhere));
    // … nor does the process with another ring, nor the ring with another process.
    let there = ring(2, Some(process.public()));
    assert_ne!(made.as_bytes(), asked(&there, &process, number, 10).as_bytes());
    let other = secret(2);
    let blinded = here.blind(&[phone(number)], &mut rng(1)).unwrap();
    let answer = other.evaluate(blinded.elements(), &mut rng(2)).unwrap();
    assert_eq!(blinded.open(&answer).map(|_| ()), Err(OprfError::Proof));
    let elsewhere = ring(1, Some(other.public()));
    assert_ne!(made.as_bytes(), asked(&elsewhere, &other, number, 10).as_bytes());
}

#[test]
fn a_ring_that_holds_all_of_its_pepper_asks_nobody() {
    let ring = ring(1, None);
    assert!(ring.blind(&[phone("+4915112345678")], &mut rng(1)).is_none());
    assert!(ring.stretch(&phone("+4915112345678"), &COST).is_ok());
    assert_eq!(ring.pepper_process(), None);
}

#[test]
fn the_process_of_a_version_is_kept_in_the_file_and_never_changed_after_its_first_use() {
    let (one, two) = (secret(1).public(), secret(2).public());
    let ring = ring(1, Some(one));
    let read = KeyRing::from_json(&ring.to_json()).unwrap();
    assert_eq!(read.pepper_process(), Some(one));
    let told = read.status().into_iter().filter_map(|root| root.process);
    assert_eq!(told.collect::<Vec<_>>(), [one]);
    let mut changed = ring.copy();
    let state = Err(KeyError::State { domain: "pepper".to_owned(), version: 2 });
    assert_eq!(changed.name_pepper_process(2, Some(two)), state);
    // A file that says otherwise is not taken in by those who serve.
    let text = String::from_utf8(ring.to_json().to_vec()).unwrap();
    let text = text.replace(&one.to_string(), &two.to_string());
    let forged = KeyRing::from_json(text.as_bytes()).unwrap();
    assert_eq!(ring.take_in(&forged), Err(KeyError::NotNewer));
    // Before it is used it may be given to another.
    let mut next = ring.copy();
    let version = next.add(KeyDomain::Pepper, &mut rng(5), Timestamp::from_micros(9)).unwrap();
    for process in [Some(two), None, Some(one)] {
        next.name_pepper_process(version, process).unwrap();
        ring.take_in(&KeyRing::from_json(&next.to_json()).unwrap()).unwrap();
    }
    next.activate(KeyDomain::Pepper, version, Timestamp::from_micros(10)).unwrap();
    ring.take_in(&next).unwrap();
    assert_eq!(ring.pepper_process(), Some(one));
}

#[test]
fn only_the_pepper_names_a_process() {
    let ring = ring(1, Some(secret(1).public()));
    let text = String::from_utf8(ring.to_json().to_vec()).unwrap();
    let process = format!("\"process\": \"{}\"", secret(1).public());
    assert!(text.contains(&process));
    let moved = text.replacen("\"domain\": \"kek\"", &format!("{process}, \"domain\": \"kek\""), 1);
    assert!(matches!(KeyRing::from_json(moved.as_bytes()), Err(KeyError::Unreadable(_))));
}
