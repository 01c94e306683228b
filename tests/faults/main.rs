//! The bad days over the real pcscd: nothing torn, nothing guessed, nothing claimed that is not so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod interrupted;
mod keys;
mod matrix;
mod seeds;
mod stores;
mod things;
mod unfinished;
