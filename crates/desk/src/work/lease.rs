//! Leases: which lines a station gets, and keeps.

use std::collections::{BTreeMap, BTreeSet};

use oathburn_escrow::{
    BatchId, BatchState, Claim, Disclosure, Entry, EntryState, Facts, Filter, Lease, Line, Purpose, RemoteHolder,
};

use super::wire::{
    Held, LeaseAnswer, LeaseRequest, LeasedLine, MAX_HELD, MAX_LINES, MAX_SERIALS, OrderState, Portion, TokenAnswer,
    TokenRequest, batch_id, seal_seed, serial,
};
use super::{Order, Worker};
use crate::{Desk, DeskError};

impl Desk {
    /// Gives a station lines, of the oldest order first, and says which of those that it holds are still its own.
    ///
    /// Lines that it holds by our account, and does not know of, were lost on the way to it: it gets them once more.
    pub fn lease(&self, worker: &Worker, request: &LeaseRequest) -> Result<LeaseAnswer, DeskError> {
        let held: usize = request.held.iter().map(|held| held.lines.len()).sum();
        if held > MAX_HELD || request.serials.len() > MAX_SERIALS {
            return Err(DeskError::Malformed);
        }
        let orders: Vec<Order> = self.orders()?.into_iter().filter(|order| order.is_for(worker)).collect();
        let running: Vec<&Order> = orders.iter().filter(|order| order.batch.state == BatchState::Running).collect();
        let mut giving = Giving {
            desk: self,
            holder: worker.holder(),
            room: request.lines.min(MAX_LINES).min(MAX_HELD.saturating_sub(held)),
            portions: BTreeMap::new(),
        };
        let mut leased: BTreeSet<(BatchId, u32)> = BTreeSet::new();
        let now = self.now();
        for lease in self.escrow.remote_leases(Some(&giving.holder))? {
            // One that has ended is anybody's, and renewed only by asking the store.
            if lease.until > now && running.iter().any(|order| order.batch.id == lease.batch) {
                leased.insert((lease.batch, lease.line));
            }
        }
        let kept = giving.keep(request, &running, &mut leased)?;
        giving.give(request, &running, &leased)?;
        let portions = giving.portions;
        let mut answer = LeaseAnswer {
            seconds: self.settings().leases.seconds,
            officers: self.officers(),
            held: kept,
            time: Some(self.now().seconds()),
            ..LeaseAnswer::default()
        };
        for order in &running {
            if let Some(leases) = portions.get(&order.batch.id) {
                answer.portions.push(self.portion(worker, order, leases)?);
            }
            let counts = self.escrow.line_counts(order.batch.id)?;
            answer.orders.push(OrderState {
                order: order.batch.id.to_string(),
                name: order.batch.name.clone(),
                lines: order.batch.lines,
                done: counts.done,
                failed: counts.failed,
                left: counts.left(),
            });
        }
        Ok(answer)
    }

    /// Whether a token has a seed that is in use.
    pub fn is_in_use(&self, request: &TokenRequest) -> Result<TokenAnswer, DeskError> {
        let (Some(serial), Ok(family)) = (serial(&request.serial), oathburn_oath::FamilyId::new(&request.family))
        else {
            return Err(DeskError::Malformed);
        };
        let identity = oathburn_oath::TokenIdentity { family, serial, slot: oathburn_oath::Slot::SINGLE };
        let entries = self.escrow.current(&identity)?;
        let in_use = |entry: &Entry| entry.state.is_live() && entry.state.is_finished() && entry.is_of_token();
        Ok(TokenAnswer { in_use: entries.iter().any(in_use) })
    }

    fn officers(&self) -> Vec<String> {
        let line = |member| oathburn_escrow::PublicLine { role: oathburn_escrow::Role::Officer, member }.to_string();
        self.escrow.roster().officers.into_iter().map(line).collect()
    }

    /// Opens the seeds of lines, which is noted, and seals each to the station.
    fn portion(&self, worker: &Worker, order: &Order, leases: &[Lease]) -> Result<Portion, DeskError> {
        let id = order.batch.id;
        let numbers: Vec<_> = leases.iter().map(|lease| lease.line.number).collect();
        self.note_lent(worker, id, &numbers)?;
        let seeds = self.seeds_of(worker, id, leases.iter().map(|lease| &lease.line))?;
        let mut lines = Vec::with_capacity(leases.len());
        for (lease, seed) in leases.iter().zip(seeds) {
            let line = &lease.line;
            lines.push(LeasedLine {
                line: line.number,
                upn: line.upn.clone(),
                serial: token_of(line).map(ToString::to_string),
                issuer: line.issuer.clone(),
                label: line.label.clone(),
                algorithm: line.params.algorithm.to_string(),
                digits: line.params.digits.get(),
                step: line.params.step.seconds(),
                sealed: seal_seed(&worker.keys, id, line.number, &seed)?,
            });
        }
        Ok(Portion {
            order: id.to_string(),
            name: order.batch.name.clone(),
            options: order.options().to_facts(),
            lines,
        })
    }

