//! Volens.
