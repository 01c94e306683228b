//! The bad days over the real pcscd: nothing torn, nothing guessed, nothing claimed that is not so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../../crates/escrow/tests/support/strace.rs"]
mod strace;

mod interrupted;
mod keys;
mod matrix;
mod seeds;
mod stores;
mod syscalls;
mod things;
mod together;
mod unfinished;
