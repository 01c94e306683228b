//! What can go wrong in a conversation: the wire failed, the token refused, or we refuse.

mod samples;

use oathburn_oath::{Algorithm, Digits, Remedy, SerialNumber, Slot, TimeStep};

use crate::{StatusWord, TransportError};

/// Everything a driver reports. No variant carries any part of a seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The wire failed: whether the token received the command is not known.
    #[error("{command}: {source}")]
    Wire {
        /// The command that was under way.
        command: &'static str,
        /// How the wire failed.
        source: TransportError,
    },
    /// The token refused.
    #[error("the token refused {command}: {meaning} (status {status})")]
    Refused {
        /// The command it refused.
        command: &'static str,
        /// What it answered.
        status: StatusWord,
        /// What that means in this family.
        meaning: &'static str,
    },
    /// The token does not accept the key of its family.
    #[error("the token does not accept its family's key, or has locked itself for good (status {status})")]
    WrongKey {
        /// What it answered.
        status: StatusWord,
    },
    /// The token's answer does not follow its protocol.
    #[error("the token answered {command} with {what}")]
    Garbled {
        /// The command it answered.
        command: &'static str,
        /// What was wrong with the answer.
        what: &'static str,
    },
    /// Another token lies on the reader than the one the order is for.
    #[error("the token on the reader is {found}, not {expected}")]
    OtherToken {
        /// The one the order is for.
        expected: SerialNumber,
        /// The one that answered.
        found: SerialNumber,
    },
    /// After a burn the token's clock does not show what was written.
    #[error("the token's clock is {seconds} s off right after it was set")]
    ClockNotSet {
        /// Seconds it is ahead.
        seconds: i64,
    },
    /// No known model has this serial number.
    #[error("the serial number {serial} belongs to no known programmable model")]
    UnlistedModel {
        /// The token's serial number.
        serial: SerialNumber,
    },
    /// The model is known, and its seed cannot be written.
    #[error("{model} ({serial}) is not programmable")]
    NotProgrammable {
        /// The model's name.
        model: String,
        /// The token's serial number.
        serial: SerialNumber,
    },
    /// The hash is none of those the family has.
    #[error("this token has no {algorithm}")]
    Algorithm {
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// The family shows codes of another length.
    #[error("this token does not show {digits} digits")]
    Digits {
        /// What was asked for.
        digits: Digits,
    },
    /// The family has other time steps.
    #[error("this token has no time step of {step} s")]
    TimeStep {
        /// What was asked for.
        step: TimeStep,
    },
    /// The token has no such slot.
    #[error("this token has no slot {slot}")]
    NoSuchSlot {
        /// What was asked for.
        slot: Slot,
    },
    /// The seed cannot be written so that the codes come out right.
    #[error("a seed of {len} bytes does not fit, this token takes {max}")]
    SeedTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that fits.
        max: usize,
    },
    /// A seed of zeros is no secret.
    #[error("the seed consists of zeros only")]
    SeedAllZero,
    /// The present cannot be written: the token counts seconds in 32 bits.
    #[error("the time {seconds} cannot be set, the token counts seconds from 1970 in 32 bits")]
    TimeOutOfRange {
        /// Unix seconds.
        seconds: u64,
    },
    /// Setting the clock would erase the seed.
    #[error("setting the clock of {serial} erases its seed")]
    SyncErasesSeed {
        /// The token's serial number.
        serial: SerialNumber,
    },
    /// Another time than the present was asked for without permission.
    #[error("setting a clock to another time than the present is not permitted")]
    OtherTimeNotPermitted,
    /// The token has no event-based codes.
    #[error("this token makes no codes from a counter")]
    EventBased,
    /// The counter does not fit.
    #[error("the counter {counter} is larger than the token's, which has 32 bits")]
    Counter {
        /// What was asked for.
        counter: u64,
    },
    /// The family cannot do this at all.
    #[error("this token cannot {what}")]
    Unable {
        /// What was asked for, as a verb.
        what: &'static str,
    },
    /// The token names its slots, and neither a name nor a user was given.
    #[error("the token names what it holds, and no name was given")]
    SlotNeeded,
    /// The name would be read as something else, or does not fit.
    #[error("the name {name:?} cannot be used: {problem}")]
    SlotName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The slot holds a seed.
    #[error("slot {slot} of the token holds a seed already")]
    SlotInUse {
        /// The slot.
        slot: Slot,
    },
    /// The slot holds nothing.
    #[error("slot {slot} of the token holds no seed")]
    SlotEmpty {
        /// The slot.
        slot: Slot,
    },
    /// There is no room for one more seed.
    #[error("the token is full")]
    Full,
    /// The title does not fit.
    #[error("a title of {len} bytes does not fit, this token takes 1 to {max}")]
    Title {
        /// Its length in bytes of UTF-8.
        len: usize,
        /// The longest that fits.
        max: usize,
    },
    /// The token asks for its access key, and none was given.
    #[error("the token asks for its access key")]
    AccessKeyNeeded,
    /// The token does not accept the access key.
    #[error("the token does not accept the access key{}", tries_left(*.left))]
    AccessKeyWrong {
        /// How many more wrong ones it bears, if it says.
        left: Option<u8>,
    },
    /// The token bears no more wrong keys.
    #[error("the token has locked itself after too many wrong access keys (status {status})")]
    LockedOut {
        /// What it answered.
        status: StatusWord,
    },
    /// The access key does not fit the family.
    #[error("an access key of {len} bytes does not fit, this token takes {wanted}")]
    AccessKeyLen {
        /// Its length in bytes.
        len: usize,
        /// What fits.
        wanted: &'static str,
    },
    /// The token holds something else than what was written.
    #[error("the token was read back and has another {what} than was written")]
    ReadBack {
        /// What differs.
        what: &'static str,
    },
    /// Erasing was not permitted.
    #[error("this would erase {what}")]
    EraseNotPermitted {
        /// What would be lost.
        what: String,
    },
    /// Nobody touched or confirmed in time.
    #[error("the token waited for a touch, and nobody touched it")]
    NotTouched,
    /// The operating system gave no random bytes.
    #[error("the operating system's random generator failed")]
    Random,
    /// A models file cannot be read.
    #[error("line {line}: {problem}")]
    ModelsFile {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The conversation broke after the first write was sent: what the token now holds is not known.
    #[error("{0}; the token may already have been changed")]
    AfterWrite(Box<Self>),
}

