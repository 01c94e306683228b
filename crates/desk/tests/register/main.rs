//! The register of stations: what people do with it, and what strangers try.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod attacks;
mod deeds;
mod support;
