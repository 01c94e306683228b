//! Emulated tokens and readers for tests, demo and training.

mod card;
mod token2_single;

pub use card::{CONTACTLESS_ATR, Card, Reply, Tear};
pub use token2_single::{Challenges, Settings, Token2Single};
