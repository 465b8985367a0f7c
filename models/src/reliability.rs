//! What was promised and what came: the reliability diagram of a model's probabilities.
//!
//! (Bröcker and Smith, "Increasing the reliability of reliability diagrams", 2007: the bars say where right
//! probabilities would lie.)

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::evaluate::{CalibrationError, EvaluateError};

/// Points of the diagram at most.
const POINTS: usize = 10;
/// Rows behind a point at least.
const FEWEST: usize = 20;
/// Standard errors either way in which 19 of 20 right probabilities lie.
const ERRORS: f64 = 1.96;

/// Rows of like probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Mean probability.
    pub promised: f64,
    /// Share of positive labels.
    pub came: f64,
    /// What `came` would stay within in 19 of 20 cases if the probabilities were right: so far either way.
    pub noise: f64,
    /// How many.
    pub rows: usize,
}

/// A reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reliability {
    /// By rising probability, of about equally many rows each.
    pub points: Vec<Point>,
    /// How far off they are, and how far noise alone would be.
    pub error: CalibrationError,
    /// Rows measured.
    pub rows: usize,
}

impl Reliability {
    /// Measures probabilities of rows that were not learnt from.
    pub fn of(probabilities: &[f64], labels: &[bool], seed: u64) -> Result<Self, EvaluateError> {
        let error = CalibrationError::of(probabilities, labels, seed)?;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]).then(a.cmp(&b)));
        let count = (labels.len() / FEWEST).clamp(1, POINTS);
        let points = (0..count).map(|at| {
            let rows = &order[at * order.len() / count..(at + 1) * order.len() / count];
            let size = rows.len() as f64;
            let promised: f64 = rows.iter().map(|&row| probabilities[row]).sum();
            let came = rows.iter().filter(|&&row| labels[row]).count() as f64;
            let spread: f64 =
                rows.iter().map(|&row| probabilities[row] * (1.0 - probabilities[row])).sum();
            let noise = ERRORS * spread.sqrt() / size;
            Point { promised: promised / size, came: came / size, noise, rows: rows.len() }
        });
        Ok(Self { points: points.collect(), error, rows: labels.len() })
    }

    /// The diagram as an SVG element without a script, a style of its own or an outer address: a line on
    /// which promises are kept, and each point with its noise.
    pub fn svg(&self, title: &str) -> String {
        let most = self.points.iter().flat_map(|point| [point.promised + point.noise, point.came]);
        let scale = most.fold(0.01, f64::max).min(1.0);
        let at = |value: f64| 10.0 + 280.0 * (value / scale).clamp(0.0, 1.0);
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 300 300\" width=\"300\" height=\"300\" role=\"img\">\
             <title>{}</title><path class=\"axis\" d=\"M10 10V290H290\" fill=\"none\" stroke=\"currentColor\"/>\
             <path class=\"axis\" d=\"M10 290L290 10\" fill=\"none\" stroke=\"currentColor\" stroke-dasharray=\"4 4\"/>",
            escaped(title)
        );
        for point in &self.points {
            let (x, y) = (at(point.promised), 300.0 - at(point.came));
            let (low, high) = (
                300.0 - at(point.promised - point.noise),
                300.0 - at(point.promised + point.noise),
            );
            // Writing to a string does not fail.
            let written = write!(
                svg,
                "<path d=\"M{x:.1} {low:.1}V{high:.1}\" fill=\"none\" stroke=\"currentColor\" opacity=\"0.4\"/>\
                 <circle class=\"bar\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
            );
            debug_assert!(written.is_ok());
        }
        svg.push_str("</svg>");
        svg
    }
}

/// Text that may stand in an element.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn drawn(rows: usize, seed: u64, wrong: f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = StdRng::seed_from_u64(seed);
        let probabilities: Vec<f64> = (0..rows).map(|_| rng.random_range(0.05..0.4)).collect();
        let labels = probabilities.iter().map(|p| rng.random::<f64>() < p + wrong).collect();
        (probabilities, labels)
    }

    #[test]
    fn right_probabilities_lie_on_the_line_and_wrong_ones_do_not() {
        let alarms = (0..200).filter(|&seed| {
            let (p, labels) = drawn(600, seed, 0.0);
            CalibrationError::of(&p, &labels, 7).expect("two classes").is_off()
        });
        let alarms = alarms.count();
        assert!(alarms <= 8, "one in a hundred is noise, found {alarms} of 200");
        for seed in 0..20 {
            let (p, labels) = drawn(600, seed, 0.12);
            let found = Reliability::of(&p, &labels, 7).expect("two classes");
            assert!(found.error.is_off(), "{:?}", found.error);
            assert!(found.error.floor < found.error.limit);
        }
    }

    #[test]
    fn a_diagram_has_a_point_for_every_row_and_no_foreign_markup() {
        let (p, labels) = drawn(1000, 3, 0.0);
        let found = Reliability::of(&p, &labels, 7).expect("two classes");
        assert_eq!(found.points.iter().map(|point| point.rows).sum::<usize>(), 1000);
        assert!(found.points.windows(2).all(|pair| pair[0].promised <= pair[1].promised));
        let svg = found.svg("app <b>&\"");
        assert!(svg.contains("app &lt;b&gt;&amp;&quot;") && !svg.contains("<b>"));
        assert_eq!(svg.matches("<circle").count(), found.points.len());
        assert!(Reliability::of(&[0.5], &[true], 7).is_err(), "one class");
    }
}
