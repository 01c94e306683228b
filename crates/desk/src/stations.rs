//! Stations: machines with a reader at a branch office, known by their MAC IDs, and how they are let in.
//!
//! A station is registered with its MAC ID and a location. It is let in by a *verification code*, which somebody types at
//! the station, or by a *login code*, which the station shows and somebody types at the desk.

pub mod code;
pub mod csv;
mod fault;
pub mod login_code;
pub mod mac;
pub mod throttle;

pub use code::{CodeLength, VerificationCode};
pub use fault::{StationsFault, StationsProblem};
pub use login_code::LoginCode;
pub use mac::MacId;
