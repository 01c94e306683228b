//! Batches over the real pcscd: nothing lost, nothing burned twice, the count is right to the last row.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod crashes;
mod families;
mod hands;
mod lists;
#[cfg(feature = "libnfc")]
mod nfc;
mod refusals;
mod runs;
mod screen;
mod server;
mod several;
