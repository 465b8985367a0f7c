//! What invented people make of a message: something for a model to learn.

use volens_models::features::Features;

/// How probably somebody follows the message.
pub(super) fn chance(seen: &Features) -> f64 {
    let number = |name: &str| match seen.get(name) {
        Some(volens_models::Value::Number(number)) => *number,
        _ => 0.0,
    };
    let interest = number("topic.long").min(2.0) + number("business.long").min(2.0);
    let habits = (number("trait.visits") / 20.0).sin() + number("trait.spent") / 50.0;
    let welcome = interest + habits + number("engagement.long").min(5.0) / 5.0 - 2.5;
    1.0 / (1.0 + (-welcome).exp())
}
