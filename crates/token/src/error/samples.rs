//! One value of every variant, for the page of all errors and for the tests.

use oathburn_oath::{Algorithm, Digits, SerialNumber, Slot, TimeStep};

use crate::{StatusWord, TokenError, TransportError};

oathburn_oath::variants! {
    TokenError: Wire Refused WrongKey Garbled OtherToken ClockNotSet UnlistedModel NotProgrammable Algorithm Digits TimeStep NoSuchSlot SeedTooLong SeedAllZero TimeOutOfRange SyncErasesSeed OtherTimeNotPermitted EventBased Counter Unable SlotNeeded SlotName SlotInUse SlotEmpty Full Title AccessKeyNeeded AccessKeyWrong LockedOut AccessKeyLen ReadBack EraseNotPermitted NotTouched Random ModelsFile AfterWrite
}

oathburn_oath::variants! {
    TransportError: Removed Reset Timeout ReaderLost TooLong Failed
}

impl TransportError {
    /// One value of every variant.
    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self::Removed,
            Self::Reset,
            Self::Timeout { seconds: 3 },
            Self::ReaderLost,
            Self::TooLong { len: 300 },
            Self::Failed { detail: "an internal error".into() },
        ]
    }
}

impl TokenError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let serial = || SerialNumber::new("8659622000001").expect("a literal of digits");
        let other = || SerialNumber::new("8659622000002").expect("a literal of digits");
        let wire = |source| Self::Wire { command: "GET INFO", source };
        let mut all: Vec<_> = TransportError::samples().into_iter().map(wire).collect();
        all.extend([
            Self::Refused { command: "WRITE SEED", status: StatusWord(0x6a80), meaning: "bad data" },
            Self::WrongKey { status: StatusWord(0x6983) },
            Self::Garbled { command: "GET INFO", what: "nonsense" },
            Self::OtherToken { expected: serial(), found: other() },
            Self::ClockNotSet { seconds: -9 },
            Self::UnlistedModel { serial: serial() },
            Self::NotProgrammable { model: "C202".into(), serial: serial() },
            Self::Algorithm { algorithm: Algorithm::Sha512 },
            Self::Digits { digits: Digits::EIGHT },
            Self::TimeStep { step: TimeStep::new(45).expect("a whole number of seconds") },
            Self::NoSuchSlot { slot: Slot::Number(3) },
            Self::SeedTooLong { len: 64, max: 63 },
            Self::SeedAllZero,
            Self::TimeOutOfRange { seconds: 1 << 32 },
            Self::SyncErasesSeed { serial: serial() },
            Self::OtherTimeNotPermitted,
            Self::EventBased,
            Self::Counter { counter: 1 << 32 },
            Self::Unable { what: "lock its screen" },
            Self::SlotNeeded,
            Self::SlotName { name: "60/ACME:bob".into(), problem: "it begins like a time step" },
            Self::SlotInUse { slot: Slot::Number(3) },
            Self::SlotEmpty { slot: Slot::Number(3) },
            Self::Full,
            Self::Title { len: 13, max: 12 },
            Self::AccessKeyNeeded,
            Self::AccessKeyWrong { left: Some(4) },
            Self::LockedOut { status: StatusWord(0x6983) },
            Self::AccessKeyLen { len: 15, wanted: "16" },
            Self::ReadBack { what: "time step" },
            Self::EraseNotPermitted { what: "slot 3 of 8659622000001".into() },
            Self::NotTouched,
            Self::Random,
            Self::ModelsFile { line: 3, problem: "no name".into() },
        ]);
        let written = [
            wire(TransportError::Removed),
            wire(TransportError::Reset),
            wire(TransportError::ReaderLost),
            Self::WrongKey { status: StatusWord(0x6983) },
            Self::OtherToken { expected: serial(), found: other() },
        ];
        all.extend(written.into_iter().map(|error| error.noted(true)));
        all
    }
}
