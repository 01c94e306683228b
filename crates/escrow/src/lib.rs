//! Sealed custody of seeds in SQLite: whoever burns need not be able to read.

mod entry;
mod error;
mod escrow;
mod event;
mod facts;
mod finding;
mod keyfile;
mod keys;
mod pins;
mod url;

pub use entry::{BatchId, Entry, EntryId, EntryState, EscrowId, Filter, Origin, Programmed, Reservation, SessionId};
pub use error::EscrowError;
pub use escrow::{Escrow, Opener, Writer};
pub use event::{Disclosure, Event, EventFilter, EventId, EventKind, Purpose};
pub use facts::{Fact, Facts};
pub use finding::{CheckReport, Finding};
pub use keys::{Officer, PublicKeys, StationKey, WriterId};
pub use pins::Pins;
pub use secrecy::SecretString;
pub use url::StoreUrl;
