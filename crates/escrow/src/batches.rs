//! What is done with batches: making one, leasing and ending its lines, ending it.

use std::collections::HashSet;

use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord};

use crate::batch::{Batch, BatchState, Claim, Lease, Line, LineCounts, LineState, NewBatch, NewLine};
use crate::escrow::{PAGE, duplicate_keys};
use crate::journal::{BatchDraft, Draft, EventDraft};
use crate::lease::{self, LEASE_SECONDS};
use crate::lines;
use crate::sealing::Condition;
use crate::store::{self, BatchRow, LeaseWanted, LineRow, View};
use crate::{BatchId, Entry, EntryId, Escrow, EscrowError, EventKind, Facts, Origin, Reservation, duplicate};

/// The family of entries that hold prescribed seeds: they belong to a line until a token comes.
pub const LINE_FAMILY: &str = "batch-line";

impl Escrow {
    /// Makes a batch: its lines are signed, its prescribed seeds sealed, all or nothing. The entries of the seeds have the
    /// family [`LINE_FAMILY`], the batch for a serial number and the line for a slot, until a token has them.
    pub fn create_batch(&self, new: &NewBatch<'_>) -> Result<BatchId, EscrowError> {
        let id = BatchId::new();
        let records = new.lines.iter().zip(1..).filter_map(|(line, number)| seed_record(id, number, line));
        let records: Vec<_> = records.collect::<Result<_, EscrowError>>()?;
        let sealed: Vec<_> =
            records.iter().map(|record| Reservation { record, origin: Origin::Given, batch: Some(id) }).collect();
        let inner = &*self.inner;
        self.sealing_rows(
            &sealed,
            &EventDraft::new(EventKind::Reserved, Facts::new()),
            Condition::None,
            &mut |trust, rows, draft| {
                let mut seeds = rows.iter().map(|row| row.id.clone());
                let mut drafted = BatchDraft {
                    row: BatchRow {
                        id: id.as_bytes().to_vec(),
                        created_at: inner.now(),
                        name: new.name.into(),
                        lines: i64::try_from(new.lines.len()).unwrap_or(i64::MAX),
                        options: new.options.to_json(),
                        writer: Vec::new(),
                        sequence: 0,
                        state: BatchState::Running.to_string(),
                        ended_at: None,
                        revision: 1,
                    },
                    lines: Vec::with_capacity(new.lines.len()),
                };
                for (line, number) in new.lines.iter().zip(1..) {
                    let seed = line.seed.as_ref().and_then(|_| seeds.next());
                    drafted.lines.push(line_row(id, number, line, seed));
                }
                let mut events = lines::creation(&trust.escrow(), &drafted);
                // The lines are told of before the seeds: their events follow the batch's own one after the other.
                events.append(&mut draft.events);
                draft.events = events;
                draft.batch = Some(drafted);
            },
        )?;
        Ok(id)
    }

    /// All batches, oldest first.
    pub fn batches(&self) -> Result<Vec<Batch>, EscrowError> {
        store::read(&*self.inner.store, |view| {
            view.batches()?.iter().map(|row| Batch::read(row, view.line_counts(&row.id)?)).collect()
        })
    }

    /// The batch with this id, or the only one whose id begins like this.
    pub fn batch(&self, text: &str) -> Result<Batch, EscrowError> {
        let text = text.trim().to_ascii_lowercase();
        let mut found = self.batches()?.into_iter().filter(|batch| {
            !text.is_empty() && batch.id.to_string().replace('-', "").starts_with(&text.replace('-', ""))
        });
        match (found.next(), found.next()) {
            (Some(batch), None) => Ok(batch),
            (Some(_), Some(_)) => Err(EscrowError::BatchAmbiguous { text }),
            (None, _) => Err(EscrowError::BatchUnknown { text }),
        }
    }

    /// Where a batch stands.
    pub fn batch_state(&self, batch: BatchId) -> Result<BatchState, EscrowError> {
        let row = store::read(&*self.inner.store, |view| batch_row(view, batch))?;
        BatchState::from_name(&row.state).ok_or_else(|| EscrowError::Damaged {
            table: "batches",
            row: batch.to_string(),
            problem: "its state is not one".into(),
        })
    }

    /// How many lines of a batch stand where.
    pub fn line_counts(&self, batch: BatchId) -> Result<LineCounts, EscrowError> {
        store::read(&*self.inner.store, |view| view.line_counts(batch.as_bytes()))
    }

    /// Up to `limit` lines of a batch that come after one, in order, each compared with what was signed.
    pub fn lines(&self, batch: BatchId, after: u32, limit: usize) -> Result<Vec<Line>, EscrowError> {
        self.inner.look(|view, trust| {
            let head = lines::head(view, trust, batch)?;
            let rows = view.lines(batch.as_bytes(), after.into(), limit)?;
            let mut known = None;
            rows.iter().map(|row| lines::verified(view, trust, &head, row, &mut known)).collect()
        })
    }

