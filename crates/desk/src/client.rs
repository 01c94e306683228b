//! The station's side: it finds its desk, is let in, and asks.
//!
//! Nothing is sent before the desk's certificate has been recognised: by its fingerprint, or because the system trusts who signed it.

mod connection;
mod error;
mod home;
pub mod mac_id;
mod pin;
mod provision;
mod proxy;
mod station;
mod work;

pub use connection::{Connection, DeskUrl, Trust};
pub use error::ClientError;
pub use home::{Provisioned, StationHome};
pub use pin::Pin;
pub use provision::{LetIn, Progress, provision};
pub use proxy::ProxyUrl;
pub use station::{Followed, OwnStation};
pub use work::WorkDesk;