impl TokenError {
    /// Whether a write had been sent, so that the token's state is unknown.
    pub const fn after_write(&self) -> bool {
        matches!(self, Self::AfterWrite(_))
    }

    /// The error without the note that a write had been sent.
    pub fn cause(&self) -> &Self {
        match self {
            Self::AfterWrite(cause) => cause.cause(),
            other => other,
        }
    }

    /// The same error, noted as having come after the first write.
    #[must_use]
    pub(crate) fn noted(self, written: bool) -> Self {
        if written && !self.after_write() { Self::AfterWrite(Box::new(self)) } else { self }
    }
}

/// How many tries are left, if the token says so.
fn tries_left(left: Option<u8>) -> String {
    match left {
        None => String::new(),
        Some(1) => "; 1 more wrong one locks it".into(),
        Some(left) => format!("; {left} more wrong ones lock it"),
    }
}

/// What to do with a token that may have been changed.
fn after_write(cause: &TokenError) -> String {
    let first = match cause {
        TokenError::WrongKey { .. } => {
            return "keep the token aside and do not burn it again: older tokens count failures and lock for good; ask \
                    the seller; what it holds is not known, its seed is in the escrow"
                .into();
        }
        TokenError::OtherToken { expected, .. } => format!("lay {expected} on the reader, alone"),
        TokenError::Wire { source: TransportError::ReaderLost | TransportError::Failed { .. }, .. } => {
            "plug the reader in again, or start its service".into()
        }
        TokenError::Wire { source: TransportError::Reset, .. } => "close other programs that use the reader".into(),
        _ => "press the token's button and lay it back on the reader".into(),
    };
    format!("{first}, then burn the same serial again before the token is handed out; its seed is in the escrow")
}

