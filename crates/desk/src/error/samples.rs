//! One value of every variant, for the page of all errors and for the tests.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use oathburn_escrow::{BatchId, EscrowError};
use oathburn_oath::OathError;
use oathburn_station::StationError;

use crate::scripts::ApiError;
use crate::stations::RegisterError;
use crate::{DeskError, Role};

oathburn_oath::variants! {
    DeskError: Escrow Register Script Order NotAnOrder OrderLineBusy Settled RecordUnreadable Listen Plain CertificateFile CertificateRefused HostName Broken PageUnknown Method TooLarge TooSlow Malformed SignInNeeded RoleNeeded Throttled SignInWrong EnrolmentWrong CodeWrong PasswordWrong PasswordRefused PasswordsDiffer NameRefused NameTaken RolesMissing LastAdmin AdminThere ReasonMissing CodesTooMany TimeUnreadable Typed Station AudienceMissing NothingDone ExportRefused TrailBroken FormForeign
}

impl DeskError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let path = || "/srv/desk.pem".into();
        let batch = BatchId::from_slice(&[0x04; 16]).expect("16 bytes");
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443));
        vec![
            Self::Register(RegisterError::NothingSelected),
            Self::Script(ApiError::TicketMissing),
            Self::Escrow(EscrowError::StoreBusy { store: "/srv/escrow.db".into() }),
            Self::Order(Box::new(StationError::OfficerNeeded)),
            Self::NotAnOrder { batch },
            Self::OrderLineBusy { batch, line: 7 },
            Self::Settled,
            Self::RecordUnreadable { kind: "person" },
            Self::Listen { address, source: ErrorKind::AddrInUse.into() },
            Self::Plain { address },
            Self::CertificateFile { path: path(), source: ErrorKind::NotFound.into() },
            Self::CertificateRefused { path: path(), problem: "there is no certificate in it".into() },
            Self::HostName { name: "desk 1".into() },
            Self::Broken,
            Self::PageUnknown,
            Self::Method,
            Self::TooLarge,
            Self::TooSlow,
            Self::Malformed,
            Self::SignInNeeded,
            Self::RoleNeeded { role: Role::Admin },
            Self::Throttled { seconds: 90 },
            Self::SignInWrong,
            Self::EnrolmentWrong,
            Self::CodeWrong,
            Self::PasswordWrong,
            Self::PasswordRefused,
            Self::PasswordsDiffer,
            Self::NameRefused,
            Self::NameTaken,
            Self::RolesMissing,
            Self::LastAdmin,
            Self::AdminThere,
            Self::ReasonMissing,
            Self::CodesTooMany,
            Self::TimeUnreadable,
            Self::Typed(OathError::DisplayedCode),
            Self::Station(StationError::OfficerNeeded),
            Self::AudienceMissing,
            Self::NothingDone,
            Self::ExportRefused { why: "8659614120101: Entra takes time steps of 30 and 60 seconds only".into() },
            Self::TrailBroken,
            Self::FormForeign,
        ]
    }
}
