//! Stories that run through the whole service, one a file.

mod consent_to_list;
mod desk;
mod erasure;
mod evidence;
mod faults;
mod first_list;
mod import;
mod invariants;
mod join_attack;
mod kill;
mod list_at_the_command_line;
mod manifest;
mod models;
mod new_year;
mod pepper;
mod rights;
mod rotation;
mod signals;
mod support_chat;
mod tiles;
mod topics;
mod why;
mod withdrawal;
mod withdrawal_under_load;
mod witnesses;
mod years;