impl Remedy for TokenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Wire { source, .. } => match source {
                TransportError::Removed => "token-removed",
                TransportError::Reset => "token-reset",
                TransportError::Timeout { .. } => "token-timeout",
                TransportError::ReaderLost => "reader-lost",
                TransportError::TooLong { .. } => "command-too-long",
                TransportError::Failed { .. } => "reader-failed",
            },
            Self::Refused { .. } => "token-refused",
            Self::WrongKey { .. } => "token-wrong-key",
            Self::Garbled { .. } => "token-garbled",
            Self::OtherToken { .. } => "other-token",
            Self::ClockNotSet { .. } => "clock-not-set",
            Self::UnlistedModel { .. } => "model-unlisted",
            Self::NotProgrammable { .. } => "not-programmable",
            Self::Algorithm { .. } => "token-algorithm",
            Self::Digits { .. } => "token-digits",
            Self::TimeStep { .. } => "token-time-step",
            Self::NoSuchSlot { .. } => "token-slot",
            Self::SeedTooLong { .. } => "token-seed-too-long",
            Self::SeedAllZero => "seed-all-zero",
            Self::TimeOutOfRange { .. } => "time-out-of-range",
            Self::SyncErasesSeed { .. } => "sync-erases-seed",
            Self::OtherTimeNotPermitted => "other-time",
            Self::EventBased => "token-event-based",
            Self::Counter { .. } => "token-counter",
            Self::Unable { .. } => "token-unable",
            Self::SlotNeeded => "slot-needed",
            Self::SlotName { .. } => "slot-name",
            Self::SlotInUse { .. } => "slot-in-use",
            Self::SlotEmpty { .. } => "slot-empty",
            Self::Full => "token-full",
            Self::Title { .. } => "token-title",
            Self::AccessKeyNeeded => "access-key-needed",
            Self::AccessKeyWrong { .. } => "access-key-wrong",
            Self::LockedOut { .. } => "token-locked-out",
            Self::AccessKeyLen { .. } => "access-key-len",
            Self::ReadBack { .. } => "read-back-differs",
            Self::EraseNotPermitted { .. } => "erase-not-permitted",
            Self::NotTouched => "not-touched",
            Self::Random => "random-failed",
            Self::ModelsFile { .. } => "models-file",
            Self::AfterWrite(cause) => cause.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::AfterWrite(cause) => return Some(after_write(cause.cause())),
            Self::Wire { source, .. } => match source {
                TransportError::Removed => "press the token's button and lay it on the reader until the burn is done",
                TransportError::Reset => "close other programs that use the reader and try again",
                TransportError::Timeout { .. } => "press the token's button, lay it flat on the reader and try again",
                TransportError::ReaderLost => "plug the reader in again and check `oathburn readers`",
                TransportError::TooLong { .. } => "report this, with the reader's name",
                TransportError::Failed { .. } => "unplug the reader, plug it in again and try again",
            },
            Self::Refused { .. } => {
                "switch the token off and on and try again; a token that refuses twice is defective or of another kind"
            }
            Self::WrongKey { .. } => {
                "do not try again: older tokens count failures and lock for good; check with the seller that the token is programmable"
            }
            Self::Garbled { .. } => {
                "lay the token flat on the reader and try again; if it stays, it is another kind of token"
            }
            Self::OtherToken { .. } => "lay the right token on the reader, alone",
            Self::ClockNotSet { .. } => "burn the token again; if it stays, its clock is broken",
            Self::UnlistedModel { .. } => "if the seller says that it is programmable, allow it with --unlisted-model",
            Self::NotProgrammable { .. } => "use a programmable model; the seed of this one is fixed in the factory",
            Self::Algorithm { .. } => "use --algorithm sha1, or another model",
            Self::Digits { .. } => "use 6 digits, or another model",
            Self::TimeStep { .. } => "use --time-step 30 or 60",
            Self::NoSuchSlot { .. } => {
                "see `oathburn token slots` for what there is; leave --slot out for a token with a single profile"
            }
            Self::EventBased => "use a time-based seed, or another model",
            Self::Counter { .. } => "use a seed that has made fewer codes",
            Self::Unable { .. } => "leave it out, or use another model; `oathburn identify --json` says what each can",
            Self::SlotNeeded => "name it with --slot, or say whose it is with --upn and --issuer",
            Self::SlotName { .. } => "choose another name with --slot, --issuer or --upn",
            Self::SlotInUse { .. } => {
                "choose another --slot; to give up what is in it, use --replace: a seed that came from elsewhere is lost"
            }
            Self::SlotEmpty { .. } => "see `oathburn token slots` for what there is",
            Self::Full => "delete what is not needed any more with `oathburn token delete`, or use another token",
            Self::Title { .. } => "use a shorter title; letters beyond A to Z count as two bytes or more",
            Self::AccessKeyNeeded => {
                "give it with --access-key-file, or name the officer's file with --identity if it is in the escrow"
            }
            Self::AccessKeyWrong { .. } => {
                "find out which key it has before you try again, and give that with --access-key-file; where it is lost, only a reset helps, which erases everything on the token"
            }
            Self::LockedOut { .. } => "only a reset of the token helps, which erases everything on it",
            Self::AccessKeyLen { .. } => "check the file named by --access-key-file, and --access-key-encoding",
            Self::ReadBack { .. } => "burn the token again; if it stays, the token is defective: take it out of use",
            Self::EraseNotPermitted { .. } => {
                "if nobody needs it any more, allow it with --allow-erase and type the token's number after --serial"
            }
            Self::Random => "check the kernel's random device and run again; nothing was written",
            Self::NotTouched => "start again, and touch the token when it is asked for",
            Self::SeedTooLong { .. } => "use a shorter seed; 20 bytes are right for SHA-1, 32 for SHA-256",
            Self::SeedAllZero => "generate a random seed",
            Self::TimeOutOfRange { .. } => "set this machine's clock",
            Self::SyncErasesSeed { .. } => {
                "burn the token again with its escrowed seed, or allow the loss with --allow-erase"
            }
            Self::ModelsFile { .. } => {
                "each [[model]] has prefix, name and sync (restricted, unrestricted or none), each in quotes on a line of its own"
            }
            Self::OtherTimeNotPermitted => {
                "allow it with --allow-time-travel; a clock that was set back shows old codes again"
            }
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_message_a_code_and_a_remedy() {
        let noted = |error: &TokenError| error.after_write();
        let (all, noted): (Vec<_>, Vec<_>) = TokenError::samples().into_iter().partition(|error| !noted(error));
        let known = |name: &&&str| !all.iter().chain(&noted).any(|one| one.variant() == **name);
        assert_eq!(TokenError::VARIANTS.iter().find(known), None);
        let wires = TransportError::samples();
        assert_eq!(TransportError::VARIANTS.iter().find(|name| !wires.iter().any(|one| one.variant() == **name)), None);
        let mut codes: Vec<_> = all.iter().map(Remedy::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
        for error in all {
            let message = error.to_string();
            assert!(!message.ends_with('.') && error.remedy().is_some(), "{message}");
            let noted = error.clone().noted(true);
            assert!(noted.after_write() && !error.after_write());
            assert_eq!((noted.code(), noted.cause()), (error.code(), &error));
            assert!(noted.to_string().ends_with("the token may already have been changed"));
            assert_eq!(noted.clone().noted(true), noted);
            assert_eq!(error.clone().noted(false), error);
        }
    }
}
