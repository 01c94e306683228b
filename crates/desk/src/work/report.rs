//! Reports: what became of leased lines, written into the escrow in the name of the station that says so.
//!
//! A report is told until it is acknowledged, so each is noted under the station's name for the attempt: told again, it is
//! answered as before, and one that a desk began to note and did not finish is finished by the next.

use oathburn_escrow::{
    BatchId, Claim, Disclosure, EntryId, EntryState, Escrow, EscrowError, Facts, Line, LineState, Programmed, Purpose,
};
use oathburn_oath::{FamilyId, Remedy as _, Slot, TokenIdentity, TokenRecord};
use serde::{Deserialize, Serialize};

use super::conflict::{Conflict, ConflictKind};
use super::wire::{
    MAX_ERROR, MAX_REPORTS, Outcome, Report, ReportAnswer, ReportRequest, ReportState, ReportedToken, Taken, batch_id,
    serial,
};
use super::{Order, Worker};
use crate::table::{Next, Stored, Write, again};
use crate::{Desk, DeskError};

/// After so many seconds nobody is noting a report any more that was begun to be noted.
const STALE: u64 = 60;

/// A line that was given to a station.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lent {
    station: String,
    order: String,
    line: u32,
}

impl Stored for Lent {
    const KIND: &'static str = "lent-line";
}

/// A report as it is noted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    order: String,
    line: u32,
    station: String,
    state: ReportState,
    token: Option<ReportedToken>,
    /// When somebody began to note it.
    begun_at: u64,
    /// The entry that was made for it.
    entry: Option<String>,
    /// What was answered.
    outcome: Option<(Outcome, Option<String>)>,
}

impl Stored for Told {
    const KIND: &'static str = "line-report";

    fn lookup(&self) -> Option<String> {
        Some(format!("{}/{}", self.order, self.line))
    }
}

/// When a token was burned, by its station's clock: reports do not come in that order.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LastBurn {
    entry: String,
    burned_at: u64,
}

impl Stored for LastBurn {
    const KIND: &'static str = "last-burn";
}

/// What was done with a report.
type Answer = (Outcome, Option<String>);

fn noted() -> Answer {
    (Outcome::Noted, None)
}

fn refused(why: &str) -> Answer {
    (Outcome::Refused, Some(why.into()))
}

/// What a report is about, after it was read.
struct About<'a> {
    id: [u8; 32],
    worker: &'a Worker,
    report: &'a Report,
    order: Order,
    line: Line,
    /// The token, and when it was burned.
    token: Option<(TokenIdentity, &'a ReportedToken)>,
    /// The entry that was made for it before.
    entry: Option<EntryId>,
    /// What is done, is done in the name of the station's account.
    escrow: Escrow,
}

/// How a report begins to be noted.
enum Begun {
    Answered(Answer),
    Go(Option<String>),
}

impl Desk {
    /// Notes what a station reports. What is not noted now is to be told again.
    pub fn report(&self, worker: &Worker, request: &ReportRequest) -> Result<ReportAnswer, DeskError> {
        if request.reports.len() > MAX_REPORTS {
            return Err(DeskError::Malformed);
        }
        let taken = request.reports.iter().map(|report| {
            let (outcome, why) = self.take(worker, report).unwrap_or_else(|error| {
                tracing::warn!(code = error.code(), %error, station = worker.station, "a report was not noted");
                (Outcome::Later, Some(error.code().to_owned()))
            });
            Taken { attempt: report.attempt.clone(), state: report.state, outcome, why }
        });
        Ok(ReportAnswer { taken: taken.collect() })
    }

    /// Remembers which lines a station was given: it may report these, and no others.
    pub(super) fn note_lent(&self, worker: &Worker, order: BatchId, lines: &[u32]) -> Result<(), DeskError> {
        again(|| {
            let mut writes = Vec::new();
            for &line in lines {
                let id = self.lent_id(worker, order, line);
                if self.get::<Lent>(&id)?.is_none() {
                    let lent = Lent { station: worker.station.clone(), order: order.to_string(), line };
                    writes.push(Write::new(&id, &lent)?);
                }
            }
            if writes.is_empty() { Ok(()) } else { self.write(&writes) }
        })
    }

    fn lent_id(&self, worker: &Worker, order: BatchId, line: u32) -> [u8; 32] {
        self.id_of::<Lent>(&format!("{order}/{line}/{}", worker.station))
    }

