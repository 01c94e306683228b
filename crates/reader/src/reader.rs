//! Readers of every stack: listing, choosing, opening.

use std::time::Duration;

use tracing::debug;

use crate::{Conversation, Presence, ReaderError, ReaderSelector, Stack, libnfc, pcsc};

/// How long a token on a PC/SC reader may take over one command, unless said otherwise. Burning takes well under a
/// second.
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
    /// Whether something lies on it; `None` when nobody can say, because another program has the reader or because
    /// it does not answer.
    pub token_present: Option<bool>,
}

impl ReaderInfo {
    fn libnfc(connstring: &str, token_present: Option<bool>) -> Self {
        let selector = ReaderSelector::libnfc(connstring);
        Self { selector, name: connstring.to_owned(), stack: Stack::Libnfc, token_present }
    }
}

/// The readers that are connected, of both stacks; none is no error. Those of libnfc are opened for a moment to see
/// what lies on them.
pub fn readers() -> Result<Vec<ReaderInfo>, ReaderError> {
    let service = pcsc::Service::connect().and_then(|service| list(&service));
    let others = libnfc_names(service.as_deref().unwrap_or_default());
    match service {
        Err(error) if others.is_empty() => Err(error),
        service => {
            let others = others.iter().map(|name| ReaderInfo::libnfc(name, libnfc_presence(name)));
            Ok(service.unwrap_or_default().into_iter().chain(others).collect())
        }
    }
}

/// The reader that `selector` means. Without one: the only reader, or the only one with a token on it; readers of
/// libnfc count where there is no PC/SC reader.
pub fn open(selector: Option<&ReaderSelector>) -> Result<Reader, ReaderError> {
    if let Some(selector) = selector.filter(|selector| selector.stack() == Stack::Libnfc) {
        return open_libnfc(selector);
    }
    let service = pcsc::Service::connect().and_then(|service| Ok((list(&service)?, service)));
    match service {
        Ok((readers, service)) if selector.is_some() || !readers.is_empty() => {
            let chosen = choose(selector, readers)?;
            let wire = Wire::PcSc(service.reader(&chosen.name)?);
            Ok(Reader { selector: chosen.selector, wire, timeout: None })
        }
        Err(error) if selector.is_some() => Err(error),
        // Looking for readers of libnfc costs a process, so it comes last.
        nothing => {
            let names = libnfc_names(&[]);
            let none = || nothing.map_or_else(|error| error, |_| ReaderError::NoReader);
            let chosen = match names.as_slice() {
                [] => return Err(none()),
                [only] => ReaderInfo::libnfc(only, None),
                several => choose(None, several.iter().map(|n| ReaderInfo::libnfc(n, libnfc_presence(n))).collect())?,
            };
            Reader::libnfc(chosen.selector)
        }
    }
}

fn open_libnfc(selector: &ReaderSelector) -> Result<Reader, ReaderError> {
    if libnfc::is_full_name(selector.name()) {
        return Reader::libnfc(selector.clone());
    }
    let readers = libnfc::list()?.iter().map(|name| ReaderInfo::libnfc(name, None)).collect();
    Reader::libnfc(choose(Some(selector), readers)?.selector)
}

fn list(service: &pcsc::Service) -> Result<Vec<ReaderInfo>, ReaderError> {
    let mut infos = Vec::new();
    for name in service.reader_names()? {
        let token_present = match service.reader(&name)?.presence() {
            Ok(presence) => Some(presence != Presence::Empty),
            // It was unplugged since it was listed.
            Err(ReaderError::ReaderLost { .. }) => continue,
            Err(error) => return Err(error),
        };
        infos.push(ReaderInfo { selector: ReaderSelector::pcsc(&name), name, stack: Stack::PcSc, token_present });
    }
    Ok(infos)
}

/// What libnfc finds beside these PC/SC readers. That it cannot be asked is no reason to hide those.
pub(crate) fn libnfc_names(readers: &[ReaderInfo]) -> Vec<String> {
    let mut names = libnfc::list().unwrap_or_else(|error| {
        debug!(%error, "libnfc lists no readers");
        Vec::new()
    });
    names.retain(|name| !is_pcsc_too(name, readers));
    names
}

