//! Stories that run through the whole service, one a file.

mod consent_to_list;
mod join_attack;
mod kill;
mod support_chat;
mod signals;
mod withdrawal;
