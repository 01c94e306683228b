//! Leased lines on disk: sealed, for this user only, and gone when they are told of or ended.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use oathburn_escrow::{BatchId, EscrowError, Facts, NewLine};
use oathburn_oath::{Digits, TimeStep, TotpParams};
use serde::{Deserialize, Serialize};

use super::{LeaseEnd, RemoteError};
use crate::work::wire::{LeasedLine, ReportState, batch_id, serial};

/// No file of ours comes near it.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Lines that were leased together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortionFile {
    pub(super) version: u32,
    /// What it is called here, and in the options of its batch.
    pub(super) id: String,
    pub(super) order: String,
    pub(super) name: String,
    pub(super) options: Facts,
    pub(super) end: LeaseEnd,
    /// Why its lines are not burned any more.
    pub(super) closed: Option<String>,
    /// Its lines, in the order that they have in its batch. A seed goes when it is not needed any more.
    pub(super) lines: Vec<HeldLine>,
    /// What was told of which attempt, and acknowledged.
    pub(super) told: BTreeMap<String, ReportState>,
}

/// A leased line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeldLine {
    pub(super) leased: LeasedLine,
    /// The desk knows what became of it.
    pub(super) over: bool,
}

impl PortionFile {
    /// A portion that has come.
    pub(super) fn new(portion: crate::work::wire::Portion, end: LeaseEnd) -> Result<Self, RemoteError> {
        if batch_id(&portion.order).is_none() || portion.lines.is_empty() {
            return Err(RemoteError::Answer { what: "the order of a lease" });
        }
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|_| EscrowError::Random)?;
        let lines = portion.lines.into_iter().map(|leased| HeldLine { leased, over: false }).collect();
        let file = Self {
            version: 1,
            id: HEXLOWER.encode(&id),
            order: portion.order,
            name: portion.name,
            options: portion.options,
            end,
            closed: None,
            lines,
            told: BTreeMap::new(),
        };
        file.new_lines()?;
        Ok(file)
    }

    pub(super) fn order(&self) -> Option<BatchId> {
        batch_id(&self.order)
    }

    /// The lines as a batch is made of them, without their seeds.
    pub(super) fn new_lines(&self) -> Result<Vec<NewLine>, RemoteError> {
        self.lines.iter().map(|held| new_line(&held.leased)).collect()
    }

    /// Whether there is nothing left to do or to tell.
    pub(super) fn is_over(&self) -> bool {
        self.lines.iter().all(|line| line.over)
    }

    /// Forgets the seeds of what is not burned any more.
    pub(super) fn forget_seeds(&mut self) {
        self.lines.iter_mut().for_each(|line| line.leased.sealed.clear());
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.id))
    }

    /// Writes the file whole, durably, or leaves the one that was there.
    pub(super) fn save(&self, folder: &Path) -> Result<(), RemoteError> {
        let path = self.path(folder);
        let beside = path.with_extension("tmp");
        let failed = |source| RemoteError::File { action: "write", path: path.clone(), source };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| {
            // Half a file is of no use.
            let _ = fs::remove_file(&beside);
            failed(error)
        })
    }

    /// Takes the file away.
    pub(super) fn delete(&self, folder: &Path) -> Result<(), RemoteError> {
        let path = self.path(folder);
        fs::remove_file(&path).map_err(|source| RemoteError::File { action: "remove", path, source })
    }

    /// All that are there.
    pub(super) fn load_all(folder: &Path) -> Result<Vec<Self>, RemoteError> {
        let failed = |source| RemoteError::File { action: "read", path: folder.into(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => found.push(Self::load(&path)?),
                // A program was killed while it wrote: the file that counts is the other one.
                Some("tmp") => fs::remove_file(&path).map_err(failed)?,
                _ => {}
            }
        }
        found.sort_by(|one, other| (one.end.from.wall, &one.id).cmp(&(other.end.from.wall, &other.id)));
        Ok(found)
    }

    fn load(path: &Path) -> Result<Self, RemoteError> {
        let failed = |source| RemoteError::File { action: "read", path: path.into(), source };
        let damaged = || RemoteError::Damaged { path: path.into() };
        if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(damaged());
        }
        let text = fs::read(path).map_err(failed)?;
        let file: Self = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let named = path.file_stem().and_then(|stem| stem.to_str()) == Some(file.id.as_str());
        if file.version != 1 || !named || file.order().is_none() || file.new_lines().is_err() {
            return Err(damaged());
        }
        Ok(file)
    }
}

fn new_line(leased: &LeasedLine) -> Result<NewLine, RemoteError> {
    let wrong = |what| RemoteError::Answer { what };
    let number = leased.serial.as_deref().map(|text| serial(text).ok_or_else(|| wrong("the serial number of a line")));
    Ok(NewLine {
        upn: leased.upn.clone(),
        serial: number.transpose()?,
        issuer: leased.issuer.clone(),
        label: leased.label.clone(),
        params: TotpParams {
            algorithm: leased.algorithm.parse().map_err(|_| wrong("the algorithm of a line"))?,
            digits: Digits::new(leased.digits).map_err(|_| wrong("the digits of a line"))?,
            step: TimeStep::new(leased.step).map_err(|_| wrong("the time step of a line"))?,
        },
        seed: None,
    })
}