/// Whether libnfc would reach by this name what PC/SC has already: through the service, or an ACR122 that the service
/// holds.
fn is_pcsc_too(connstring: &str, readers: &[ReaderInfo]) -> bool {
    let driver = connstring.split(':').next().unwrap_or_default();
    let has_acr122 = || readers.iter().any(|reader| reader.name.to_uppercase().contains("ACR122"));
    matches!(driver, "pcsc" | "acr122_pcsc") || (driver == "acr122_usb" && has_acr122())
}

fn libnfc_presence(connstring: &str) -> Option<bool> {
    let presence = libnfc::Reader::new(connstring).and_then(|reader| reader.hasty().presence());
    presence.map(|presence| presence != Presence::Empty).inspect_err(|error| debug!(connstring, %error, "no look")).ok()
}

/// Picks one reader, or says between which it cannot decide.
fn choose(selector: Option<&ReaderSelector>, mut readers: Vec<ReaderInfo>) -> Result<ReaderInfo, ReaderError> {
    if readers.is_empty() {
        return Err(ReaderError::NoReader);
    }
    let candidates = match selector {
        Some(selector) => selector.matching(readers.iter().map(|reader| reader.name.as_str())),
        None if readers.len() == 1 => vec![0],
        None => (0..readers.len()).filter(|&index| readers[index].token_present == Some(true)).collect(),
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
    timeout: Option<Duration>,
}

/// What a reader is reached through.
enum Wire {
    PcSc(pcsc::Reader),
    Libnfc(libnfc::Reader),
}

impl Reader {
    fn libnfc(selector: ReaderSelector) -> Result<Self, ReaderError> {
        let wire = Wire::Libnfc(libnfc::Reader::new(selector.name())?);
        Ok(Self { selector, wire, timeout: None })
    }

    /// The same reader, with so long for a token to answer one command, or for another program to let go of the
    /// reader. Unless said otherwise 10 seconds with PC/SC, and 3 with libnfc, where another program that has the
    /// reader is not waited for.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
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
            Wire::Libnfc(reader) => reader.presence(),
        }
    }

    /// Waits until a token lies on the reader: at most so long, for ever with `None`, not at all with zero.
    ///
    /// `interrupted` is asked about four times a second. Something that lies there and does not answer ends the wait
    /// with [`ReaderError::TokenMute`]: it will not answer before somebody takes it off.
    pub fn wait_for_token(&self, wait: Option<Duration>, interrupted: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.wait_for_token(wait, interrupted),
            Wire::Libnfc(reader) => reader.wait_for_token(wait, interrupted),
        }
    }

    /// Waits until the reader is empty, or another token has taken the place of the one that lay there. Otherwise as
    /// [`Reader::wait_for_token`]; when the token stays, the error is [`ReaderError::TokenStays`].
    pub fn wait_for_removal(&self, wait: Option<Duration>, interrupted: &dyn Fn() -> bool) -> Result<(), ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.wait_for_removal(wait, interrupted),
            Wire::Libnfc(reader) => reader.wait_for_removal(wait, interrupted),
        }
    }

    /// Begins a conversation with the token on the reader, which nobody else can disturb while it lasts.
    pub fn connect(&self) -> Result<Conversation, ReaderError> {
        match &self.wire {
            Wire::PcSc(reader) => reader.connect(self.timeout.unwrap_or(TIMEOUT)),
            Wire::Libnfc(reader) => reader.connect(self.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str, token_present: bool) -> ReaderInfo {
        ReaderInfo {
            selector: ReaderSelector::pcsc(name),
            name: name.into(),
            stack: Stack::PcSc,
            token_present: Some(token_present),
        }
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
    fn a_reader_is_listed_once() {
        let readers = [reader("ACS ACR122U 00 00", false)];
        for (name, twice) in [
            ("acr122_pcsc:ACS ACR122U 00 00", true),
            ("pcsc:ACS ACR122U 00 00", true),
            ("acr122_usb:001:004", true),
            ("pn53x_usb:001:005", false),
            ("pn532_uart:/dev/ttyUSB0", false),
        ] {
            assert_eq!(is_pcsc_too(name, &readers), twice, "{name}");
        }
        assert!(!is_pcsc_too("acr122_usb:001:004", &[]), "without the service libnfc may have it");
    }

    #[test]
    fn a_reader_of_which_nobody_knows_is_not_chosen_by_its_token() {
        let readers = vec![ReaderInfo::libnfc("pn532_uart:/a", None), ReaderInfo::libnfc("pn532_uart:/b", Some(true))];
        assert_eq!(choose(None, readers).unwrap().name, "pn532_uart:/b");
    }
}
