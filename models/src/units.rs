//! Log odds as whole numbers of a small unit, so that sums of them are exact.
//!
//! A `f64` holds every whole number up to 2⁵³, so multiples of 2⁻²⁰ add up without rounding while their sum
//! stays below 2³³: in any order, on any machine.

/// The unit, in log odds: about a millionth.
pub(crate) const UNIT: f64 = 1.0 / 1_048_576.0;
/// The unit of what a calibration curve gives: so fine that it leaves the order of scores alone.
pub(crate) const FINE: f64 = UNIT * UNIT;
/// No single amount is larger, in units: 1,024 in log odds.
const MOST: f64 = 1_073_741_824.0;
/// Up to here a `f64` holds every whole number.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// The whole number of units nearest to an amount of log odds.
pub(crate) fn units(amount: f64) -> i64 {
    (amount / UNIT).clamp(-MOST, MOST).round() as i64
}

/// Units as log odds.
pub(crate) fn log_odds(units: i64) -> f64 {
    units as f64 * UNIT
}

/// The multiple of `unit` nearest to an amount.
pub(crate) fn rounded(amount: f64, unit: f64) -> f64 {
    (amount / unit).round() * unit
}

/// These amounts in units, unless one of them is no whole number of them.
pub(crate) fn whole(amounts: &[f64]) -> Option<Vec<i64>> {
    let whole = |amount: &f64| {
        let units = amount / UNIT;
        (units.abs() <= LARGEST && units.fract() == 0.0).then_some(units as i64)
    };
    amounts.iter().map(whole).collect()
}
