//! Sealed custody of seeds in SQLite or PostgreSQL: whoever burns need not be able to read.
//!
//! The store holds ciphertext and public facts only. A *station* seals every seed before a token is touched and
//! signs what becomes of it; an *officer* alone can open, and every opening is signed and kept. Whoever can write to
//! the database can neither read nor forge: what is in it is compared with signatures of keys on a roster that each
//! user pins at first use.
//!
//! Seals are XChaCha20-Poly1305 under the key of a session, which is wrapped with age to the officers; rosters and
//! events are signed with Ed25519, events in one hash chain for each writer.
//!
//! ```
//! use std::sync::Arc;
//!
//! use oathburn_escrow::*;
//! use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, SystemClock, TokenIdentity, TokenRecord, TotpParams};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let home = home.path();
//! // Once: an officer, this station, and a store with both on its roster.
//! let officer = Officer::generate()?;
//! officer.create_file(&home.join("officer.key"), None)?;
//! let station = StationKey::load_or_create(&home.join("station.key"))?;
//! let (url, pins) = (StoreUrl::sqlite(home.join("escrow.db")), Pins::new(home.join("pins")));
//! let who = Writer { operator: Some("alice".into()), uid: 1000, host: "desk-7".into() };
//! Escrow::init(&url, &officer, &station, &pins, &who, &SystemClock)?;
//!
//! // Each burn: reserve, program the token, say so. No officer is needed.
//! let escrow = Escrow::open(&url, station, &pins, who, Arc::new(SystemClock))?;
//! let identity = TokenIdentity {
//!     family: FamilyId::new("token2-single")?,
//!     serial: SerialNumber::new("8659622101234")?,
//!     slot: Slot::SINGLE,
//! };
//! let seed = Seed::generate(20)?;
//! let record = TokenRecord {
//!     identity: identity.clone(),
//!     params: TotpParams::default().into(),
//!     seed: seed.clone(),
//!     manufacturer: None,
//!     model: None,
//!     upn: Some("bob@example.com".into()),
//!     issuer: None,
//! };
//! let entry = escrow.reserve(&Reservation { record: &record, origin: Origin::Generated, batch: None })?;
//! escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(-2), ..Programmed::default() })?;
//! assert_eq!(escrow.find(&identity)?[0].state, EntryState::Programmed);
//!
//! // Later: an officer opens it, and that is on record before the seed is handed out.
//! let opener = escrow.opener(Officer::load(&home.join("officer.key"), None)?)?;
//! let opened = opener.open(&escrow.entry(&entry.to_string())?, &Disclosure::new(Purpose::ShowCodes))?;
//! assert_eq!(opened.seed, seed);
//! assert!(escrow.check(Some(&officer))?.is_sound());
//! # Ok(())
//! # }
//! ```

mod agent;
mod annotation;
mod audit;
mod backup;
mod batch;
mod batches;
mod canon;
mod check;
mod checkpoint;
mod claim;
mod conditions;
mod copy;
mod custodian;
mod duplicate;
mod entry;
mod error;
mod escrow;
mod event;
mod exposure;
mod facts;
mod filter;
mod finding;
mod following;
mod heads;
mod history;
mod journal;
mod keyfile;
mod keys;
mod known;
mod lease;
mod leases;
mod letter;
mod lines;
mod member;
mod message;
mod opener;
mod pins;
mod postgres;
mod projection;
mod proven;
mod records;
mod renewal;
mod restore;
mod roster;
mod scan;
mod seal;
mod sealing;
mod selection;
mod sqlite;
mod ssh;
mod stats;
mod store;
mod trail;
mod url;
mod walk;
mod wrap;

pub use agent::{Agent, AgentSocket};
pub use annotation::{Annotation, Annotations, Tag};
pub use backup::BackupReport;
pub use batch::{Batch, BatchState, Claim, Lease, Line, LineCounts, LineState, NewBatch, NewLine};
pub use batches::LINE_FAMILY;
pub use checkpoint::Checkpoint;
pub use copy::{CopyReport, Copying};
pub use custodian::{Custodian, RosterChange};
pub use entry::{BatchId, Entry, EntryId, EntryState, EscrowId, Origin, Programmed, Reservation, SessionId};
pub use error::EscrowError;
pub use escrow::{Escrow, Writer};
pub use event::{Disclosure, Event, EventFilter, EventId, EventKind, Purpose};
pub use exposure::Exposed;
pub use facts::{Fact, Facts};
pub use filter::{DateKind, Dates, Filter};
pub use finding::{CheckReport, Finding};
pub use heads::LostEvents;
pub use keys::{Officer, PublicKeys, StationKey, WriterId};
pub use known::Known;
pub use lease::RemoteHolder;
pub use leases::RemoteLease;
pub use letter::MAX_LETTER;
pub use member::{Member, PublicLine, Role};
pub use message::open_message;
pub use opener::Opener;
pub use pins::{Pins, SealedToken};
pub use records::{Change, Deed, Next, Record, Records, Together};
pub use renewal::{Depth, Renewed, Renewing};
pub use restore::{Loss, RestoreReport};
pub use roster::Roster;
pub use scan::{Scan, ScanTimes};
pub use secrecy::SecretString;
pub use selection::{HandOut, Selection};
pub use stats::Stats;
pub use trail::{SignedEvent, TouchedEntry};
pub use url::{PostgresUrl, StoreUrl};
