//! What the service's errors mean to somebody in front of a reader.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;

use oathburn_token::TransportError;
use pcsc::Error;

use crate::ReaderError;

/// What an error means before a reader is chosen; `unserved` says more where the library has one error for it all.
pub(super) fn service_error(error: Error, unserved: impl FnOnce() -> ReaderError) -> ReaderError {
    match error {
        Error::NoService | Error::CommError => unserved(),
        Error::ServiceStopped | Error::InvalidHandle => ReaderError::ServiceStopped,
        Error::SecurityViolation => ReaderError::AccessDenied,
        error => ReaderError::Failed { detail: detail(error) },
    }
}

/// What an error means for a reader.
pub(super) fn reader_error(error: Error, reader: &str) -> ReaderError {
    let reader = reader.into();
    match error {
        Error::NoSmartcard | Error::RemovedCard => ReaderError::NoToken { reader },
        Error::UnresponsiveCard | Error::UnpoweredCard => ReaderError::TokenMute { reader },
        Error::SharingViolation => ReaderError::ReaderBusy { reader },
        Error::ProtoMismatch | Error::UnsupportedFeature => ReaderError::TokenProtocol { reader },
        Error::SecurityViolation => ReaderError::AccessDenied,
        Error::UnknownReader
        | Error::ReaderUnavailable
        | Error::NoReadersAvailable
        | Error::NoService
        | Error::ServiceStopped
        | Error::CommError
        | Error::InvalidHandle => ReaderError::ReaderLost { reader },
        error => ReaderError::Failed { detail: detail(error) },
    }
}

/// What an error means within a conversation.
pub(super) fn transport_error(error: Error) -> TransportError {
    match error {
        Error::RemovedCard
        | Error::NoSmartcard
        | Error::UnpoweredCard
        | Error::UnresponsiveCard
        | Error::CommDataLost
        | Error::NotTransacted => TransportError::Removed,
        Error::ResetCard => TransportError::Reset,
        Error::UnknownReader
        | Error::ReaderUnavailable
        | Error::NoService
        | Error::ServiceStopped
        | Error::CommError
        | Error::InvalidHandle => TransportError::ReaderLost,
        error => TransportError::Failed { detail: detail(error) },
    }
}

/// The service's own words, and the number to search for.
fn detail(error: Error) -> String {
    format!("{error} ({:#010x})", error as u32)
}

/// Why the service does not serve us: libpcsclite has one error for a service that is not there, one that ended, and
/// one that hangs up because polkit said no.
pub(super) fn unserved() -> ReaderError {
    match UnixStream::connect(socket()) {
        Ok(_) => ReaderError::AccessDenied,
        Err(error) => match error.kind() {
            io::ErrorKind::PermissionDenied => ReaderError::AccessDenied,
            io::ErrorKind::ConnectionRefused => ReaderError::ServiceStopped,
            _ => ReaderError::ServiceMissing,
        },
    }
}

/// Where libpcsclite looks for the service. The variable is its own: no other place would be the right one.
fn socket() -> OsString {
    env::var_os("PCSCLITE_CSOCK_NAME").unwrap_or_else(|| "/run/pcscd/pcscd.comm".into())
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;

    #[test]
    fn before_a_reader_is_chosen() {
        let code = |error| service_error(error, || ReaderError::ServiceMissing).code();
        for (error, expected) in [
            (Error::NoService, "service-missing"),
            (Error::CommError, "service-missing"),
            (Error::ServiceStopped, "service-stopped"),
            (Error::InvalidHandle, "service-stopped"),
            (Error::SecurityViolation, "service-access-denied"),
            (Error::NoMemory, "reader-failed"),
        ] {
            assert_eq!(code(error), expected, "{error:?}");
        }
    }

    #[test]
    fn at_a_reader() {
        for (error, expected) in [
            (Error::NoSmartcard, "no-token"),
            (Error::RemovedCard, "no-token"),
            (Error::UnresponsiveCard, "token-mute"),
            (Error::UnpoweredCard, "token-mute"),
            (Error::SharingViolation, "reader-busy"),
            (Error::ProtoMismatch, "token-protocol"),
            (Error::UnsupportedFeature, "token-protocol"),
            (Error::SecurityViolation, "service-access-denied"),
            (Error::UnknownReader, "reader-lost"),
            (Error::ReaderUnavailable, "reader-lost"),
            (Error::NoReadersAvailable, "reader-lost"),
            (Error::NoService, "reader-lost"),
            (Error::ServiceStopped, "reader-lost"),
            (Error::CommError, "reader-lost"),
            (Error::InvalidHandle, "reader-lost"),
            (Error::InternalError, "reader-failed"),
        ] {
            assert_eq!(reader_error(error, "A").code(), expected, "{error:?}");
        }
    }

    #[test]
    fn within_a_conversation() {
        for error in [
            Error::RemovedCard,
            Error::NoSmartcard,
            Error::UnpoweredCard,
            Error::UnresponsiveCard,
            Error::CommDataLost,
            Error::NotTransacted,
        ] {
            assert_eq!(transport_error(error), TransportError::Removed, "{error:?}");
        }
        assert_eq!(transport_error(Error::ResetCard), TransportError::Reset);
        for error in [
            Error::UnknownReader,
            Error::ReaderUnavailable,
            Error::NoService,
            Error::ServiceStopped,
            Error::CommError,
            Error::InvalidHandle,
        ] {
            assert_eq!(transport_error(error), TransportError::ReaderLost, "{error:?}");
        }
        let TransportError::Failed { detail } = transport_error(Error::InternalError) else {
            panic!("an internal error means nothing we know")
        };
        assert!(detail.ends_with("(0x80100001)"), "{detail}");
    }
}
