//! SQL as named constants that a test can prepare on both engines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Engine;
use super::packed::{self, Names};

/// One SQL text, or two where the engines really differ.
///
/// Parameters are `$1`, `$2` … on both engines. Two marks are expanded by the driver:
/// `{rows}` stands for `($1, $2), ($3, $4) …` in a multi-row insert, `{list}` for the members of an
/// `in (…)`, numbered after the fixed parameters, or one array of them there.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// The module that owns it.
    pub module: &'static str,
    /// The constant's name.
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// How a marked statement is expanded: rows × columns of a multi-row insert, or members of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Plain,
    Rows { rows: usize, columns: usize },
    List(usize),
    Array(Members),
}

/// What an array in JSON holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Members {
    /// Numbers or text.
    Plain,
    /// Bytes, in hexadecimal.
    Bytes,
}

/// A text and how it is expanded, on which engine.
type Expansion = (Engine, &'static str, Shape);

/// A text that answers all its rows as one, and the names of their columns.
type Packed = (Arc<str>, Names);

impl Statement {
    /// Made by [`statements!`] only.
    pub const fn new(
        module: &'static str,
        name: &'static str,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Self {
        Self { module, name, sqlite, postgres }
    }

    /// The text for `engine`, marks unexpanded.
    pub fn text(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }

    /// The text with its marks expanded for `count` rows or members, as it is sent.
    pub fn sample(&self, engine: Engine, count: usize) -> String {
        let text = self.text(engine);
        let shape = if text.contains("{rows}") {
            Shape::Rows { rows: count, columns: inserted_columns(text) }
        } else if text.contains("{list}") {
            match engine {
                Engine::Sqlite => Shape::Array(Members::Bytes),
                Engine::Postgres => Shape::List(count),
            }
        } else {
            Shape::Plain
        };
        expand(text, shape, engine)
    }

    /// Parameters written in the text itself (not those of an expanded mark).
    pub(super) fn arity(&self, engine: Engine) -> usize {
        fixed_parameters(self.text(engine))
    }

    /// The expanded text that answers all rows as one, with the names of their columns; only on
    /// SQLite, and only where the columns can be named. Kept like [`Self::expanded`].
    pub(super) fn packed(&self, shape: Shape) -> Option<Packed> {
        static TEXTS: Mutex<BTreeMap<Expansion, Option<Packed>>> = Mutex::new(BTreeMap::new());
        let text = self.text(Engine::Sqlite);
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = texts.entry((Engine::Sqlite, text, shape)).or_insert_with(|| {
            let names = packed::names(text)?;
            let sql = packed::wrap(&expand(text, shape, Engine::Sqlite), &names);
            Some((sql.into(), names))
        });
        entry.clone()
    }

    /// The expanded text, kept so that each shape is built once. Shapes come in few sizes
    /// ([`super::tx`] cuts batches to fixed sizes), so this stays small.
    pub(super) fn expanded(&self, engine: Engine, shape: Shape) -> Arc<str> {
        static TEXTS: Mutex<BTreeMap<Expansion, Arc<str>>> = Mutex::new(BTreeMap::new());
        let text = self.text(engine);
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = texts
            .entry((engine, text, shape))
            .or_insert_with(|| expand(text, shape, engine).into());
        Arc::clone(entry)
    }
}

/// Members are numbered on PostgreSQL only. SQLite keeps a list of the names of a statement's parameters
/// and searches it for each one that is bound, which for thousands of `$n` takes longer than the
/// insert; a bare `?` has no name. It also prepares a statement anew when what is bound to an `in` changes.
/// An array in JSON is one parameter, and one text for lists of every length.
fn expand(text: &str, shape: Shape, engine: Engine) -> String {
    match shape {
        Shape::Plain => text.to_owned(),
        Shape::Rows { rows, columns } => {
            let mark = |number: usize| match engine {
                Engine::Sqlite => "?".to_owned(),
                Engine::Postgres => format!("${number}"),
            };
            let row = |r: usize| {
                let marks: Vec<String> = (1..=columns).map(|c| mark(r * columns + c)).collect();
                format!("({})", marks.join(", "))
            };
            let all: Vec<String> = (0..rows).map(row).collect();
            text.replace("{rows}", &all.join(", "))
        }
        Shape::List(members) => {
            let fixed = fixed_parameters(text);
            let marks: Vec<String> = (1..=members).map(|m| format!("${}", fixed + m)).collect();
            text.replace("{list}", &marks.join(", "))
        }
        Shape::Array(members) => {
            let value = match members {
                Members::Plain => "value",
                Members::Bytes => "unhex(value)",
            };
            let array = fixed_parameters(text) + 1;
            text.replace("{list}", &format!("select {value} from json_each(${array})"))
        }
    }
}

/// The highest `$n` in the text.
fn fixed_parameters(text: &str) -> usize {
    text.split('$')
        .skip(1)
        .map(|rest| {
            rest.bytes()
                .take_while(u8::is_ascii_digit)
                .fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
        })
        .max()
        .unwrap_or(0)
}

/// Columns named between the first pair of parentheses of an insert.
fn inserted_columns(text: &str) -> usize {
    let inside = text.split('(').nth(1).and_then(|rest| rest.split(')').next());
    inside.map_or(0, |names| names.split(',').count())
}

/// Declares a slice's SQL: `NAME = "text";`, or `NAME = "text" | postgres "other text";`.
///
/// Also makes the module's `STATEMENTS`, to be listed in [`crate::statements`] so that the test
/// suite prepares each on both engines and checks that each ran.
macro_rules! statements {
    (@postgres $sqlite:literal) => { $sqlite };
    (@postgres $sqlite:literal $postgres:literal) => { $postgres };
    ($( $(#[$meta:meta])* $name:ident = $sqlite:literal $(| postgres $postgres:literal)? ; )*) => {
        $(
            $(#[$meta])*
            pub(super) const $name: $crate::db::Statement = $crate::db::Statement::new(
                module_path!(),
                stringify!($name),
                $sqlite,
                $crate::db::statements!(@postgres $sqlite $($postgres)?),
            );
        )*
        /// Every statement of this module.
        pub(crate) const STATEMENTS: &[$crate::db::Statement] = &[$($name),*];
    };
}
pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "insert into t (a, b) values {rows}";
    const INSERT: Statement = Statement::new("m", "INSERT", TEXT, TEXT);
    const LIST: Statement =
        Statement::new("m", "LIST", "select a from t where b = $1 and a in ({list})", "");

    #[test]
    fn rows_and_lists_are_numbered_after_what_stands_before_them() {
        assert_eq!(
            INSERT.sample(Engine::Postgres, 2),
            "insert into t (a, b) values ($1, $2), ($3, $4)"
        );
        assert_eq!(INSERT.sample(Engine::Sqlite, 2), "insert into t (a, b) values (?, ?), (?, ?)");
        assert_eq!(
            LIST.sample(Engine::Sqlite, 2),
            "select a from t where b = $1 and a in (select unhex(value) from json_each($2))"
        );
        assert_eq!(
            expand(LIST.sqlite, Shape::List(2), Engine::Postgres),
            "select a from t where b = $1 and a in ($2, $3)"
        );
    }

    #[test]
    fn arity_is_the_highest_parameter() {
        assert_eq!(fixed_parameters("a = $2 and b = $1 and c = $12"), 12);
        assert_eq!(fixed_parameters("nothing"), 0);
    }
}
