//! What can keep us from a token before the conversation begins.

mod samples;

use oathburn_oath::Remedy;

use crate::{ReaderSelector, Stack};

/// Everything this crate reports, except what happens within a conversation
/// ([`TransportError`](oathburn_token::TransportError)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError {
    /// There is no PC/SC service to talk to.
    #[error("the PC/SC service is not running")]
    ServiceMissing,
    /// The PC/SC service was there and ended, or speaks another version of its protocol than our side.
    #[error("the PC/SC service stopped")]
    ServiceStopped,
    /// The PC/SC service does not serve this user.
    #[error("the PC/SC service denies access to this user")]
    AccessDenied,
    /// The selector names a stack that is not in this build.
    #[error("this build has no support for {stack} readers: it was made without the feature `{stack}`")]
    StackMissing {
        /// What was asked for.
        stack: Stack,
    },
    /// A selector without a name.
    #[error("the reader's name is empty")]
    SelectorEmpty,
    /// A selector that begins like a connection string of libnfc and is none.
    #[error("libnfc cannot be asked for {connstring:?}: {reason}")]
    ConnstringInvalid {
        /// What was asked for.
        connstring: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No reader is plugged in.
    #[error("no reader is connected")]
    NoReader,
    /// Readers are there, none of that name.
    #[error("no reader is named {selector} (there {})", listed(.readers))]
    ReaderUnknown {
        /// What was asked for.
        selector: ReaderSelector,
        /// What is there.
        readers: Vec<ReaderSelector>,
    },
    /// Several readers could be meant.
    #[error("more than one reader could be meant (there {})", listed(.readers))]
    ReaderAmbiguous {
        /// Those that could be meant.
        readers: Vec<ReaderSelector>,
    },
    /// The reader was unplugged, or its service ended meanwhile.
    #[error("the reader {reader} or its service went away")]
    ReaderLost {
        /// Its full name.
        reader: String,
    },
    /// The port that a connection string names is not there.
    #[error("the reader {reader} is not connected")]
    ReaderMissing {
        /// Its connection string.
        reader: String,
    },
    /// The port is there, and not for this user.
    #[error("this user may not use the reader {reader}")]
    ReaderAccessDenied {
        /// Its connection string.
        reader: String,
    },
    /// The port is there, and no chip that libnfc knows answers at it.
    #[error("the reader {reader} does not answer")]
    ReaderSilent {
        /// Its connection string.
        reader: String,
    },
    /// Another program holds the token or the reader.
    #[error("another program holds the reader {reader}")]
    ReaderBusy {
        /// Its full name.
        reader: String,
    },
    /// No token in the time allowed.
    #[error("no token is on the reader {reader}")]
    NoToken {
        /// Its full name.
        reader: String,
    },
    /// A token stayed where it was in the time allowed.
    #[error("the token is still on the reader {reader}")]
    TokenStays {
        /// Its full name.
        reader: String,
    },
    /// Something lies there and says nothing.
    #[error("the token on the reader {reader} does not answer")]
    TokenMute {
        /// The reader's full name.
        reader: String,
    },
    /// The token speaks neither T=0 nor T=1 (ISO/IEC 7816-3).
    #[error("the token on the reader {reader} speaks neither T=0 nor T=1")]
    TokenProtocol {
        /// The reader's full name.
        reader: String,
    },
    /// The caller asked a wait to end.
    #[error("waiting was interrupted")]
    Interrupted,
    /// Anything else the service reports, in its own words.
    #[error("the reader failed: {detail}")]
    Failed {
        /// What the service said.
        detail: String,
    },
}

/// `is A` or `are A, B, C`.
fn listed(readers: &[ReaderSelector]) -> String {
    let names: Vec<_> = readers.iter().map(ToString::to_string).collect();
    format!("{} {}", if names.len() == 1 { "is" } else { "are" }, names.join(", "))
}

