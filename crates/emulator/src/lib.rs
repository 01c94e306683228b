//! Emulated tokens and readers for tests, demo and training.
//!
//! A [`Card`] is a function from bytes to bytes. [`Token2Single`] is a token that behaves on the wire as the vendor's
//! firmware does, judged by recorded conversations; [`Molto2`] is its sibling with many profiles, and [`YkOath`] a security
//! key with an OATH applet, judged by Yubico's own client. [`Faulty`] is any card to which things happen. An [`Insertion`] puts
//! a card on a reader of a real PC/SC service, and the program `emulate` runs such a service, privately. A [`Pn532Port`] is
//! an NFC chip on a pseudo-terminal, which libnfc takes for a reader.
//!
//! ```
//! use oathburn_emulator::{Card, Reply, Token2Single};
//!
//! let mut token = Token2Single::new("86596220000001".parse()?, true);
//! assert_eq!(token.display(), "------");
//! assert!(token.transmit(&[0x00, 0xa4, 0x04, 0x00]) == Reply::status(0x6e00));
//! # Ok::<(), oathburn_oath::OathError>(())
//! ```
//!
//! Tests start a [`Lab`]; whatever runs with its socket in `PCSCLITE_CSOCK_NAME` sees its readers and no others:
//!
//! ```no_run
//! use oathburn_emulator::{Lab, emulate_binary};
//!
//! let lab = Lab::start(&emulate_binary()?, 1)?;
//! lab.insert(0, "token2-single serial=86596220000001")?;
//! lab.fault(0, "tear-after ins=D4")?;
//! std::process::Command::new("oathburn").arg("burn").env("PCSCLITE_CSOCK_NAME", lab.socket());
//! assert_eq!(lab.state(0)?["has_seed"], false);
//! # Ok::<(), oathburn_emulator::EmulatorError>(())
//! ```
//!
//! NFC readers need no service:
//!
//! ```no_run
//! use oathburn_emulator::{Lab, LabOptions, emulate_binary};
//!
//! let lab = Lab::start_with(&emulate_binary()?, LabOptions { readers: 0, nfc: 1 })?;
//! lab.insert("nfc0", "token2-single serial=86596220000001")?;
//! lab.chip("nfc0", "data-checksum at=3")?;
//! std::process::Command::new("nfc-list").env("LIBNFC_DEVICE", &lab.connstrings()[0]);
//! # Ok::<(), oathburn_emulator::EmulatorError>(())
//! ```
//!
//! A [`PrivatePostgres`] is a real database server, and a [`PostgresProxy`] a network before it that can be slow, cut or silent.

mod bench;
mod card;
mod control;
mod device;
mod driver;
mod error;
mod fault;
mod foreign;
mod hash;
mod lab;
mod molto2;
pub mod namespaces;
mod pcscd_watch;
mod pn532;
mod pn532_port;
mod postgres_proxy;
mod private_pcscd;
mod private_postgres;
mod pty;
mod token2_cipher;
mod token2_single;
mod vpcd;
mod words;
mod ykoath;

pub use bench::{Bench, ReaderId};
pub use card::{Activation, CONTACTLESS_ATR, Card, Reply, Tear};
pub use control::Answer;
pub use device::Device;
pub use driver::find_driver;
pub use error::EmulatorError;
pub use fault::{Exchange, Fault, Faulty, Trigger};
pub use foreign::Foreign;
pub use lab::{Lab, LabOptions, cargo, emulate_binary};
pub use molto2::{Molto2, Profile};
pub use pn532::{ChipFault, Pn532};
pub use pn532_port::Pn532Port;
pub use postgres_proxy::{Cut, PostgresProxy};
pub use private_pcscd::PrivatePcscd;
pub use private_postgres::{PostgresOptions, PrivatePostgres, SUPERUSER, Stop};
pub use token2_single::{Challenges, Settings, Token2Single};
pub use vpcd::Insertion;
pub use ykoath::{Entry, KeyKind, OathType, Version, YkOath};
