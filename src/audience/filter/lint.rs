//! What a filter could stand for although nobody may be addressed by it: said with the answer, and left to
//! the business to think about.

use serde::Serialize;
use volens_privacy::TopicId;
use volens_privacy::proxies::{Attribute, Proxies};

use super::tree::{Expr, Target};

/// Conditions of a filter that together could stand for something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Warning {
    /// What they could stand for: an attribute of the list of proxies.
    #[schema(example = "ethnic_origin")]
    pub attribute: String,
    /// The fields or topics.
    #[schema(example = json!(["language", "country"]))]
    pub names: Vec<String>,
    /// The same as a sentence.
    pub text: String,
}

impl Warning {
    fn of(attribute: &Attribute, names: Vec<String>) -> Self {
        let text = format!(
            "{} could stand for {}: make sure that nobody is left out because of it",
            names.join(" with "),
            attribute.id.replace('_', " "),
        );
        Self { attribute: attribute.id.clone(), names, text }
    }
}

/// What stands on the list of proxies, in its order.
pub(super) fn warnings(expr: &Expr) -> Vec<Warning> {
    let (mut fields, mut topics) = (Vec::new(), Vec::new());
    expr.visit(&mut |part| {
        fields.push(match part {
            Expr::App(_) => "app",
            Expr::Country(_) => "country",
            Expr::Language(_) => "language",
            Expr::Age(_) => "age",
            Expr::Active(_) => "active",
            _ => "",
        });
        if let Expr::Topic(of) | Expr::Did { target: Target::Topics(of), .. } = part {
            topics.extend(of.iter().flat_map(|range| range.topics()).map(TopicId::as_str));
        }
    });
    topics.sort_unstable();
    topics.dedup();
    let mut found = Vec::new();
    for attribute in &Proxies::builtin().attributes {
        let together = attribute.fields.iter().filter(|names| {
            !names.is_empty() && names.iter().all(|name| fields.contains(&name.as_str()))
        });
        found.extend(together.map(|names| Warning::of(attribute, names.clone())));
        let named = |topic: &&&str| {
            attribute.topics.iter().any(|of| of == **topic) || attribute.named_by(topic).is_some()
        };
        let topics = topics.iter().filter(named);
        found.extend(topics.map(|topic| Warning::of(attribute, vec![(*topic).to_owned()])));
    }
    found
}
