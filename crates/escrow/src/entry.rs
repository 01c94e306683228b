//! Entries: what anybody who reads the store may know about a sealed seed.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use oathburn_oath::{
    Algorithm, Digits, FamilyId, HotpParams, Params, SerialNumber, Slot, TimeStep, TokenIdentity, TokenRecord,
    TotpParams, UnixTime,
};
use uuid::Uuid;

use crate::store::EntryRow;
use crate::{Annotations, EscrowError};

/// An id of 16 bytes, shown as a UUID.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one: a UUID of version 7 (RFC 9562, section 5.7), which sorts by the time it was made.
            #[allow(clippy::new_without_default, reason = "two of them are never equal")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with these bytes; `None` unless there are 16.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl FromStr for $name {
            type Err = EscrowError;

            fn from_str(text: &str) -> Result<Self, EscrowError> {
                let unknown = |_| EscrowError::EntryUnknown { text: text.into() };
                Uuid::try_parse(text.trim()).map(Self).map_err(unknown)
            }
        }
    };
}

id! {
    /// Which escrow: made once, pinned by every process that uses it.
    EscrowId
}
id! {
    /// Which entry.
    EntryId
}
id! {
    /// Which sealing session.
    SessionId
}
id! {
    /// Which batch of burns an entry belongs to.
    BatchId
}

/// An enum with stable names, which are stored, signed and shown.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// Where an entry stands.
    EntryState {
        /// Sealed, not known to be on a token.
        Reserved = "reserved",
        /// A conversation broke after the first write: the seed may or may not be on the token.
        Unknown = "unknown",
        /// On the token.
        Programmed = "programmed",
        /// Came in a file: on a token that somebody else programmed.
        Imported = "imported",
        /// Replaced by a later burn of the same family, serial and slot, or given up.
        Superseded = "superseded",
        /// Out of use.
        Retired = "retired",
    }
}

impl EntryState {
    /// Whether a token may be showing codes of this seed: everything but superseded and retired.
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Superseded | Self::Retired)
    }

    /// Whether a burn began and did not end.
    pub const fn is_unfinished(self) -> bool {
        matches!(self, Self::Reserved | Self::Unknown)
    }

    /// Whether the seed is known to be on a token: only these are exported.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Programmed | Self::Imported)
    }
}

named! {
    /// Where a seed came from.
    Origin {
        /// Made by this program.
        Generated = "generated",
        /// Given by the caller.
        Given = "given",
        /// An escrowed seed, once more.
        Again = "again",
        /// Read from a file of tokens that are in use.
        Imported = "imported",
    }
}

/// What is to be sealed before a token is touched.
#[derive(Clone, Copy, Debug)]
pub struct Reservation<'a> {
    /// The token, its parameters and its seed; manufacturer, model, UPN and issuer are noted unsealed.
    pub record: &'a TokenRecord,
    /// Where the seed came from.
    pub origin: Origin,
    /// The batch it belongs to.
    pub batch: Option<BatchId>,
}

/// What was read back from a token after its seed was written.
#[derive(Clone, Debug, Default)]
pub struct Programmed {
    /// The product's name, when the token says it.
    pub model: Option<String>,
    /// The token's clock minus ours, in seconds.
    pub drift_seconds: Option<i64>,
    /// What else is worth keeping in the event.
    pub facts: crate::Facts,
}

/// An entry without its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which entry.
    pub id: EntryId,
    /// Which token, where in it.
    pub identity: TokenIdentity,
    /// How its codes are made.
    pub params: Params,
    /// Under whose name the product is sold.
    pub manufacturer: Option<String>,
    /// The product's name.
    pub model: Option<String>,
    /// The user it belongs to.
    pub upn: Option<String>,
    /// The service the seed is for.
    pub issuer: Option<String>,
    /// Where it stands.
    pub state: EntryState,
    /// Where the seed came from.
    pub origin: Origin,
    /// The batch it belongs to.
    pub batch: Option<BatchId>,
    /// The line of the batch for which it is burned, counted from 1.
    pub line: Option<u32>,
    /// When it was sealed.
    pub reserved_at: UnixTime,
    /// When it was programmed, last.
    pub programmed_at: Option<UnixTime>,
    /// When the token was last seen to show the right code.
    pub verified_at: Option<UnixTime>,
    /// The token's clock minus ours in seconds, when the token last told its time.
    pub drift_seconds: Option<i64>,
    /// When that was.
    pub drift_at: Option<UnixTime>,
    /// How many events touched the entry.
    pub revision: u64,
    /// What is noted of it, and what became of it elsewhere.
    pub annotations: Annotations,
}

/// The family of entries that hold a token's access key instead of a seed. Their slot names the token's own family,
/// and they live like seeds: sealed before the token is changed, superseded by the next one.
pub(crate) const ACCESS_KEYS: &str = "access-key";

/// The family of the entry that holds the key of the desk's records.
pub(crate) const DESK_KEYS: &str = "desk-key";
/// The family of entries with which people sign in at the desk.
pub(crate) const DESK_LOGINS: &str = "desk-login";

/// Families of entries that hold something else than the seed of a token: lists, exports, searches and counts of seeds
/// pass over them.
pub(crate) const NO_TOKENS: [&str; 3] = [ACCESS_KEYS, DESK_KEYS, DESK_LOGINS];

impl Entry {
    /// Whether it holds the seed of a token, and no access key and nothing of the desk.
    pub fn is_of_token(&self) -> bool {
        !NO_TOKENS.contains(&self.identity.family.as_str())
    }

