//! RFC 9497, appendix A.1.2, and what a client refuses.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::encoding::unhex;

const SEED: [u8; 32] = [0xa3; 32];
const PUBLIC: &str = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";
const BLIND: &str = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
const OTHER_BLIND: &str = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e";

struct Vector {
    inputs: &'static [&'static [u8]],
    blinds: &'static [&'static str],
    blinded: &'static [&'static str],
    evaluated: &'static [&'static str],
    proof: &'static str,
    random: &'static str,
    outputs: &'static [&'static str],
}

const FIRST: &str = "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c";
const SECOND: &str = "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6";

const VECTORS: [Vector; 3] = [
    Vector {
        inputs: &[&[0]],
        blinds: &[BLIND],
        blinded: &["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
        evaluated: &["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
        proof: "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        random: OTHER_BLIND,
        outputs: &[FIRST],
    },
    Vector {
        inputs: &[&[0x5a; 17]],
        blinds: &[BLIND],
        blinded: &["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
        evaluated: &["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
        proof: "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        random: OTHER_BLIND,
        outputs: &[SECOND],
    },
    Vector {
        inputs: &[&[0], &[0x5a; 17]],
        blinds: &[BLIND, OTHER_BLIND],
        blinded: &[
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ],
        evaluated: &[
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ],
        proof: "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        random: "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        outputs: &[FIRST, SECOND],
    },
];

/// Gives the scalars of a vector: the library reduces 64 bytes, and these are small already.
struct Scalars(Vec<[u8; 64]>);

impl Scalars {
    fn of(scalars: &[&str]) -> Self {
        let wide = |scalar: &&str| {
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&unhex::<32>(scalar).unwrap());
            bytes
        };
        Self(scalars.iter().rev().map(wide).collect())
    }
}

impl rand_core06::RngCore for Scalars {
    fn next_u32(&mut self) -> u32 {
        unreachable!("scalars are asked for as bytes")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("scalars are asked for as bytes")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.pop().expect("a scalar of the vector"));
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core06::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core06::CryptoRng for Scalars {}

fn elements(hex: &[&str]) -> Vec<[u8; 32]> {
    hex.iter().map(|element| unhex(element).unwrap()).collect()
}

#[test]
fn the_vectors_of_rfc_9497() {
    let secret = PepperSecret::derive(&SEED, b"test key");
    assert_eq!(secret.public().0, unhex::<32>(PUBLIC).unwrap());
    for vector in VECTORS {
        let inputs = vector.inputs.iter().map(|input| Zeroizing::new(input.to_vec())).collect();
        let blinding = Blinding::with(inputs, &mut Scalars::of(vector.blinds)).unwrap();
        assert_eq!(blinding.elements(), elements(vector.blinded));
        let answer =
            secret.evaluate_with(blinding.elements(), &mut Scalars::of(&[vector.random])).unwrap();
        assert_eq!(answer.elements, elements(vector.evaluated));
        assert_eq!(answer.proof, unhex::<64>(vector.proof).unwrap());
        let outputs = blinding.open(&answer, secret.public()).unwrap();
        let expected = vector.outputs.iter().map(|output| unhex::<64>(output).unwrap());
        assert_eq!(
            outputs.iter().map(|output| **output).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
    }
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn blinding(input: &[u8], seed: u64) -> Blinding {
    Blinding::new(vec![Zeroizing::new(input.to_vec())], &mut rng(seed)).unwrap()
}

fn asked(secret: &PepperSecret, input: &[u8], seed: u64) -> [u8; 64] {
    let blinding = blinding(input, seed);
    let answer = secret.evaluate(blinding.elements(), &mut rng(seed + 1)).unwrap();
    *blinding.open(&answer, secret.public()).unwrap()[0]
}

#[test]
fn another_key_a_changed_answer_and_an_answer_to_another_question_are_refused() {
    let (secret, other) = (PepperSecret::from_seed(&[1; 32]), PepperSecret::from_seed(&[2; 32]));
    let good = |blinding: &Blinding| secret.evaluate(blinding.elements(), &mut rng(5)).unwrap();
    let refused = |answer: &Evaluation| {
        let opened = blinding(b"number", 3).open(answer, secret.public());
        assert_eq!(opened.map(|_| ()), Err(OprfError::Proof));
    };
    let answer = good(&blinding(b"number", 3));
    assert!(blinding(b"number", 3).open(&answer, secret.public()).is_ok());
    refused(&other.evaluate(blinding(b"number", 3).elements(), &mut rng(5)).unwrap());
    refused(&good(&blinding(b"number", 4)));
    for byte in [0, 31, 32, 63] {
        let mut changed = answer.clone();
        changed.proof[byte] ^= 1;
        refused(&changed);
    }
    let element = other.evaluate(blinding(b"number", 3).elements(), &mut rng(5)).unwrap().elements;
    refused(&Evaluation { elements: element, ..answer.clone() });
    refused(&Evaluation { elements: Vec::new(), ..answer.clone() });
    refused(&Evaluation { elements: vec![answer.elements[0]; 2], ..answer.clone() });
    refused(&Evaluation { elements: vec![[0; 32]], ..answer.clone() });
    let opened = blinding(b"number", 3).open(&answer, other.public());
    assert_eq!(opened.map(|_| ()), Err(OprfError::Proof));
}

#[test]
fn the_holder_evaluates_nothing_but_elements_of_the_group() {
    let secret = PepperSecret::from_seed(&[1; 32]);
    for wrong in [vec![], vec![[0; 32]], vec![[0xff; 32]]] {
        assert_eq!(secret.evaluate(&wrong, &mut rng(1)).map(|_| ()), Err(OprfError::Element));
    }
    assert_eq!("AAAA".parse::<PepperPublic>(), Err(OprfError::Public));
    assert_eq!(base64(&[0; 32]).parse::<PepperPublic>(), Err(OprfError::Public));
    let public = secret.public();
    assert_eq!(public.to_string().parse::<PepperPublic>(), Ok(public));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_for_the_same_key_and_input_whatever_the_blind(
        input in proptest::collection::vec(any::<u8>(), 1..64),
        (one, two) in (any::<u32>(), any::<u32>()).prop_filter("two blinds", |(a, b)| a != b),
        key in any::<[u8; 32]>(),
    ) {
        let secret = PepperSecret::from_seed(&key);
        let (one, two) = (u64::from(one), u64::from(two));
        prop_assert_eq!(asked(&secret, &input, one), asked(&secret, &input, two));
        // What is sent is another element each time: the holder cannot tell repeats.
        let sent = [one, two].map(|seed| blinding(&input, seed).elements()[0]);
        prop_assert_ne!(sent[0], sent[1]);
        let other = PepperSecret::from_seed(&key.map(|byte| !byte));
        prop_assert_ne!(asked(&secret, &input, one), asked(&other, &input, one));
    }
}
