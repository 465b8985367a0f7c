//! Consent, identity and ledger of Volens.
