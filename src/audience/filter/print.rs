//! Filters as text, written: the one text of everything that says the same.

use std::fmt::{self, Display, Formatter};

use super::tree::{Expr, Target, TopicRange};

impl Display for TopicRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(topic) => write!(f, "{topic}"),
            Self::Family(topic) => write!(f, "{topic}.*"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Us => f.write_str("us"),
            Self::Topics(ranges) => values(f, ranges),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(of) => field(f, "app", of),
            Self::Country(of) => field(f, "country", of),
            Self::Language(of) => field(f, "language", of),
            Self::Age(of) => field(f, "age", of),
            Self::Topic(of) => field(f, "topic", of),
            Self::Active(days) => {
                f.write_str("active")?;
                within(f, *days)
            }
            Self::Did { kind, target, at_least, days } => {
                write!(f, "{kind} {target}")?;
                if *at_least > 1 {
                    write!(f, " >= {at_least}")?;
                }
                within(f, *days)
            }
            Self::Campaign(part, of) if of.is_empty() => write!(f, "{} any", part.as_str()),
            Self::Campaign(part, of) => field(f, part.as_str(), of),
            Self::Not(inner) => {
                f.write_str("not ")?;
                part(f, inner)
            }
            Self::All(parts) if parts.is_empty() => f.write_str("everybody"),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Any(parts) => joined(f, parts, " or "),
        }
    }
}

fn within(f: &mut Formatter<'_>, days: u16) -> fmt::Result {
    write!(f, " within {days} {}", if days == 1 { "day" } else { "days" })
}

fn field<T: Display>(
    f: &mut Formatter<'_>,
    name: &str,
    of: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
) -> fmt::Result {
    write!(f, "{name} ")?;
    values(f, of)
}

/// One value by itself, several in brackets.
fn values<T: Display>(
    f: &mut Formatter<'_>,
    of: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
) -> fmt::Result {
    let of = of.into_iter();
    let several = of.len() != 1;
    if several {
        f.write_str("in (")?;
    }
    for (at, value) in of.enumerate() {
        write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
    }
    f.write_str(if several { ")" } else { "" })
}

/// A part of something, in brackets where it joins others.
fn part(f: &mut Formatter<'_>, of: &Expr) -> fmt::Result {
    match of {
        Expr::All(parts) if parts.is_empty() => write!(f, "{of}"),
        Expr::All(_) | Expr::Any(_) => write!(f, "({of})"),
        _ => write!(f, "{of}"),
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Expr], by: &str) -> fmt::Result {
    for (at, one) in parts.iter().enumerate() {
        f.write_str(if at > 0 { by } else { "" })?;
        part(f, one)?;
    }
    Ok(())
}
