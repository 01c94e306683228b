//! The work: burn one token, escrow first, and prove that it worked.
//!
//! A [`Station`] brings a token, an escrow and an order together. It prints nothing: whoever watches gets [`Event`]s.
//! The order of things never varies: identify, reserve in the escrow (durable), program, read back, mark as
//! programmed. Whatever breaks in between leaves an entry that says so, and the same token again finishes it.
//!
//! ```no_run
//! use oathburn_escrow::Escrow;
//! use oathburn_oath::{SystemClock, TotpParams};
//! use oathburn_station::{BurnOrder, SeedSource, Station};
//! use oathburn_token::{Models, Transport};
//!
//! fn burn(escrow: &Escrow, token: &mut dyn Transport) -> Result<(), oathburn_station::StationError> {
//!     let station = Station { escrow, officer: None, models: &Models::builtin(), clock: &SystemClock };
//!     let order = BurnOrder::new(SeedSource::Generate { len: 20 }, TotpParams::default());
//!     let burned = station.burn(token, &order, &|event| eprintln!("{event:?}"))?;
//!     println!("{} is in the escrow as {}", burned.info.serial, burned.entry);
//!     Ok(())
//! }
//! ```

mod access;
mod act;
mod batch;
mod burn;
mod drift;
mod error;
mod event;
mod factory_key;
mod identify;
mod identify_code;
mod read_back;
mod sync;
mod verify;

pub use access::{AccessChange, AccessOrder, Accessed};
pub use act::{Act, ActOrder, Acted};
pub use batch::{
    BatchEnd, BatchEvent, BatchObserver, BatchOptions, BatchRun, DoneLine, LINE_COLUMNS, OneBatch, OpenBatch, Place,
    PlanProblem, Prescribed, Supply, Trouble, TroubleKind, line_row,
};
pub use burn::{BurnOrder, Burned, Plan, SeedSource};
pub use drift::{DriftOrder, DriftReport};
pub use error::StationError;
pub use event::Event;
pub use identify::Identified;
pub use identify_code::{Candidate, CodeSearch};
pub use read_back::ReadBack;
pub use sync::{SyncOrder, Synced};
pub use verify::Verification;

use oathburn_escrow::{Escrow, EscrowError, Opener};
use oathburn_oath::Clock;
pub use oathburn_token::{DisplayTimeout, Models, TokenInfo};

/// A machine that burns: an escrow, perhaps an officer's key to it, the products it knows, and a clock.
#[derive(Clone, Copy)]
pub struct Station<'a> {
    /// Where seeds are kept before they reach a token.
    pub escrow: &'a Escrow,
    /// Whoever can open what is in it; a station without an officer burns all the same.
    pub officer: Option<&'a dyn OpenerSource>,
    /// The products that are known.
    pub models: &'a Models,
    /// The time that tokens are set to.
    pub clock: &'a dyn Clock,
}

/// Fetches an officer's key, which may mean to ask somebody for a passphrase. It is asked only when a seed must be
/// opened.
pub trait OpenerSource: Sync {
    /// The key to the escrow.
    fn opener(&self) -> Result<&Opener, EscrowError>;
}

/// A key that is at hand.
impl OpenerSource for Opener {
    fn opener(&self) -> Result<&Opener, EscrowError> {
        Ok(self)
    }
}
