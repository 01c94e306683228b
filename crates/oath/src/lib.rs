//! What a hardware OATH token *is*: a seed, the parameters of its codes, a serial number, a clock.
//!
//! This crate does no I/O and knows no wire. It generates codes (RFC 4226, RFC 6238), reads seeds the way
//! people type them, and gives the other crates their nouns.
//!
//! ```
//! use oathburn_oath::{Seed, Totp, TotpParams, UnixTime};
//!
//! let seed = Seed::from_base32("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")?;
//! let totp = Totp::new(&seed, TotpParams::default());
//! assert_eq!(totp.code_at(UnixTime::new(59)).to_string(), "287082");
//! # Ok::<(), oathburn_oath::OathError>(())
//! ```

mod clock;
mod drift;
mod error;
mod lanes;
mod mac;
mod params;
mod rate;
mod record;
mod remedy;
mod search;
mod seed;
mod serial;
mod totp;

pub use clock::{Clock, FixedClock, SystemClock, UnixTime};
pub use drift::Drift;
pub use error::OathError;
pub use params::{Algorithm, Digits, HotpParams, Params, TimeStep, TotpParams};
pub use rate::{ClockReading, DriftRate};
pub use record::{FamilyId, Slot, TokenIdentity, TokenRecord};
pub use remedy::Remedy;
pub use search::{DisplayedCode, Sighting, Window, find_code};
pub use seed::{Encoding, Seed};
pub use serial::SerialNumber;
pub use totp::{Code, TimedCode, Totp};
