//! Bits as the IAB writes them: six to a character of base64url (RFC 4648 §5), without padding.

/// What is left of a segment. Reading past its end is `None`.
pub(super) struct Bits {
    sextets: Vec<u8>,
    at: usize,
}

impl Bits {
    /// One segment; `None` when it is empty or holds another character.
    pub(super) fn read(text: &str) -> Option<Self> {
        let sextets: Option<Vec<u8>> = text.bytes().map(sextet).collect();
        sextets.filter(|sextets| !sextets.is_empty()).map(|sextets| Self { sextets, at: 0 })
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let sextet = self.sextets.get(self.at / 6)?;
        let bit = (sextet >> (5 - self.at % 6)) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `width` bits, at most 64, as a number; the first one weighs most.
    pub(super) fn number(&mut self, width: u32) -> Option<u64> {
        (0..width).try_fold(0, |number, _| Some((number << 1) | u64::from(self.flag()?)))
    }

    /// As [`Bits::number`], of at most 16 bits.
    pub(super) fn short(&mut self, width: u32) -> Option<u16> {
        self.number(width).and_then(|number| u16::try_from(number).ok())
    }

    /// Two capital letters of six bits each, as languages and countries are written.
    pub(super) fn letters(&mut self) -> Option<String> {
        let mut letter = || {
            let number = u8::try_from(self.number(6)?).ok()?;
            (number < 26).then(|| char::from(b'A' + number))
        };
        Some([letter()?, letter()?].into_iter().collect())
    }

    /// The ids, from 1, whose bits are set among the next `width`.
    pub(super) fn ids(&mut self, width: u8) -> Option<Vec<u8>> {
        let mut ids = Vec::new();
        for id in 1..=width {
            if self.flag()? {
                ids.push(id);
            }
        }
        Some(ids)
    }

    /// A number in Fibonacci coding: sums of 1, 2, 3, 5, 8, …, ended by two ones. `None` also for one
    /// that does not fit.
    pub(super) fn fibonacci(&mut self) -> Option<u32> {
        let (mut weight, mut next, mut total, mut last) = (1_u32, 2_u32, 0_u32, false);
        loop {
            let bit = self.flag()?;
            if bit && last {
                return Some(total);
            }
            if bit {
                total = total.checked_add(weight)?;
            }
            last = bit;
            (weight, next) = (next, weight.checked_add(next)?);
        }
    }

    /// Whether nothing follows but zeros, which fill up the last byte.
    pub(super) fn is_spent(&mut self) -> bool {
        while let Some(bit) = self.flag() {
            if bit {
                return false;
            }
        }
        true
    }
}

fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}
