//! Readers of every stack: listing, choosing, opening.

use std::time::Duration;

use crate::{Conversation, Presence, ReaderError, ReaderSelector, Stack, pcsc};

/// How long a token may take over one command, unless said otherwise. Burning takes well under a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A reader as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderInfo {
    /// What chooses this reader and no other.
    pub selector: ReaderSelector,
    /// Its full name.
    pub name: String,
    /// What it is reached through.
    pub stack: Stack,
    /// Whether something lies on it.
    pub token_present: bool,
}

/// The readers that are connected; none is no error.
pub fn readers() -> Result<Vec<ReaderInfo>, ReaderError> {
    list(&pcsc::Service::connect()?)
}

/// The reader that `selector` means. Without one: the only reader, or the only one with a token on it.
pub fn open(selector: Option<&ReaderSelector>) -> Result<Reader, ReaderError> {
    if let Some(stack @ Stack::Libnfc) = selector.map(ReaderSelector::stack) {
        return Err(ReaderError::StackMissing { stack });
    }
    let service = pcsc::Service::connect()?;
    let chosen = choose(selector, list(&service)?)?;
    let wire = Wire::PcSc(service.reader(&chosen.name)?);
    Ok(Reader { selector: chosen.selector, wire, timeout: TIMEOUT })
}

fn list(service: &pcsc::Service) -> Result<Vec<ReaderInfo>, ReaderError> {
    let mut infos = Vec::new();
    for name in service.reader_names()? {
        let token_present = match service.reader(&name)?.presence() {
            Ok(presence) => presence != Presence::Empty,
            // It was unplugged since it was listed.
            Err(ReaderError::ReaderLost { .. }) => continue,
            Err(error) => return Err(error),
        };
        infos.push(ReaderInfo { selector: ReaderSelector::pcsc(&name), name, stack: Stack::PcSc, token_present });
    }
    Ok(infos)
}

/// Picks one reader, or says between which it cannot decide.
fn choose(selector: Option<&ReaderSelector>, mut readers: Vec<ReaderInfo>) -> Result<ReaderInfo, ReaderError> {
    if readers.is_empty() {
        return Err(ReaderError::NoReader);
    }
    let candidates = match selector {
        Some(selector) => selector.matching(readers.iter().map(|reader| reader.name.as_str())),
        None if readers.len() == 1 => vec![0],
        None => (0..readers.len()).filter(|&index| readers[index].token_present).collect(),
    };
    let listed = |indices: &[usize]| indices.iter().map(|&index| readers[index].selector.clone()).collect();
    let all: Vec<_> = (0..readers.len()).collect();
    match (candidates.as_slice(), selector) {
        (&[index], _) => Ok(readers.swap_remove(index)),
        ([], Some(selector)) => Err(ReaderError::ReaderUnknown { selector: selector.clone(), readers: listed(&all) }),
        ([], None) => Err(ReaderError::ReaderAmbiguous { readers: listed(&all) }),
        (several, _) => Err(ReaderError::ReaderAmbiguous { readers: listed(several) }),
    }
}

/// One reader.
pub struct Reader {
    selector: ReaderSelector,
    wire: Wire,
    timeout: Duration,
}

/// What a reader is reached through.
enum Wire {
    PcSc(pcsc::Reader),
}

impl Reader {
    /// The same reader, with so long for a token to answer one command, or for another program to let go of the
    /// reader. 10 seconds unless said otherwise.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What chooses this reader and no other.
    pub const fn selector(&self) -> &ReaderSelector {
        &self.selector
    }

    /// Its full name.
    pub fn name(&self) -> &str {
        self.selector.name()
    }

    /// What lies on the reader at this moment.
    pub fn presence(&self) -> Result<Presence, ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.presence(),
        }
    }

    /// Waits until a token lies on the reader: at most so long, for ever with `None`, not at all with zero.
    ///
    /// `interrupted` is asked about four times a second. Something that lies there and does not answer ends the wait
    /// with [`ReaderError::TokenMute`]: it will not answer before somebody takes it off.
    pub fn wait_for_token(&self, wait: Option<Duration>, interrupted: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.wait_for_token(wait, interrupted),
        }
    }

    /// Waits until the reader is empty, or another token has taken the place of the one that lay there. Otherwise as
    /// [`Reader::wait_for_token`]; when the token stays, the error is [`ReaderError::TokenStays`].
    pub fn wait_for_removal(&self, wait: Option<Duration>, interrupted: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.wait_for_removal(wait, interrupted),
        }
    }

    /// Begins a conversation with the token on the reader, which nobody else can disturb while it lasts.
    pub fn connect(&self) -> Result<Conversation, ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.connect(self.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str, token_present: bool) -> ReaderInfo {
        ReaderInfo { selector: ReaderSelector::pcsc(name), name: name.into(), stack: Stack::PcSc, token_present }
    }

    fn chosen(selector: Option<&str>, readers: &[(&str, bool)]) -> Result<String, ReaderError> {
        let selector = selector.map(|text| text.parse().unwrap());
        let readers = readers.iter().map(|(name, present)| reader(name, *present)).collect();
        choose(selector.as_ref(), readers).map(|reader| reader.name)
    }

    fn ambiguous(names: &[&str]) -> Result<String, ReaderError> {
        Err(ReaderError::ReaderAmbiguous { readers: names.iter().map(|name| ReaderSelector::pcsc(name)).collect() })
    }

    #[test]
    fn without_a_selector_the_only_reader_or_the_only_token_decides() {
        assert_eq!(chosen(None, &[]), Err(ReaderError::NoReader));
        assert_eq!(chosen(None, &[("A", false)]).unwrap(), "A");
        assert_eq!(chosen(None, &[("A", false), ("B", true), ("C", false)]).unwrap(), "B");
        assert_eq!(chosen(None, &[("A", false), ("B", false)]), ambiguous(&["A", "B"]));
        assert_eq!(chosen(None, &[("A", true), ("B", false), ("C", true)]), ambiguous(&["A", "C"]));
    }

    #[test]
    fn a_selector_decides_by_name_alone() {
        let readers = [("ACR 0", false), ("ACR 1", true), ("Omnikey", false)];
        assert_eq!(chosen(Some("omni"), &readers).unwrap(), "Omnikey");
        assert_eq!(chosen(Some("acr"), &readers), ambiguous(&["ACR 0", "ACR 1"]));
        assert_eq!(chosen(Some("acr"), &[]), Err(ReaderError::NoReader));
        let Err(ReaderError::ReaderUnknown { selector, readers }) = chosen(Some("uTrust"), &readers) else {
            panic!("an unknown name was accepted")
        };
        assert_eq!((selector.name(), readers.len()), ("uTrust", 3));
    }

    #[test]
    fn libnfc_is_named_and_refused() {
        let selector = "libnfc:pn532_uart:/dev/ttyUSB0".parse().unwrap();
        assert_eq!(open(Some(&selector)).err(), Some(ReaderError::StackMissing { stack: Stack::Libnfc }));
    }
}
