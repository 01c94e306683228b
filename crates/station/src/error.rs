//! Why a burn did not happen, or is not known to have.

mod samples;

use oathburn_escrow::{EntryId, EscrowError};
use oathburn_oath::{OathError, Remedy, SerialNumber};
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
    Escrow(#[from] EscrowError),
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
        "multi-profile-token" => "a token with many profiles",
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
            Self::NotEscrowed { .. } => "not-escrowed",
            Self::Unfinished { .. } => "burn-unfinished",
            Self::DuplicateSeed { .. } => "duplicate-seed",
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