    /// Whether it is with this that somebody signs in at the desk.
    pub fn is_desk_login(&self) -> bool {
        self.identity.family.as_str() == DESK_LOGINS
    }

    /// Whether it holds the key of the desk's records.
    pub(crate) fn is_desk_key(&self) -> bool {
        self.identity.family.as_str() == DESK_KEYS
    }

    /// Under which identity the key of the desk's records is kept.
    pub(crate) fn desk_key() -> TokenIdentity {
        TokenIdentity {
            family: FamilyId::new(DESK_KEYS).expect("a literal of lower-case letters"),
            serial: SerialNumber::new("records").expect("a literal of lower-case letters"),
            slot: Slot::SINGLE,
        }
    }

    /// Under which identity the seed is kept with which one person signs in at the desk.
    pub fn desk_login_of(person: &SerialNumber) -> TokenIdentity {
        TokenIdentity {
            family: FamilyId::new(DESK_LOGINS).expect("a literal of lower-case letters"),
            serial: person.clone(),
            slot: Slot::SINGLE,
        }
    }

    /// Whether it holds a token's access key instead of a seed: no codes are made of it, and no service wants it.
    pub fn is_access_key(&self) -> bool {
        self.identity.family.as_str() == ACCESS_KEYS
    }

    /// Under which identity the access key of a token is kept.
    pub fn access_key_of(family: &FamilyId, serial: &SerialNumber) -> TokenIdentity {
        TokenIdentity {
            family: FamilyId::new(ACCESS_KEYS).expect("a literal of lower-case letters"),
            serial: serial.clone(),
            slot: Slot::Name(family.as_str().into()),
        }
    }

    /// What stands where the parameters of a seed would: an access key makes no codes.
    pub fn no_codes() -> Params {
        HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 }.into()
    }
}

/// Reads a row; what is not an entry of ours is damage.
impl TryFrom<&EntryRow> for Entry {
    type Error = EscrowError;

    fn try_from(row: &EntryRow) -> Result<Self, EscrowError> {
        let name = || EntryId::from_slice(&row.id).map_or_else(|| HEXLOWER.encode(&row.id), |id| id.to_string());
        let damaged = |column: &str| EscrowError::Damaged {
            table: "entries",
            row: name(),
            problem: format!("its {column} is not one"),
        };
        let time = |column: &str, value: i64| u64::try_from(value).map(UnixTime::new).map_err(|_| damaged(column));
        let maybe_time = |column: &str, value: Option<i64>| value.map(|value| time(column, value)).transpose();
        let digits = u8::try_from(row.digits).map_err(|_| damaged("digits"))?;
        let digits = Digits::shown(digits).map_err(|_| damaged("digits"))?;
        let algorithm = row.algorithm.parse().map_err(|_| damaged("algorithm"))?;
        let params = match (row.time_step, row.counter) {
            (0, Some(counter)) => HotpParams { algorithm, digits, counter: counter.cast_unsigned() }.into(),
            (_, Some(_)) => return Err(damaged("counter")),
            (step, None) => {
                let step = u32::try_from(step).ok().and_then(|step| TimeStep::new(step).ok());
                TotpParams { algorithm, digits, step: step.ok_or_else(|| damaged("time_step"))? }.into()
            }
        };
        let batch = row.batch.as_deref().map(|id| BatchId::from_slice(id).ok_or_else(|| damaged("batch")));
        Ok(Self {
            id: EntryId::from_slice(&row.id).ok_or_else(|| damaged("id"))?,
            identity: TokenIdentity {
                family: FamilyId::new(&row.family).map_err(|_| damaged("family"))?,
                serial: SerialNumber::new(&row.serial).map_err(|_| damaged("serial"))?,
                slot: row.slot.parse().map_err(|_| damaged("slot"))?,
            },
            params,
            manufacturer: row.manufacturer.clone(),
            model: row.model.clone(),
            upn: row.upn.clone(),
            issuer: row.issuer.clone(),
            state: EntryState::from_name(&row.state).ok_or_else(|| damaged("state"))?,
            origin: Origin::from_name(&row.origin).ok_or_else(|| damaged("origin"))?,
            batch: batch.transpose()?,
            line: row.line.map(|line| u32::try_from(line).map_err(|_| damaged("line"))).transpose()?,
            reserved_at: time("reserved_at", row.reserved_at)?,
            programmed_at: maybe_time("programmed_at", row.programmed_at)?,
            verified_at: maybe_time("verified_at", row.verified_at)?,
            drift_seconds: row.drift_seconds,
            drift_at: maybe_time("drift_at", row.drift_at)?,
            revision: row.revision.try_into().map_err(|_| damaged("revision"))?,
            annotations: row.annotations.read().map_err(damaged)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_and_sort_by_age() {
        let (first, second) = (EntryId::new(), EntryId::new());
        assert!(first < second);
        let text = first.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.parse::<EntryId>().unwrap(), first);
        assert_eq!(EntryId::from_slice(first.as_bytes()), Some(first));
        assert_eq!(EntryId::from_slice(&[0; 15]), None);
        assert!(matches!("nonsense".parse::<EntryId>(), Err(EscrowError::EntryUnknown { .. })));
    }

    #[test]
    fn names_of_states_are_stable() {
        let names: Vec<_> = EntryState::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["reserved", "unknown", "programmed", "imported", "superseded", "retired"]);
        for state in EntryState::ALL {
            assert_eq!(EntryState::from_name(state.as_str()), Some(*state));
            assert!(!(state.is_finished() && state.is_unfinished()));
            assert!(state.is_live() == (state.is_finished() || state.is_unfinished()));
        }
        assert_eq!(EntryState::from_name("burnt"), None);
    }
}
