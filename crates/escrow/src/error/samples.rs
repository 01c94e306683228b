//! One value of every variant, for the page of all errors and for the tests.

use std::io;
use std::path::PathBuf;

use crate::{BatchId, EntryId, EntryState, EscrowError, EscrowId, Role};

oathburn_oath::variants! {
    EscrowError: KeyFileMissing KeyFileExists KeyFileExposed NotKeyFile KeyFileLocked WrongPassphrase PassphraseWork KeyFileIo UrlUnknown UrlPassword UrlRefused PasswordFile StoreUnavailable StoreUncertain StoreLogin StoreTls StoreRights DatabaseMissing StoreUnsuitable StoreExists StoreMissing StoreBusy NotDatabase NotEscrow StoreNewer StoreReadOnly StoreFull StoreDenied StoreCorrupt StoreIo Damaged OtherEscrow RosterForged RosterOlder StoreOlder CheckpointUnreadable CheckpointForged BackupIo BackupExists BackupUnreadable BackupForOthers BackupUnsound CopyUnsound CopyDiffers CopyOvertaken PinUnreadable PinIo MessageKeyNeeded MessageNotOpened StationNotApproved OfficerUnknown LineRefused LabelRefused MemberUnknown MemberAmbiguous MemberMixed LastOfficer OwnRemoval RosterChanged NotWrapped SealBroken SealDiffers EntryUnknown EntryAmbiguous AccessKey DeskEntry RecordChanged RecordBroken RecordsKeyless BatchUnknown BatchAmbiguous BatchEnded LineTaken SeedTaken TokenTaken WrongState NotOnToken FactRefused TagRefused Random RosterUnsteady SshKeyUnsupported AgentIo AgentFolder AgentGone
}

