//! Why a command failed: a message, a stable code, a remedy, an exit code.

use std::io::ErrorKind;

use oathburn_desk::DeskError;
use oathburn_desk::client::ClientError;
use oathburn_desk::protocol::Refusal;
use oathburn_desk::remote::RemoteError;
use oathburn_desk::scripts::ApiError;
use oathburn_desk::stations::{RegisterError, StationsFault};
use oathburn_escrow::EscrowError;
use oathburn_formats::{FormatError, UsersFault};
use oathburn_oath::{OathError, Remedy};
use oathburn_reader::ReaderError;
use oathburn_station::StationError;
use oathburn_token::{TokenError, TransportError};
use serde_json::{Map, Value, json};

use crate::exit::Exit;

/// What is said on stderr or, with `--json`, on stdout.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
    /// What a script can use beside the error (`entry`, `kind`, …).
    pub(crate) facts: Map<String, Value>,
}

impl Failure {
    /// The arguments make no sense together.
    pub(crate) fn usage(message: impl Into<String>, remedy: &str) -> Self {
        Self::new(Exit::Usage, "usage", message, remedy)
    }

    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>, remedy: &str) -> Self {
        let remedy = Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty());
        Self { exit, code, message: message.into(), remedy, facts: Map::new() }
    }

    fn of(error: &dyn Remedy, exit: Exit) -> Self {
        Self { exit, code: error.code(), message: error.to_string(), remedy: error.remedy(), facts: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    /// The failure after something that was done, which a script has to know all the same.
    pub(crate) fn beside(mut self, done: &Value) -> Self {
        self.facts.extend(done.as_object().cloned().unwrap_or_default());
        self
    }

    /// `{"error":{…}}`, beside whatever else is known.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = self.facts.clone();
        object.insert("error".into(), json!({ "code": self.code, "message": self.message, "remedy": self.remedy }));
        Value::Object(object)
    }
}

impl From<OathError> for Failure {
    fn from(error: OathError) -> Self {
        let exit = if error == OathError::Random { Exit::Bug } else { Exit::Input };
        Self::of(&error, exit)
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        Self::of(&error, Exit::Input)
    }
}

impl From<UsersFault> for Failure {
    fn from(fault: UsersFault) -> Self {
        Self::of(&fault, Exit::Input)
    }
}

impl From<StationsFault> for Failure {
    fn from(fault: StationsFault) -> Self {
        Self::of(&fault, Exit::Input)
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let exit = match error {
            DeskError::Escrow(error) => return error.into(),
            DeskError::Typed(error) => return error.into(),
            DeskError::Station(error) => return error.into(),
            DeskError::Register(error) => return error.into(),
            DeskError::Script(error) => return error.into(),
            DeskError::Listen { .. } | DeskError::Plain { .. } | DeskError::HostName { .. } => Exit::Usage,
            DeskError::RecordUnreadable { .. } => Exit::Escrow,
            DeskError::SignInNeeded
            | DeskError::RoleNeeded { .. }
            | DeskError::FormForeign
            | DeskError::SignInWrong
            | DeskError::EnrolmentWrong
            | DeskError::PasswordWrong
            | DeskError::Throttled { .. }
            | DeskError::LastAdmin
            | DeskError::AdminThere => Exit::NotPermitted,
            DeskError::Broken => Exit::Bug,
            _ => Exit::Input,
        };
        Self::of(&error, exit)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match error {
            ApiError::TokenMissing
            | ApiError::TokenWrong
            | ApiError::TokenExpired
            | ApiError::TokenRevoked
            | ApiError::ScopeNeeded { .. } => Exit::NotPermitted,
            _ => Exit::Input,
        };
        Self::of(&error, exit)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal {
            Refusal::CodeWrong
            | Refusal::CodeExpired
            | Refusal::CodeUsed
            | Refusal::CodeRevoked
            | Refusal::LoginCodeGone
            | Refusal::Throttled { .. }
            | Refusal::TooManyLoginCodes { .. } => Exit::Input,
            Refusal::NotKnown | Refusal::Revoked | Refusal::NotSignedIn | Refusal::OldGeneration => Exit::NotPermitted,
            Refusal::Repeated { .. } | Refusal::ChallengeStale | Refusal::KeysRefused | Refusal::RequestUnreadable => {
                Exit::Escrow
            }
        };
        Self::of(&refusal, exit)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error {
            ClientError::Refused(refusal) => return refusal.into(),
            ClientError::MacId(fault) => return fault.into(),
            ClientError::Escrow(error) => return error.into(),
            ClientError::UrlRefused { .. }
            | ClientError::PlainRefused { .. }
            | ClientError::ProxyRefused { .. }
            | ClientError::FingerprintMalformed
            | ClientError::MacIdUnclear { .. }
            | ClientError::MacIdNone => Exit::Usage,
            ClientError::OtherDesk { .. } => Exit::NotPermitted,
            _ => Exit::Escrow,
        };
        Self::of(&error, exit)
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Refused(refusal) => refusal.into(),
            RegisterError::Fault(fault) => fault.into(),
            RegisterError::Escrow(error) => error.into(),
            error => Self::of(&error, Exit::Input),
        }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let exit = match error {
            RemoteError::Escrow(error) => return error.into(),
            RemoteError::ClockOff { .. } => Exit::NotPermitted,
            RemoteError::Desk(ref trouble) if !trouble.passes => Exit::NotPermitted,
            RemoteError::Desk(_) | RemoteError::Answer { .. } => Exit::Escrow,
            RemoteError::File { .. } | RemoteError::Damaged { .. } | RemoteError::Taken { .. } => Exit::Input,
        };
        Self::of(&error, exit)
    }
}

