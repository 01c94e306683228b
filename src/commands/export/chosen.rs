//! Which tokens a format takes, and why not the others.

use std::fmt;

use oathburn_escrow::{Entry, EntryId};
use oathburn_formats::{Format, KeyPackage, Refusal, WriteFormat, WriteOptions};
use oathburn_oath::{Params, SerialNumber, Slot, TokenIdentity, TokenRecord};
use oathburn_token::TokenFamily;
use serde_json::{Value, json};

/// Asks a format about each token.
pub(super) struct Chosen<'a> {
    format: &'a dyn Format,
    writer: &'a dyn WriteFormat,
    options: &'a WriteOptions,
    /// How the first token in the file makes its codes.
    first: Option<Params>,
    pub(super) refused: Vec<Refused>,
}

/// A token that the format cannot take.
#[derive(Debug)]
pub(super) struct Refused {
    entry: EntryId,
    identity: TokenIdentity,
    refusal: Refusal,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, entry {}: {}", serial(&self.identity), self.entry, self.refusal)
    }
}

impl Refused {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "entry": self.entry.to_string(),
            "serial": self.identity.serial.as_str(),
            "reason": self.refusal.to_string(),
        })
    }
}

impl<'a> Chosen<'a> {
    pub(super) fn new(format: &'a dyn Format, writer: &'a dyn WriteFormat, options: &'a WriteOptions) -> Self {
        Self { format, writer, options, first: None, refused: Vec::new() }
    }

    /// Whether the format takes a token; if not, it is kept why.
    pub(super) fn takes(&mut self, entry: &Entry, record: &TokenRecord) -> bool {
        let package = package(record, self.options);
        let first = self.first.unwrap_or(record.params);
        let refusal = self.format.fidelity().refuses(&package);
        match refusal.or_else(|| self.writer.refuses(&package, &first, self.options)) {
            None => {
                self.first = Some(first);
                true
            }
            Some(refusal) => {
                self.refused.push(Refused { entry: entry.id, identity: record.identity.clone(), refusal });
                false
            }
        }
    }
}

/// A token as files know it. Who made it is what the escrow says, or else the name of its family. Of tokens with several slots the number alone would name several seeds: the slot follows.
pub(super) fn package(record: &TokenRecord, options: &WriteOptions) -> KeyPackage {
    let of_family = || oathburn_token::family(&record.identity.family).and_then(TokenFamily::manufacturer);
    let mut package = KeyPackage {
        serial: SerialNumber::new(&serial(&record.identity)).ok(),
        manufacturer: record.manufacturer.clone().or_else(|| of_family().map(Into::into)),
        model: record.model.clone(),
        upn: record.upn.clone(),
        issuer: record.issuer.clone(),
        params: record.params,
        seed: record.seed.clone(),
    };
    options.fill(&mut package);
    package
}

fn serial(identity: &TokenIdentity) -> String {
    match &identity.slot {
        slot if *slot == Slot::SINGLE => identity.serial.to_string(),
        slot => format!("{}-{slot}", identity.serial),
    }
}
