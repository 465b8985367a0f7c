//! Learning for Volens.