impl From<ReaderError> for Failure {
    fn from(error: ReaderError) -> Self {
        let exit = match error {
            ReaderError::Interrupted => Exit::Interrupted,
            ReaderError::ReaderAmbiguous { .. }
            | ReaderError::SelectorEmpty
            | ReaderError::ConnstringInvalid { .. }
            | ReaderError::StackMissing { .. } => Exit::Usage,
            ReaderError::TokenProtocol { .. } => Exit::Refused,
            _ => Exit::NoToken,
        };
        Self::of(&error, exit)
    }
}

impl From<EscrowError> for Failure {
    fn from(error: EscrowError) -> Self {
        if is_interrupted(&error) {
            return ReaderError::Interrupted.into();
        }
        let exit = escrow_exit(&error);
        Self::of(&error, exit)
    }
}

/// Whether the question for a passphrase was answered with Ctrl-C. Nothing else in the escrow gives up for a signal.
fn is_interrupted(error: &EscrowError) -> bool {
    matches!(error, EscrowError::KeyFileIo { source, .. } if source.kind() == ErrorKind::Interrupted)
}

fn escrow_exit(error: &EscrowError) -> Exit {
    match error {
        EscrowError::EntryUnknown { .. }
        | EscrowError::EntryAmbiguous { .. }
        | EscrowError::BatchUnknown { .. }
        | EscrowError::BatchAmbiguous { .. }
        | EscrowError::BatchEnded { .. }
        | EscrowError::TagRefused { .. }
        | EscrowError::FactRefused { .. }
        | EscrowError::CheckpointUnreadable { .. }
        | EscrowError::MessageKeyNeeded { .. }
        | EscrowError::MessageNotOpened
        | EscrowError::LineRefused { .. }
        | EscrowError::LabelRefused { .. }
        | EscrowError::MemberUnknown { .. }
        | EscrowError::MemberAmbiguous { .. }
        | EscrowError::MemberMixed { .. } => Exit::Input,
        EscrowError::LastOfficer | EscrowError::OwnRemoval => Exit::NotPermitted,
        EscrowError::UrlUnknown { .. } | EscrowError::UrlRefused { .. } | EscrowError::UrlPassword => Exit::Usage,
        _ => Exit::Escrow,
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        StationError::Token(error).into()
    }
}

