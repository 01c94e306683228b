//! What each error is called, and what mends it.

use oathburn_oath::Remedy;

use crate::EscrowError;

impl Remedy for EscrowError {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyFileMissing { .. } => "key-file-missing",
            Self::KeyFileExists { .. } => "key-file-exists",
            Self::KeyFileExposed { .. } => "key-file-exposed",
            Self::NotKeyFile { .. } => "key-file-foreign",
            Self::KeyFileLocked { .. } => "key-file-locked",
            Self::WrongPassphrase { .. } => "passphrase-wrong",
            Self::PassphraseWork { .. } => "passphrase-work",
            Self::SshKeyUnsupported { .. } => "key-file-ssh",
            Self::KeyFileIo { .. } => "key-file-io",
            Self::AgentIo { .. } => "agent-io",
            Self::AgentFolder { .. } => "agent-folder",
            Self::AgentGone { .. } => "agent-gone",
            Self::UrlUnknown { .. } => "store-url-unknown",
            Self::UrlPassword => "store-url-password",
            Self::UrlRefused { .. } => "store-url-refused",
            Self::PasswordFile { .. } => "store-password-file",
            Self::StoreUnavailable { .. } => "store-unavailable",
            Self::StoreUncertain { .. } => "store-uncertain",
            Self::StoreLogin { .. } => "store-login",
            Self::StoreTls { .. } => "store-tls",
            Self::StoreRights { .. } => "store-rights",
            Self::DatabaseMissing { .. } => "store-database-missing",
            Self::StoreUnsuitable { .. } => "store-unsuitable",
            Self::StoreExists { .. } => "store-exists",
            Self::StoreMissing { .. } => "store-missing",
            Self::StoreBusy { .. } => "store-busy",
            Self::NotDatabase { .. } => "store-not-database",
            Self::NotEscrow { .. } => "store-not-escrow",
            Self::StoreNewer { .. } => "store-newer",
            Self::StoreReadOnly { .. } => "store-read-only",
            Self::StoreFull { .. } => "store-full",
            Self::StoreDenied { .. } => "store-denied",
            Self::StoreCorrupt { .. } => "store-corrupt",
            Self::StoreIo { .. } => "store-io",
            Self::Damaged { .. } => "store-damaged",
            Self::OtherEscrow { .. } => "escrow-other",
            Self::RosterForged { .. } => "roster-forged",
            Self::RosterOlder { .. } => "roster-older",
            Self::StoreOlder { .. } => "store-older",
            Self::CheckpointUnreadable { .. } => "checkpoint-unreadable",
            Self::CheckpointForged => "checkpoint-forged",
            Self::BackupIo { .. } => "backup-io",
            Self::BackupExists { .. } => "backup-exists",
            Self::BackupUnreadable { .. } => "backup-unreadable",
            Self::BackupForOthers { .. } => "backup-for-others",
            Self::BackupUnsound { .. } => "backup-unsound",
            Self::CopyUnsound { .. } => "copy-unsound",
            Self::CopyDiffers { .. } => "copy-differs",
            Self::CopyOvertaken { .. } => "copy-overtaken",
            Self::PinUnreadable { .. } => "pin-unreadable",
            Self::PinIo { .. } => "pin-io",
            Self::MessageKeyNeeded { .. } => "age-key-needed",
            Self::MessageNotOpened => "age-not-opened",
            Self::StationNotApproved { .. } => "station-not-approved",
            Self::OfficerUnknown { .. } => "officer-unknown",
            Self::LineRefused { .. } => "member-line-refused",
            Self::LabelRefused { .. } => "member-label-refused",
            Self::MemberUnknown { .. } => "member-unknown",
            Self::MemberAmbiguous { .. } => "member-ambiguous",
            Self::MemberMixed { .. } => "member-mixed",
            Self::LastOfficer => "officer-last",
            Self::OwnRemoval => "officer-own-removal",
            Self::RosterChanged { .. } => "roster-changed",
            Self::NotWrapped { .. } => "key-not-wrapped",
            Self::SealBroken { .. } => "seal-broken",
            Self::SealDiffers { .. } => "seal-differs",
            Self::EntryUnknown { .. } => "entry-unknown",
            Self::EntryAmbiguous { .. } => "entry-id-ambiguous",
            Self::AccessKey { .. } => "entry-access-key",
            Self::BatchUnknown { .. } => "batch-unknown",
            Self::BatchAmbiguous { .. } => "batch-id-ambiguous",
            Self::BatchEnded { .. } => "batch-ended",
            Self::LineTaken { .. } => "line-taken",
            Self::DeskEntry { .. } => "entry-desk",
            Self::RecordChanged { .. } => "record-changed",
            Self::RecordBroken { .. } => "record-broken",
            Self::RecordsKeyless => "records-keyless",
            Self::SeedTaken { .. } => "seed-taken",
            Self::TokenTaken { .. } => "token-taken",
            Self::WrongState { .. } => "entry-state",
            Self::NotOnToken { .. } => "entry-not-on-token",
            Self::FactRefused { .. } => "fact-refused",
            Self::TagRefused { .. } => "tag-refused",
            Self::Random => "random-failed",
            Self::RosterUnsteady => "roster-unsteady",
        }
    }

    #[allow(clippy::too_many_lines, reason = "a table: each error with what mends it")]
    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::KeyFileMissing { .. } => {
                "give the officer's file with --identity; whoever has none asks an officer, and the first escrow is made with `oathburn escrow init`"
            }
            Self::KeyFileExists { .. } => "give another path; an old key opens what was sealed to it, keep it",
            Self::KeyFileExposed { path, .. } => {
                return Some(format!("chmod 600 {}, and ask who may have read it", path.display()));
            }
            Self::NotKeyFile { .. } => "give the file that `oathburn escrow init` made",
            Self::KeyFileLocked { .. } => "give the passphrase at the prompt or with --passphrase-file",
            Self::WrongPassphrase { .. } => "type the passphrase again; nobody can recover a forgotten one",
            Self::PassphraseWork { .. } => "use the original of the file: this one may have been tampered with",
            Self::SshKeyUnsupported { .. } => {
                "use a key that `ssh-keygen -t ed25519` made, or let `oathburn escrow officers key` make a file of its own"
            }
            Self::KeyFileIo { .. } => {
                "check that the file is not empty, and that its folder exists, belongs to you and has room"
            }
            Self::AgentIo { .. } => "check that your runtime folder ($XDG_RUNTIME_DIR) exists and is yours",
            Self::AgentFolder { .. } => "make it yours and of mode 0700",
            Self::AgentGone { .. } => "run `oathburn unlock` again",
            Self::UrlUnknown { .. } => "give sqlite:PATH or postgres://USER@HOST/DATABASE",
            Self::UrlPassword => {
                "leave the password out of the address, and put it into ~/.pgpass or a file named with password_file="
            }
            Self::UrlRefused { .. } => "give postgres://USER@HOST[:PORT]/DATABASE, and what it needs after a ?",
            Self::PasswordFile { .. } => {
                "make it a file of yours alone (chmod 600) with HOST:PORT:DATABASE:USER:PASSWORD"
            }
            Self::StoreUnavailable { .. } => {
                "check that the server runs and that the network reaches it, then run again; nothing was written"
            }
            Self::StoreUncertain { .. } => {
                "when the server is there again, look with `oathburn escrow list` what was written before you go on"
            }
            Self::StoreLogin { .. } => {
                "check the user in the address, and its password in ~/.pgpass, PGPASSFILE or the file password_file names"
            }
            Self::StoreTls { .. } => {
                "name the certificate that signed the server's with sslrootcert=FILE, and the server as its certificate does"
            }
            Self::StoreRights { .. } => {
                "ask who keeps the database for the rights in docs/postgresql.md; only its owner makes and upgrades the tables"
            }
            Self::DatabaseMissing { .. } => {
                "have it made on the server: createdb --encoding UTF8 --template template0 NAME"
            }
            Self::StoreUnsuitable { .. } => "use PostgreSQL 13 or newer, and a database of the encoding UTF8",
            Self::StoreExists { .. } => {
                "give another path, or use the escrow that is there; `oathburn escrow restore --replace` moves it aside"
            }
            Self::StoreMissing { .. } => "check --store, or make a new escrow with `oathburn escrow init`",
            Self::StoreBusy { .. } => "wait for the other program to finish and run again; nothing was written",
            Self::NotDatabase { .. } | Self::NotEscrow { .. } => "check --store: it names something else",
            Self::StoreNewer { .. } => "use the newer version of oathburn",
            Self::StoreReadOnly { .. } => {
                "make the file and its folder writable, or mount the disk for writing; of a database name the server that is written to"
            }
            Self::StoreFull { .. } => "free some room on the store's disk and run again; nothing was written",
            Self::StoreDenied { .. } => "run as the user to whom the store belongs",
            Self::StoreCorrupt { .. } | Self::Damaged { .. } => {
                "stop using the store, keep a copy of it, and restore the last backup"
            }
            Self::StoreIo { .. } => "check the disk and the system's log, then run `oathburn escrow check`",
            Self::OtherEscrow { .. } => {
                "find out who replaced the store; if you did, remove its pin, and only then trust the new one"
            }
            Self::RosterForged { .. } => "seal nothing: somebody changed the store; keep a copy and ask an officer",
            Self::RosterOlder { .. } => "an old copy of the store lies here; put back the newest one",
            Self::StoreOlder { .. } => {
                "burn nothing: find out who put an older state there, and put the newest back; if an officer restored a \
                 backup, see with `oathburn escrow accept` what is lost"
            }
            Self::CheckpointUnreadable { .. } => "give the file that `oathburn escrow audit checkpoint` wrote",
            Self::CheckpointForged => "believe nothing of it: somebody changed the file; take another copy of it",
            Self::BackupExists { .. } => "give the name of a new file",
            Self::BackupUnreadable { .. } => "use another copy of the backup, or an older one",
            Self::BackupForOthers { .. } => "give the file of an officer it was made for with --identity",
            Self::CopyUnsound { .. } => "`oathburn escrow check` names what is wrong; restore a backup, and copy that",
            Self::CopyDiffers { .. } => "check the disk of the new store, and copy again to another place",
            Self::CopyOvertaken { .. } => "end the work of all stations with it, and copy again",
            Self::BackupUnsound { .. } => "use an older backup; keep this one for whoever finds out what happened",
            Self::PinUnreadable { .. } => {
                "ask an officer which escrow belongs here; remove the pin only if the store is trusted"
            }
            Self::PinIo { .. } | Self::BackupIo { .. } => "check that the folder belongs to you and has room",
            Self::MessageKeyNeeded { .. } => "say --password-file FILE or --age-identity FILE",
            Self::MessageNotOpened => "ask who encrypted it, and for whom",
            Self::StationNotApproved { .. } => "ask an officer to approve this station",
            Self::OfficerUnknown { .. } => "give the file of an officer of this escrow with --identity",
            Self::LineRefused { .. } => {
                "give the whole line that `oathburn escrow officers key` or `oathburn escrow stations key` prints there"
            }
            Self::LabelRefused { .. } => "give a name of up to 100 bytes without control characters with --label",
            Self::MemberUnknown { .. } => "see `oathburn escrow officers list` and `oathburn escrow stations list`",
            Self::MemberAmbiguous { .. } => "give the fingerprint",
            Self::MemberMixed { .. } => {
                "have the line printed again and compare fingerprints; remove the old keys before new ones come"
            }
            Self::LastOfficer => "add another officer first, who can then remove this one",
            Self::OwnRemoval => "ask another officer of this escrow to do it",
            Self::RosterChanged { .. } => "look at `oathburn escrow officers list` and run again; nothing was written",
            Self::NotWrapped { .. } => "ask an officer of this escrow to let you in",
            Self::SealBroken { .. } | Self::SealDiffers { .. } => {
                "do not use this entry: run `oathburn escrow check` and restore it from a backup"
            }
            Self::EntryUnknown { .. } => "see `oathburn escrow list`",
            Self::EntryAmbiguous { .. } => "give more of the id",
            Self::AccessKey { .. } => "name an entry that holds a seed; see `oathburn escrow list`",
            Self::DeskEntry { .. } => "name an entry that holds a seed; what the desk keeps is opened by the desk",
            Self::RecordChanged { .. } => "look at it again: somebody else was faster, and nothing was written",
            Self::RecordBroken { .. } => {
                "somebody else wrote to the database: see `oathburn escrow check`, and restore a backup if the record matters"
            }
            Self::RecordsKeyless => {
                "restore the entry with the key from a backup (`oathburn escrow restore`); see `oathburn escrow check`"
            }
            Self::BatchUnknown { .. } => "see `oathburn batch status`",
            Self::BatchAmbiguous { .. } => "give more of the batch's id",
            Self::BatchEnded { .. } => {
                "nothing was written; failed lines are taken up again with `oathburn batch retry-failed`, others by a new batch"
            }
            Self::SeedTaken { .. } => {
                "use a seed of its own for each token; retire the other entry first if its token is lost"
            }
            Self::TokenTaken { .. } => {
                "if its user is to get a new seed, replace it; the old one stays in the escrow as superseded"
            }
            Self::LineTaken { .. } => "nothing was written; lay the token on again",
            Self::WrongState { .. } => {
                "look at the entry with `oathburn escrow show`; another process may have finished it"
            }
            Self::NotOnToken { .. } => "finish its burn by burning the same token again, or leave the entry out",
            Self::FactRefused { .. } => "give a shorter text",
            Self::TagRefused { .. } => "give a word of at most 64 bytes, without commas and spaces",
            Self::Random => "check the kernel's random device and run again; nothing was written",
            Self::RosterUnsteady => "wait until the officers are done and run again; nothing was written",
        };
        Some(text.into())
    }
}
