//! Sealed custody of seeds in SQLite: whoever burns need not be able to read.

mod audit;
mod canon;
mod check;
mod duplicate;
mod entry;
mod error;
mod escrow;
mod event;
mod facts;
mod finding;
mod journal;
mod keyfile;
mod keys;
mod opener;
mod pins;
mod projection;
mod roster;
mod seal;
mod sealing;
mod sqlite;
mod store;
mod url;
mod wrap;

pub use entry::{BatchId, Entry, EntryId, EntryState, EscrowId, Filter, Origin, Programmed, Reservation, SessionId};
pub use error::EscrowError;
pub use escrow::{Escrow, Writer};
pub use event::{Disclosure, Event, EventFilter, EventId, EventKind, Purpose};
pub use facts::{Fact, Facts};
pub use finding::{CheckReport, Finding};
pub use keys::{Officer, PublicKeys, StationKey, WriterId};
pub use opener::Opener;
pub use pins::Pins;
pub use roster::{Member, Roster};
pub use secrecy::SecretString;
pub use url::StoreUrl;
