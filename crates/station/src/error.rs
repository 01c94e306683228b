//! Why a burn did not happen, or is not known to have.

mod samples;

use oathburn_escrow::{BatchId, EntryId, EscrowError, LineState};
use oathburn_oath::{FamilyId, OathError, Remedy, SerialNumber};
use oathburn_token::{ForeignCard, TokenError};

/// Everything a station reports. No variant carries any part of a seed.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    /// The conversation with the token failed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The conversation failed after a seed was reserved; the entry says how far it came.
    #[error("{source}{}; the seed is in the escrow as {entry}", untouched(.source))]
    Burn {
        /// The entry, `reserved` or `unknown`.
        entry: EntryId,
        /// What failed.
        source: TokenError,
    },
    /// The conversation failed after the first write, and the escrow could not be told either.
    #[error("{burn}; the seed is in the escrow as {entry}, which could not be marked as unknown: {source}")]
    NotMarkedUnknown {
        /// The entry, still `reserved`.
        entry: EntryId,
        /// What failed with the token.
        burn: Box<TokenError>,
        /// What failed with the escrow.
        source: Box<EscrowError>,
    },
    /// The token is programmed, and the escrow does not know.
    #[error("{serial} was programmed, but entry {entry} could not be marked so: {source}")]
    NotMarkedProgrammed {
        /// The token.
        serial: SerialNumber,
        /// The entry, still `reserved` or `unknown`.
        entry: EntryId,
        /// What failed.
        source: Box<EscrowError>,
    },
    /// The escrow failed before anything was written to a token.
    #[error(transparent)]
    Escrow(EscrowError),
    /// A seed could not be made.
    #[error(transparent)]
    Seed(#[from] OathError),
    /// What lies on the reader is no token of any family.
    #[error("{}", describe(.card))]
    Foreign {
        /// What it is.
        card: ForeignCard,
    },
    /// Another token than the one that was asked for.
    #[error("the token on the reader is {found}, not {expected}")]
    OtherToken {
        /// The one that was asked for.
        expected: SerialNumber,
        /// The one on the reader.
        found: SerialNumber,
    },
    /// The token has a seed that is in use.
    #[error("{serial} has a seed in the escrow that is in use (entry {entry})")]
    Live {
        /// The token.
        serial: SerialNumber,
        /// The entry in use.
        entry: EntryId,
    },
    /// The token has a seed that is in use, says whoever gives out the lines.
    #[error("{serial} has a seed that is in use elsewhere")]
    InUseElsewhere {
        /// The token.
        serial: SerialNumber,
    },
    /// The escrow knows no seed of the token, and so not its parameters either.
    #[error("the escrow has no live entry of {serial}")]
    NotEscrowed {
        /// The token.
        serial: SerialNumber,
    },
    /// A burn of the token was not finished.
    #[error("the last burn of {serial} was not finished (entry {entry})")]
    Unfinished {
        /// The token.
        serial: SerialNumber,
        /// The unfinished entry.
        entry: EntryId,
    },
    /// The seed is on another token.
    #[error("this seed belongs to {serial} (entry {entry})")]
    DuplicateSeed {
        /// The other token.
        serial: SerialNumber,
        /// Its entry.
        entry: EntryId,
    },
    /// The token was burned for a line of this batch before.
    #[error("{serial} is done, it was burned for line {line}")]
    DoneInBatch {
        /// The token.
        serial: SerialNumber,
        /// Its line.
        line: u32,
    },
    /// The token's unfinished burn belongs to another batch.
    #[error("a burn of {serial} for line {line} of batch {batch} was not finished")]
    OtherBatch {
        /// The token.
        serial: SerialNumber,
        /// The other batch.
        batch: BatchId,
        /// Its line there.
        line: u32,
    },
    /// The batch is for other tokens.
    #[error("the batch is not for tokens of the family {family}, and {serial} is one")]
    OtherFamily {
        /// The token.
        serial: SerialNumber,
        /// Its family.
        family: FamilyId,
    },
    /// All lines that could take the token have ended or are being worked on.
    #[error("no line of the batch is open for {serial}")]
    NoLine {
        /// The token.
        serial: SerialNumber,
    },
    /// No line that is here could take the token, and whoever has more does not answer.
    #[error("no line at hand is open for {serial}, and nobody can be asked for others now")]
    NoLineAtHand {
        /// The token.
        serial: SerialNumber,
    },
    /// Somebody else is at the token's line.
    #[error("line {line}, which is meant for {serial}, is being worked on elsewhere")]
    LineBusy {
        /// The token.
        serial: SerialNumber,
        /// Its line.
        line: u32,
    },
    /// The line that names the token has ended.
    #[error("line {line}, which is meant for {serial}, is {state}")]
    LineEnded {
        /// The token.
        serial: SerialNumber,
        /// Its line.
        line: u32,
        /// How it ended.
        state: LineState,
    },
    /// The token failed too often, or in a way that makes another try dangerous.
    #[error("{serial} was set aside: it failed before in this run")]
    SetAside {
        /// The token.
        serial: SerialNumber,
    },
    /// The display shows other codes than the escrow.
    #[error("{serial} does not show the codes of entry {entry}")]
    CodeDiffers {
        /// The token.
        serial: SerialNumber,
        /// Its entry.
        entry: EntryId,
    },
    /// Nobody knows whether the token has the access key that was to be its last.
    #[error("whether {serial} has the access key of entry {entry} is not known")]
    AccessKeyUnsure {
        /// The token.
        serial: SerialNumber,
        /// The entry of the key.
        entry: EntryId,
    },
    /// The maker's key was refused or replaced before, and no other is known.
    #[error("{serial} has another access key than its maker's, and none is given or in the escrow")]
    FactoryKeyRefused {
        /// The token.
        serial: SerialNumber,
    },
    /// The token waited for its button, and nobody pressed it, or nobody said so.
    #[error("the token {serial} waits for its button, and whether somebody pressed it is not known")]
    NotConfirmed {
        /// The token.
        serial: SerialNumber,
    },
    /// A sealed seed was asked for, and no officer is there to open it.
    #[error("only an officer can open an escrowed seed")]
    OfficerNeeded,
}

