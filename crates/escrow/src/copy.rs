//! Moving a store to another place or another database, and proving that it is the same there.

use crate::check;
use crate::escrow::{PAGE, fingerprint};
use crate::following::follow;
use crate::heads::Heads;
use crate::roster::Trust;
use crate::store::{self, EscrowStore, Filling, View};
use crate::walk::{Page, Walk};
use crate::{CheckReport, Escrow, EscrowError, EscrowId, Pins, StoreUrl};

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// The store that is copied is compared with what was signed.
    Checking,
    /// So many more rows of a table were written.
    Written(&'static str, u64),
    /// So many more rows of a table were read back, and are the same on both sides.
    Compared(&'static str, u64),
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    /// Which escrow.
    pub escrow: EscrowId,
    /// What tells it from every other: see [`Escrow::fingerprint`].
    pub fingerprint: String,
    /// How many rows of which table are the same in both stores.
    pub tables: Vec<(&'static str, u64)>,
    /// The check of the copy: every event, every entry; no seal was opened.
    pub check: CheckReport,
    /// Whether somebody wrote to the store while the last of the copy became durable: then that is not in it, and the
    /// store is still in use.
    pub overtaken: bool,
}

impl Escrow {
    /// Copies a store into a place where there is none: entries, events, rosters, sessions, keys, batches with their
    /// lines, records of the desk; not the leases, which are for the moment. It is all there or nothing is, in one transaction; before it ends, every row
    /// is read back and compared with the store it came from, and the copy is checked as [`Escrow::check`] does. The
    /// store is only read, in the state of one moment; when somebody writes to it meanwhile, nothing is copied.
    ///
    /// What this user has seen of the store is believed of the copy from the first moment on. Other users have to compare
    /// its fingerprint.
    pub fn copy(
        from: &StoreUrl,
        to: &StoreUrl,
        pins: &Pins,
        progress: &mut dyn FnMut(Copying),
    ) -> Result<CopyReport, EscrowError> {
        let source = store::open(from)?;
        let (trust, _) = follow(&*source, from, pins, None)?;
        let mut copied = None;
        let mut fill = |filling: &dyn Filling| {
            copied = Some(fill(&*source, from, filling, &trust, progress)?);
            Ok(())
        };
        store::make(to, &mut fill, || {
            pins.replace(to, &trust)?;
            pins.carry(from, to, trust.escrow())
        })?;
        let (tables, check, heads) = copied.expect("a store that was made was filled");
        let overtaken = store::read(&*source, |view| Heads::of(view))? != heads;
        Ok(CopyReport { escrow: trust.escrow(), fingerprint: fingerprint(&trust), tables, check, overtaken })
    }
}

type Copied = (Vec<(&'static str, u64)>, CheckReport, Heads);

/// Fills a new store and compares it, before anything of it is to stay.
fn fill(
    source: &dyn EscrowStore,
    from: &StoreUrl,
    target: &dyn Filling,
    trust: &Trust,
    progress: &mut dyn FnMut(Copying),
) -> Result<Copied, EscrowError> {
    let copied = store::read_once(source, |view| {
        if u64::try_from(view.roster_version()?) != Ok(trust.latest().version) {
            return Err(EscrowError::RosterUnsteady);
        }
        progress(Copying::Checking);
        refuse_unsound(from, &check::check(view, trust, None)?)?;
        Ok((transfer(view, target, progress)?, Heads::of(view)?))
    });
    let (tables, heads) = copied?;
    let check = check::check(target.view(), trust, None)?;
    if let Some(first) = check.findings.first() {
        return Err(EscrowError::CopyDiffers { table: first.table.into(), row: first.row.clone() });
    }
    // The last moment in which nothing need come of it. No event tells of records.
    let same = store::read(source, |view| Ok(Heads::of(view)? == heads && same_records(view, target.view())?))?;
    if !same {
        return Err(EscrowError::CopyOvertaken { store: from.to_string() });
    }
    Ok((tables, check, heads))
}

/// Writes everything that a view shows, reads it back and compares; how many rows of each table are the same.
pub(crate) fn transfer(
    view: &dyn View,
    target: &dyn Filling,
    progress: &mut dyn FnMut(Copying),
) -> Result<Vec<(&'static str, u64)>, EscrowError> {
    let mut walk = Walk::new(view)?;
    while let Some(page) = walk.next()? {
        target.write(&page.rows)?;
        progress(Copying::Written(page.table, page.count()));
    }
    compare(Walk::new(view)?, Walk::new(target.view())?, progress)
}

fn refuse_unsound(from: &StoreUrl, report: &CheckReport) -> Result<(), EscrowError> {
    let Some(first) = report.findings.first() else { return Ok(()) };
    let (problems, first) = (report.findings.len(), first.to_string());
    Err(EscrowError::CopyUnsound { store: from.to_string(), problems, first })
}

/// Reads both stores in the order of their keys, and how many rows of each table are the same.
fn compare(
    mut one: Walk<'_>,
    mut other: Walk<'_>,
    progress: &mut dyn FnMut(Copying),
) -> Result<Vec<(&'static str, u64)>, EscrowError> {
    let mut tables: Vec<(&'static str, u64)> = Vec::new();
    loop {
        let (page, found) = match (one.next()?, other.next()?) {
            (None, None) => return Ok(tables),
            (Some(page), Some(found)) if page == found => (page, found),
            (Some(page), found) => return Err(differs(&page, found.as_ref())),
            (None, Some(found)) => return Err(differs(&found, None)),
        };
        for (table, count) in found.counts() {
            progress(Copying::Compared(table, count));
            match tables.iter_mut().find(|(name, _)| *name == table) {
                Some((_, sum)) => *sum += count,
                None => tables.push((table, count)),
            }
        }
        drop(page);
    }
}

fn same_records(one: &dyn View, other: &dyn View) -> Result<bool, EscrowError> {
    let mut after = (String::new(), Vec::new());
    loop {
        let page = one.records((&after.0, &after.1), None, PAGE)?;
        if page != other.records((&after.0, &after.1), None, PAGE)? {
            return Ok(false);
        }
        let Some(last) = page.last() else { return Ok(true) };
        after = (last.kind.clone(), last.id.clone());
    }
}

fn differs(page: &Page, other: Option<&Page>) -> EscrowError {
    let (table, row) = page.first_difference(other);
    EscrowError::CopyDiffers { table: table.into(), row }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{FixedClock, Remedy, UnixTime};

    use super::*;
    use crate::{Officer, StationKey, Writer};

    #[test]
    fn a_row_that_was_not_kept_as_it_was_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (url, pins) = (StoreUrl::sqlite(path("escrow.db")), Pins::new(path("pins")));
        let station = StationKey::load_or_create(&path("station.key")).unwrap();
        let who = Writer { operator: None, uid: 0, host: "desk".into() };
        let officer = Officer::generate().unwrap();
        Escrow::init(&url, &officer, &station, &pins, &who, &FixedClock(UnixTime::new(1))).unwrap();
        let changes = [
            ("UPDATE events SET host = 'other' WHERE sequence = 2", "events"),
            ("UPDATE rosters SET body = body || ' '", "rosters"),
            ("UPDATE escrow SET created_at = 2", "escrow"),
        ];
        for (number, (change, table)) in changes.into_iter().enumerate() {
            let to = StoreUrl::sqlite(path(&format!("{number}.db")));
            Escrow::copy(&url, &to, &pins, &mut |_| {}).unwrap();
            rusqlite::Connection::open(to.path().unwrap()).unwrap().execute(change, []).unwrap();
            let (one, other) = (store::open(&url).unwrap(), store::open(&to).unwrap());
            let compared = store::read(&*one, |one| {
                store::read(&*other, |other| compare(Walk::new(one)?, Walk::new(other)?, &mut |_| {}))
            });
            let error = compared.unwrap_err();
            assert_eq!(error.code(), "copy-differs");
            assert!(matches!(&error, EscrowError::CopyDiffers { table: found, .. } if found == table), "{error}");
        }
    }
}
