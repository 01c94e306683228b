//! A real browser walks the desk's pages, as those do who work there: the real desk over TLS, the real `oathburn station`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the hands of batches can do more")]
#[path = "../batch/hands.rs"]
mod hands;

mod back;
mod chrome;
mod headquarters;
mod hostile;
mod judge;
mod keyboard;
mod keys;
mod machine;
mod office;
mod orders;
mod otherwise;
mod page;
mod slips;
mod states;
