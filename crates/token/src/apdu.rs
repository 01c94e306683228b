//! Commands and answers of ISO/IEC 7816-4, short form.

mod command;
mod exchange;
mod response;
mod status;

pub use command::{Body, Command};
pub use exchange::exchange;
pub(crate) use exchange::exchange_with;
pub use response::Response;
pub use status::StatusWord;