    fn take(&self, worker: &Worker, report: &Report) -> Result<Answer, DeskError> {
        let plain = report.attempt.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte));
        if !plain || report.attempt.is_empty() || report.attempt.len() > 64 {
            return Ok(refused("the attempt has no name"));
        }
        let Some(order) = batch_id(&report.order) else { return Ok(refused("there is no such order")) };
        // Whether there is such an order is not said to those who were given nothing of it.
        if self.get::<Lent>(&self.lent_id(worker, order, report.line))?.is_none() {
            return Ok(refused("this station was not given this line"));
        }
        let token = match (&report.token, report.state) {
            (Some(token), _) => match identity(token) {
                Some(identity) => Some((identity, token)),
                None => return Ok(refused("the token is none")),
            },
            (None, ReportState::Failed | ReportState::Returned) => None,
            (None, _) => return Ok(refused("there is no token in the report")),
        };
        let id = self.id_of::<Told>(&format!("{}/{}", worker.station, report.attempt));
        let entry = match self.begin(&id, worker, report)? {
            Begun::Answered(answer) => return Ok(answer),
            Begun::Go(entry) => entry.and_then(|entry| entry.parse().ok()),
        };
        let result = self.note(&id, worker, report, (order, token, entry));
        let outcome = result.as_ref().ok().cloned();
        // Whoever tells it again finds the answer; after a failure somebody may begin at once.
        self.update(&id, |told: Option<&Told>| {
            let Some(told) = told else { return Ok((Next::Keep, ())) };
            Ok((Next::Put(Told { begun_at: 0, outcome: outcome.clone(), ..told.clone() }), ()))
        })?;
        result
    }

    fn begin(&self, id: &[u8; 32], worker: &Worker, report: &Report) -> Result<Begun, DeskError> {
        let now = self.now().seconds();
        self.update(id, |told: Option<&Told>| {
            let keep = |answer| Ok((Next::Keep, Begun::Answered(answer)));
            let entry = match told {
                None => None,
                Some(told) if (&told.order, told.line) != (&report.order, report.line) => {
                    return keep(refused("this attempt was at another line"));
                }
                Some(told) => match &told.outcome {
                    Some(answer) if told.state == report.state || told.state > ReportState::Unknown => {
                        return keep(answer.clone());
                    }
                    None if told.begun_at <= now && now < told.begun_at + STALE => {
                        return keep((Outcome::Later, Some("it is being noted".into())));
                    }
                    _ => told.entry.clone(),
                },
            };
            let begun = Told {
                order: report.order.clone(),
                line: report.line,
                station: worker.station.clone(),
                state: report.state,
                token: report.token.clone(),
                begun_at: now,
                entry: entry.clone(),
                outcome: None,
            };
            Ok((Next::Put(begun), Begun::Go(entry)))
        })
    }

    /// Which station told what became of a line: of the entry that counts, or that it failed.
    pub(super) fn who_told(&self, order: BatchId, line: &Line) -> Result<Option<String>, DeskError> {
        let entry = line.entry.as_ref().map(|entry| entry.id.to_string());
        let is_it = |told: &Told| match line.state {
            LineState::Failed => told.state == ReportState::Failed,
            _ => told.entry.is_some() && told.entry == entry,
        };
        let told = self.find::<Told>(&format!("{order}/{}", line.number))?;
        Ok(told.into_iter().map(|kept| kept.value).find(is_it).map(|told| told.station))
    }

    /// Begins to note a report, and leaves it at that.
    #[cfg(test)]
    pub(super) fn begin_for_test(&self, worker: &Worker, report: &Report) {
        let id = self.id_of::<Told>(&format!("{}/{}", worker.station, report.attempt));
        assert!(matches!(self.begin(&id, worker, report), Ok(Begun::Go(None))));
    }

    fn note(
        &self,
        id: &[u8; 32],
        worker: &Worker,
        report: &Report,
        (order, token, entry): (BatchId, Option<(TokenIdentity, &ReportedToken)>, Option<EntryId>),
    ) -> Result<Answer, DeskError> {
        let order = self.order(order)?;
        let Some(line) = self.escrow.line(order.batch.id, report.line)? else {
            return Ok(refused("the order has no such line"));
        };
        let escrow = self.escrow.acting_for(worker.operator());
        let about = About { id: *id, worker, report, order, line, token, entry, escrow };
        match report.state {
            ReportState::Returned => {
                about.release()?;
                Ok(noted())
            }
            ReportState::Failed => about.fail(),
            ReportState::Dropped => self.drop_attempt(&about),
            ReportState::Unknown => self.unknown(&about),
            ReportState::Done => self.done(&about),
        }
    }

    /// The entry of an attempt is of no use any more.
    fn drop_attempt(&self, about: &About<'_>) -> Result<Answer, DeskError> {
        if let Some(entry) = about.entry {
            let state = self.escrow.entry(&entry.to_string())?.state;
            if state.is_unfinished() {
                about.escrow.supersede(entry, Some("the token was burned otherwise since"))?;
            }
        }
        Ok(noted())
    }

    fn unknown(&self, about: &About<'_>) -> Result<Answer, DeskError> {
        let (entry, beside) = self.entry(about)?;
        if self.escrow.entry(&entry.to_string())?.state == EntryState::Reserved {
            about.escrow.mark_unknown(entry, about.facts())?;
        }
        match beside {
            Some(kind) => self.conflict(about, kind, entry, None),
            None => Ok(noted()),
        }
    }

    fn done(&self, about: &About<'_>) -> Result<Answer, DeskError> {
        let Some((identity, token)) = &about.token else { return Ok(refused("there is no token in the report")) };
        let (entry, beside) = self.entry(about)?;
        if let Some(kind) = beside {
            if self.escrow.entry(&entry.to_string())?.state == EntryState::Reserved {
                about.escrow.mark_unknown(entry, about.facts().with("conflict", 1))?;
            }
            about.release()?;
            return self.conflict(about, kind, entry, None);
        }
        let last = self.id_of::<LastBurn>(&format!("{}/{}/{}", identity.family, identity.serial, identity.slot));
        let on_it = self.escrow.current(identity)?;
        let other = on_it.into_iter().find(|other| other.id != entry && other.state.is_finished());
        if let Some(other) = &other {
            let known = self.get::<LastBurn>(&last)?.map(|kept| kept.value);
            let known = known.filter(|known| known.entry == other.id.to_string()).map(|known| known.burned_at);
            let burned_at = known.or(other.programmed_at.map(oathburn_oath::UnixTime::seconds)).unwrap_or(0);
            if burned_at > token.burned_at {
                about.escrow.supersede(entry, Some("the token was burned for another line since"))?;
                about.release()?;
                return self.conflict(about, ConflictKind::BurnedOver, entry, Some(other.id));
            }
        }
        if self.escrow.entry(&entry.to_string())?.state != EntryState::Programmed {
            let programmed =
                Programmed { model: token.model.clone(), drift_seconds: token.drift_seconds, facts: about.facts() };
            about.escrow.mark_programmed(entry, &programmed)?;
        }
        let burn = LastBurn { entry: entry.to_string(), burned_at: token.burned_at };
        self.update(&last, |_: Option<&LastBurn>| Ok((Next::Put(burn.clone()), ())))?;
        about.release()?;
        about.escrow.finish_batch(about.order.batch.id)?;
        let own = (Some(about.order.batch.id), Some(about.line.number));
        match other.filter(|other| (other.batch, other.line) != own && !about.order.options().replace) {
            Some(other) => self.conflict(about, ConflictKind::TookAnothers, entry, Some(other.id)),
            None => Ok(noted()),
        }
    }

    /// The entry of a report: the one that was made before, or a new one, for its line, or, where that cannot be, beside it.
    fn entry(&self, about: &About<'_>) -> Result<(EntryId, Option<ConflictKind>), DeskError> {
        let Some((identity, token)) = &about.token else { return Err(DeskError::Malformed) };
        if let Some(entry) = about.entry {
            let known = self.get::<Conflict>(&about.id)?.map(|kept| kept.value.kind);
            let of_line = self.escrow.entry(&entry.to_string())?.batch.is_some();
            return Ok((entry, known.or((!of_line).then_some(ConflictKind::SecondToken))));
        }
        let (batch, number) = (about.order.batch.id, about.line.number);
        let made = self.escrow.find(identity)?.into_iter().find(|entry| {
            (entry.batch, entry.line) == (Some(batch), Some(number)) && entry.state == EntryState::Reserved
        });
        if let Some(made) = made {
            self.remember(about, made.id)?;
            return Ok((made.id, None));
        }
        let id = about.line.seed.ok_or(DeskError::NotAnOrder { batch })?;
        let sealed = self.escrow.entry(&id.to_string())?;
        let disclosure = Disclosure { facts: about.facts(), ..Disclosure::new(Purpose::Burn) };
        let seed = self.opener.acting_for(about.worker.operator()).open(&sealed, &disclosure)?.seed;
        let record = TokenRecord {
            identity: identity.clone(),
            params: about.line.params.into(),
            seed,
            manufacturer: token.manufacturer.clone(),
            model: token.model.clone(),
            upn: about.line.upn.clone(),
            issuer: about.line.issuer.clone(),
        };
        let holder = about.worker.holder();
        // A token that is burned is stronger than a lease; one that is not sure leaves the line to whom it was given.
        let take_over = about.report.state == ReportState::Done;
        let beside = match self.escrow.lease_line(batch, number, (&holder, take_over), self.lease_end())? {
            Claim::Leased(lease) => match about.escrow.reserve_burned(Some(&lease), &record, about.facts()) {
                Ok(entry) => {
                    self.remember(about, entry)?;
                    return Ok((entry, None));
                }
                Err(EscrowError::BatchEnded { .. }) => ConflictKind::AfterCancel,
                Err(error) => return Err(error.into()),
            },
            Claim::Ended { state: LineState::Done, .. } => ConflictKind::SecondToken,
            Claim::Ended { .. } => ConflictKind::AfterFailure,
            Claim::Busy { .. } if !take_over => ConflictKind::Broken,
            // A process at the desk itself is at it: it ends soon.
            Claim::Busy { .. } | Claim::Nothing => return Err(DeskError::OrderLineBusy { batch, line: number }),
        };
        let entry = about.escrow.reserve_burned(None, &record, about.facts().with("conflict", 1))?;
        self.remember(about, entry)?;
        Ok((entry, Some(beside)))
    }

    fn remember(&self, about: &About<'_>, entry: EntryId) -> Result<(), DeskError> {
        self.update(&about.id, |told: Option<&Told>| {
            let Some(told) = told else { return Ok((Next::Keep, ())) };
            Ok((Next::Put(Told { entry: Some(entry.to_string()), ..told.clone() }), ()))
        })
    }

    fn conflict(
        &self,
        about: &About<'_>,
        kind: ConflictKind,
        entry: EntryId,
        other: Option<EntryId>,
    ) -> Result<Answer, DeskError> {
        let conflict = Conflict {
            order: about.order.batch.id.to_string(),
            line: about.line.number,
            upn: about.line.upn.clone(),
            kind,
            station: about.worker.station.clone(),
            serial: about.token.as_ref().map_or_else(String::new, |(identity, _)| identity.serial.to_string()),
            entry: entry.to_string(),
            other: other.map(|other| other.to_string()),
            burned: about.report.state == ReportState::Done,
            at: self.now().seconds(),
            settled: None,
        };
        self.note_conflict(&about.id, &conflict)?;
        Ok((Outcome::Conflict, Some(kind.describe().into())))
    }
}