impl From<StationError> for Failure {
    fn from(error: StationError) -> Self {
        if let StationError::Escrow(source) = &error
            && is_interrupted(source)
        {
            return ReaderError::Interrupted.into();
        }
        let exit = match &error {
            StationError::Token(source) | StationError::Burn { source, .. } => token_exit(source.cause()),
            StationError::NotMarkedUnknown { .. }
            | StationError::NotMarkedProgrammed { .. }
            | StationError::OfficerNeeded => Exit::Escrow,
            StationError::Escrow(source) => escrow_exit(source),
            StationError::Seed(OathError::Random) => Exit::Bug,
            StationError::Seed(_)
            | StationError::DuplicateSeed { .. }
            | StationError::NotEscrowed { .. }
            | StationError::AccessKeyUnsure { .. }
            | StationError::FactoryKeyRefused { .. }
            | StationError::Unfinished { .. } => Exit::Input,
            StationError::CodeDiffers { .. } => Exit::NoMatch,
            StationError::NotConfirmed { .. }
            | StationError::Foreign { .. }
            | StationError::OtherToken { .. }
            | StationError::DoneInBatch { .. }
            | StationError::OtherBatch { .. }
            | StationError::NoLine { .. }
            | StationError::NoLineAtHand { .. }
            | StationError::OtherFamily { .. }
            | StationError::LineBusy { .. }
            | StationError::LineEnded { .. }
            | StationError::SetAside { .. } => Exit::Refused,
            StationError::Live { .. } | StationError::InUseElsewhere { .. } => Exit::NotPermitted,
        };
        let failure = Self::of(&error, exit);
        match error {
            StationError::Burn { entry, source } => {
                let state = if source.after_write() { "unknown" } else { "reserved" };
                failure.with("entry", entry.to_string()).with("state", state)
            }
            StationError::NotMarkedUnknown { entry, .. } | StationError::NotMarkedProgrammed { entry, .. } => {
                failure.with("entry", entry.to_string()).with("state", "reserved")
            }
            StationError::Live { entry, .. }
            | StationError::Unfinished { entry, .. }
            | StationError::AccessKeyUnsure { entry, .. }
            | StationError::DuplicateSeed { entry, .. } => failure.with("entry", entry.to_string()),
            StationError::Foreign { card } => {
                failure.with("kind", card.kind).with("applets", card.applets).with("programmable", false)
            }
            _ => failure,
        }
    }
}

fn token_exit(error: &TokenError) -> Exit {
    match error {
        TokenError::Wire { source: TransportError::TooLong { .. }, .. } | TokenError::Random => Exit::Bug,
        TokenError::Wire { .. } => Exit::NoToken,
        TokenError::Algorithm { .. }
        | TokenError::Digits { .. }
        | TokenError::TimeStep { .. }
        | TokenError::NoSuchSlot { .. }
        | TokenError::SeedTooLong { .. }
        | TokenError::SeedAllZero
        | TokenError::EventBased
        | TokenError::Counter { .. }
        | TokenError::SlotNeeded
        | TokenError::SlotName { .. }
        | TokenError::SlotEmpty { .. }
        | TokenError::Title { .. }
        | TokenError::AccessKeyLen { .. }
        | TokenError::TimeOutOfRange { .. }
        | TokenError::ModelsFile { .. } => Exit::Input,
        TokenError::SyncErasesSeed { .. }
        | TokenError::OtherTimeNotPermitted
        | TokenError::SlotInUse { .. }
        | TokenError::EraseNotPermitted { .. } => Exit::NotPermitted,
        TokenError::Refused { .. }
        | TokenError::WrongKey { .. }
        | TokenError::Garbled { .. }
        | TokenError::OtherToken { .. }
        | TokenError::ClockNotSet { .. }
        | TokenError::Unable { .. }
        | TokenError::Full
        | TokenError::AccessKeyNeeded
        | TokenError::AccessKeyWrong { .. }
        | TokenError::LockedOut { .. }
        | TokenError::ReadBack { .. }
        | TokenError::NotTouched
        | TokenError::UnlistedModel { .. }
        | TokenError::NotProgrammable { .. } => Exit::Refused,
        TokenError::AfterWrite(source) => token_exit(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_decides_the_exit_code_also_after_a_write() {
        let removed = TokenError::Wire { command: "WRITE SEED", source: TransportError::Removed };
        assert_eq!(Failure::from(StationError::Token(removed)).exit, Exit::NoToken);
        assert_eq!(Failure::from(StationError::Token(TokenError::SeedAllZero)).exit, Exit::Input);
        assert_eq!(Failure::from(StationError::OfficerNeeded).exit, Exit::Escrow);
        assert_eq!(Failure::from(ReaderError::Interrupted).exit, Exit::Interrupted);
        assert_eq!(Failure::from(OathError::SeedEmpty).exit, Exit::Input);
    }

    #[test]
    fn json_has_the_error_beside_the_facts() {
        let failure = Failure::usage("no", "do").with("entry", "e");
        let expected = json!({ "entry": "e", "error": { "code": "usage", "message": "no", "remedy": "do" } });
        assert_eq!(failure.to_json(), expected);
    }
}
