//! Which entry a command is about, and texts that are noted of it.

use clap::Args;
use oathburn_escrow::{Entry, Escrow};
use oathburn_oath::SerialNumber;

use crate::commands::select;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// One entry.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct One {
    /// The entry's id, or the beginning of it
    entry: Option<String>,
    /// The number on the token's back, instead
    #[arg(long)]
    serial: Option<SerialNumber>,
}

impl One {
    pub(crate) fn find(&self, context: &Context, escrow: &Escrow) -> Result<Entry, Failure> {
        match (&self.entry, &self.serial) {
            (None, Some(serial)) => select::entry_of_serial(context, escrow, serial),
            (id, _) => select::entry(escrow, id.as_deref().unwrap_or_default()),
        }
    }
}

/// One entry, also by its user.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct OneOfUser {
    /// The entry's id, or the beginning of it
    entry: Option<String>,
    /// The number on the token's back, instead
    #[arg(long)]
    serial: Option<SerialNumber>,
    /// The user's name, instead
    #[arg(long)]
    upn: Option<String>,
}

impl OneOfUser {
    pub(crate) fn find(&self, context: &Context, escrow: &Escrow) -> Result<Entry, Failure> {
        match (&self.entry, &self.serial, &self.upn) {
            (_, Some(serial), _) => select::entry_of_serial(context, escrow, serial),
            (_, _, Some(upn)) => select::entry_of_upn(context, escrow, upn),
            (id, ..) => select::entry(escrow, id.as_deref().unwrap_or_default()),
        }
    }
}

/// Refuses names that are empty, or that no directory has: lines and control characters.
pub(crate) fn check_name(what: &str, name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) if name.trim().is_empty() || name.contains(char::is_control) => {
            let message = format!("the {what} is empty, or has lines or control characters in it");
            Err(Failure::new(Exit::Input, "name-refused", message, "give the name as it is written, in one line"))
        }
        _ => Ok(()),
    }
}
