//! Which entries somebody asks for.

use oathburn_oath::{FamilyId, SerialNumber, Slot, TokenIdentity, UnixTime};

use crate::entry::named;
use crate::{BatchId, EntryState, Tag};

named! {
    /// Which of an entry's dates.
    DateKind {
        /// When it was sealed.
        Sealed = "sealed",
        /// When it was programmed, last.
        Programmed = "programmed",
        /// When the token was last seen to show the right code.
        Verified = "verified",
        /// When the seed was last written out.
        Exported = "exported",
        /// When the service last accepted the token.
        Activated = "activated",
    }
}

/// A range of dates; entries without that date do not lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// Which date.
    pub of: DateKind,
    /// At this time or later.
    pub since: Option<UnixTime>,
    /// Before this time.
    pub until: Option<UnixTime>,
}

/// Which entries; what is `None` or empty lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The wire protocol.
    pub family: Option<FamilyId>,
    /// The whole serial number.
    pub serial: Option<SerialNumber>,
    /// The slot.
    pub slot: Option<Slot>,
    /// The whole UPN; upper and lower case of ASCII letters are the same.
    pub upn: Option<String>,
    /// The whole model name.
    pub model: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// Any of these states.
    pub states: Vec<EntryState>,
    /// The batch.
    pub batch: Option<BatchId>,
    /// The whole purchase order.
    pub purchase_order: Option<String>,
    /// A tag.
    pub tag: Option<Tag>,
    /// One of the dates.
    pub dates: Option<Dates>,
    /// The token's clock was at least so many seconds off, either way, when it last told its time.
    pub drift: Option<u32>,
    /// Whether the seed was written out.
    pub exported: Option<bool>,
    /// A part of serial number, manufacturer, model, UPN, issuer, note, purchase order or a tag; upper and lower case of ASCII
    /// letters are the same.
    pub text: Option<String>,
    /// Entries that hold no seed of a token (access keys, what the desk keeps) do not pass; [`crate::Escrow::entries`]
    /// sees to that by itself.
    pub seeds_only: bool,
}

impl Filter {
    /// All entries of one token's slot.
    pub fn identity(identity: &TokenIdentity) -> Self {
        Self {
            family: Some(identity.family.clone()),
            serial: Some(identity.serial.clone()),
            slot: Some(identity.slot.clone()),
            ..Self::default()
        }
    }
}
