//! Emulated tokens and readers for tests, demo and training.

mod bench;
mod card;
mod control;
mod device;
mod driver;
mod error;
mod fault;
mod foreign;
mod lab;
pub mod namespaces;
mod pcscd_watch;
mod private_pcscd;
mod token2_single;
mod vpcd;
mod words;

pub use bench::Bench;
pub use card::{CONTACTLESS_ATR, Card, Reply, Tear};
pub use control::Answer;
pub use device::Device;
pub use driver::find_driver;
pub use error::EmulatorError;
pub use fault::{Exchange, Fault, Faulty, Trigger};
pub use foreign::Foreign;
pub use lab::{Lab, emulate_binary};
pub use private_pcscd::PrivatePcscd;
pub use token2_single::{Challenges, Settings, Token2Single};
pub use vpcd::Insertion;
