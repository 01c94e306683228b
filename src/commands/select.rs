//! What several commands ask alike: which token on which reader, which entry in the escrow.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use oathburn_escrow::{Entry, Escrow, Filter};
use oathburn_oath::{SerialNumber, Slot};
use oathburn_reader::{Conversation, Reader, ReaderSelector};

use crate::context::{Context, Deferred};
use crate::exit::Exit;
use crate::failure::Failure;

/// How long to wait for a token.
#[derive(Args, Debug)]
pub(crate) struct Wait {
    /// Seconds to wait for a token [default: 60 on a terminal, else 0]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

impl Wait {
    /// The reader, with a token on it, and the conversation with that token.
    pub(crate) fn for_token(
        &self,
        context: &Context,
        deferred: &Deferred<'_>,
    ) -> Result<(Reader, Conversation), Failure> {
        let selector = context.globals.one_reader()?.map(str::parse::<ReaderSelector>).transpose()?;
        let mut reader = oathburn_reader::open(selector.as_ref())?;
        if let Some(timeout) = context.globals.timeout {
            reader = reader.with_timeout(timeout);
        }
        let default = if std::io::stderr().is_terminal() { 60 } else { 0 };
        let wait = Duration::from_secs(self.wait.unwrap_or(default));
        {
            let _spinner = context.talk.spinner("press the token's button and lay it on the reader");
            reader.wait_for_token(Some(wait), &|| deferred.is_interrupted())?;
        }
        let conversation = reader.connect()?;
        Ok((reader, conversation))
    }
}

/// Which entry.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct Which {
    /// The number on the token's back
    #[arg(long, value_name = "SERIAL")]
    pub(crate) serial: Option<SerialNumber>,
    /// The entry's id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) entry: Option<String>,
}

/// The entry with this id, or the one a serial number or a user means now.
pub(crate) fn entry(escrow: &Escrow, id: &str) -> Result<Entry, Failure> {
    Ok(escrow.entry(id)?)
}

/// The live entry of a token.
pub(crate) fn entry_of_serial(context: &Context, escrow: &Escrow, serial: &SerialNumber) -> Result<Entry, Failure> {
    let filter = Filter { serial: Some(serial.clone()), ..Filter::default() };
    live(context, escrow, &filter, &format!("the token {serial}"))
}

/// The live entry of a token's slot; of its only one, when none is named.
pub(crate) fn entry_in_slot(
    context: &Context,
    escrow: &Escrow,
    serial: &SerialNumber,
    slot: Option<&Slot>,
) -> Result<Entry, Failure> {
    let filter = Filter { serial: Some(serial.clone()), slot: slot.cloned(), ..Filter::default() };
    live(context, escrow, &filter, &format!("the token {serial}"))
}

/// The live entry of a user.
pub(crate) fn entry_of_upn(context: &Context, escrow: &Escrow, upn: &str) -> Result<Entry, Failure> {
    let filter = Filter { upn: Some(upn.to_owned()), ..Filter::default() };
    live(context, escrow, &filter, &format!("{upn:?}"))
}

/// Of the entries that pass the filter the one that counts: the newest that is known to be on a token. An unfinished
/// burn that is newer may have changed the token since, which is said.
fn live(context: &Context, escrow: &Escrow, filter: &Filter, what: &str) -> Result<Entry, Failure> {
    let (finished, unfinished): (Vec<_>, Vec<_>) = escrow
        .entries(filter)?
        .into_iter()
        .filter(|entry| entry.state.is_live())
        .partition(|entry| entry.state.is_finished());
    let candidates = if finished.is_empty() { &unfinished } else { &finished };
    let Some(newest) = candidates.last() else {
        let message = format!("the escrow has no live entry of {what}");
        return Err(Failure::new(Exit::Input, "entry-unknown", message, "see `oathburn escrow list`"));
    };
    if let Some(other) = candidates.iter().find(|entry| entry.identity != newest.identity) {
        let message = format!("{what} has several entries: {} and {}", other.id, newest.id);
        return Err(Failure::new(Exit::Input, "entry-ambiguous", message, "name one with --entry"));
    }
    if let Some(open) = unfinished.last().filter(|entry| entry.id > newest.id || finished.is_empty()) {
        context.talk.warn(format_args!(
            "entry {} of {} is {}: the token may hold that seed; burn the same serial again to be sure",
            open.id, open.identity.serial, open.state
        ));
    }
    Ok(newest.clone())
}
