//! What the escrow needs of this machine: files, rights, formats, an approved station, a backup.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oathburn_escrow::{Escrow, EscrowError, EventFilter, EventKind, Officer, StationKey};
use oathburn_oath::{Clock, Remedy, SystemClock, UnixTime};
use oathburn_reader::Finding;

use crate::context::Context;
use crate::output::rfc3339;

/// Older backups are mentioned. A burn a day would otherwise be lost in numbers.
const MAX_BACKUP_DAYS: u64 = 30;
const DAY: u64 = 24 * 60 * 60;

/// How to make one.
const BACKUP: &str = "oathburn escrow backup FILE, and keep the file elsewhere";

pub(super) fn judge(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = context.folder();
    if folder.exists() {
        findings.extend(rights(folder));
    }
    findings.extend(officer(&context.identity()));
    let station = station(&context.station_file());
    let is_station = matches!(&station, Ok(Some(_)));
    findings.push(match &station {
        Ok(Some(_)) => Finding::fine("station-file", "this station's file is in order"),
        Ok(None) => Finding::fine("station-file", "this station has no keys yet; they are made at the first use"),
        Err(error) => failed(error),
    });
    if is_station {
        findings.extend(rights(&context.station_file()));
    }
    findings.extend(store(context, station.ok().flatten()));
    findings
}

fn failed(error: &EscrowError) -> Finding {
    Finding::problem(error.code(), error.to_string(), error.remedy().unwrap_or_default())
}

/// A file or folder that others than its owner may read or write, or that is not ours.
fn rights(path: &Path) -> Vec<Finding> {
    let Ok(metadata) = fs::metadata(path) else { return Vec::new() };
    let shown = path.display();
    let mut findings = Vec::new();
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own {
        let message = format!("{shown} belongs to the user with id {}, not to this one", metadata.uid());
        findings.push(Finding::problem("file-foreign", message, format!("sudo chown $USER {shown}")));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let right = if metadata.is_dir() { 700 } else { 600 };
        let message = format!("{shown} is open to others (mode {mode:03o})");
        findings.push(Finding::problem("file-exposed", message, format!("chmod {right} {shown}")));
    }
    findings
}

fn officer(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    // What no passphrase protects can be looked into.
    let looked = Officer::is_locked(path)
        .and_then(|locked| if locked { Ok(true) } else { Officer::load(path, None).map(|_| false) });
    match looked {
        Ok(true) => vec![Finding::fine("officer-file", format!("the officer's file {shown} is protected"))],
        Ok(false) => {
            let message =
                format!("whoever reads the officer's file {shown} reads every seed: no passphrase protects it");
            let remedy = "keep it on a medium that you take along, or make officers whose files have a passphrase";
            vec![Finding::warning("officer-file-plain", message, remedy)]
        }
        Err(EscrowError::KeyFileMissing { .. }) => {
            vec![Finding::fine("officer-file", "no officer's file is here: this station burns, and opens no seed")]
        }
        Err(error) => vec![failed(&error)],
    }
}

/// The station's keys, which are not made here.
fn station(path: &Path) -> Result<Option<StationKey>, EscrowError> {
    if path.exists() { StationKey::load_or_create(path).map(Some) } else { Ok(None) }
}

fn store(context: &Context, station: Option<StationKey>) -> Vec<Finding> {
    let url = match context.store() {
        Ok(url) => url,
        Err(failure) => {
            return vec![Finding::problem(failure.code, failure.message, failure.remedy.unwrap_or_default())];
        }
    };
    let missing = || {
        let error = EscrowError::StoreMissing { store: url.to_string() };
        vec![Finding::problem(error.code(), format!("there is no escrow at {url}"), "oathburn escrow init")]
    };
    let mut findings = match (url.path(), url.server()) {
        (Some(path), _) if !path.exists() => return missing(),
        (Some(path), _) => ["", "-wal", "-shm"].iter().flat_map(|suffix| rights(&beside(path, suffix))).collect(),
        (None, Some(server)) if server.is_in_the_clear() => {
            let message = format!("whoever listens on the way to {url} reads and changes what is said to the server");
            vec![Finding::warning("store-cleartext", message, "leave sslmode=disable out of the address")]
        }
        (None, _) => Vec::new(),
    };
    match Escrow::format_of(&url) {
        Err(EscrowError::StoreMissing { .. }) => return missing(),
        Ok((found, known)) if found < known => {
            let message =
                format!("the store has format {found}; the next command that opens it brings it to format {known}");
            let remedy = "nothing, unless an older oathburn is to read it: then copy the store first";
            findings.push(Finding::warning("store-format-old", message, remedy));
            return findings;
        }
        Ok((found, _)) => findings.push(Finding::fine("store-format", format!("the store {url} has format {found}"))),
        Err(error) => {
            findings.push(failed(&error));
            return findings;
        }
    }
    // Opening a store for the first time pins it, which is not for a look to decide.
    let Some(station) = station.filter(|_| context.pins().file_of(&url).exists()) else { return findings };
    match Escrow::open(&url, station, &context.pins(), context.writer(), Arc::new(SystemClock)) {
        Ok(escrow) => findings.extend(opened(&escrow)),
        Err(error) => findings.push(failed(&error)),
    }
    findings
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn opened(escrow: &Escrow) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !escrow.is_approved() {
        let remedy =
            "oathburn escrow stations key, and give the line to an officer for `oathburn escrow stations approve`";
        findings.push(Finding::problem(
            "station-not-approved",
            "no officer approved this station: it cannot burn",
            remedy,
        ));
    }
    let filter = EventFilter { kind: Some(EventKind::BackedUp), ..EventFilter::default() };
    match escrow.events(&filter) {
        Ok(events) => findings.push(backup(events.iter().map(|event| event.time).max(), SystemClock.now())),
        Err(error) => findings.push(failed(&error)),
    }
    findings
}

fn backup(last: Option<UnixTime>, now: UnixTime) -> Finding {
    let Some(last) = last else {
        return Finding::warning(
            "backup-missing",
            "the escrow was never backed up: with this disk it would be lost",
            BACKUP,
        );
    };
    let days = now.seconds().saturating_sub(last.seconds()) / DAY;
    let message = format!("the escrow was last backed up at {}, {days} days ago", rfc3339(last));
    if days > MAX_BACKUP_DAYS {
        Finding::warning("backup-old", message, BACKUP)
    } else {
        Finding::fine("backup", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_grows_old() {
        let now = UnixTime::new(1_800_000_000);
        let code = |days| backup(Some(UnixTime::new(1_800_000_000 - days * DAY)), now).code;
        assert_eq!((code(0), code(30), code(31)), ("backup", "backup", "backup-old"));
        assert_eq!(backup(None, now).code, "backup-missing");
        // A clock that was ahead when it was made.
        assert_eq!(backup(Some(UnixTime::new(1_900_000_000)), now).code, "backup");
    }
}
