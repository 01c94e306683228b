//! Everything that the desk refuses, or that keeps it from serving.

mod samples;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::StatusCode;
use oathburn_escrow::{BatchId, EscrowError};
use oathburn_oath::{OathError, Remedy};
use oathburn_station::StationError;

use crate::Role;
use crate::scripts::ApiError;
use crate::stations::RegisterError;

/// What goes wrong at the desk, for those who run it and for those who ask it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The escrow behind it.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// What cannot be done with stations.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// What a script is refused.
    #[error(transparent)]
    Script(#[from] ApiError),
    /// No line of the order could be burned.
    #[error(transparent)]
    Order(Box<StationError>),
    /// A batch whose seeds are not made at the desk.
    #[error("batch {batch} was not given at the desk: stations have no part in it")]
    NotAnOrder {
        /// The batch.
        batch: BatchId,
    },
    /// A process beside the desk has the line.
    #[error("line {line} of order {batch} is being burned at the desk's own machine")]
    OrderLineBusy {
        /// The order.
        batch: BatchId,
        /// The line.
        line: u32,
    },
    /// Somebody was faster.
    #[error("this was settled already, or cannot be settled so")]
    Settled,
    /// A record that another version has written.
    #[error("a record of the desk ({kind}) cannot be read")]
    RecordUnreadable {
        /// What it is a record of.
        kind: &'static str,
    },
    /// The address is taken, or not ours.
    #[error("failed to listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Passwords and codes would be read on the way.
    #[error("{address} is reached from other machines, and there is no certificate")]
    Plain {
        /// Where.
        address: SocketAddr,
    },
    /// A certificate or a key in a file.
    #[error("failed to read {}: {source}", path.display())]
    CertificateFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not what it should be.
    #[error("{} cannot be used for TLS: {problem}", path.display())]
    CertificateRefused {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Not a name or an address that a certificate can be for.
    #[error("{name:?} is no name of a machine")]
    HostName {
        /// As it was given.
        name: String,
    },
    /// A job panicked.
    #[error("the desk failed")]
    Broken,
    /// There is no such page.
    #[error("there is no such page")]
    PageUnknown,
    /// `GET` for what changes something, or the other way round.
    #[error("the page is not asked for in this way")]
    Method,
    /// A request whose body is too large.
    #[error("the request is too large")]
    TooLarge,
    /// A body that does not come.
    #[error("the request did not arrive in time")]
    TooSlow,
    /// A form without its fields, JSON that is none.
    #[error("the request cannot be read")]
    Malformed,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignInNeeded,
    /// Somebody is signed in who may not.
    #[error("this is for the role {role}")]
    RoleNeeded {
        /// Who may.
        role: Role,
    },
    /// Too often.
    #[error("too many tries: wait {seconds} seconds")]
    Throttled {
        /// How long to wait, in seconds.
        seconds: u64,
    },
    /// Name, password or code; which is not said.
    #[error("name, password or code is wrong")]
    SignInWrong,
    /// Name or enrolment code, or a visit that did not give it.
    #[error("name or enrolment code is wrong, or its time is over")]
    EnrolmentWrong,
    /// Not what the second factor shows.
    #[error("the code is not the one that the app shows")]
    CodeWrong,
    /// Not one's own.
    #[error("the present password is another")]
    PasswordWrong,
    /// Too easily guessed.
    #[error("the password is too short, too simple, or has the name in it")]
    PasswordRefused,
    /// Typed twice, in two ways.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// No name to sign in with.
    #[error("this is no name to sign in with")]
    NameRefused,
    /// Somebody has it.
    #[error("somebody has this name already")]
    NameTaken,
    /// Somebody who may nothing.
    #[error("no role was chosen")]
    RolesMissing,
    /// Nobody could let anybody in any more.
    #[error("this is the last admin who can sign in")]
    LastAdmin,
    /// The desk has an admin.
    #[error("the desk has an admin already")]
    AdminThere,
    /// What a code is given for.
    #[error("there is no reason that could be understood later")]
    ReasonMissing,
    /// More codes than are given at a time, or too far ahead.
    #[error("so many codes, or codes so far ahead, are not given")]
    CodesTooMany,
    /// No time.
    #[error("this is no time")]
    TimeUnreadable,
    /// Codes, seeds and serial numbers as somebody typed them.
    #[error(transparent)]
    Typed(#[from] OathError),
    /// What the escrow's tokens refuse.
    #[error(transparent)]
    Station(#[from] StationError),
    /// Nobody may work on an order.
    #[error("nothing says which stations may work on the order")]
    AudienceMissing,
    /// No token of an order is done.
    #[error("no token of the order is done")]
    NothingDone,
    /// What the identity provider would not take.
    #[error("the identity provider would not take one of the tokens: {why}")]
    ExportRefused {
        /// Which, and why.
        why: String,
    },
    /// What would be signed is not right.
    #[error("the audit trail is broken")]
    TrailBroken,
    /// A form that was not made for who sends it.
    #[error("the form was not made for this visit")]
    FormForeign,
}

impl DeskError {
    /// What answers say beside the text (RFC 9110, section 15).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::PageUnknown => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed
            | Self::CodeWrong
            | Self::ReasonMissing
            | Self::AudienceMissing
            | Self::CodesTooMany
            | Self::TimeUnreadable
            | Self::Typed(_)
            | Self::PasswordRefused
            | Self::PasswordsDiffer
            | Self::NameRefused
            | Self::RolesMissing => StatusCode::BAD_REQUEST,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::RoleNeeded { .. }
            | Self::FormForeign
            | Self::SignInWrong
            | Self::EnrolmentWrong
            | Self::PasswordWrong => StatusCode::FORBIDDEN,
            Self::Escrow(error)
            | Self::Register(RegisterError::Escrow(error))
            | Self::Station(StationError::Escrow(error)) => escrow_status(error),
            Self::NameTaken
            | Self::LastAdmin
            | Self::AdminThere
            | Self::NotAnOrder { .. }
            | Self::OrderLineBusy { .. }
            | Self::Settled
            | Self::NothingDone
            | Self::ExportRefused { .. }
            | Self::TrailBroken
            | Self::Station(_) => StatusCode::CONFLICT,
            Self::Register(error) => register_status(error),
            Self::Script(error) => error.status(),
            Self::Order(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RecordUnreadable { .. }
            | Self::Listen { .. }
            | Self::Plain { .. }
            | Self::CertificateFile { .. }
            | Self::CertificateRefused { .. }
            | Self::HostName { .. }
            | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What was asked wrongly is said; what is wrong with the escrow is for who runs the desk.
fn escrow_status(error: &EscrowError) -> StatusCode {
    match error {
        EscrowError::EntryUnknown { .. } | EscrowError::BatchUnknown { .. } => StatusCode::NOT_FOUND,
        EscrowError::EntryAmbiguous { .. }
        | EscrowError::BatchAmbiguous { .. }
        | EscrowError::TagRefused { .. }
        | EscrowError::FactRefused { .. }
        | EscrowError::LineRefused { .. } => StatusCode::BAD_REQUEST,
        EscrowError::RecordChanged { .. } | EscrowError::BatchEnded { .. } => StatusCode::CONFLICT,
        EscrowError::StoreBusy { .. } | EscrowError::StoreUnavailable { .. } | EscrowError::StoreUncertain { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        EscrowError::StoreFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn register_status(error: &RegisterError) -> StatusCode {
    match error {
        RegisterError::Refused(refusal) => {
            StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        RegisterError::NotRegistered { .. } | RegisterError::LoginCodeUnknown => StatusCode::NOT_FOUND,
        RegisterError::NotNow { .. } | RegisterError::NoCode { .. } | RegisterError::StillActivated { .. } => {
            StatusCode::CONFLICT
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

impl Remedy for DeskError {
    fn code(&self) -> &'static str {
        match self {
            Self::Escrow(error) => error.code(),
            Self::Register(error) => error.code(),
            Self::Script(error) => error.code(),
            Self::Order(error) => error.code(),
            Self::NotAnOrder { .. } => "order-foreign",
            Self::OrderLineBusy { .. } => "order-line-busy",
            Self::Settled => "conflict-settled",
            Self::RecordUnreadable { .. } => "desk-record",
            Self::Listen { .. } => "desk-listen",
            Self::Plain { .. } => "desk-plain",
            Self::CertificateFile { .. } => "certificate-file",
            Self::CertificateRefused { .. } => "certificate-refused",
            Self::HostName { .. } => "host-name",
            Self::Broken => "desk-broken",
            Self::PageUnknown => "page-unknown",
            Self::Method => "method",
            Self::TooLarge => "request-too-large",
            Self::TooSlow => "request-too-slow",
            Self::Malformed => "request-malformed",
            Self::SignInNeeded => "sign-in-needed",
            Self::RoleNeeded { .. } => "role-needed",
            Self::Throttled { .. } => "throttled",
            Self::SignInWrong => "sign-in-wrong",
            Self::EnrolmentWrong => "enrolment-wrong",
            Self::CodeWrong => "second-factor-wrong",
            Self::PasswordWrong => "old-password-wrong",
            Self::PasswordRefused => "password-refused",
            Self::PasswordsDiffer => "passwords-differ",
            Self::NameRefused => "person-name",
            Self::NameTaken => "name-taken",
            Self::RolesMissing => "roles-missing",
            Self::LastAdmin => "last-admin",
            Self::AdminThere => "admin-there",
            Self::ReasonMissing => "reason-missing",
            Self::CodesTooMany => "codes-too-many",
            Self::TimeUnreadable => "time-unreadable",
            Self::Typed(error) => error.code(),
            Self::Station(error) => error.code(),
            Self::AudienceMissing => "audience-missing",
            Self::NothingDone => "nothing-done",
            Self::ExportRefused { .. } => "order-export-refused",
            Self::TrailBroken => "trail-broken",
            Self::FormForeign => "form-foreign",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Escrow(error) => return error.remedy(),
            Self::Register(error) => return error.remedy(),
            Self::Script(error) => return error.remedy(),
            Self::Order(error) => return error.remedy(),
            Self::NotAnOrder { .. } => {
                "go on with it by `oathburn batch resume`, or give the list as an order at the desk"
            }
            Self::OrderLineBusy { .. } => "wait until that burn is over",
            Self::Settled => "load the page again",
            Self::RecordUnreadable { .. } => "run the newest oathburn at all desks of this escrow",
            Self::Listen { .. } => "name a free port and an address of this machine",
            Self::Plain { .. } => {
                "make a certificate with `oathburn desk certificate`, or listen on 127.0.0.1 behind a proxy"
            }
            Self::CertificateFile { .. } => "check the file's name and rights",
            Self::CertificateRefused { .. } => {
                "give a chain in PEM with --cert and the key that belongs to it with --key"
            }
            Self::HostName { .. } => "give a DNS name or an IP address, as it stands in the desk's URL",
            Self::Broken => return None,
            Self::PageUnknown => "go to the start page",
            Self::Method => "go back, and use the page's own buttons",
            Self::TooLarge => "send less at a time",
            Self::TooSlow => "send it again, over a better line",
            Self::Malformed => "go back, and fill in the form again",
            Self::SignInNeeded => "sign in",
            Self::RoleNeeded { .. } => "ask an admin of the desk to do it, or for the role",
            Self::Throttled { .. } => "wait, and look twice at what you type",
            Self::SignInWrong => {
                "try again with the next code that your app shows; an admin of the desk can reset both"
            }
            Self::EnrolmentWrong => "type the code as you got it, or ask an admin of the desk for a new one",
            Self::CodeWrong => "wait for the next code, and check that the phone's clock is right",
            Self::PasswordWrong => "type the password that you sign in with",
            Self::PasswordRefused => "take at least 12 characters, five of them different, such as four words",
            Self::PasswordsDiffer => "type the same password twice",
            Self::NameRefused => "take letters, digits and . _ - @ +, up to 64 of them, such as ada@example.com",
            Self::NameTaken => "take another name, or change that account",
            Self::RolesMissing => "choose at least one role",
            Self::LastAdmin => "make somebody else an admin first",
            Self::AdminThere => "sign in as that admin and add people there; where nobody can, say --another",
            Self::ReasonMissing => "say in a few words why, such as: token is in the post",
            Self::CodesTooMany => "ask for at most 10 before and after, and at most a week ahead",
            Self::TimeUnreadable => "write it as 2026-11-30 14:05, in UTC",
            Self::Typed(error) => return error.remedy(),
            Self::Station(error) => return error.remedy(),
            Self::AudienceMissing => "tick a location, a station, or every station",
            Self::NothingDone => "wait until a station has burned one",
            Self::ExportRefused { .. } => {
                "give what is missing to `oathburn export --batch`, or choose another format there"
            }
            Self::TrailBroken => "verify it, and call whoever keeps the escrow: somebody has changed the store",
            Self::FormForeign => "load the page again, and send the form once more",
        };
        Some(text.into())
    }
}
