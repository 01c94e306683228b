//! The wires to a token: which readers are there, is a token on one, and an exclusive conversation with it.
//!
//! A [`Conversation`] is the [`Transport`](oathburn_token::Transport) that drivers speak over. It runs in its own
//! thread, so that a token which falls silent costs a [timeout](Reader::with_timeout) and not the program.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use oathburn_reader::ReaderSelector;
//! use oathburn_token::FAMILIES;
//!
//! let selector: ReaderSelector = "acr122".parse()?;
//! let reader = oathburn_reader::open(Some(&selector))?;
//! reader.wait_for_token(Some(Duration::from_secs(60)), &|| false)?;
//! let mut conversation = reader.connect()?;
//! for family in FAMILIES {
//!     if let Some(info) = family.identify(&mut conversation)? {
//!         println!("{} on {}", info.serial, reader.selector());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conversation;
mod error;
mod pcsc;
mod presence;
mod reader;
mod selector;

pub use conversation::Conversation;
pub use error::ReaderError;
pub use presence::Presence;
pub use reader::{Reader, ReaderInfo, open, readers};
pub use selector::{ReaderSelector, Stack};