impl EscrowError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let (path, store) = (PathBuf::from("/home/alice/officer.key"), "/srv/escrow.db".to_owned());
        let server = || "postgres://burner@db/escrow".to_owned();
        let backup = || PathBuf::from("/mnt/escrow.age");
        let serial = || oathburn_oath::SerialNumber::new("8659622000001").expect("a literal of digits");
        let source = || io::Error::from(io::ErrorKind::PermissionDenied);
        let entry = EntryId::from_slice(&[0x01; 16]).expect("16 bytes");
        let batch = BatchId::from_slice(&[0x04; 16]).expect("16 bytes");
        let escrow = EscrowId::from_slice(&[0x02; 16]).expect("16 bytes");
        let found = EscrowId::from_slice(&[0x03; 16]).expect("16 bytes");
        vec![
            Self::KeyFileMissing { path: path.clone() },
            Self::KeyFileExists { path: path.clone() },
            Self::KeyFileExposed { path: path.clone(), mode: 0o644 },
            Self::NotKeyFile { path: path.clone(), role: "an officer" },
            Self::KeyFileLocked { path: path.clone() },
            Self::WrongPassphrase { path: path.clone() },
            Self::PassphraseWork { path: path.clone() },
            Self::SshKeyUnsupported { path: path.clone() },
            Self::KeyFileIo { action: "read", path: path.clone(), source: source() },
            Self::AgentIo { action: "make", path: path.clone(), source: source() },
            Self::AgentFolder { path: path.clone() },
            Self::AgentGone { reason: "unexpected end of file".into() },
            Self::UrlUnknown { url: "escrow.db".into() },
            Self::UrlPassword,
            Self::UrlRefused { problem: "it names no user".into() },
            Self::PasswordFile { path: PathBuf::from("/home/alice/.pgpass"), problem: "others can read it".into() },
            Self::StoreUnavailable { store: server(), detail: "db:5432: connection refused".into() },
            Self::StoreUncertain { store: server() },
            Self::StoreLogin { store: server(), detail: "password authentication failed for user \"burner\"".into() },
            Self::StoreTls { store: server(), detail: "db:5432: invalid peer certificate: UnknownIssuer".into() },
            Self::StoreRights { store: server(), detail: "permission denied for table events".into() },
            Self::DatabaseMissing { store: server() },
            Self::StoreUnsuitable { store: server(), problem: "its encoding is LATIN1".into() },
            Self::StoreExists { store: store.clone() },
            Self::StoreMissing { store: store.clone() },
            Self::StoreBusy { store: store.clone() },
            Self::NotDatabase { store: store.clone() },
            Self::NotEscrow { store: store.clone() },
            Self::StoreNewer { store: store.clone(), found: 2, known: 1 },
            Self::StoreReadOnly { store: store.clone() },
            Self::StoreFull { store: store.clone() },
            Self::StoreDenied { store: store.clone() },
            Self::StoreCorrupt { store: store.clone(), detail: "disk I/O error".into() },
            Self::StoreIo { store, detail: "disk I/O error".into() },
            Self::Damaged { table: "entries", row: "7".into(), problem: "it is empty".into() },
            Self::OtherEscrow { pinned: escrow, found },
            Self::RosterForged { version: 2 },
            Self::RosterOlder { pinned: 2, found: 1 },
            Self::StoreOlder { writer: "desk-7".into(), seen: 20, found: 15 },
            Self::CheckpointUnreadable { problem: "it is too long".into() },
            Self::CheckpointForged,
            Self::BackupIo { action: "write", path: backup(), source: source() },
            Self::BackupExists { path: backup() },
            Self::BackupUnreadable { path: backup(), problem: "it is no age file".into() },
            Self::BackupForOthers { path: backup() },
            Self::CopyUnsound {
                store: "/srv/escrow.db".into(),
                problems: 2,
                first: "entries 0190: the entry was deleted".into(),
            },
            Self::CopyDiffers { table: "entries".into(), row: "0190".into() },
            Self::CopyOvertaken { store: "/srv/escrow.db".into() },
            Self::BackupUnsound { path: backup(), problems: 2, first: "entries 0190: the entry was deleted".into() },
            Self::PinUnreadable { path: path.clone(), problem: "it is empty".into() },
            Self::PinIo { action: "read", path, source: source() },
            Self::MessageKeyNeeded { what: "password" },
            Self::MessageNotOpened,
            Self::StationNotApproved { escrow },
            Self::OfficerUnknown { escrow },
            Self::LineRefused { problem: "it is cut" },
            Self::LabelRefused { label: String::new() },
            Self::MemberUnknown { role: Role::Officer, name: "bob".into() },
            Self::MemberAmbiguous { name: "bob".into() },
            Self::MemberMixed { label: "bob".into() },
            Self::LastOfficer,
            Self::OwnRemoval,
            Self::RosterChanged { version: 2 },
            Self::NotWrapped { key: "session key" },
            Self::SealBroken { entry },
            Self::SealDiffers { entry, column: "serial" },
            Self::EntryUnknown { text: "0190".into() },
            Self::EntryAmbiguous { text: "0190".into() },
            Self::BatchUnknown { text: "0190".into() },
            Self::BatchAmbiguous { text: "0190".into() },
            Self::BatchEnded { batch, state: "cancelled".into() },
            Self::LineTaken { batch, line: 7 },
            Self::SeedTaken { serial: serial(), entry },
            Self::TokenTaken { serial: serial(), entry },
            Self::AccessKey { entry },
            Self::DeskEntry { entry },
            Self::RecordChanged { kind: "person".into() },
            Self::RecordBroken { kind: "person".into(), id: "0a1b".into() },
            Self::RecordsKeyless,
            Self::WrongState { entry, state: EntryState::Retired, wanted: EntryState::Unknown },
            Self::NotOnToken { entry, state: EntryState::Reserved },
            Self::FactRefused { what: "the reason".into() },
            Self::TagRefused { tag: "two words".into() },
            Self::Random,
            Self::RosterUnsteady,
        ]
    }
}
