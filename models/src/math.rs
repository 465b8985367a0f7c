//! Small numeric helpers.

/// The logistic function, accurate at both ends.
#[inline]
pub(crate) fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let odds = logit.exp();
        odds / (1.0 + odds)
    }
}

/// The logit of a probability, kept finite: probabilities are held 1e-12 away from 0 and 1.
#[inline]
pub(crate) fn logit(probability: f64) -> f64 {
    let probability = probability.clamp(1e-12, 1.0 - 1e-12);
    (probability / (1.0 - probability)).ln()
}

/// The log loss of a logit, without going through a probability that may round to 0 or 1.
#[inline]
pub(crate) fn log_loss_of_logit(logit: f64, positive: bool) -> f64 {
    let signed = if positive { logit } else { -logit };
    (-signed.abs()).exp().ln_1p() + (-signed).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_and_logit_undo_each_other_and_stay_finite() {
        for value in [-25.0, -3.0, 0.0, 0.5, 20.0] {
            assert!((logit(sigmoid(value)) - value).abs() < 1e-3 * (1.0 + f64::abs(value)));
        }
        assert_eq!((sigmoid(-800.0), sigmoid(800.0)), (0.0, 1.0));
        assert!(logit(0.0).is_finite() && logit(1.0).is_finite());
    }

    #[test]
    fn log_loss_agrees_with_its_definition_and_survives_large_logits() {
        let probability: f64 = sigmoid(1.3);
        assert!((log_loss_of_logit(1.3, true) + probability.ln()).abs() < 1e-12);
        assert!((log_loss_of_logit(1.3, false) + (1.0 - probability).ln()).abs() < 1e-12);
        assert!((log_loss_of_logit(1000.0, false) - 1000.0).abs() < 1e-9);
    }
}
