//! One value of every variant, for the page of all errors and for the tests.

use oathburn_escrow::{BatchId, EntryId, EscrowError, LineState};
use oathburn_oath::{FamilyId, OathError, SerialNumber};
use oathburn_token::{ForeignCard, TokenError, TransportError};

use crate::StationError;

oathburn_oath::variants! {
    StationError: Token Burn NotMarkedUnknown NotMarkedProgrammed Escrow Seed Foreign OtherToken Live InUseElsewhere NotEscrowed Unfinished DuplicateSeed DoneInBatch OtherBatch OtherFamily NoLine NoLineAtHand LineBusy LineEnded SetAside CodeDiffers AccessKeyUnsure FactoryKeyRefused NotConfirmed OfficerNeeded
}

impl StationError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let serial = || SerialNumber::new("8659622000001").expect("a literal of digits");
        let other = || SerialNumber::new("8659622000002").expect("a literal of digits");
        let batch = BatchId::from_slice(&[0x04; 16]).expect("16 bytes");
        let entry = EntryId::from_slice(&[0x01; 16]).expect("16 bytes");
        let wire = || TokenError::Wire { command: "GET INFO", source: TransportError::Removed };
        let escrow = || EscrowError::StoreBusy { store: "/srv/escrow.db".into() };
        let card = |kind, applets| Self::Foreign { card: ForeignCard { kind, applets } };
        vec![
            Self::Token(wire()),
            Self::Burn { entry, source: wire() },
            Self::Burn { entry, source: TokenError::AfterWrite(Box::new(wire())) },
            Self::NotMarkedUnknown { entry, burn: Box::new(wire()), source: Box::new(escrow()) },
            Self::NotMarkedProgrammed { serial: serial(), entry, source: Box::new(escrow()) },
            Self::Escrow(escrow()),
            Self::Seed(OathError::SeedEmpty),
            card("security-key", vec!["fido"]),
            card("unknown-card", vec![]),
            Self::OtherToken { expected: serial(), found: other() },
            Self::Live { serial: serial(), entry },
            Self::InUseElsewhere { serial: serial() },
            Self::NotEscrowed { serial: serial() },
            Self::Unfinished { serial: serial(), entry },
            Self::DuplicateSeed { serial: serial(), entry },
            Self::DoneInBatch { serial: serial(), line: 7 },
            Self::OtherBatch { serial: serial(), batch, line: 7 },
            Self::OtherFamily { serial: serial(), family: FamilyId::new("ykoath").expect("a literal of letters") },
            Self::NoLine { serial: serial() },
            Self::NoLineAtHand { serial: serial() },
            Self::LineBusy { serial: serial(), line: 7 },
            Self::LineEnded { serial: serial(), line: 7, state: LineState::Failed },
            Self::SetAside { serial: serial() },
            Self::CodeDiffers { serial: serial(), entry },
            Self::AccessKeyUnsure { serial: serial(), entry },
            Self::FactoryKeyRefused { serial: serial() },
            Self::NotConfirmed { serial: serial() },
            Self::OfficerNeeded,
        ]
    }
}
