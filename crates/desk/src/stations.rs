//! Stations: machines with a reader at a branch office, known by their MAC IDs, and how they are let in.
//!
//! A station is registered with its MAC ID and a location. It is let in by a *verification code*, which somebody types at
//! the station, or by a *login code*, which the station shows and somebody types at the desk. The [`Register`] is where all of it is
//! kept.

pub mod code;
pub mod csv;
mod error;
mod fault;
pub mod login_code;
pub mod mac;
mod register;
mod station;
pub mod throttle;
mod wanted;

pub use code::{CodeLength, VerificationCode};
pub use error::RegisterError;
pub use fault::{StationsFault, StationsProblem};
pub use login_code::LoginCode;
pub use mac::MacId;
pub use register::{Bulk, CodeOrder, IssuedCode, IssuedCodes, Listed, LoginOffer, Register, Seen};
pub use station::{Done, FETCH_LIFE, Station, StationState};
pub(crate) use wanted::Wanted;
