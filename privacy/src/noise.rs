//! Noise for counts of people: the discrete Laplace mechanism of differential privacy.
//!
//! A count to which noise of scale *sensitivity / ε* is added tells about any one person at most by a
//! factor of *e^ε* more than if they were not there (Dwork, McSherry, Nissim, Smith 2006; Ghosh,
//! Roughgarden, Sundararajan 2009). What is computed from such counts afterwards tells nothing more.
//! Draws are exact, of integers alone (Canonne, Kamath, Steinke 2020, algorithms 1 and 2): noise in
//! floating point gives counts away by the bits it cannot have (Mironov 2012).

use std::num::NonZeroU32;

use rand::{Rng, RngExt as _};

/// How much one answer may tell about one person: ε, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epsilon(NonZeroU32);

impl Epsilon {
    /// Nothing for zero: an answer that tells nothing is none.
    pub const fn from_thousandths(thousandths: u32) -> Option<Self> {
        match NonZeroU32::new(thousandths) {
            Some(thousandths) => Some(Self(thousandths)),
            None => None,
        }
    }
}

/// The discrete Laplace distribution: an integer *x* with a probability proportional to
/// *exp(−|x| / scale)*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// Numerator of the scale.
    above: u64,
    /// Denominator of the scale.
    below: u64,
}

impl Noise {
    /// For counts that one person changes by `sensitivity` in all.
    pub const fn new(sensitivity: NonZeroU32, Epsilon(epsilon): Epsilon) -> Self {
        Self { above: sensitivity.get() as u64 * 1000, below: epsilon.get() as u64 }
    }

    /// One draw.
    pub fn draw(&self, rng: &mut (dyn Rng + Send)) -> i64 {
        loop {
            let part = rng.random_range(0..self.above);
            if !happens_exp(part, self.above, rng) {
                continue;
            }
            let mut whole = 0_u64;
            while happens_exp(1, 1, rng) {
                whole += 1;
            }
            let size = ((part + self.above * whole) / self.below).cast_signed();
            let negative = rng.random::<bool>();
            // Zero has one sign only.
            if !(negative && size == 0) {
                return if negative { -size } else { size };
            }
        }
    }

    /// The smallest number that a draw exceeds, up or down, with a probability of `outside` at most.
    pub fn margin(&self, outside: f64) -> u64 {
        let rate = self.below as f64 / self.above as f64;
        let beyond = (2.0 / (outside * (1.0 + (-rate).exp()))).ln() / rate;
        (beyond.ceil() as u64).saturating_sub(1)
    }
}

/// True with the probability *exp(−a / b)*, for *a ≤ b*.
fn happens_exp(a: u64, b: u64, rng: &mut (dyn Rng + Send)) -> bool {
    let mut times = 1;
    while rng.random_range(0..b * times) < a {
        times += 1;
    }
    times % 2 == 1
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn noise(sensitivity: u32, thousandths: u32) -> Noise {
        let sensitivity = NonZeroU32::new(sensitivity).expect("not zero");
        Noise::new(sensitivity, Epsilon::from_thousandths(thousandths).expect("not zero"))
    }

    /// Expected is the distribution's own formula: (1 − p) / (1 + p) · p^|x| with p = exp(−1 / scale).
    #[test]
    fn draws_have_the_shape_of_the_distribution() {
        const DRAWS: usize = 400_000;
        for (sensitivity, thousandths) in [(2, 200), (1, 700), (3, 3000)] {
            let (noise, mut rng) = (noise(sensitivity, thousandths), StdRng::seed_from_u64(7));
            let mut seen = std::collections::BTreeMap::<i64, usize>::new();
            let mut outside = 0;
            for _ in 0..DRAWS {
                let draw = noise.draw(&mut rng);
                *seen.entry(draw).or_default() += 1;
                outside += usize::from(draw.unsigned_abs() > noise.margin(0.05));
            }
            let p = (-f64::from(thousandths) / 1000.0 / f64::from(sensitivity)).exp();
            for x in -12..=12_i64 {
                let expected = (1.0 - p) / (1.0 + p) * p.powi(x.unsigned_abs() as i32);
                let found = *seen.get(&x).unwrap_or(&0) as f64 / DRAWS as f64;
                let deviation = (expected * (1.0 - expected) / DRAWS as f64).sqrt();
                assert!((found - expected).abs() < 5.0 * deviation, "{x}: {found} for {expected}");
            }
            assert!(outside as f64 <= 0.052 * DRAWS as f64, "{outside} outside of the margin");
        }
    }

    #[test]
    fn more_is_told_with_less_noise_and_nothing_without_any() {
        assert_eq!(Epsilon::from_thousandths(0), None);
        assert_eq!(noise(2, 200).margin(0.05), 30);
        assert_eq!(noise(2, 2_000_000).margin(0.05), 0);
        let mut rng = StdRng::seed_from_u64(1);
        assert!((0..1000).all(|_| noise(2, 2_000_000).draw(&mut rng) == 0));
    }
}