    /// All lines of a batch, page by page.
    pub fn each_line(&self, batch: BatchId, mut job: impl FnMut(Line)) -> Result<(), EscrowError> {
        let mut after = 0;
        loop {
            let page = self.lines(batch, after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            page.into_iter().for_each(&mut job);
        }
    }

    /// The entries, in any state, that hold one of these seeds, each with the place of the seed; nothing is opened.
    #[allow(clippy::needless_pass_by_value, reason = "iterators come by value")]
    pub fn duplicates_among<'a>(
        &self,
        seeds: impl IntoIterator<Item = &'a Seed> + Clone,
    ) -> Result<Vec<(usize, Entry)>, EscrowError> {
        self.inner.look(|view, trust| {
            let mut found = Vec::new();
            for (number, key) in duplicate_keys(view, trust, self.inner.station.keys())? {
                for (place, seed) in seeds.clone().into_iter().enumerate() {
                    for row in view.entries_tagged(number, &duplicate::tag(&key, seed))? {
                        found.push((place, Entry::try_from(&row)?));
                    }
                }
            }
            Ok(found)
        })
    }

    /// Leases a line for a token: the line of its unfinished burn, or else the one that names it, or else the first that
    /// names none and is not in `skip`. Leases of processes that are known to be gone, and those that have expired, do
    /// not count. The line is compared with what was signed.
    pub fn claim(
        &self,
        batch: BatchId,
        serial: &SerialNumber,
        own: Option<u32>,
        skip: &HashSet<u32>,
    ) -> Result<Claim, EscrowError> {
        let inner = &*self.inner;
        let now = inner.now();
        let holder = inner.holder();
        let dead = inner.store.holders(batch.as_bytes())?;
        let dead = dead.into_iter().filter(|other| lease::is_dead(other, &holder)).collect();
        let wanted = LeaseWanted {
            batch: batch.as_bytes().to_vec(),
            serial: serial.to_string(),
            own: own.map(i64::from),
            skip: skip.iter().copied().map(i64::from).collect(),
            holder,
            dead,
            now,
            expires_at: now.saturating_add(LEASE_SECONDS),
        };
        match inner.store.lease(&wanted)? {
            store::Leased::Line(row) => {
                let verified = inner.look(|view, trust| {
                    lines::verified(view, trust, &lines::head(view, trust, batch)?, &row, &mut None)
                });
                if verified.is_err() {
                    inner.store.release(&row.batch, row.line, &wanted.holder)?;
                }
                Ok(Claim::Leased(Box::new(Lease { batch, line: verified?, holder: wanted.holder })))
            }
            store::Leased::Busy(line) => Ok(Claim::Busy { line: number(line) }),
            store::Leased::Ended(line, state) => match LineState::from_name(&state) {
                Some(state) => Ok(Claim::Ended { line: number(line), state }),
                None => Ok(Claim::Nothing),
            },
            store::Leased::Nothing => Ok(Claim::Nothing),
        }
    }

    /// Gives a line up, with a reason for people.
    pub fn fail_line(&self, batch: BatchId, line: u32, error: &str) -> Result<(), EscrowError> {
        let error: String = error.chars().take(1000).collect();
        self.change_batch(batch, &mut |view, row| {
            let facts = batch_facts(row).with("line", i64::from(line)).with("error", error.as_str());
            let mut line = line_of(view, batch, line)?;
            (line.error, line.failed_at) = (Some(error.clone()), Some(self.inner.now()));
            Ok(Draft {
                events: vec![EventDraft::new(EventKind::LineFailed, facts)],
                lines: vec![line],
                ..Draft::default()
            })
        })
    }

    /// Takes failed lines up again; says how many there are. A cancelled batch stays cancelled.
    pub fn reopen_failed(&self, batch: BatchId) -> Result<u64, EscrowError> {
        let failed = self.line_counts(batch)?.failed;
        if failed == 0 {
            return Ok(0);
        }
        self.change(batch, &[BatchState::Running, BatchState::Finished], &mut |view, row| {
            let facts = batch_facts(row);
            (row.state, row.ended_at) = (BatchState::Running.to_string(), None);
            let mut lines = Vec::new();
            for mut line in view.lines_failed(&row.id)? {
                (line.error, line.failed_at) = (None, None);
                lines.push(line);
            }
            Ok(Draft { events: vec![EventDraft::new(EventKind::BatchReopened, facts)], lines, ..Draft::default() })
        })?;
        Ok(failed)
    }

    /// Notes that a batch has no line left; says whether that is so.
    pub fn finish_batch(&self, batch: BatchId) -> Result<bool, EscrowError> {
        let counts = self.line_counts(batch)?;
        if counts.left() > 0 {
            return Ok(false);
        }
        let state = self.batch_state(batch)?;
        if state != BatchState::Running {
            return Ok(state == BatchState::Finished);
        }
        self.change_batch(batch, &mut |view, row| {
            let counts = view.line_counts(&row.id)?;
            if counts.left() > 0 {
                return Ok(Draft::default());
            }
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let facts = batch_facts(row).with("done", count(counts.done)).with("failed", count(counts.failed));
            (row.state, row.ended_at) = (BatchState::Finished.to_string(), Some(self.inner.now()));
            Ok(Draft { events: vec![EventDraft::new(EventKind::BatchFinished, facts)], ..Draft::default() })
        })?;
        Ok(true)
    }