/// What an error before the first write says of the token; one that came later says itself what may have happened.
fn untouched(error: &TokenError) -> &'static str {
    if error.after_write() { "" } else { "; nothing was written to the token" }
}

fn describe(card: &ForeignCard) -> String {
    let kind = match card.kind {
        "security-key" => "a security key",
        "smart-card" => "a smart card",
        "payment-card" => "a payment card",
        "travel-document" => "a passport or identity card",
        "transit-card" => "a ticket of public transport",
        "ndef-tag" => "an NFC tag",
        _ => "a card of an unknown kind",
    };
    if card.applets.is_empty() {
        format!("on the reader lies {kind}, no programmable token")
    } else {
        format!("on the reader lies {kind} ({}), no programmable token", card.applets.join(", "))
    }
}

impl From<EscrowError> for StationError {
    /// What the escrow finds out when it seals is said as it is where it was looked up before.
    fn from(error: EscrowError) -> Self {
        match error {
            EscrowError::SeedTaken { serial, entry } => Self::DuplicateSeed { serial, entry },
            EscrowError::TokenTaken { serial, entry } => Self::Live { serial, entry },
            error => Self::Escrow(error),
        }
    }
}

impl Remedy for StationError {
    fn code(&self) -> &'static str {
        match self {
            Self::Token(error) | Self::Burn { source: error, .. } => error.code(),
            Self::NotMarkedUnknown { .. } => "not-marked-unknown",
            Self::NotMarkedProgrammed { .. } => "not-marked-programmed",
            Self::Escrow(error) => error.code(),
            Self::Seed(error) => error.code(),
            Self::Foreign { .. } => "foreign-card",
            Self::OtherToken { .. } => "other-token",
            Self::Live { .. } => "token-in-use",
            Self::InUseElsewhere { .. } => "token-in-use-elsewhere",
            Self::NotEscrowed { .. } => "not-escrowed",
            Self::Unfinished { .. } => "burn-unfinished",
            Self::DuplicateSeed { .. } => "duplicate-seed",
            Self::DoneInBatch { .. } => "token-done",
            Self::OtherBatch { .. } => "token-other-batch",
            Self::OtherFamily { .. } => "token-other-family",
            Self::NoLine { .. } => "no-line-open",
            Self::NoLineAtHand { .. } => "no-line-at-hand",
            Self::LineBusy { .. } => "line-busy",
            Self::LineEnded { .. } => "line-ended",
            Self::SetAside { .. } => "token-set-aside",
            Self::CodeDiffers { .. } => "code-differs",
            Self::AccessKeyUnsure { .. } => "access-key-unsure",
            Self::FactoryKeyRefused { .. } => "factory-key-refused",
            Self::NotConfirmed { .. } => "token-not-confirmed",
            Self::OfficerNeeded => "officer-needed",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Token(error) | Self::Burn { source: error, .. } => return error.remedy(),
            Self::NotMarkedUnknown { .. } | Self::NotMarkedProgrammed { .. } => {
                "make the escrow work again (see `oathburn escrow check`), then burn the same serial once more: that finishes the entry"
            }
            Self::Escrow(error) => return error.remedy(),
            Self::Seed(error) => return error.remedy(),
            Self::Foreign { .. } => "lay a programmable token on the reader, alone, and press its button",
            Self::OtherToken { .. } => "lay the right token on the reader, alone",
            Self::InUseElsewhere { .. } => {
                "compare the number on its back; if it is to be burned anew, have its entry retired at the desk first"
            }
            Self::Live { .. } => {
                "if its user is to get a new seed, burn with --replace; the old one stays in the escrow as superseded"
            }
            Self::NotEscrowed { .. } => {
                "setting the clock writes all parameters, which only the escrow knows: burn the token first"
            }
            Self::Unfinished { .. } => "burn the same token again first: that sets its clock, too",
            Self::DuplicateSeed { .. } => {
                "use a seed of its own for each token; if the other token is lost, retire its entry first (`oathburn escrow retire`)"
            }
            Self::DoneInBatch { .. } => "take it off and lay the next one on",
            Self::OtherBatch { .. } => {
                "finish it with `oathburn batch resume` of that batch, and lay the next token on here"
            }
            Self::OtherFamily { .. } => {
                "take it off; `oathburn batch run --family` makes a batch for tokens with several slots, `oathburn burn` burns one"
            }
            Self::NoLine { .. } => "put it back into the box",
            Self::NoLineAtHand { .. } => {
                "keep it beside the reader, and lay it on again when the desk answers: there may be a line for it"
            }
            Self::LineBusy { .. } => "wait until the other reader is done with it, then lay the token on again",
            Self::LineEnded { .. } => {
                "put it aside; a line that failed is taken up again with `oathburn batch retry-failed`"
            }
            Self::SetAside { .. } => {
                "put it aside and lay another token on; `oathburn batch status` tells what became of its line"
            }
            Self::CodeDiffers { .. } => {
                "switch the token off and on and look again; if it still shows others, take its line up again with `oathburn batch retry-failed`"
            }
            Self::AccessKeyUnsure { .. } => {
                "if the change was confirmed with the token's button, try the new key with `oathburn token access-key check`; else give the old one with --access-key-file. A wrong one costs a try"
            }
            Self::FactoryKeyRefused { .. } => {
                "give its key with --access-key-file; if it has its maker's again, say so with `oathburn token access-key check --factory-key`, which costs a try if that is wrong"
            }
            Self::NotConfirmed { .. } => {
                "start again and press the token's button when you are asked to; if it was pressed, `oathburn token slots` shows what is left, and `oathburn token access-key check` tries a new access key"
            }
            Self::OfficerNeeded => "name the officer's file with --identity",
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_message_a_code_and_a_remedy() {
        let all = StationError::samples();
        let missing = StationError::VARIANTS.iter().find(|name| !all.iter().any(|one| one.variant() == **name));
        assert_eq!(missing, None);
        for error in all {
            let (message, code) = (error.to_string(), error.code());
            assert!(!message.is_empty() && !message.ends_with('.'), "{message}");
            assert!(
                code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit()),
                "{code}"
            );
            assert!(error.remedy().is_some(), "{message}");
        }
    }
}
