//! One value of every variant, for the page of all errors and for the tests.

use crate::OathError;

crate::variants! {
    OathError: SeedEmpty SeedTooLong NotBase32 Base32Truncated NotHex HexOdd Random Algorithm Digits DisplayedCode TimeStep EventBased Serial Slot Family
}

impl OathError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        vec![
            Self::SeedEmpty,
            Self::SeedTooLong { len: 129 },
            Self::NotBase32 { position: 3 },
            Self::Base32Truncated,
            Self::NotHex { position: 3 },
            Self::HexOdd,
            Self::Random,
            Self::Algorithm,
            Self::Digits,
            Self::DisplayedCode,
            Self::TimeStep,
            Self::EventBased,
            Self::Serial,
            Self::Slot,
            Self::Family,
        ]
    }
}