    /// The prescribed seeds of lines, in order.
    fn seeds_of<'a>(
        &self,
        worker: &Worker,
        order: BatchId,
        lines: impl Iterator<Item = &'a Line>,
    ) -> Result<Vec<oathburn_oath::Seed>, DeskError> {
        let mut entries = Vec::new();
        for line in lines {
            let id = line.seed.ok_or(DeskError::NotAnOrder { batch: order })?;
            entries.push(self.escrow.entry(&id.to_string())?);
        }
        let facts = Facts::new().with("station", worker.station.as_str()).with("batch", order.to_string());
        let disclosure = Disclosure { facts, ..Disclosure::new(Purpose::Burn) };
        let records = self.opener.acting_for(worker.operator()).open_all(&entries, &disclosure)?;
        Ok(records.into_iter().map(|record| record.seed).collect())
    }
}

/// The only token that will do: the one that the line names, or the one that was begun for it.
fn token_of(line: &Line) -> Option<&oathburn_oath::SerialNumber> {
    let begun = line.entry.as_ref().filter(|entry| entry.state.is_unfinished());
    line.serial.as_ref().or(begun.map(|entry| &entry.identity.serial))
}

/// What one request gets.
struct Giving<'a> {
    desk: &'a Desk,
    holder: RemoteHolder,
    /// How many lines more.
    room: usize,
    portions: BTreeMap<BatchId, Vec<Lease>>,
}

impl Giving<'_> {
    /// What the station keeps of what it holds; taken out of `leased`.
    fn keep(
        &self,
        request: &LeaseRequest,
        running: &[&Order],
        leased: &mut BTreeSet<(BatchId, u32)>,
    ) -> Result<Vec<Held>, DeskError> {
        let until = self.desk.lease_end();
        let mut kept = Vec::with_capacity(request.held.len());
        for held in &request.held {
            let order = batch_id(&held.order).filter(|id| running.iter().any(|order| order.batch.id == *id));
            let mut lines = Vec::new();
            for &line in held.lines.iter().filter(|_| order.is_some()) {
                let Some(id) = order else { continue };
                let ours = leased.remove(&(id, line));
                let renewed = || self.desk.escrow.lease_line(id, line, (&self.holder, false), until);
                if (ours && !request.renew) || matches!(renewed()?, Claim::Leased(_)) {
                    lines.push(line);
                }
            }
            kept.push(Held { order: held.order.clone(), lines });
        }
        Ok(kept)
    }

    /// Lines that the station does not have: those that were lost on their way, those that name its tokens, and more.
    fn give(
        &mut self,
        request: &LeaseRequest,
        running: &[&Order],
        lost: &BTreeSet<(BatchId, u32)>,
    ) -> Result<(), DeskError> {
        let until = self.desk.lease_end();
        for &(id, line) in lost.iter().take(MAX_LINES) {
            if self.room > 0 || request.lines > 0 {
                self.one(id, line)?;
            }
        }
        for serial in request.serials.iter().filter_map(|text| serial(text)) {
            for order in running {
                if let Some(&line) = order.named.get(serial.as_str()) {
                    self.one(order.batch.id, line)?;
                }
            }
            // Begun somewhere, and not finished: it goes on with its own line.
            let states = vec![EntryState::Reserved, EntryState::Unknown];
            let begun = Filter { serial: Some(serial), states, ..Filter::default() };
            for entry in self.desk.escrow.entries(&begun)? {
                let ours = entry.batch.filter(|id| running.iter().any(|order| order.batch.id == *id));
                if let (Some(order), Some(line)) = (ours, entry.line) {
                    self.one(order, line)?;
                }
            }
        }
        for order in running {
            if self.room == 0 {
                break;
            }
            let leases = self.desk.escrow.lease_lines(order.batch.id, &self.holder, (self.room, false), until)?;
            self.room -= leases.len().min(self.room);
            self.take(order.batch.id, leases);
        }
        Ok(())
    }

    fn one(&mut self, order: BatchId, line: u32) -> Result<(), DeskError> {
        let until = self.desk.lease_end();
        if let Claim::Leased(lease) = self.desk.escrow.lease_line(order, line, (&self.holder, false), until)? {
            self.room = self.room.saturating_sub(1);
            self.take(order, vec![*lease]);
        }
        Ok(())
    }

    fn take(&mut self, order: BatchId, leases: Vec<Lease>) {
        if !leases.is_empty() {
            self.portions.entry(order).or_default().extend(leases);
        }
    }
}
