//! What stands for libnfc in a build without it: nothing, which is said.

use std::convert::Infallible;
use std::time::Duration;

use crate::{Conversation, Presence, ReaderError, Stack};

pub(crate) fn host() {}

/// There are no messages.
#[doc(hidden)]
pub fn fuzz(_data: &[u8]) {}

#[expect(clippy::unnecessary_wraps, reason = "the one that is built with libnfc can fail")]
pub(crate) fn list() -> Result<Vec<String>, ReaderError> {
    Ok(Vec::new())
}

pub(crate) fn is_full_name(_name: &str) -> bool {
    true
}

/// No reader is of this kind.
pub(crate) struct Reader(Infallible);

impl Reader {
    pub(crate) fn new(_connstring: &str) -> Result<Self, ReaderError> {
        Err(ReaderError::StackMissing { stack: Stack::Libnfc })
    }

    pub(crate) fn hasty(self) -> Self {
        match self.0 {}
    }

    pub(crate) fn look(&self) -> Result<(Presence, Option<Vec<u8>>), ReaderError> {
        match self.0 {}
    }

    pub(crate) fn presence(&self) -> Result<Presence, ReaderError> {
        match self.0 {}
    }

    pub(crate) fn wait_for_token(&self, _: Option<Duration>, _: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match self.0 {}
    }

    pub(crate) fn wait_for_removal(&self, _: Option<Duration>, _: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match self.0 {}
    }

    pub(crate) fn connect(&self, _timeout: Option<Duration>) -> Result<Conversation, ReaderError> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn libnfc_is_named_and_refused() {
        let selector = "libnfc:pn532_uart:/dev/ttyUSB0".parse().unwrap();
        let error = crate::open(Some(&selector)).err();
        assert_eq!(error, Some(super::ReaderError::StackMissing { stack: super::Stack::Libnfc }));
    }
}
