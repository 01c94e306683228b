//! The story of the escrow, told once more by stations that share a PostgreSQL server.
#![allow(clippy::unwrap_used, reason = "tests may fail")]
#![allow(clippy::duplicate_mod, reason = "each file is a binary of its own as well, with what it needs")]

#[path = "annotations.rs"]
mod annotations;
#[path = "batches.rs"]
mod batches;
#[path = "custody.rs"]
mod custody;
#[path = "imports.rs"]
mod imports;
#[path = "records.rs"]
mod records;
#[path = "records_keys.rs"]
mod records_keys;
#[path = "remote.rs"]
mod remote;
#[path = "roster.rs"]
mod roster;
#[path = "scan.rs"]
mod scan;
#[path = "selection.rs"]
mod selection;
