//! `oathburn escrow annotate`

use clap::Args;
use oathburn_escrow::{Annotation, Facts, Tag};
use oathburn_oath::SerialNumber;
use serde_json::json;

use super::filters::parse_tag;
use crate::commands::{Result, select};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Outcome;

/// What is noted of entries.
#[derive(Args, Debug)]
pub(crate) struct Notes {
    /// A text; an empty one takes the note away
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// The purchase order the token came with; an empty one takes it away
    #[arg(long, value_name = "ORDER")]
    pub(crate) purchase_order: Option<String>,
    /// A word to find it by; may be said several times
    #[arg(long, value_parser = parse_tag)]
    pub(crate) tag: Vec<Tag>,
}

impl Notes {
    pub(crate) fn annotation(self, remove_tags: Vec<Tag>) -> Annotation {
        Annotation { note: self.note, purchase_order: self.purchase_order, add_tags: self.tag, remove_tags }
    }
}

/// Note texts, tags and the purchase order of entries, or that their tokens were activated
///
/// Everybody who reads the store reads them: never a seed. All entries are noted or none.
#[derive(Args, Debug)]
pub(crate) struct Annotate {
    /// The entries' ids, or the beginnings of them
    #[arg(value_name = "ENTRY", required_unless_present = "serial")]
    entries: Vec<String>,
    /// The number on a token's back, instead or besides; may be said several times
    #[arg(long, value_name = "SERIAL")]
    serial: Vec<SerialNumber>,
    #[command(flatten)]
    notes: Notes,
    /// A tag to take away; may be said several times
    #[arg(long, value_name = "TAG", value_parser = parse_tag)]
    untag: Vec<Tag>,
    /// The service has accepted the tokens
    #[arg(long)]
    activated: bool,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Annotate {
    pub(crate) fn run(self, context: &Context) -> Result {
        let annotation = self.notes.annotation(self.untag);
        if annotation.is_empty() && !self.activated {
            let remedy = "give --note, --purchase-order, --tag, --untag or --activated";
            return Err(Failure::usage("there is nothing to note", remedy));
        }
        let escrow = context.escrow()?;
        let by_id = self.entries.iter().map(|text| select::entry(&escrow, text));
        let by_serial = self.serial.iter().map(|serial| select::entry_of_serial(context, &escrow, serial));
        let mut ids = Vec::with_capacity(self.entries.len() + self.serial.len());
        for entry in by_id.chain(by_serial) {
            let id = entry?.id;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if !annotation.is_empty() {
            escrow.annotate(&ids, &annotation, self.reason.as_deref())?;
        }
        if self.activated {
            escrow.note_activated(&ids, Facts::new(), self.reason.as_deref())?;
        }
        let json = json!({ "entries": ids.iter().map(ToString::to_string).collect::<Vec<_>>() });
        Ok(Outcome::new(json, format!("{} entries noted\n", ids.len())))
    }
}
