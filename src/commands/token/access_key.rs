//! `oathburn token access-key …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use oathburn_oath::{SerialNumber, SystemClock};
use oathburn_station::{AccessChange, AccessOrder, Station};
use serde_json::json;

use super::confirm;
use crate::commands::Result;
use crate::commands::access::{self, Access};
use crate::commands::select::Wait;
use crate::commands::source::TextEncoding;
use crate::context::{Context, LazyOpener};
use crate::output::Outcome;

/// The key that the token on the reader asks for
#[derive(Debug, Subcommand)]
pub(crate) enum AccessKey {
    Set(Set),
    Remove(Remove),
    Check(Check),
}

/// Set an access key, or change it
///
/// With --seal the new key is in the escrow before the token is changed: commands that need it then take it from there,
/// as far as an officer is there to open it. Some tokens want to have the change confirmed with their button.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// A file whose first line is the new key (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    new_key_file: PathBuf,
    /// The new key is written in hex or Base32, and is not the text itself
    #[arg(long, value_name = "ENCODING")]
    new_key_encoding: Option<TextEncoding>,
    /// Keep the new key in the escrow
    #[arg(long)]
    seal: bool,
    #[command(flatten)]
    which: Which,
}

/// Take the access key away; a token that cannot be without gets its maker's again
#[derive(Args, Debug)]
pub(crate) struct Remove {
    #[command(flatten)]
    which: Which,
}

/// Try an access key, once
///
/// Without --access-key-file the one in the escrow is tried, also one of which nobody knows whether the token has it; else
/// the maker's, unless that was refused before.
/// Tokens that count wrong keys say how many tries are left.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Keep a key that was right in the escrow
    #[arg(long)]
    seal: bool,
    /// Try the maker's key, also where it was refused before; what is found out is noted in the escrow
    #[arg(long, conflicts_with_all = ["seal", "access_key_file"])]
    factory_key: bool,
    #[command(flatten)]
    which: Which,
}

/// Which token, and the key that it has now.
#[derive(Args, Debug)]
struct Which {
    /// Touch no other token than this
    #[arg(long)]
    serial: Option<SerialNumber>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl AccessKey {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Set(set) => {
                let key = access::read(&set.new_key_file, set.new_key_encoding)?;
                let change = AccessChange::Set { key, seal: set.seal };
                set.which.change(context, change, "has its new access key")
            }
            Self::Remove(remove) => {
                remove.which.change(context, AccessChange::Remove, "has no access key of its owner's any more")
            }
            Self::Check(check) => {
                let change = if check.factory_key {
                    AccessChange::CheckFactory
                } else {
                    AccessChange::Check { seal: check.seal }
                };
                check.which.change(context, change, "accepts the access key")
            }
        }
    }
}

impl Which {
    fn change(&self, context: &Context, change: AccessChange, done: &str) -> Result {
        let order = AccessOrder { serial: self.serial.clone(), change, current: self.access.read()? };
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station = Station {
            escrow: &escrow,
            officer: if context.has_officer() { Some(&officer) } else { None },
            models: &context.models,
            clock: &SystemClock,
        };
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let accessed = station.change_access_key(&mut conversation, &order, &confirm, &|event| {
            context.talk.burn_event(event);
        })?;
        let entry = accessed.entry.map(|entry| entry.to_string());
        let kept = entry.as_ref().map_or_else(String::new, |entry| format!(", entry {entry}"));
        let json = json!({
            "serial": accessed.info.serial.as_str(),
            "family": accessed.info.family.as_str(),
            "entry": entry,
        });
        Ok(Outcome::new(json, format!("{} {done}{kept}\n", accessed.info.serial)))
    }
}