    /// Gives a batch up. Lines that were left are not burned any more, and the seeds that were prescribed for them are
    /// free for another batch; unfinished burns are finished by burning the same token again.
    pub fn cancel_batch(&self, batch: BatchId, reason: Option<&str>) -> Result<(), EscrowError> {
        self.change_batch(batch, &mut |view, row| {
            let facts = batch_facts(row);
            (row.state, row.ended_at) = (BatchState::Cancelled.to_string(), Some(self.inner.now()));
            let mut events = vec![EventDraft::new(EventKind::BatchCancelled, facts).because(reason)];
            let seeds = view.seeds_left(&row.id)?;
            for some in seeds.chunks(crate::journal::MAX_TOUCHED) {
                let facts = Facts::new().with("batch", batch.to_string());
                let ids = some.iter().filter_map(|id| EntryId::from_slice(id));
                events.push(
                    EventDraft::new(EventKind::Superseded, facts)
                        .because(Some("the batch was cancelled"))
                        .touching(ids),
                );
            }
            Ok(Draft { events, ..Draft::default() })
        })
    }

    fn change_batch(
        &self,
        batch: BatchId,
        job: &mut dyn FnMut(&dyn View, &mut BatchRow) -> Result<Draft, EscrowError>,
    ) -> Result<(), EscrowError> {
        self.change(batch, &[BatchState::Running], job)
    }

    /// Lets `job` say what happens to a batch in one of these states, and numbers it.
    fn change(
        &self,
        batch: BatchId,
        states: &[BatchState],
        job: &mut dyn FnMut(&dyn View, &mut BatchRow) -> Result<Draft, EscrowError>,
    ) -> Result<(), EscrowError> {
        self.inner.steadily(|trust| {
            self.require_approval(trust)?;
            self.inner.commit(trust, self.inner.station.keys(), &mut |view| {
                let mut row = batch_row(view, batch)?;
                let state = BatchState::from_name(&row.state);
                if !state.is_some_and(|state| states.contains(&state)) {
                    return Err(EscrowError::BatchEnded { batch, state: row.state });
                }
                let before = row.revision;
                row.revision += 1;
                let mut draft = job(view, &mut row)?;
                if draft.events.is_empty() {
                    row.revision = before;
                } else {
                    draft.changed_batch = Some(row);
                }
                Ok(draft)
            })
        })
    }
}

/// The record that seals a prescribed seed: under the family of lines, until a token has it.
fn seed_record(batch: BatchId, number: i64, line: &NewLine) -> Option<Result<TokenRecord, EscrowError>> {
    let seed = line.seed.clone()?;
    let refused = |_| EscrowError::FactRefused { what: "the batch".into() };
    let identity = || {
        Ok(TokenIdentity {
            family: FamilyId::new(LINE_FAMILY).map_err(refused)?,
            serial: SerialNumber::new(&batch.to_string()).map_err(refused)?,
            slot: format!("line {number}").parse::<Slot>().map_err(refused)?,
        })
    };
    let (upn, issuer) = (line.upn.clone(), line.issuer.clone());
    let params = line.params.into();
    let record = |identity| TokenRecord { identity, params, seed, manufacturer: None, model: None, upn, issuer };
    Some(identity().map(record))
}

fn line_row(batch: BatchId, number: i64, line: &NewLine, seed: Option<Vec<u8>>) -> LineRow {
    LineRow {
        batch: batch.as_bytes().to_vec(),
        line: number,
        upn: line.upn.clone(),
        serial: line.serial.as_ref().map(ToString::to_string),
        issuer: line.issuer.clone(),
        label: line.label.clone(),
        algorithm: line.params.algorithm.to_string(),
        digits: line.params.digits.get().into(),
        time_step: line.params.step.seconds().into(),
        seed,
        state: LineState::Open.to_string(),
        error: None,
        failed_at: None,
    }
}

fn batch_row(view: &dyn View, batch: BatchId) -> Result<BatchRow, EscrowError> {
    view.batch(batch.as_bytes())?.ok_or_else(|| EscrowError::BatchUnknown { text: batch.to_string() })
}

fn line_of(view: &dyn View, batch: BatchId, line: u32) -> Result<LineRow, EscrowError> {
    let unknown = || EscrowError::BatchUnknown { text: format!("{batch}/{line}") };
    view.line(batch.as_bytes(), line.into())?.ok_or_else(unknown)
}

/// What every event of a batch says: which one, and its place among those of the batch.
fn batch_facts(row: &BatchRow) -> Facts {
    let id = BatchId::from_slice(&row.id).map_or_else(String::new, |id| id.to_string());
    Facts::new().with("batch", id).with("revision", row.revision)
}

fn number(line: i64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
