//! Files in, files out: what a seed file is, and what it says.
//!
//! Input is classified before it is read, so that a serial number, a web address or the wrong kind of QR code is
//! named instead of burned, and nothing secret is echoed.
//!
//! ```
//! use oathburn_formats::{Look, look, read_seed};
//!
//! let input = read_seed("otpauth://totp/ACME:bob@example.com?secret=GEZDGNBVGY3TQOJQ&issuer=ACME&period=60", None)?;
//! assert_eq!(input.issuer.as_deref(), Some("ACME"));
//! assert_eq!(input.step.unwrap().seconds(), 60);
//! assert_eq!(look("8659622000001"), Look::SerialNumber);
//! # Ok::<(), oathburn_formats::FormatError>(())
//! ```

mod classify;
mod error;
mod explain;
mod export;
mod format;
mod import;
mod listed;
mod otpauth;
mod pskc;
mod qr;
mod seed_input;
mod users;

pub use classify::{Look, look};
pub use error::FormatError;
pub use explain::{Difference, Explained, Explanation, explain};
pub use export::columns::{Columns, MAX_COLUMNS_FILE};
pub use format::{
    Carried, FORMATS, Fidelity, Format, KeyPackage, Kind, Likeness, Problem, ReadFormat, ReadOptions, Refusal, Remarks,
    Row, Setting, Unsaid, WriteFormat, WriteOptions, Writing, format,
};
pub use import::{SerialLengths, Wrapping, identify, wrapping};
pub use otpauth::{KeyUri, MAX_URI_LEN};
pub use qr::{MAX_IMAGE_LEN, QrCode, read_seed_image, read_uris};
pub use seed_input::{SeedInput, read_seed};
pub use users::{MAX_USERS, MAX_USERS_FILE, UserRow, UsersFault, UsersProblem, read_users};
