//! The desk: stations provisioned from afar, and pages for those who run them.
//!
//! A [`Desk`] is an escrow with an officer's key at hand, and the records that it keeps in the escrow's store: whoever
//! works at it, which stations it knows, what is to be done. It is synchronous, as everything below it. Around it lies
//! a rim that is not: [`router`] has the pages and what machines ask for, [`run`] serves them.
//!
//! Several desks may serve one escrow. Each keeps nothing that another one needs to know: any of them answers.
//!
//! ```
//! # use std::sync::Arc;
//! # use oathburn_escrow::*;
//! # use oathburn_oath::SystemClock;
//! use oathburn_desk::{Desk, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let (url, pins) = (StoreUrl::sqlite(home.path().join("escrow.db")), Pins::new(home.path().join("pins")));
//! # let who = Writer { operator: None, uid: 1000, host: "desk".into() };
//! # let officer = Officer::generate()?;
//! # officer.create_file(&home.path().join("officer.key"), None)?;
//! # let station = StationKey::load_or_create(&home.path().join("station.key"))?;
//! # Escrow::init(&url, &officer, &station, &pins, &who, &SystemClock)?;
//! # let escrow = Escrow::open(&url, station, &pins, who, Arc::new(SystemClock))?;
//! let opener = escrow.opener(Officer::load(&home.path().join("officer.key"), None)?)?;
//! let settings = Settings { organisation: "ACME".into(), ..Settings::default() };
//! let desk = Desk::open(escrow, opener, Arc::new(SystemClock), settings)?;
//! assert_eq!(desk.settings().organisation, "ACME");
//! # Ok(())
//! # }
//! ```

mod api;
mod app;
mod blocking;
mod changes;
pub mod client;
mod csrf;
mod desk;
mod error;
mod health;
mod helpdesk;
mod journal;
mod limits;
mod metrics;
mod pages;
mod patience;
mod people;
mod problem;
pub mod scripts;
mod serve;
mod session;
mod table;
#[cfg(test)]
mod testing;
mod throttle;
mod tls;
mod trail;

pub mod protocol;
pub mod remote;
pub mod stations;
pub mod work;

pub use api::v1::{bodies as script_requests, openapi};
pub use app::{App, router};
pub use desk::{Desk, Settings};
pub use error::DeskError;
pub use helpdesk::HelpdeskLimits;
pub use limits::Limits;
pub use people::Role;
pub use serve::{Listening, Stop, run};
pub use tls::{Certificate, Fingerprint, SelfSigned, ServedCertificate};
