//! An oblivious pseudorandom function: RFC 9497, verifiable mode, ristretto255-SHA512.
//!
//! One side holds a key, the other an input. The client blinds its input, the holder evaluates what
//! it was sent, and the client takes the blind off. The client learns `F(key, input)` and nothing
//! about the key; the holder learns nothing at all: a blinded element is uniformly random, whatever
//! the input. A proof says that the evaluation was made with the key that belongs to a public one.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use voprf::{
    BlindedElement, EvaluationElement, Group, Proof, Ristretto255, VoprfClient, VoprfServer,
};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::encoding::{base64, text_serde, unbase64_exact};
use crate::redact::hide_debug;

/// Names the use in the derivation of the key from its seed.
const INFO: &[u8] = b"volens/pepper/1";

/// Why an exchange failed. Carries neither input nor element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OprfError {
    /// An element is none of the group, or the neutral one, or there are none or too many.
    #[error("not elements that can be evaluated")]
    Element,
    /// The proof does not hold: another key was used, or something was changed on the way.
    #[error("the proof does not hold for the expected key")]
    Proof,
    /// Not the text of a public key.
    #[error("not a public key of a pepper process")]
    Public,
}

impl OprfError {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Element => "pepper.element",
            Self::Proof => "pepper.proof",
            Self::Public => "pepper.public_key",
        }
    }
}

/// The public half of a key: what its proofs are checked with, and the name it goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PepperPublic([u8; 32]);

impl fmt::Display for PepperPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(&self.0))
    }
}

impl FromStr for PepperPublic {
    type Err = OprfError;

    fn from_str(text: &str) -> Result<Self, OprfError> {
        let bytes = unbase64_exact(text).ok_or(OprfError::Public)?;
        Ristretto255::deserialize_elem(&bytes).map_err(|_error| OprfError::Public)?;
        Ok(Self(bytes))
    }
}

text_serde!(PepperPublic);

/// A key, on the side that holds it.
#[derive(ZeroizeOnDrop)]
pub struct PepperSecret {
    server: VoprfServer<Ristretto255>,
}

hide_debug!(PepperSecret);

impl PepperSecret {
    /// The key of a seed of 32 random bytes (`DeriveKeyPair` of RFC 9497).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::derive(seed, INFO)
    }

    fn derive(seed: &[u8; 32], info: &[u8]) -> Self {
        let server = VoprfServer::new_from_seed(seed, info)
            .expect("a short seed gives a key but with a probability of 2^-252");
        Self { server }
    }

    /// Its public half.
    pub fn public(&self) -> PepperPublic {
        PepperPublic(Ristretto255::serialize_elem(self.server.get_public_key()).into())
    }

    /// Evaluates blinded elements, with one proof for all of them.
    ///
    /// # Errors
    /// [`OprfError::Element`] when there is none, or one that is not of the group.
    pub fn evaluate(
        &self,
        blinded: &[[u8; 32]],
        rng: &mut dyn Rng,
    ) -> Result<Evaluation, OprfError> {
        self.evaluate_with(blinded, &mut Randomness(rng))
    }

    fn evaluate_with(
        &self,
        blinded: &[[u8; 32]],
        rng: &mut (impl rand_core06::RngCore + rand_core06::CryptoRng),
    ) -> Result<Evaluation, OprfError> {
        let elements = blinded.iter().map(|bytes| BlindedElement::deserialize(bytes));
        let elements: Vec<_> = elements.collect::<Result<_, _>>().map_err(bad_element)?;
        if elements.is_empty() {
            return Err(OprfError::Element);
        }
        let done = self.server.batch_blind_evaluate(rng, &elements);
        let done = done.map_err(bad_element)?;
        let elements = done.messages.iter().map(|element| element.serialize().into()).collect();
        Ok(Evaluation { elements, proof: done.proof.serialize().into() })
    }
}

/// What the holder of the key answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// One element for each that was sent, in their order.
    pub elements: Vec<[u8; 32]>,
    /// That all were made with the key (a DLEQ proof, RFC 9497 §2.2).
    pub proof: [u8; 64],
}

hide_debug!(Evaluation);

/// Inputs that were blinded, until the answer comes. What is sent says nothing about them.
pub struct Blinding {
    inputs: Vec<Zeroizing<Vec<u8>>>,
    clients: Vec<VoprfClient<Ristretto255>>,
    elements: Vec<[u8; 32]>,
}

hide_debug!(Blinding);

impl Blinding {
    /// Blinds inputs, each with a fresh random factor.
    ///
    /// # Errors
    /// [`OprfError::Element`] for an input of no bytes, or of more than 65 535.
    pub fn new(inputs: Vec<Zeroizing<Vec<u8>>>, rng: &mut dyn Rng) -> Result<Self, OprfError> {
        Self::with(inputs, &mut Randomness(rng))
    }

    fn with(
        inputs: Vec<Zeroizing<Vec<u8>>>,
        rng: &mut (impl rand_core06::RngCore + rand_core06::CryptoRng),
    ) -> Result<Self, OprfError> {
        let (mut clients, mut elements) = (Vec::new(), Vec::new());
        for input in &inputs {
            let blinded = VoprfClient::blind(input, rng).map_err(bad_element)?;
            elements.push(blinded.message.serialize().into());
            clients.push(blinded.state);
        }
        Ok(Self { inputs, clients, elements })
    }

    /// What is sent to the holder of the key.
    pub fn elements(&self) -> &[[u8; 32]] {
        &self.elements
    }

    /// Checks the proof against the expected key and takes the blinds off: `F(key, input)` of each
    /// input.
    ///
    /// # Errors
    /// [`OprfError::Proof`] when anything about the answer does not hold.
    pub fn open(
        self,
        answer: &Evaluation,
        expected: PepperPublic,
    ) -> Result<Vec<Zeroizing<[u8; 64]>>, OprfError> {
        let key = Ristretto255::deserialize_elem(&expected.0).map_err(bad_proof)?;
        let proof = Proof::deserialize(&answer.proof).map_err(bad_proof)?;
        let elements = answer.elements.iter().map(|bytes| EvaluationElement::deserialize(bytes));
        let elements: Vec<_> = elements.collect::<Result<_, _>>().map_err(bad_proof)?;
        if elements.len() != self.clients.len() {
            return Err(OprfError::Proof);
        }
        let inputs: Vec<&[u8]> = self.inputs.iter().map(|input| input.as_slice()).collect();
        let opened = VoprfClient::batch_finalize(&inputs, &self.clients, &elements, &proof, key);
        let opened = opened.map_err(bad_proof)?.map(|output| {
            let mut output = output.map_err(bad_proof)?;
            let mut copy = Zeroizing::new([0; 64]);
            copy.copy_from_slice(&output);
            output.as_mut_slice().zeroize();
            Ok(copy)
        });
        opened.collect()
    }
}

fn bad_element(_error: voprf::Error) -> OprfError {
    OprfError::Element
}

fn bad_proof(_error: voprf::Error) -> OprfError {
    OprfError::Proof
}

/// The caller's generator under the traits of an earlier `rand_core`.
struct Randomness<'a>(&'a mut dyn Rng);

impl rand_core06::RngCore for Randomness<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core06::CryptoRng for Randomness<'_> {}

#[cfg(test)]
mod tests;
