//! Which format a store has, and bringing it to the newest.

use super::session::Session;
use crate::EscrowError;

/// The newest format known here: the number of migrations.
pub(super) const FORMAT: i64 = 6;
/// `oath`: how stores of ours are marked, as SQLite files are (PRAGMA `application_id`).
const APPLICATION: i64 = 0x6f61_7468;
/// The changes of the format, oldest first.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_escrow.sql"),
    include_str!("../../migrations/postgres/0002_custody.sql"),
    include_str!("../../migrations/postgres/0003_event_based.sql"),
    include_str!("../../migrations/postgres/0004_batches.sql"),
    include_str!("../../migrations/postgres/0005_manufacturer.sql"),
    include_str!("../../migrations/postgres/0006_records.sql"),
];

/// Begins the change of a format. One at a time: whoever comes second waits, and finds it done. Building an index over
/// everything may take longer than a statement usually does.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = '600s'; SELECT pg_advisory_xact_lock(8025824002628219502)";

/// What lies in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing of ours.
    Nothing,
    /// A store of this format.
    Store(i64),
    /// A schema of this name that is somebody else's.
    Foreign,
}

/// What lies in a database, without touching it.
pub(super) fn found(session: &Session) -> Result<Found, EscrowError> {
    let row = session.row(
        "SELECT to_regnamespace('oathburn') IS NOT NULL, to_regclass('oathburn.store_format') IS NOT NULL,
            EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('oathburn'))",
        &[],
    )?;
    let Some(row) = row else { return Ok(Found::Nothing) };
    let [schema, marker, tables] = [session.value(&row, 0)?, session.value(&row, 1)?, session.value(&row, 2)?];
    match (schema, marker, tables) {
        (true, true, _) => {}
        // Somebody with the right to has made it for us.
        (false, ..) | (true, false, false) => return Ok(Found::Nothing),
        (true, false, true) => return Ok(Found::Foreign),
    }
    let rows = session.query("SELECT application, version FROM oathburn.store_format", &[])?;
    let [row] = rows.as_slice() else { return Ok(Found::Foreign) };
    let (application, version): (i64, i64) = (session.value(row, 0)?, session.value(row, 1)?);
    Ok(if application == APPLICATION && version >= 1 { Found::Store(version) } else { Found::Foreign })
}

/// The format of a store; refuses databases without one, those of other programs and those of newer versions.
pub(super) fn recognise(session: &Session) -> Result<i64, EscrowError> {
    let store = session.fault.store.clone();
    match found(session)? {
        Found::Nothing => Err(EscrowError::StoreMissing { store }),
        Found::Foreign => Err(EscrowError::NotEscrow { store }),
        Found::Store(found) if found > FORMAT => Err(EscrowError::StoreNewer { store, found, known: FORMAT }),
        Found::Store(found) => Ok(found),
    }
}

/// Runs the migrations that a store does not have yet, all in one transaction.
pub(super) fn migrate(session: &Session) -> Result<(), EscrowError> {
    if recognise(session)? == FORMAT {
        return Ok(());
    }
    let transaction = session.begin(BEGIN)?;
    // Another process may have been faster.
    let done = recognise(session)?;
    run(session, done)?;
    session.execute("UPDATE store_format SET version = $1", &[&FORMAT])?;
    transaction.commit()
}

/// Makes all tables, in a transaction that was begun.
pub(super) fn make(session: &Session) -> Result<(), EscrowError> {
    let row = session.row("SELECT to_regnamespace('oathburn') IS NULL", &[])?;
    if row.map_or(Ok(true), |row| session.value(&row, 0))? {
        session.batch("CREATE SCHEMA oathburn")?;
    }
    session.batch("CREATE TABLE store_format (application bigint NOT NULL, version bigint NOT NULL)")?;
    session.execute("INSERT INTO store_format (application, version) VALUES ($1, $2)", &[&APPLICATION, &FORMAT])?;
    run(session, 0)
}

/// Gives the schema of a store another name, for another store to take its place.
pub(super) fn move_aside(session: &Session, number: i64) -> Result<String, EscrowError> {
    let name = format!("oathburn_replaced_{number}");
    session.batch(&format!("ALTER SCHEMA oathburn RENAME TO {name}"))?;
    Ok(name)
}

fn run(session: &Session, done: i64) -> Result<(), EscrowError> {
    let done = usize::try_from(done).unwrap_or(0).min(MIGRATIONS.len());
    MIGRATIONS[done..].iter().try_for_each(|migration| session.batch(migration))
}
