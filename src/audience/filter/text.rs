//! Filters as text, read: `country in (IE, GB) and bought sport.* >= 3 within 14 days`.
//! The grammar is in `docs/reference/filters.md`.

use std::collections::BTreeSet;

use super::names::{self, Fault, Place, Wrong};
use super::tree::{ACTIVE_MAX, DAYS_MAX, Expr, Part, TIMES_MAX, Target};
use crate::signals::Kind;

/// The longest text, in bytes.
pub(super) const TEXT_MAX: usize = 16 * 1024;
/// Brackets and negations inside each other.
const NESTED_MAX: usize = 32;

/// Reads a filter. Nothing but spaces is everybody.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(super) fn read(text: &str) -> Result<Expr, Fault> {
    let mut parser = Parser { words: words(text)?, next: 0, nested: 0 };
    if parser.peek().is_empty() {
        return Ok(Expr::EVERYBODY);
    }
    let expr = parser.any()?;
    if !parser.peek().is_empty() {
        return Err(parser.wrong(Wrong::expected("and, or, or the end")));
    }
    if expr.is_too_large() {
        return Err(Fault { place: Place::Text { line: 1, column: 1 }, wrong: Wrong::too_large() });
    }
    Ok(expr.normal())
}

/// A word or sign, and where it begins.
struct Word<'t> {
    text: &'t str,
    place: Place,
}

fn words(text: &str) -> Result<Vec<Word<'_>>, Fault> {
    let start = Place::Text { line: 1, column: 1 };
    if text.len() > TEXT_MAX {
        return Err(Fault { place: start, wrong: Wrong::too_large() });
    }
    let mut words = Vec::new();
    let (mut line, mut column) = (1, 1);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let place = Place::Text { line, column };
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '*' | '-');
        let length = match first {
            '\n' | ' ' | '\t' | '\r' | '(' | ')' | ',' | '=' | '≥' => first.len_utf8(),
            '>' if rest.starts_with(">=") => 2,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => {
                let what = "a word, a number, a bracket, a comma or >=";
                return Err(Fault { place, wrong: Wrong::expected(what) });
            }
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        column += word.chars().count();
        if first == '\n' {
            (line, column) = (line + 1, 1);
        }
        if !first.is_whitespace() {
            words.push(Word { text: word, place });
        }
    }
    words.push(Word { text: "", place: Place::Text { line, column } });
    Ok(words)
}

struct Parser<'t> {
    /// Ends with an empty word.
    words: Vec<Word<'t>>,
    next: usize,
    nested: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t str {
        self.words[self.next].text
    }

    fn take(&mut self) -> &'t str {
        let word = self.peek();
        self.next = (self.next + 1).min(self.words.len() - 1);
        word
    }

    /// Takes the word if it comes next; words of the language may be written in capitals.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(word);
        if found {
            self.take();
        }
        found
    }

    fn needs(&mut self, word: &str) -> Result<(), Fault> {
        if self.takes(word) { Ok(()) } else { Err(self.wrong(Wrong::expected(word))) }
    }

    /// A fault at what comes next.
    fn wrong(&self, wrong: Wrong) -> Fault {
        Fault { place: self.words[self.next].place.clone(), wrong }
    }

    /// Reads the next word as a value.
    fn value<T>(&mut self, read: impl Fn(&str) -> Result<T, Wrong>) -> Result<T, Fault> {
        let value = read(self.peek()).map_err(|wrong| self.wrong(wrong))?;
        self.take();
        Ok(value)
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.one()?];
        while self.takes("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn one(&mut self) -> Result<Expr, Fault> {
        let (not, bracket) = (self.takes("not"), self.peek() == "(");
        if !not && !bracket {
            return self.condition();
        }
        self.nested += 1;
        if self.nested > NESTED_MAX {
            return Err(self.wrong(Wrong::too_large()));
        }
        let inner = if not {
            Expr::Not(Box::new(self.one()?))
        } else {
            self.take();
            let inner = self.any()?;
            self.needs(")")?;
            inner
        };
        self.nested -= 1;
        Ok(inner)
    }

    fn condition(&mut self) -> Result<Expr, Fault> {
        let word = self.peek().to_ascii_lowercase();
        let part = Part::ALL.into_iter().find(|part| part.as_str() == word);
        if let Some(kind) = Kind::parse(&word) {
            self.take();
            return self.did(kind);
        }
        if let Some(part) = part {
            self.take();
            let any = self.takes("any");
            let of = if any { BTreeSet::new() } else { self.values(names::campaign)? };
            return Ok(Expr::Campaign(part, of));
        }
        let read: fn(&mut Self) -> Result<Expr, Fault> = match &*word {
            "everybody" => |_: &mut Self| Ok(Expr::EVERYBODY),
            "app" => |this: &mut Self| this.values(names::app).map(Expr::App),
            "country" => |this: &mut Self| this.values(names::country).map(Expr::Country),
            "language" => |this: &mut Self| this.values(names::language).map(Expr::Language),
            "age" => |this: &mut Self| this.values(names::age).map(Expr::Age),
            "topic" => |this: &mut Self| this.values(names::topic).map(Expr::Topic),
            "active" => |this: &mut Self| this.within(ACTIVE_MAX).map(Expr::Active),
            _ => return Err(self.wrong(Wrong::field(self.peek()))),
        };
        self.take();
        read(self)
    }

    /// `bought sport.* >= 3 within 14 days`, after the act.
    fn did(&mut self, kind: Kind) -> Result<Expr, Fault> {
        let target = if self.takes("any") {
            Target::Any
        } else if self.takes("us") {
            Target::Us
        } else {
            Target::Topics(self.values(names::topic)?)
        };
        let counted = if self.takes("at") {
            self.needs("least")?;
            true
        } else {
            self.takes(">=") || self.takes("≥")
        };
        let times = |word: &str| names::number(word, TIMES_MAX);
        let at_least = if counted { self.value(times)? } else { 1 };
        Ok(Expr::Did { kind, target, at_least, days: self.within(DAYS_MAX)? })
    }

    /// `within 14 days`.
    fn within(&mut self, most: u16) -> Result<u16, Fault> {
        self.needs("within")?;
        let days = self.value(|word| names::number(word, most))?;
        if !self.takes("day") {
            self.needs("days")?;
        }
        Ok(days)
    }

    /// One value, or several after `in` in brackets.
    fn values<T: Ord>(
        &mut self,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<BTreeSet<T>, Fault> {
        // India is IN.
        let several = self.words.get(self.next + 1).is_some_and(|next| next.text == "(");
        if !several || !self.takes("in") {
            self.takes("=");
            return Ok(BTreeSet::from([self.value(read)?]));
        }
        self.needs("(")?;
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value(&read)?);
            if !self.takes(",") {
                break;
            }
        }
        if self.takes(")") { Ok(values) } else { Err(self.wrong(Wrong::expected(", or )"))) }
    }
}
