//! Values that may be used but not shown.

use std::fmt;
use std::ops::Deref;

/// A value whose `Debug` and `Display` show nothing, for fields of types that derive `Debug`.
///
/// ```
/// use volens_privacy::Redacted;
/// let reference = Redacted::new(String::from("user-4711"));
/// assert_eq!(format!("{reference:?} {reference}"), "(redacted) (redacted)");
/// assert_eq!(reference.as_str(), "user-4711");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides `value` from formatting.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Redacted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Gives a type a `Debug` that shows its name and nothing else.
macro_rules! hide_debug {
    ($($type:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(redacted)"))
            }
        }
    )+};
}
pub(crate) use hide_debug;
