//! Arms of an imported campaign: which message a row is about, and how probable its arm was.

use super::mapping::{Arm, Exposure};

impl Exposure {
    /// The message that a row is about. Whoever was kept aside was kept from one of the messages; from which,
    /// `lot` decides with the shares of the messages, so that each comes as often among them as among those
    /// who were sent it. A mapping may also say which.
    pub(super) fn message<'m>(&'m self, arm: &'m Arm, lot: &[u8; 16]) -> &'m Arm {
        if !arm.control || !arm.topics.is_empty() {
            return arm;
        }
        let bits = lot.iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        // 53 bits are what a double holds exactly.
        let mut left = (bits >> 11) as f64 / (1u64 << 53) as f64 * self.share_sent(|_| true);
        let mut sent = self.arms.values().filter(|one| !one.control);
        let drawn = sent.find(|one| {
            left -= one.share;
            left < 0.0
        });
        drawn.or(self.arms.values().rfind(|one| !one.control)).unwrap_or(arm)
    }

    /// How probable it was for a row of the table to be in the arm that it was in, sent or kept aside, given the
    /// message it is about. Shares count as parts of what is in the table.
    pub(super) fn propensity(&self, arm: &Arm, message: &Arm) -> f64 {
        let sent = self.share_sent(|one| one.says_the_same(message));
        if sent == 0.0 {
            return 1.0;
        }
        let part = sent / self.share_sent(|_| true);
        let controls = self.arms.values().filter(|one| one.control);
        let aside: f64 = controls
            .map(|one| match (one.topics.is_empty(), one.says_the_same(message)) {
                (true, _) => one.share * part,
                (false, true) => one.share,
                (false, false) => 0.0,
            })
            .sum();
        (if arm.control { aside } else { sent }) / (sent + aside)
    }

    fn share_sent(&self, of: impl Fn(&Arm) -> bool) -> f64 {
        self.arms.values().filter(|one| !one.control && of(one)).map(|one| one.share).sum()
    }
}

impl Arm {
    fn says_the_same(&self, other: &Self) -> bool {
        self.topics == other.topics && self.language == other.language
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::mapping::Mapping;
    use super::*;

    fn exposure(arms: &str) -> Exposure {
        let text = format!(
            "app = \"shop\"\n[account]\nreference = \"row\"\n[exposure]\nat = \"2026-10-01T00:00:00Z\"\n\
             closes_after_days = 14\ntreatment = \"arm\"\noutcomes = []\n[exposure.arms]\n{arms}"
        );
        Mapping::parse(&text).expect("a mapping").exposure.expect("it has one")
    }

    /// Every arm's probability, by the topics of the message it is about.
    fn propensities(of: &Exposure, name: &str) -> BTreeMap<Vec<String>, f64> {
        let arm = &of.arms[name];
        let lots = (0..=255_u8).map(|byte| {
            let mut lot = [0; 16];
            lot[0] = byte;
            of.message(arm, &lot)
        });
        lots.map(|about| (about.topics.clone(), of.propensity(arm, about))).collect()
    }

    fn about(topics: &[(&str, f64)]) -> BTreeMap<Vec<String>, f64> {
        topics.iter().map(|(topic, propensity)| (vec![(*topic).to_owned()], *propensity)).collect()
    }

    fn is_near(found: &BTreeMap<Vec<String>, f64>, expected: &BTreeMap<Vec<String>, f64>) {
        let mut same = found.len() == expected.len();
        for ((topics, found), (of, expected)) in found.iter().zip(expected) {
            same &= topics == of && (found - expected).abs() < 1e-12;
        }
        assert!(same, "{found:?}, not {expected:?}");
    }

    #[test]
    fn the_arms_of_a_message_have_probabilities_that_sum_to_one() {
        let three = exposure(
            "a = { share = 0.2, topics = [\"fashion\"] }\n\
             b = { share = 0.6, topics = [\"sport.running\"] }\n\
             none = { share = 0.2, control = true }",
        );
        is_near(&propensities(&three, "a"), &about(&[("fashion", 0.8)]));
        is_near(&propensities(&three, "b"), &about(&[("sport.running", 0.8)]));
        let aside = about(&[("fashion", 0.2), ("sport.running", 0.2)]);
        is_near(&propensities(&three, "none"), &aside);
    }

    #[test]
    fn those_kept_aside_from_one_message_tell_nothing_of_another() {
        let named = exposure(
            "a = { share = 0.25, topics = [\"fashion\"] }\n\
             b = { share = 0.25, topics = [\"sport.running\"] }\n\
             none = { share = 0.25, control = true, topics = [\"fashion\"] }",
        );
        is_near(&propensities(&named, "a"), &about(&[("fashion", 0.5)]));
        is_near(&propensities(&named, "b"), &about(&[("sport.running", 1.0)]));
        is_near(&propensities(&named, "none"), &about(&[("fashion", 0.5)]));
    }

    #[test]
    fn without_a_second_arm_nothing_was_drawn() {
        let sent = exposure("a = { share = 0.5, topics = [\"fashion\"] }");
        is_near(&propensities(&sent, "a"), &about(&[("fashion", 1.0)]));
        let aside = exposure("none = { share = 0.5, control = true }");
        assert!(propensities(&aside, "none").values().all(|of| *of >= 1.0));
    }

    #[test]
    fn messages_fall_to_those_kept_aside_as_often_as_they_were_sent() {
        let three = exposure(
            "a = { share = 0.25, topics = [\"fashion\"] }\n\
             b = { share = 0.75, topics = [\"sport.running\"] }\n\
             none = { share = 1.0, control = true }",
        );
        let lots = (0..=255_u8).map(|byte| {
            let mut lot = [0; 16];
            lot[0] = byte;
            three.message(&three.arms["none"], &lot)
        });
        assert_eq!(lots.filter(|arm| arm.topics == ["fashion"]).count(), 64);
    }
}
