//! Withdrawal under load: after a withdrawal is answered, nothing that needed the consent appears.
//!
//! Twice, on both engines. [`simulation`] stops list builds at every look at the clock and lets
//! people withdraw and consent exactly there, in an order that a seed decides. [`served`] lets fifty
//! connections withdraw from the real program while it builds, serves and exports lists. Both write
//! down what was asked and answered, and [`history`], which knows nothing of the product, judges it.
//!
//! What can appear is what the product makes: rows of lists, on pages, in exports and in the tables
//! that hold them, scores, what was seen of whoever was scored, and what another app lent to that. The
//! people have accounts in two apps, most of them linked, and either side may end the link, the consent
//! to being ranked or the one to messages. The product sends no messages itself.

mod history;
mod served;
mod simulation;
pub(super) mod world;
