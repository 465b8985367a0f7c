//! Many rows of SQLite as one.
//!
//! The driver runs SQLite on a thread of its own and hands its rows over one at a time; the two
//! threads then wake each other for every row, which costs several times what the row does. So a
//! query for many rows is wrapped into one that joins them to a single text, and taken apart here.
//! Cells are hexadecimal or numbers, so no value can be mistaken for a separator.

use std::sync::Arc;

use super::{Error, Result, Value};

/// The names of a result's columns, shared by its rows.
pub(super) type Names = Arc<[&'static str]>;

/// The names of the columns that `text` selects; `None` where the text is no plain `select` of named
/// columns.
pub(super) fn names(text: &'static str) -> Option<Names> {
    let list = text.trim_start().strip_prefix("select ")?;
    let list = list.strip_prefix("distinct ").unwrap_or(list);
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                names.push(name(&list[start..at])?);
                start = at + 1;
            }
            b'f' if depth == 0 && is_from(list, at) => {
                names.push(name(&list[start..at])?);
                return Some(names.into());
            }
            _ => {}
        }
    }
    None
}

fn is_from(list: &str, at: usize) -> bool {
    let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let bytes = list.as_bytes();
    list[at..].starts_with("from") && at > 0 && blank(bytes.get(at - 1)) && blank(bytes.get(at + 4))
}

/// What an expression is called: its alias, or the column itself.
fn name(expression: &'static str) -> Option<&'static str> {
    let expression = expression.trim();
    let name = match expression.rsplit_once(" as ") {
        Some((_, alias)) => alias.trim(),
        None => expression.rsplit_once('.').map_or(expression, |(_, column)| column),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

/// The query whose one row holds all rows of `text`, in their order: SQLite keeps the order of a
/// subquery for every aggregate but count, min and max.
pub(super) fn wrap(text: &str, names: &[&str]) -> String {
    let cell = |name: &&str| {
        format!(
            "case typeof(\"{name}\") when 'integer' then 'i' || \"{name}\" when 'text' then 't' || \
             hex(\"{name}\") when 'blob' then 'b' || hex(\"{name}\") when 'real' then 'r' || \
             quote(\"{name}\") else 'n' end"
        )
    };
    let cells: Vec<String> = names.iter().map(cell).collect();
    let cells = cells.join(" || ',' || ");
    format!("select group_concat({cells}, ';') as packed from ({text})")
}

/// Takes the text apart that [`wrap`] asked for.
pub(super) fn unwrap(packed: &str, columns: usize) -> Result<Vec<Vec<Value>>> {
    packed
        .split(';')
        .map(|row| {
            let cells: Vec<Value> = row.split(',').map(cell).collect::<Result<_>>()?;
            if cells.len() == columns { Ok(cells) } else { Err(Error::Damaged("packed")) }
        })
        .collect()
}

fn cell(text: &str) -> Result<Value> {
    let damaged = || Error::Damaged("packed");
    let (kind, rest) = text.split_at_checked(1).ok_or_else(damaged)?;
    let bytes = || faster_hex::hex_decode_vec(rest.as_bytes()).map_err(|_| damaged());
    Ok(match kind {
        "i" => Value::Int(Some(rest.parse().map_err(|_| damaged())?)),
        "r" => Value::Real(Some(rest.parse().map_err(|_| damaged())?)),
        "t" => Value::Text(Some(String::from_utf8(bytes()?).map_err(|_| damaged())?)),
        "b" => Value::Bytes(Some(bytes()?)),
        // Nothing has no type of its own in SQLite.
        "n" => Value::Int(None),
        _ => return Err(damaged()),
    })
}
