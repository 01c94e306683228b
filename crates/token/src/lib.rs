//! How programmable OATH tokens speak: one driver per family, on any wire or none.
//!
//! A driver takes a [`Transport`] (C-APDU in, R-APDU out) and an [`Order`], and knows nothing of readers, files or
//! people. Three kinds of failure are kept apart in [`TokenError`]: the wire failed, the token refused, we refuse.
//! Whatever happens after the first byte that changes a token says so ([`TokenError::after_write`]).
//!
//! ```
//! use oathburn_token::{FAMILIES, Models, Transport, TransportError};
//!
//! /// A token that only tells who it is.
//! struct Label;
//!
//! impl Transport for Label {
//!     fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
//!         Ok(b"\x95\x13\x02\x0d8659622000001\x11\x04\x65\x53\xf1\x00\x90\x00".to_vec())
//!     }
//! }
//!
//! let info = FAMILIES[0].identify(&mut Label)?.expect("this is one of ours");
//! assert_eq!(info.serial.as_str(), "8659622000001");
//! assert_eq!(Models::builtin().of(&info).unwrap().name, "OTPC-P2-i");
//! # Ok::<(), oathburn_token::TokenError>(())
//! ```

mod access;
mod action;
mod apdu;
mod capabilities;
mod error;
mod family;
mod foreign;
mod info;
mod models;
mod order;
mod slots;
mod token2;
mod transport;
mod ykoath;

pub use access::AccessKey;
pub use action::{Action, ActionOrder, CodesOrder, Done};
pub use apdu::{Body, Command, Response, StatusWord, exchange};
pub use capabilities::{AccessKeys, ActionKind, Capabilities, ClockOf, Slots};
pub use error::TokenError;
pub use family::{FAMILIES, Naming, TokenFamily, family};
pub use foreign::{Applet, ForeignCard, name_foreign};
pub use info::TokenInfo;
pub use models::{ClockSync, Model, Models};
pub use order::{ClockOrder, DisplayTimeout, Extras, Order, Permits, Progress};
pub use slots::{ReadCode, SlotInfo, find_slot};
pub use token2::{Molto2, Token2Single};
pub use transport::{Transport, TransportError};
pub use ykoath::YkOath;