impl Remedy for ReaderError {
    fn code(&self) -> &'static str {
        match self {
            Self::ServiceMissing => "service-missing",
            Self::ServiceStopped => "service-stopped",
            Self::AccessDenied => "service-access-denied",
            Self::StackMissing { .. } => "stack-missing",
            Self::SelectorEmpty => "selector-empty",
            Self::ConnstringInvalid { .. } => "connstring-invalid",
            Self::NoReader => "no-reader",
            Self::ReaderUnknown { .. } => "reader-unknown",
            Self::ReaderAmbiguous { .. } => "reader-ambiguous",
            Self::ReaderLost { .. } => "reader-lost",
            Self::ReaderMissing { .. } => "reader-missing",
            Self::ReaderAccessDenied { .. } => "reader-access-denied",
            Self::ReaderSilent { .. } => "reader-silent",
            Self::ReaderBusy { .. } => "reader-busy",
            Self::NoToken { .. } => "no-token",
            Self::TokenStays { .. } => "token-stays",
            Self::TokenMute { .. } => "token-mute",
            Self::TokenProtocol { .. } => "token-protocol",
            Self::Interrupted => "interrupted",
            Self::Failed { .. } => "reader-failed",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::ServiceMissing => {
                "start it with `sudo systemctl start pcscd.socket`; on Debian and Ubuntu the package pcscd has it"
            }
            Self::ServiceStopped => {
                "start it again with `sudo systemctl restart pcscd.socket pcscd`; `journalctl -u pcscd` says why it ended"
            }
            Self::AccessDenied => {
                "polkit decides who may use readers: work in a local session, or add a polkit rule that allows your group \
                 org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card"
            }
            Self::StackMissing { .. } => {
                "use a PC/SC reader (`oathburn readers` lists them), or build without `--no-default-features`"
            }
            Self::SelectorEmpty => "give a part of the name that `oathburn readers` shows, such as pcsc:ACR122",
            Self::ConnstringInvalid { .. } => {
                "name a driver of libnfc and its port, such as libnfc:pn532_uart:/dev/ttyUSB0"
            }
            Self::NoReader => {
                "plug a reader in; if it is, check that `lsusb` shows it and that its driver is installed (package libccid)"
            }
            Self::ReaderUnknown { .. } => "copy a selector from `oathburn readers`",
            Self::ReaderAmbiguous { .. } => {
                "lay a token on one reader only, or name the reader with --reader and a selector from `oathburn readers`"
            }
            Self::ReaderLost { .. } => "plug the reader in again and check `oathburn readers`",
            Self::ReaderMissing { .. } => {
                "plug the reader in; `ls /dev/tty*` shows under which name the kernel has it, `oathburn doctor` what is amiss"
            }
            Self::ReaderAccessDenied { .. } => {
                "install the udev rules of packaging/udev, or join the group that owns the port (`sudo adduser $USER dialout`) \
                 and log in again"
            }
            Self::ReaderSilent { .. } => {
                "check the port's name and the cable (TX to RX), that a PN532 board is switched to HSU (UART), and that no \
                 other program uses it; then unplug it and plug it in again"
            }
            Self::ReaderBusy { .. } => {
                "close other programs that use readers (browsers, gpg's scdaemon, card managers) and try again"
            }
            Self::NoToken { .. } => "press the token's button and lay it flat on the reader",
            Self::TokenStays { .. } => "take the token off the reader",
            Self::TokenMute { .. } => "take it off, press its button, and lay it flat and alone on the reader",
            Self::TokenProtocol { .. } => "take it off and lay it back; if it stays, it is another kind of card",
            Self::Interrupted => "run the command again when you are ready",
            Self::Failed { .. } => "unplug the reader, plug it in again and try again",
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_message_a_code_and_a_remedy() {
        let all = ReaderError::samples();
        let missing = ReaderError::VARIANTS.iter().find(|name| !all.iter().any(|one| one.variant() == **name));
        assert_eq!(missing, None);
        let mut codes: Vec<_> = all.iter().map(Remedy::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
        for error in all {
            let message = error.to_string();
            assert!(message.starts_with(char::is_lowercase) && !message.ends_with('.'), "{message}");
            assert!(error.remedy().is_some_and(|remedy| !remedy.ends_with('.')), "{message}");
        }
    }

    #[test]
    fn the_readers_that_are_there_are_named() {
        let readers = vec![ReaderSelector::pcsc("A"), ReaderSelector::pcsc("B")];
        let error = ReaderError::ReaderAmbiguous { readers: readers.clone() };
        assert_eq!(error.to_string(), "more than one reader could be meant (there are pcsc:A, pcsc:B)");
        let error = ReaderError::ReaderUnknown { selector: ReaderSelector::pcsc("C"), readers: readers[..1].to_vec() };
        assert_eq!(error.to_string(), "no reader is named pcsc:C (there is pcsc:A)");
    }
}
