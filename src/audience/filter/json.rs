//! Filters as JSON: the same tree, for programs. What is read says where it is wrong as a JSON pointer.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::names::{self, Fault, Place, Wrong};
use super::tree::{ACTIVE_MAX, DAYS_MAX, DEPTH_MAX, Expr, Part, TIMES_MAX, Target};

/// Writes a filter.
pub(super) fn write(expr: &Expr) -> Value {
    let texts = |values: &mut dyn Iterator<Item = String>| values.collect::<Value>();
    match expr {
        Expr::App(of) => json!({ "app": of }),
        Expr::Country(of) => json!({ "country": of }),
        Expr::Language(of) => json!({ "language": of }),
        Expr::Age(of) => json!({ "age": of }),
        Expr::Topic(of) => json!({ "topic": texts(&mut of.iter().map(ToString::to_string)) }),
        Expr::Active(days) => json!({ "active_within_days": days }),
        Expr::Did { kind, target, at_least, days } => {
            let mut did = json!({ "kind": kind.as_str(), "within_days": days });
            match target {
                Target::Any => {}
                Target::Us => did["about"] = json!("us"),
                Target::Topics(of) => {
                    did["about"] = texts(&mut of.iter().map(ToString::to_string));
                }
            }
            if *at_least > 1 {
                did["at_least"] = json!(at_least);
            }
            json!({ "did": did })
        }
        Expr::Campaign(part, of) if of.is_empty() => json!({ part.as_str(): "any" }),
        Expr::Campaign(part, of) => json!({ part.as_str(): of }),
        Expr::Not(inner) => json!({ "not": write(inner) }),
        Expr::All(parts) => json!({ "all": parts.iter().map(write).collect::<Vec<_>>() }),
        Expr::Any(parts) => json!({ "any": parts.iter().map(write).collect::<Vec<_>>() }),
    }
}

/// Reads a filter.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(super) fn read(value: &Value) -> Result<Expr, Fault> {
    let expr = At { value, pointer: String::new(), depth: 0 }.expr()?;
    if expr.is_too_large() {
        return Err(Fault { place: Place::Json(String::new()), wrong: Wrong::too_large() });
    }
    Ok(expr.normal())
}

/// A value and where it is.
struct At<'v> {
    value: &'v Value,
    pointer: String,
    depth: usize,
}

impl<'v> At<'v> {
    fn wrong<T>(&self, wrong: Wrong) -> Result<T, Fault> {
        Err(Fault { place: Place::Json(self.pointer.clone()), wrong })
    }

    /// A part of it; `name` is one of ours.
    fn under(&self, name: impl std::fmt::Display, value: &'v Value) -> Self {
        Self { value, pointer: format!("{}/{name}", self.pointer), depth: self.depth + 1 }
    }

    fn object(&self, what: &str) -> Result<&'v Map<String, Value>, Fault> {
        match self.value.as_object() {
            Some(object) => Ok(object),
            None => self.wrong(Wrong::expected(what)),
        }
    }

    fn expr(&self) -> Result<Expr, Fault> {
        if self.depth > 2 * DEPTH_MAX {
            return self.wrong(Wrong::too_large());
        }
        let what = "an object with one member, such as {\"country\": [\"IE\"]}";
        let object = self.object(what)?;
        let (Some((name, value)), 1) = (object.iter().next(), object.len()) else {
            return self.wrong(Wrong::expected(what));
        };
        if let Some(part) = Part::ALL.into_iter().find(|part| part.as_str() == name) {
            return self.under(name, value).campaign(part);
        }
        let known = ["all", "any", "not", "did", "active_within_days"];
        if !names::FIELDS.contains(&name.as_str()) && !known.contains(&name.as_str()) {
            return self.wrong(Wrong::member(name, &known));
        }
        let inner = self.under(name, value);
        match name.as_str() {
            "all" => inner.exprs(0).map(Expr::All),
            "any" => inner.exprs(1).map(Expr::Any),
            "not" => Ok(Expr::Not(Box::new(inner.expr()?))),
            "app" => inner.values(names::app).map(Expr::App),
            "country" => inner.values(names::country).map(Expr::Country),
            "language" => inner.values(names::language).map(Expr::Language),
            "age" => inner.values(names::age).map(Expr::Age),
            "topic" => inner.values(names::topic).map(Expr::Topic),
            "did" => inner.did(),
            _ => inner.number(ACTIVE_MAX).map(Expr::Active),
        }
    }

    fn list(&self, least: usize) -> Result<Vec<Self>, Fault> {
        match self.value.as_array() {
            Some(list) if list.len() >= least => {
                Ok(list.iter().enumerate().map(|(at, value)| self.under(at, value)).collect())
            }
            _ => self.wrong(Wrong::expected("a list that is not empty")),
        }
    }

    fn exprs(&self, least: usize) -> Result<Vec<Expr>, Fault> {
        self.list(least)?.iter().map(Self::expr).collect()
    }

    fn text<T>(&self, read: impl Fn(&str) -> Result<T, Wrong>) -> Result<T, Fault> {
        match self.value.as_str().map(read) {
            Some(Ok(value)) => Ok(value),
            Some(Err(wrong)) => self.wrong(wrong),
            None => self.wrong(Wrong::expected("a text")),
        }
    }

    fn values<T: Ord>(
        &self,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<BTreeSet<T>, Fault> {
        self.list(1)?.iter().map(|value| value.text(&read)).collect()
    }

    fn number(&self, most: u16) -> Result<u16, Fault> {
        let text = self.value.as_u64().map(|number| number.to_string()).unwrap_or_default();
        names::number(&text, most).or_else(|wrong| self.wrong(wrong))
    }

    fn campaign(&self, part: Part) -> Result<Expr, Fault> {
        let of = match self.value.as_str() {
            Some("any") => BTreeSet::new(),
            _ => self.values(names::campaign)?,
        };
        Ok(Expr::Campaign(part, of))
    }

    fn did(&self) -> Result<Expr, Fault> {
        let what = "an object with kind and within_days, and perhaps about and at_least";
        let object = self.object(what)?;
        let known = ["kind", "within_days", "about", "at_least"];
        if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
            return self.wrong(Wrong::member(name, &known));
        }
        let member = |name: &str| object.get(name).map(|value| self.under(name, value));
        let (Some(kind), Some(days)) = (member("kind"), member("within_days")) else {
            return self.wrong(Wrong::expected(what));
        };
        let target = match member("about") {
            None => Target::Any,
            Some(about) if about.value == "us" => Target::Us,
            Some(about) => Target::Topics(about.values(names::topic)?),
        };
        let at_least = member("at_least").map_or(Ok(1), |number| number.number(TIMES_MAX))?;
        Ok(Expr::Did {
            kind: kind.text(names::kind)?,
            target,
            at_least,
            days: days.number(DAYS_MAX)?,
        })
    }
}
