//! The wires to a token: which readers are there, is a token on one, and an exclusive conversation with it.
//!
//! Readers are reached through the PC/SC service, and through libnfc with the feature `libnfc`, which is on by default.
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
mod diagnose;
mod error;
#[cfg(feature = "libnfc")]
mod libnfc;
#[cfg(not(feature = "libnfc"))]
#[path = "no_libnfc.rs"]
mod libnfc;
mod pcsc;
mod presence;
mod reader;
mod selector;
mod watch;

pub use conversation::Conversation;
#[doc(hidden)]
pub use diagnose::fuzz_libnfc_conf;
pub use diagnose::{Finding, Severity, Surroundings, diagnose};
pub use error::ReaderError;
pub use presence::{Activation, Presence};
pub use reader::{Reader, ReaderInfo, open, readers};
pub use selector::{ReaderSelector, Stack};
pub use watch::{Change, ReaderChange, watch};

#[doc(hidden)]
pub use libnfc::fuzz as fuzz_libnfc_message;

/// Makes this program one that can use readers of libnfc: to be called first thing in `main`, before any thread is
/// started and anything is read or written.
///
/// libnfc may abort the process it runs in. So it runs in a process of its own, which is this program started once
/// more with `--libnfc-worker` as its only argument; this call is where such a process serves, and from which it never
/// returns. In a program that does not call it such readers fail with [`ReaderError::Failed`]; in a build without the
/// feature `libnfc` it does nothing.
pub fn host_libnfc() {
    libnfc::host();
}
