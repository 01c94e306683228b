//! What keeps a station from its desk.

use std::io;
use std::path::PathBuf;

use oathburn_escrow::EscrowError;
use oathburn_oath::Remedy;

use super::Pin;
use crate::protocol::Refusal;
use crate::stations::{MacId, StationsFault};

oathburn_oath::variants! {
    ClientError: UrlRefused PlainRefused ProxyRefused FingerprintMalformed CertificateUnknown CertificateOther Unreachable Refused DeskFailed AnswerUnreadable MacIdUnclear MacIdNone MacId NotProvisioned OtherDesk HomeBusy HomeIo HomeUnreadable Escrow
}

/// Everything that can go wrong on the way to the desk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Not an address of a desk.
    #[error("{url:?} is not the address of a desk")]
    UrlRefused {
        /// As it was given.
        url: String,
    },
    /// Everybody on the way would read along.
    #[error("{url} is not encrypted, and not on this machine")]
    PlainRefused {
        /// As it was given.
        url: String,
    },
    /// Not an address of a proxy, or one with a password in it.
    #[error("{url:?} is not the address of a proxy")]
    ProxyRefused {
        /// As it was given, without what stands before the host.
        url: String,
    },
    /// Not hex, too short, too long.
    #[error("this is no fingerprint of a certificate")]
    FingerprintMalformed,
    /// Nobody whom the system trusts has signed it, and no fingerprint was given.
    #[error("the desk's certificate is not known here; its fingerprint is {fingerprint}")]
    CertificateUnknown {
        /// What the desk has shown.
        fingerprint: Pin,
    },
    /// Somebody else answers.
    #[error("this is not the desk: its certificate has the fingerprint {found}, and {expected} was expected")]
    CertificateOther {
        /// What was given.
        expected: Pin,
        /// What whoever answered has shown.
        found: Pin,
    },
    /// No answer.
    #[error("the desk {desk} cannot be reached: {reason}")]
    Unreachable {
        /// Which.
        desk: String,
        /// What the system said.
        reason: String,
    },
    /// The desk says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The desk has a fault of its own, or it is no desk.
    #[error("the desk answered with status {status}: {message}")]
    DeskFailed {
        /// The status of the answer.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Not in this protocol.
    #[error("the desk's answer cannot be understood")]
    AnswerUnreadable,
    /// More than one interface could be meant.
    #[error("this machine has several MAC IDs: {}", shown(found))]
    MacIdUnclear {
        /// The interfaces and their addresses.
        found: Vec<(String, MacId)>,
    },
    /// No interface has an address.
    #[error("this machine has no network interface with a MAC ID")]
    MacIdNone,
    /// A MAC ID that was typed.
    #[error(transparent)]
    MacId(#[from] StationsFault),
    /// No desk knows this machine.
    #[error("this machine is not provisioned at a desk")]
    NotProvisioned,
    /// One desk at a time.
    #[error("this machine is provisioned at another desk, {desk}")]
    OtherDesk {
        /// Where.
        desk: String,
    },
    /// Another command is at it.
    #[error("another command is provisioning or resetting this machine")]
    HomeBusy,
    /// A file of the station.
    #[error("failed to {action} {}: {source}", path.display())]
    HomeIo {
        /// What was done.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that we have not written.
    #[error("{} cannot be read as the station's file", path.display())]
    HomeUnreadable {
        /// Which file.
        path: PathBuf,
    },
    /// The station's keys.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
}

fn shown(found: &[(String, MacId)]) -> String {
    found.iter().map(|(name, mac)| format!("{mac} ({name})")).collect::<Vec<_>>().join(", ")
}

impl Remedy for ClientError {
    fn code(&self) -> &'static str {
        match self {
            Self::UrlRefused { .. } => "desk-url",
            Self::PlainRefused { .. } => "desk-url-plain",
            Self::ProxyRefused { .. } => "proxy-url",
            Self::FingerprintMalformed => "fingerprint-malformed",
            Self::CertificateUnknown { .. } => "desk-certificate-unknown",
            Self::CertificateOther { .. } => "desk-certificate-other",
            Self::Unreachable { .. } => "desk-unreachable",
            Self::Refused(refusal) => refusal.code(),
            Self::DeskFailed { .. } => "desk-failed",
            Self::AnswerUnreadable => "desk-answer",
            Self::MacIdUnclear { .. } => "mac-id-unclear",
            Self::MacIdNone => "mac-id-none",
            Self::MacId(fault) => fault.code(),
            Self::NotProvisioned => "station-not-provisioned",
            Self::OtherDesk { .. } => "station-at-other-desk",
            Self::HomeBusy => "station-busy",
            Self::HomeIo { .. } => "station-file",
            Self::HomeUnreadable { .. } => "station-file-unreadable",
            Self::Escrow(error) => error.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Refused(refusal) => return refusal.remedy(),
            Self::MacId(fault) => return fault.remedy(),
            Self::Escrow(error) => return error.remedy(),
            Self::UrlRefused { .. } => "write it as on the slip: https://desk.example.com:8443",
            Self::PlainRefused { .. } => "begin it with https://",
            Self::ProxyRefused { .. } => {
                "write it with its port, and without a name and a password: http://proxy.example.com:3128"
            }
            Self::FingerprintMalformed => {
                "type it as on the slip, or as `oathburn desk certificate` shows it at the desk: 32 to 64 hex digits"
            }
            Self::CertificateUnknown { .. } => {
                "compare it with the slip, or with what the desk shows, and give it with --fingerprint; do not take it from here alone"
            }
            Self::CertificateOther { .. } => {
                "compare the address and the fingerprint with the slip; if both are right, tell the admin: somebody is in between, or the desk has another certificate"
            }
            Self::Unreachable { .. } => "check the network and the desk's address, then run the command again",
            Self::DeskFailed { .. } | Self::AnswerUnreadable => {
                "check the address; if it is the desk's, tell those who run the desk"
            }
            Self::MacIdUnclear { .. } => "choose the one that is registered with --mac",
            Self::MacIdNone => "connect the machine to the network, or give the registered MAC ID with --mac",
            Self::NotProvisioned => "run `oathburn station provision --desk URL`",
            Self::OtherDesk { .. } => "run `oathburn station reset` first",
            Self::HomeBusy => "wait until it has ended, then run the command again",
            Self::HomeIo { .. } => "check the rights of the folder and the room on the disk",
            Self::HomeUnreadable { .. } => "run `oathburn station reset`, then provision the station again",
        };
        Some(text.into())
    }
}

impl ClientError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let mac = |last| MacId::new([0, 0x1a, 0x2b, 0x3c, 0x4d, last]).expect("an address of a machine");
        let pin = |digit: &str| digit.repeat(32).parse::<Pin>().expect("32 hex digits");
        let path = || PathBuf::from("/home/station/desk.json");
        let url = || "http://desk.example.com".to_owned();
        let mut all: Vec<_> = Refusal::samples().into_iter().map(Self::Refused).collect();
        all.extend([
            Self::UrlRefused { url: "desk".into() },
            Self::PlainRefused { url: url() },
            Self::ProxyRefused { url: "proxy".into() },
            Self::FingerprintMalformed,
            Self::CertificateUnknown { fingerprint: pin("a") },
            Self::CertificateOther { expected: pin("a"), found: pin("b") },
            Self::Unreachable { desk: "https://desk.example.com".into(), reason: "Connection refused".into() },
            Self::DeskFailed { status: 500, message: "the desk cannot do this now".into() },
            Self::AnswerUnreadable,
            Self::MacIdUnclear { found: vec![("eth0".into(), mac(1)), ("wlan0".into(), mac(2))] },
            Self::MacIdNone,
            Self::MacId(StationsFault::MacMalformed),
            Self::NotProvisioned,
            Self::OtherDesk { desk: "https://desk.example.com".into() },
            Self::HomeBusy,
            Self::HomeIo { action: "write", path: path(), source: io::ErrorKind::PermissionDenied.into() },
            Self::HomeUnreadable { path: path() },
            Self::Escrow(EscrowError::Random),
        ]);
        all
    }
}
