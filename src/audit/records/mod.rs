//! The records that the law wants kept: the register of processing (GDPR Art. 30) and what is needed
//! within 72 hours of a breach (Art. 33).

mod breach;
pub mod http;
mod register;
mod store;
#[cfg(test)]
mod tests;

pub use breach::{
    Breach, ColumnTaken, Held, Incident, NewIncident, PeriodFault, TableTaken, affected, incidents,
    measure, note, tell,
};
pub use register::{Activity, Register, register};
pub(crate) use store::STATEMENTS;
