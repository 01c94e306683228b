//! What can be wrong with a store, a key file, a roster or an entry.

mod remedy;
mod samples;

use std::io;
use std::path::PathBuf;

use oathburn_oath::SerialNumber;

use crate::{BatchId, EntryId, EntryState, EscrowId, Role};

/// Everything this crate refuses or fails at. No variant carries a seed, a key, a passphrase or a code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EscrowError {
    /// There is no such key file.
    #[error("there is no key file {}", path.display())]
    KeyFileMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A new key would overwrite an old one.
    #[error("{} exists and is not overwritten", path.display())]
    KeyFileExists {
        /// The file that is there.
        path: PathBuf,
    },
    /// Others than the owner may read or write the key file.
    #[error("{} can be read or written by others (mode {mode:03o})", path.display())]
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} is not the file of {role}", path.display())]
    NotKeyFile {
        /// The file.
        path: PathBuf,
        /// Whose file was wanted: `an officer` or `a station`.
        role: &'static str,
    },
    /// The key file asks for a passphrase and none was given.
    #[error("{} is locked with a passphrase", path.display())]
    KeyFileLocked {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase does not open the key file.
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The key file asks for more work than any of ours does.
    #[error("{} asks for an excessive amount of work to be unlocked", path.display())]
    PassphraseWork {
        /// The file.
        path: PathBuf,
    },
    /// An SSH key that is not Ed25519, or in an old format.
    #[error("{} is a private key of a kind that cannot open an escrow", path.display())]
    SshKeyUnsupported {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused something with a key file.
    #[error("failed to {action} {}: {source}", path.display())]
    KeyFileIo {
        /// What was tried: `read`, `create` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused something with the agent's socket.
    #[error("failed to {action} {}: {source}", path.display())]
    AgentIo {
        /// What was tried: `make`, `talk to` …
        action: &'static str,
        /// The socket, or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could put an agent of theirs there.
    #[error("the folder of the agent's socket, {}, is not yours alone", path.display())]
    AgentFolder {
        /// The folder.
        path: PathBuf,
    },
    /// It ended between two questions.
    #[error("the agent that keeps the officer's keys does not answer: {reason}")]
    AgentGone {
        /// What was seen.
        reason: String,
    },
    /// Not the address of a store.
    #[error("{url:?} does not name a store")]
    UrlUnknown {
        /// What was given.
        url: String,
    },
    /// Secrets do not belong in addresses: arguments are seen by every user of a machine.
    #[error("the address of the store holds a password")]
    UrlPassword,
    /// The address of a database that cannot be used as it is.
    #[error("the address of the store cannot be used: {problem}")]
    UrlRefused {
        /// What is wrong with it.
        problem: String,
    },
    /// A file of passwords that cannot be used.
    #[error("the password file {} cannot be used: {problem}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A new store would overwrite something.
    #[error("{store} exists and is not overwritten")]
    StoreExists {
        /// The store.
        store: String,
    },
    /// There is no store.
    #[error("there is no store at {store}")]
    StoreMissing {
        /// The store.
        store: String,
    },
    /// Another process holds the store.
    #[error("{store} is locked by another process")]
    StoreBusy {
        /// The store.
        store: String,
    },
    /// The file is no database.
    #[error("{store} is not a database")]
    NotDatabase {
        /// The store.
        store: String,
    },
    /// The file is the database of another program.
    #[error("{store} is a database, but not an escrow")]
    NotEscrow {
        /// The store.
        store: String,
    },
    /// The store was written by a newer version.
    #[error("{store} has format {found}, this version knows formats up to {known}")]
    StoreNewer {
        /// The store.
        store: String,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The store cannot be written.
    #[error("{store} or its folder is read-only")]
    StoreReadOnly {
        /// The store.
        store: String,
    },
    /// No room is left.
    #[error("no room is left for {store}")]
    StoreFull {
        /// The store.
        store: String,
    },
    /// The operating system does not let us at the store.
    #[error("permission to open {store} was denied")]
    StoreDenied {
        /// The store.
        store: String,
    },
    /// No server answers, or none that can be written to.
    #[error("{store} cannot be reached: {detail}")]
    StoreUnavailable {
        /// The store.
        store: String,
        /// What was seen.
        detail: String,
    },
    /// The connection broke between the order to write and the answer, and nobody could be asked since.
    #[error("the connection to {store} broke while something was written, and whether it was written is not known")]
    StoreUncertain {
        /// The store.
        store: String,
    },
    /// The server does not let the user in.
    #[error("{store} does not let this user in: {detail}")]
    StoreLogin {
        /// The store.
        store: String,
        /// What the server said.
        detail: String,
    },
    /// The server could not show that it is the one that was meant.
    #[error("the way to {store} is not safe: {detail}")]
    StoreTls {
        /// The store.
        store: String,
        /// What failed.
        detail: String,
    },
    /// The server lets the user in, and not do this.
    #[error("the database user of {store} may not do this: {detail}")]
    StoreRights {
        /// The store.
        store: String,
        /// What the server said.
        detail: String,
    },
    /// The server has no such database.
    #[error("the server of {store} has no such database")]
    DatabaseMissing {
        /// The store.
        store: String,
    },
    /// A server or a database that an escrow cannot lie in.
    #[error("{store} cannot hold an escrow: {problem}")]
    StoreUnsuitable {
        /// The store.
        store: String,
        /// Why.
        problem: String,
    },
    /// The database's own structure is broken.
    #[error("{store} is damaged: {detail}")]
    StoreCorrupt {
        /// The store.
        store: String,
        /// What the database said.
        detail: String,
    },
    /// Reading or writing the store failed below the database.
    #[error("failed to read or write {store}: {detail}")]
    StoreIo {
        /// The store.
        store: String,
        /// What the database or the system said.
        detail: String,
    },
    /// A row holds what no version of this program writes.
    #[error("the store's table {table} is damaged at {row}: {problem}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row, by its key.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another escrow lies where a known one lay.
    #[error("the store holds escrow {found}, not the known escrow {pinned}")]
    OtherEscrow {
        /// The escrow that was seen here first.
        pinned: EscrowId,
        /// The escrow that is there now.
        found: EscrowId,
    },
    /// A roster that nobody entitled has signed, or that is not the one seen before.
    #[error("version {version} of the roster was not signed by a known officer")]
    RosterForged {
        /// The roster's version.
        version: u64,
    },
    /// The store went back behind what was seen before.
    #[error("the store's roster has version {found}, but version {pinned} was seen before")]
    RosterOlder {
        /// The version that was seen.
        pinned: u64,
        /// The version that is there now.
        found: u64,
    },
    /// The store went back behind what was seen before: a signed event is gone, or another stands in its place.
    #[error("the store went back: {seen} events of {writer} were seen before, and it has {found} or others")]
    StoreOlder {
        /// Whose events.
        writer: String,
        /// How many were seen.
        seen: u64,
        /// How many there are now.
        found: u64,
    },
    /// A file that is no checkpoint.
    #[error("the checkpoint cannot be read: {problem}")]
    CheckpointUnreadable {
        /// Why.
        problem: String,
    },
    /// A checkpoint that no officer has signed as it is.
    #[error("the checkpoint was not signed by an officer as it is")]
    CheckpointForged,
    /// The operating system refused something with a backup.
    #[error("failed to {action} the backup {}: {source}", path.display())]
    BackupIo {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A backup is never written over anything.
    #[error("{} is there already", path.display())]
    BackupExists {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no backup, or no longer one.
    #[error("{} is no whole backup: {problem}", path.display())]
    BackupUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A store with something wrong in it is not copied: the copy could not be proved to be right.
    #[error("{store} is not as it was signed and was not copied, {problems} problems, the first: {first}")]
    CopyUnsound {
        /// The store.
        store: String,
        /// How many problems.
        problems: usize,
        /// The first of them.
        first: String,
    },
    /// The new store does not give back what was written into it.
    #[error("the copy is not the same: table {table}, row {row}; nothing was kept of it")]
    CopyDiffers {
        /// The table.
        table: String,
        /// The row.
        row: String,
    },
    /// Somebody goes on working with a store that is copied.
    #[error("somebody wrote to {store} while it was copied; nothing was kept of the copy")]
    CopyOvertaken {
        /// The store.
        store: String,
    },
    /// A backup that was made for other officers.
    #[error("the backup {} is not for this officer", path.display())]
    BackupForOthers {
        /// The file.
        path: PathBuf,
    },
    /// A backup in which something is not as it was signed.
    #[error("the backup {} is not as it was signed, {problems} problems, the first: {first}", path.display())]
    BackupUnsound {
        /// The file.
        path: PathBuf,
        /// How many.
        problems: usize,
        /// The first of them.
        first: String,
    },
    /// A pin that cannot be read.
    #[error("the pin {} cannot be read: {problem}", path.display())]
    PinUnreadable {
        /// The pin's file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The operating system refused something with a pin.
    #[error("failed to {action} {}: {source}", path.display())]
    PinIo {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that somebody encrypted with age, and nothing to open it with.
    #[error("the age file asks for a {what}")]
    MessageKeyNeeded {
        /// A password, or an identity.
        what: &'static str,
    },
    /// A file that somebody encrypted with age for somebody else.
    #[error("the age file cannot be opened with this, or it is damaged")]
    MessageNotOpened,
    /// This machine is not on the roster.
    #[error("this station is not approved in escrow {escrow}")]
    StationNotApproved {
        /// The escrow.
        escrow: EscrowId,
    },
    /// The officer is not on the roster.
    #[error("this officer does not belong to escrow {escrow}")]
    OfficerUnknown {
        /// The escrow.
        escrow: EscrowId,
    },
    /// A line that makes nobody known.
    #[error("the line of an officer or a station cannot be read: {problem}")]
    LineRefused {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that does not go on the roster.
    #[error("{label:?} is not a name for the roster")]
    LabelRefused {
        /// The name.
        label: String,
    },
    /// Nobody on the roster is called like this.
    #[error("there is no {role} {name:?} on the roster")]
    MemberUnknown {
        /// Whether an officer or a station was looked for.
        role: Role,
        /// What was looked for.
        name: String,
    },
    /// Several on the roster are called like this.
    #[error("several on the roster are called {name:?}")]
    MemberAmbiguous {
        /// What was looked for.
        name: String,
    },
    /// One of the keys belongs to somebody else on the roster, or its owner has another role.
    #[error("{label:?} on the roster has one of these keys, with another one beside it or in another role")]
    MemberMixed {
        /// Who has it.
        label: String,
    },
    /// There must always be an officer.
    #[error("the only officer cannot be removed")]
    LastOfficer,
    /// Whoever removes an officer makes the keys that the officer must not know.
    #[error("officers cannot remove themselves: whoever seals anew knows the new keys")]
    OwnRemoval,
    /// Another officer changed the roster first.
    #[error("another officer signed version {version} of the roster meanwhile")]
    RosterChanged {
        /// The version that is there now.
        version: u64,
    },
    /// The keys at hand open none of the wraps.
    #[error("the {key} is not wrapped to the keys at hand")]
    NotWrapped {
        /// Which key: a session's or the duplicate key.
        key: &'static str,
    },
    /// The seal does not open: it was changed, or belongs to another entry.
    #[error("the seal of entry {entry} is broken")]
    SealBroken {
        /// The entry.
        entry: EntryId,
    },
    /// The seal opens, but the row says something else.
    #[error("entry {entry} was changed: its {column} is not the one that was sealed")]
    SealDiffers {
        /// The entry.
        entry: EntryId,
        /// The column that differs.
        column: &'static str,
    },
    /// No entry has this id.
    #[error("there is no entry {text}")]
    EntryUnknown {
        /// What was looked for.
        text: String,
    },
    /// Several entries begin like this.
    #[error("several entries begin with {text}")]
    EntryAmbiguous {
        /// What was looked for.
        text: String,
    },
    /// No batch has this id.
    #[error("there is no batch {text}")]
    BatchUnknown {
        /// What was looked for.
        text: String,
    },
    /// Several batches begin like this.
    #[error("several batches begin with {text}")]
    BatchAmbiguous {
        /// What was looked for.
        text: String,
    },
    /// A batch that was finished or cancelled.
    #[error("batch {batch} is {state}")]
    BatchEnded {
        /// The batch.
        batch: BatchId,
        /// How it ended.
        state: String,
    },
    /// A line that another process works on, or has ended, by now.
    #[error("line {line} of batch {batch} was taken over by another process")]
    LineTaken {
        /// The batch.
        batch: BatchId,
        /// The line.
        line: u32,
    },
    /// The seed is on another token, or is this one's already.
    #[error("this seed belongs to {serial} already (entry {entry})")]
    SeedTaken {
        /// Whose it is.
        serial: SerialNumber,
        /// Its entry.
        entry: EntryId,
    },
    /// The token has another seed that is in use.
    #[error("another seed of {serial} is in use (entry {entry})")]
    TokenTaken {
        /// The token.
        serial: SerialNumber,
        /// The entry in use.
        entry: EntryId,
    },
    /// The entry holds a token's access key, not a seed.
    #[error("entry {entry} holds the access key of a token, no seed")]
    AccessKey {
        /// Which entry.
        entry: EntryId,
    },
    /// The entry is the desk's, and is opened for nothing else.
    #[error("entry {entry} belongs to the desk and holds no seed of a token")]
    DeskEntry {
        /// Which entry.
        entry: EntryId,
    },
    /// A record that somebody else changed since it was read.
    #[error("a record of the desk, {kind}, was changed meanwhile")]
    RecordChanged {
        /// What it is a record of.
        kind: String,
    },
    /// A record that the desk did not write as it is.
    #[error("the record {id} of the desk, {kind}, was not written by it as it is")]
    RecordBroken {
        /// What it is a record of.
        kind: String,
        /// Its id in hex.
        id: String,
    },
    /// There are records, and no key that an officer has made for them.
    #[error("the records of the desk are there, but not their key")]
    RecordsKeyless,
    /// The entry's state does not allow it.
    #[error("entry {entry} is {state} and cannot become {wanted}")]
    WrongState {
        /// The entry.
        entry: EntryId,
        /// Its state.
        state: EntryState,
        /// The state it was to have.
        wanted: EntryState,
    },
    /// Only what is known to be on a token is handed out.
    #[error("entry {entry} is {state}: its seed is not known to be on a token that is in use")]
    NotOnToken {
        /// The entry.
        entry: EntryId,
        /// Its state.
        state: EntryState,
    },
    /// A text of an event is too long, or a fact has no proper name.
    #[error("{what} does not fit into the escrow")]
    FactRefused {
        /// Which text.
        what: String,
    },
    /// A tag is no word.
    #[error("{tag:?} is no tag")]
    TagRefused {
        /// What was given, its beginning.
        tag: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system's random generator failed")]
    Random,
    /// The roster changed while an operation ran, again and again.
    #[error("the roster changes faster than this station can follow")]
    RosterUnsteady,
}

#[cfg(test)]
mod tests;
