//! Members of the roster, and the line by which one of them is made known to an officer at another machine.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::canon::Canon;
use crate::{EscrowError, PublicKeys, WriterId, wrap};

/// What a member of the roster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// May open and sign.
    Officer,
    /// May seal and sign.
    Station,
}

impl Role {
    /// `officer` or `station`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Station => "station",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An officer or a station on the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// A name for people; nothing depends on it.
    pub label: String,
    /// The public keys.
    pub keys: PublicKeys,
}

/// The public keys of somebody who wants to be on the roster, as they are sent to an officer: one line,
/// `oathburn-officer RECIPIENT SIGNING-KEY LABEL` or `oathburn-station …`.
///
/// Nothing in it is secret, and nothing proves who sent it: whoever takes it compares the fingerprint with the one that
/// the sender reads out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicLine {
    /// What the sender wants to be.
    pub role: Role,
    /// The sender.
    pub member: Member,
}

impl PublicLine {
    /// The longest line that is read, in bytes.
    pub const MAX_LEN: usize = 4096;
}

/// Keys mixed up on the way, or by a hand in between, have another fingerprint.
impl PublicKeys {
    /// 100 bits of a digest of both keys, in five groups that can be read out over the telephone.
    pub fn fingerprint(&self) -> String {
        let digest =
            Canon::new("oathburn escrow fingerprint 1").text(&self.recipient).bytes(self.writer.as_bytes()).digest();
        let text = BASE32_NOPAD.encode(&digest);
        [0, 4, 8, 12, 16].map(|at| &text[at..at + 4]).join("-")
    }
}

impl Member {
    /// The longest label, in bytes.
    pub const MAX_LABEL: usize = 100;

    /// A member with a label that people can read: without control characters and not too long.
    pub fn new(label: &str, keys: PublicKeys) -> Result<Self, EscrowError> {
        let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
        if label.is_empty() || label.len() > Self::MAX_LABEL || label.chars().any(char::is_control) {
            return Err(EscrowError::LabelRefused { label });
        }
        Ok(Self { label, keys })
    }

    /// Whether somebody means this member: by label, fingerprint, recipient or signing key.
    pub fn is_called(&self, name: &str) -> bool {
        let name = name.trim();
        self.label == name
            || self.keys.fingerprint().eq_ignore_ascii_case(name)
            || self.keys.recipient == name
            || self.keys.writer.to_string().eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for PublicLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Member { label, keys } = &self.member;
        write!(f, "oathburn-{} {} {} {label}", self.role, keys.recipient, keys.writer)
    }
}

impl FromStr for PublicLine {
    type Err = EscrowError;

    /// Reads a line, also one that was wrapped on its way.
    fn from_str(text: &str) -> Result<Self, EscrowError> {
        let refused = |problem: &'static str| EscrowError::LineRefused { problem };
        if text.len() > Self::MAX_LEN {
            return Err(refused("it is longer than any such line"));
        }
        let mut words = text.split_whitespace().peekable();
        let role = match words.next() {
            Some("oathburn-officer") => Role::Officer,
            Some("oathburn-station") => Role::Station,
            Some(word) if word.starts_with("age1") || word.starts_with("ssh-") => {
                return Err(refused("it is a recipient alone, without the key that signs what its owner opens"));
            }
            _ => return Err(refused("it begins with neither oathburn-officer nor oathburn-station")),
        };
        let mut recipient = words.next().unwrap_or_default().to_owned();
        if recipient.starts_with("ssh-") {
            recipient = format!("{recipient} {}", words.next().unwrap_or_default());
        }
        if wrap::recipient(&recipient).is_none() {
            return Err(refused("its recipient is none: it was cut or changed on the way"));
        }
        let writer = HEXLOWER.decode(words.next().unwrap_or_default().as_bytes()).ok();
        let writer = writer.and_then(|bytes| WriterId::from_slice(&bytes)).filter(WriterId::can_sign);
        let writer = writer.ok_or_else(|| refused("its signing key is none: it was cut or changed on the way"))?;
        let label = words.collect::<Vec<_>>().join(" ");
        Ok(Self { role, member: Member::new(&label, PublicKeys { recipient, writer })? })
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;
    use crate::Officer;

    #[test]
    fn a_line_survives_the_mail() {
        let keys = Officer::generate().unwrap().public();
        let member = Member::new(" Zoë  of the\thelpdesk ", keys.clone()).unwrap();
        assert_eq!(member.label, "Zoë of the helpdesk");
        let line = PublicLine { role: Role::Officer, member };
        let text = line.to_string();
        assert!(!text.contains('\n'));
        for sent in [text.clone(), format!("\n {text}\r\n"), text.replace(' ', "\n   ")] {
            assert_eq!(sent.parse::<PublicLine>().unwrap(), line);
        }
        assert!(line.member.is_called("Zoë of the helpdesk") && line.member.is_called(&keys.writer.to_string()));
        assert!(line.member.is_called(&keys.fingerprint().to_lowercase()) && line.member.is_called(&keys.recipient));
        assert!(!line.member.is_called("Zoë") && !line.member.is_called(""));
    }

    #[test]
    fn fingerprints_cover_both_keys() {
        let (one, other) = (Officer::generate().unwrap().public(), Officer::generate().unwrap().public());
        let print = one.fingerprint();
        assert_eq!((print.len(), print.matches('-').count()), (24, 4));
        for mixed in [
            PublicKeys { recipient: other.recipient.clone(), ..one.clone() },
            PublicKeys { writer: other.writer, ..one },
        ] {
            assert_ne!(mixed.fingerprint(), print);
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let keys = Officer::generate().unwrap().public();
        let good = format!("oathburn-station {} {} desk", keys.recipient, keys.writer);
        assert_eq!(good.parse::<PublicLine>().unwrap().role, Role::Station);
        let writer = keys.writer.to_string();
        for bad in [
            String::new(),
            "hello".into(),
            keys.recipient.clone(),
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice".into(),
            format!("oathburn-officer {}", keys.recipient),
            good.replace(&writer, &writer[2..]),
            good.replace(&writer, &"00".repeat(32)),
            good.replace(&keys.recipient, &keys.recipient[..40]),
            good.replace("oathburn-station", "oathburn-stranger"),
            good.repeat(40),
        ] {
            assert_eq!(bad.parse::<PublicLine>().unwrap_err().code(), "member-line-refused", "{bad}");
        }
        for label in ["", " ", "a\u{7}b", &"x".repeat(101)] {
            assert_eq!(Member::new(label, keys.clone()).unwrap_err().code(), "member-label-refused", "{label:?}");
        }
        assert_eq!(good.trim_end_matches(" desk").parse::<PublicLine>().unwrap_err().code(), "member-label-refused");
    }
}
