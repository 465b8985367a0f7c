//! Forms that come back with what was typed and with the error at its field.

use std::collections::BTreeMap;

/// A form as it was sent: fields may repeat.
#[derive(Default)]
pub(super) struct Sent(Vec<(String, String)>);

impl Sent {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a field, or nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find_map(|(key, value)| (key == name).then_some(&**value)).unwrap_or_default()
    }

    /// Every value of a field.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether the field was there, empty or not.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Whether a field has this value among its values.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(key, found)| key == name && found == value)
    }
}

/// What is wrong, by field.
#[derive(Default)]
pub(super) struct Errors(BTreeMap<&'static str, String>);

impl Errors {
    /// One error.
    pub(super) fn at(field: &'static str, text: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field, text.into())]))
    }

    /// One more error.
    pub(super) fn and(&mut self, field: &'static str, text: impl Into<String>) {
        self.0.insert(field, text.into());
    }

    /// What is wrong with a field.
    pub(super) fn of(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Whether anything is wrong.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }
}