impl About<'_> {
    /// What events say beside the line.
    fn facts(&self) -> Facts {
        let burned_at = self.token.as_ref().and_then(|(_, token)| i64::try_from(token.burned_at).ok());
        Facts::new()
            .with("station", self.worker.station.as_str())
            .with("attempt", self.report.attempt.as_str())
            .with_some("burned_at", burned_at)
    }

    fn release(&self) -> Result<(), DeskError> {
        let line = (Some(self.order.batch.id), Some(self.line.number));
        self.escrow.release_remote(&self.worker.holder(), line)?;
        Ok(())
    }

    fn fail(&self) -> Result<Answer, DeskError> {
        let (batch, number) = (self.order.batch.id, self.line.number);
        let others = |lease: &oathburn_escrow::RemoteLease| {
            lease.batch == batch && lease.line == number && lease.station != self.worker.station
        };
        if !self.line.state.is_left() || self.escrow.remote_leases(None)?.iter().any(others) {
            return Ok((Outcome::Noted, Some("the line went on without this station".into())));
        }
        let why: String =
            self.report.error.as_deref().unwrap_or("no reason was given").chars().take(MAX_ERROR).collect();
        match self.escrow.fail_line(batch, number, &format!("{why} (station {})", self.worker.station)) {
            Ok(()) | Err(EscrowError::BatchEnded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.release()?;
        match self.escrow.finish_batch(batch) {
            Ok(_) | Err(EscrowError::BatchEnded { .. }) => Ok(noted()),
            Err(error) => Err(error.into()),
        }
    }
}

fn identity(token: &ReportedToken) -> Option<TokenIdentity> {
    let text = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= 100);
    let fits = text(&token.model) && text(&token.manufacturer) && token.burned_at < 1 << 53;
    let family = FamilyId::new(&token.family).ok()?;
    let identity = TokenIdentity { family, serial: serial(&token.serial)?, slot: token.slot.parse::<Slot>().ok()? };
    // What is no token's has families of its own.
    let kept = ["access-key", "desk-key", "desk-login", oathburn_escrow::LINE_FAMILY];
    (fits && !kept.contains(&identity.family.as_str())).then_some(identity)
}
