//! Orders of a desk, burned at stations far away: the real program at both ends, over TLS and the real pcscd.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the hands of batches can do more")]
#[path = "../batch/hands.rs"]
mod hands;

mod app;
mod balanced;
mod chapter;
mod clicks;
mod clocks;
mod cut;
mod faults;
mod html;
mod office;
mod runs;
