//! One value of every variant, for the page of all errors and for the tests.

use crate::{ReaderError, ReaderSelector, Stack};

oathburn_oath::variants! {
    ReaderError: ServiceMissing ServiceStopped AccessDenied StackMissing SelectorEmpty ConnstringInvalid NoReader ReaderUnknown ReaderAmbiguous ReaderLost ReaderMissing ReaderAccessDenied ReaderSilent ReaderBusy NoToken TokenStays TokenMute TokenProtocol Interrupted Failed
}

impl ReaderError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let reader = || "ACS ACR122U 00 00".to_owned();
        let port = || "pn532_uart:/dev/ttyUSB0".to_owned();
        let selectors = || vec![ReaderSelector::pcsc("A"), ReaderSelector::pcsc("B")];
        vec![
            Self::ServiceMissing,
            Self::ServiceStopped,
            Self::AccessDenied,
            Self::StackMissing { stack: Stack::Libnfc },
            Self::SelectorEmpty,
            Self::ConnstringInvalid { connstring: "pn532_uart".into(), reason: "it names no port" },
            Self::NoReader,
            Self::ReaderUnknown { selector: ReaderSelector::pcsc("C"), readers: selectors() },
            Self::ReaderAmbiguous { readers: selectors() },
            Self::ReaderLost { reader: reader() },
            Self::ReaderMissing { reader: port() },
            Self::ReaderAccessDenied { reader: port() },
            Self::ReaderSilent { reader: port() },
            Self::ReaderBusy { reader: reader() },
            Self::NoToken { reader: reader() },
            Self::TokenStays { reader: reader() },
            Self::TokenMute { reader: reader() },
            Self::TokenProtocol { reader: reader() },
            Self::Interrupted,
            Self::Failed { detail: "an internal error".into() },
        ]
    }
}
