//! The `volens` program.
fn main() {}
