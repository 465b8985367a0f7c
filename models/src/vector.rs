//! Sparse vectors of words and letters, and how alike two are.

use std::collections::BTreeMap;

/// Shortest and longest letter sequences compared.
const GRAMS: std::ops::RangeInclusive<usize> = 2..=4;

/// A sparse vector: sorted keys with weights, of length one.
pub struct Vector(Vec<(u64, f32)>);

impl Vector {
    /// Words by stem, each weighted by its rarity.
    pub fn of_words<'a>(words: impl Iterator<Item = (&'a str, f32)>) -> Self {
        Self::normed(words.map(|(stem, weight)| (key(stem.bytes()), weight)))
    }

    /// Letter sequences within words, each weighted by the rarity of its word. Spelling mistakes
    /// change few of them.
    pub fn of_letters<'a>(words: impl Iterator<Item = (&'a str, f32)>) -> Self {
        Self::normed(
            words.flat_map(|(word, weight)| {
                letters(word).into_iter().map(move |gram| (gram, weight))
            }),
        )
    }

    fn normed(parts: impl Iterator<Item = (u64, f32)>) -> Self {
        let mut sums: BTreeMap<u64, f32> = BTreeMap::new();
        for (key, weight) in parts {
            *sums.entry(key).or_default() += weight;
        }
        let length = sums.values().map(|value| value * value).sum::<f32>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        Self(sums.into_iter().map(|(key, value)| (key, value * scale)).collect())
    }

    /// The cosine of the angle between two vectors, 0 to 1.
    pub fn cosine(&self, other: &Self) -> f32 {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut sum = 0.0;
        while let (Some(&&(a, x)), Some(&&(b, y))) = (left.peek(), right.peek()) {
            if a == b {
                sum += x * y;
            }
            if a <= b {
                left.next();
            }
            if b <= a {
                right.next();
            }
        }
        sum
    }
}

/// Every letter sequence of a word with its ends marked, as a key.
pub(crate) fn letters(word: &str) -> Vec<u64> {
    let letters: Vec<char> = format!("_{word}_").chars().collect();
    let hashed = |gram: &[char]| key(gram.iter().flat_map(|c| u32::from(*c).to_be_bytes()));
    GRAMS.flat_map(|length| letters.windows(length).map(hashed)).collect()
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): the same key on every machine.
fn key(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
