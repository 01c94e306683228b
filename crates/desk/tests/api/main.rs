//! The API for scripts: what it does, whom it refuses, and that it is as it is described.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod attacks;
mod client;
mod deeds;
mod document;
mod helpdesk;
mod orders;
mod page;
mod schema;
#[path = "../support/mod.rs"]
mod support;
