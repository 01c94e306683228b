//! How people name a reader.

use std::fmt;
use std::str::FromStr;

use crate::ReaderError;

/// The software a reader is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stack {
    /// The PC/SC service.
    PcSc,
    /// libnfc, without a service.
    Libnfc,
}

impl Stack {
    /// The prefix of a selector: `pcsc` or `libnfc`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PcSc => "pcsc",
            Self::Libnfc => "libnfc",
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says which reader is meant: `pcsc:NAME-PART`, `libnfc:CONNSTRING`, or a bare `NAME-PART`, which is PC/SC's.
///
/// A part of a name is compared without regard to case and must belong to one reader only; a full name always means
/// its reader.
///
/// ```
/// use oathburn_reader::{ReaderSelector, Stack};
///
/// let selector: ReaderSelector = "acr122".parse()?;
/// assert_eq!((selector.stack(), selector.name()), (Stack::PcSc, "acr122"));
/// assert_eq!(selector.to_string(), "pcsc:acr122");
/// # Ok::<(), oathburn_reader::ReaderError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReaderSelector {
    stack: Stack,
    name: String,
}

impl ReaderSelector {
    /// The canonical selector of the PC/SC reader with this full name.
    pub(crate) fn pcsc(full_name: &str) -> Self {
        Self { stack: Stack::PcSc, name: full_name.into() }
    }

    /// The canonical selector of the reader with this connection string.
    pub(crate) fn libnfc(connstring: &str) -> Self {
        Self { stack: Stack::Libnfc, name: connstring.into() }
    }

    /// Where to look.
    pub const fn stack(&self) -> Stack {
        self.stack
    }

    /// What follows the prefix: a name, a part of one, or a connstring.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of these full names, the positions of those that are meant.
    pub(crate) fn matching<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
        if let Some(exact) = names.clone().position(|name| name == self.name) {
            return vec![exact];
        }
        let part = self.name.to_lowercase();
        names.enumerate().filter(|(_, name)| name.to_lowercase().contains(&part)).map(|(index, _)| index).collect()
    }
}

impl FromStr for ReaderSelector {
    type Err = ReaderError;

    fn from_str(text: &str) -> Result<Self, ReaderError> {
        let prefixed = [Stack::PcSc, Stack::Libnfc]
            .into_iter()
            .find_map(|stack| Some((stack, text.strip_prefix(stack.name())?.strip_prefix(':')?)));
        let (stack, name) = prefixed.unwrap_or((Stack::PcSc, text));
        if name.trim().is_empty() {
            return Err(ReaderError::SelectorEmpty);
        }
        Ok(Self { stack, name: name.into() })
    }
}

impl fmt::Display for ReaderSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stack, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(text: &str) -> ReaderSelector {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes() {
        for (text, stack, name) in [
            ("ACR", Stack::PcSc, "ACR"),
            ("pcsc:ACR", Stack::PcSc, "ACR"),
            ("pcsc:pcsc:ACR", Stack::PcSc, "pcsc:ACR"),
            ("libnfc:pn532_uart:/dev/ttyUSB0", Stack::Libnfc, "pn532_uart:/dev/ttyUSB0"),
            ("pcscd", Stack::PcSc, "pcscd"),
            ("usb:1", Stack::PcSc, "usb:1"),
            (" A ", Stack::PcSc, " A "),
        ] {
            assert_eq!((selector(text).stack(), selector(text).name()), (stack, name), "{text}");
        }
        for text in ["", " ", "pcsc:", "libnfc:", "pcsc: \t"] {
            assert_eq!(text.parse::<ReaderSelector>(), Err(ReaderError::SelectorEmpty), "{text:?}");
        }
    }

    #[test]
    fn a_part_matches_in_any_case_and_a_full_name_matches_alone() {
        let names = ["ACS ACR122U 00 00", "ACS ACR1252 00 00", "ACS ACR1252 00 00 (2)"];
        let matching = |text: &str| selector(text).matching(names.iter().copied());
        assert_eq!(matching("acr122"), [0]);
        assert_eq!(matching("ACR"), [0, 1, 2]);
        assert_eq!(matching("pcsc:ACS ACR1252 00 00"), [1]);
        assert_eq!(matching("acs acr1252 00 00"), [1, 2]);
        assert_eq!(matching("omnikey"), []);
        for name in names {
            assert_eq!(selector(&ReaderSelector::pcsc(name).to_string()), ReaderSelector::pcsc(name));
        }
    }

    proptest! {
        #[test]
        fn display_and_from_str_are_inverse(text in "(pcsc:|libnfc:|)(pcsc:|libnfc:|)[ -~äß]{0,20}") {
            if let Ok(selector) = text.parse::<ReaderSelector>() {
                prop_assert_eq!(selector.to_string().parse::<ReaderSelector>()?, selector);
            }
        }
    }
}
