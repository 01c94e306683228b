//! One token on a reader: whose line it gets, and what becomes of it.

use std::cell::RefCell;
use std::collections::HashSet;

use oathburn_escrow::{
    BatchId, Claim, Disclosure, Entry, EntryId, EntryState, EscrowError, Facts, Lease, LineState, Purpose,
};
use oathburn_oath::{Drift, Remedy, SerialNumber, Slot, TokenIdentity, Window};
use oathburn_token::{Permits, Slots, TokenError, Transport, TransportError};

use super::run::{BatchEnd, Shared, lock};
use super::{BatchEvent, BatchOptions, DoneLine, OpenBatch};
use crate::{BurnOrder, Burned, Event, Identified, SeedSource, StationError};

/// How often a token may fail after something was written to it, or be refused by itself, before its line is given up.
const ATTEMPTS: u32 = 4;
/// How often a code may be typed.
const TRIES: u32 = 3;
/// How many steps a displayed code may be off.
const WINDOW: u32 = 20;

/// What comes after a conversation.
pub(super) enum Next {
    /// The token has to be taken off.
    TakeOff,
    /// Its code is to be compared.
    Compare(Box<Done>),
}

/// A line whose token was programmed.
pub(super) struct Done {
    lease: Lease,
    burned: Burned,
}

/// Where a token may be burned.
struct Fit {
    /// The line of its unfinished burn, in the first of the batches.
    own: Option<u32>,
    /// Batches whose lines it may get, in order.
    batches: Vec<OpenBatch>,
}

/// What a broken burn means for its line.
enum Verdict {
    /// The line can never be burned like this: the next one may.
    LineFails,
    /// The token is not tried again.
    TokenFails,
    /// The token can be laid on again.
    Again,
    /// The token gets no line.
    Refuse,
    /// Nothing can be burned any more.
    Stop,
}

impl Shared<'_> {
    pub(super) fn token(&self, reader: usize, transport: &mut dyn Transport) -> Next {
        let station = &self.run.station;
        let token = match Identified::read(transport, station.models, station.clock) {
            Ok(token) => token,
            Err(error @ StationError::Foreign { .. }) => return self.refuse(reader, None, &error),
            Err(error) => {
                self.observer.event(reader, &BatchEvent::Broken { serial: None, batch: None, line: None, why: &error });
                return Next::TakeOff;
            }
        };
        self.observer.event(reader, &BatchEvent::Identified(&token));
        let serial = token.info.serial.clone();
        let (mut skip, mut asked) = (HashSet::new(), false);
        let mut fit = match self.examine(&token) {
            Ok(fit) => fit,
            Err(error) => return self.turn_away(reader, &serial, error),
        };
        loop {
            let claimed = self.claim(&serial, &fit, &skip);
            if matches!(claimed, Err(StationError::NoLine { .. })) && !asked && self.run.supply.wanted(&serial) {
                asked = true;
                fit = match self.examine(&token) {
                    Ok(fit) => fit,
                    Err(error) => return self.turn_away(reader, &serial, error),
                };
                continue;
            }
            let (lease, options) = match claimed {
                Ok(leased) => leased,
                Err(error) if is_fatal(&error) => {
                    self.stop(reader, error);
                    return Next::TakeOff;
                }
                Err(StationError::NoLine { .. }) if self.run.supply.is_unanswered(&serial) => {
                    let error = StationError::NoLineAtHand { serial: serial.clone() };
                    return self.refuse(reader, Some(&serial), &error);
                }
                Err(error) => {
                    self.look();
                    if self.is_over() {
                        return Next::TakeOff;
                    }
                    return self.refuse(reader, Some(&serial), &error);
                }
            };
            let upn = lease.line.upn.clone();
            let (batch, line) = (lease.batch, lease.line.number);
            self.observer.event(reader, &BatchEvent::Leased { batch, line, upn: upn.as_deref() });
            let fresh = RefCell::new(None);
            let burned = self.burn(reader, transport, token.clone(), (&lease, &options), &fresh);
            // A lease that cannot be given back is one of this process, and dies with it.
            let _ = station.escrow.release(&lease);
            match burned {
                Ok(burned) => return self.done(reader, lease, burned, &options),
                Err(error) => match self.settle(reader, &serial, &lease, error, fresh.into_inner()) {
                    Verdict::LineFails if lease.line.serial.is_none() && fit.own.is_none() => {
                        skip.insert((batch, line));
                    }
                    _ => return Next::TakeOff,
                },
            }
        }
    }

    /// A token that may not be burned, or that nobody can look up.
    fn turn_away(&self, reader: usize, serial: &SerialNumber, why: StationError) -> Next {
        if is_fatal(&why) {
            self.stop(reader, why);
            return Next::TakeOff;
        }
        self.refuse(reader, Some(serial), &why)
    }

    fn refuse(&self, reader: usize, serial: Option<&SerialNumber>, why: &StationError) -> Next {
        self.observer.event(reader, &BatchEvent::Refused { serial, why });
        Next::TakeOff
    }

    /// Whether the token may be burned at all, and where.
    fn examine(&self, token: &Identified) -> Result<Fit, StationError> {
        let supply = self.run.supply;
        let serial = &token.info.serial;
        let mut batches = supply.batches();
        if !batches.is_empty() {
            batches.retain(|batch| batch.options.families().any(|family| family.id() == token.info.family));
            if batches.is_empty() {
                let (serial, family) = (serial.clone(), token.info.family.clone());
                return Err(StationError::OtherFamily { serial, family });
            }
        }
        match &token.model {
            Some(model) if !model.programmable => {
                let error = TokenError::NotProgrammable { model: model.name.clone(), serial: serial.clone() };
                return Err(error.into());
            }
            None if !batches.is_empty() => {
                batches.retain(|batch| batch.options.unlisted_model);
                if batches.is_empty() {
                    return Err(TokenError::UnlistedModel { serial: serial.clone() }.into());
                }
            }
            _ => {}
        }
        let station = &self.run.station;
        let single = token.driver().capabilities().slots == Slots::Single;
        let entries = if single {
            let (family, slot) = (token.info.family.clone(), Slot::SINGLE);
            station.escrow.current(&TokenIdentity { family, serial: serial.clone(), slot })?
        } else {
            // A batch puts one seed into a token, whatever else is in its slots.
            station.live_on_token(&token.info)?
        };
        let in_force = || entries.iter().filter(|entry| entry.state.is_live());
        let ours = |entry: &&Entry| entry.batch.is_some_and(|batch| supply.knows(batch));
        let unfinished = in_force().find(|entry| entry.state.is_unfinished());
        if let Some(done) = in_force().filter(ours).find(|entry| entry.state.is_finished())
            && let (Some(line), None) = (done.line, unfinished)
        {
            return Err(StationError::DoneInBatch { serial: serial.clone(), line });
        }
        if lock(&self.aside).contains(serial) {
            return Err(StationError::SetAside { serial: serial.clone() });
        }
        if let Some(entry) = unfinished {
            if let (Some(batch), Some(line)) = (entry.batch, entry.line) {
                if let Some(own) = batches.iter().find(|open| open.id == batch) {
                    return Ok(Fit { own: Some(line), batches: vec![own.clone()] });
                }
                if self.is_running(batch) {
                    return Err(StationError::OtherBatch { serial: serial.clone(), batch, line });
                }
            }
            return Ok(Fit { own: None, batches });
        }
        // Which slot a seed goes into, and whether it is free, is seen when it is burned.
        let finished = in_force().find(|entry| single && entry.state.is_finished());
        if let (Some(entry), false) = (finished, batches.is_empty()) {
            batches.retain(|batch| batch.options.replace);
            if batches.is_empty() {
                return Err(StationError::Live { serial: serial.clone(), entry: entry.id });
            }
        }
        // Another station may have burned it, for somebody who waits for it now.
        if single
            && entries.is_empty()
            && batches.iter().any(|batch| !batch.options.replace)
            && supply.is_in_use(&token.info)
        {
            batches.retain(|batch| batch.options.replace);
            if batches.is_empty() {
                return Err(StationError::InUseElsewhere { serial: serial.clone() });
            }
        }
        Ok(Fit { own: None, batches })
    }

    fn is_running(&self, batch: BatchId) -> bool {
        let state = self.run.station.escrow.batch_state(batch);
        // A batch that cannot be looked up may be running.
        state.is_ok_and(|state| state == oathburn_escrow::BatchState::Running)
    }

    /// A line for a token, of the first batch that has one.
    fn claim(
        &self,
        serial: &SerialNumber,
        fit: &Fit,
        skip: &HashSet<(BatchId, u32)>,
    ) -> Result<(Lease, BatchOptions), StationError> {
        let mut refusal = None;
        for batch in &fit.batches {
            let of_batch = skip.iter().filter(|(id, _)| *id == batch.id).map(|(_, line)| *line).collect();
            let serial = serial.clone();
            refusal = refusal.or(match self.run.station.escrow.claim(batch.id, &serial, fit.own, &of_batch)? {
                Claim::Leased(lease) => return Ok((*lease, batch.options.clone())),
                Claim::Busy { line } => Some(StationError::LineBusy { serial, line }),
                Claim::Ended { line, state: LineState::Done } => Some(StationError::DoneInBatch { serial, line }),
                Claim::Ended { line, state } => Some(StationError::LineEnded { serial, line, state }),
                Claim::Nothing => None,
            });
        }
        Err(refusal.unwrap_or_else(|| StationError::NoLine { serial: serial.clone() }))
    }

    fn burn(
        &self,
        reader: usize,
        transport: &mut dyn Transport,
        token: Identified,
        (lease, options): (&Lease, &BatchOptions),
        fresh: &RefCell<Option<EntryId>>,
    ) -> Result<Burned, StationError> {
        let (run, line) = (self.run, &lease.line);
        let order = BurnOrder {
            display_timeout: options.display_timeout,
            serial: Some(token.info.serial.clone()),
            upn: line.upn.clone(),
            issuer: line.issuer.clone(),
            permits: Permits {
                overwrite_seed: options.replace,
                unlisted_model: options.unlisted_model,
                ..Permits::default()
            },
            ..BurnOrder::new(self.seed(lease, options)?, line.params)
        };
        run.station.burn_line(transport, token, &order, lease, &|event| {
            if let Event::Reserved { entry } = event {
                fresh.replace(Some(*entry));
            }
            self.observer.event(reader, &BatchEvent::Step(event));
        })
    }

    /// The prescribed seed, at hand or from the escrow; else a new one.
    fn seed(&self, lease: &Lease, options: &BatchOptions) -> Result<SeedSource, StationError> {
        let (run, line) = (self.run, &lease.line);
        if let Some(seed) = run.supply.seed(lease.batch, line.number) {
            return Ok(SeedSource::Given(seed));
        }
        if run.supply.prescribes_all() {
            // It was taken back since the line was claimed.
            return Err(EscrowError::LineTaken { batch: lease.batch, line: line.number }.into());
        }
        if let Some(id) = line.seed {
            let officer = run.station.officer.ok_or(StationError::OfficerNeeded)?;
            let entry = run.station.escrow.entry(&id.to_string())?;
            let record = officer.opener()?.open(&entry, &Disclosure::new(Purpose::Burn))?;
            return Ok(SeedSource::Given(record.seed));
        }
        let len = options.seed_len_for(line.params.algorithm);
        Ok(SeedSource::Generate { len })
    }

    fn done(&self, reader: usize, lease: Lease, burned: Burned, options: &BatchOptions) -> Next {
        lock(&self.attempts).remove(&burned.info.serial);
        let done = Done { lease, burned };
        // A token that computed the right codes has proved itself, and has no display.
        if options.verify && !done.burned.proved {
            return Next::Compare(Box::new(done));
        }
        self.tell_done(reader, &done);
        Next::TakeOff
    }

    fn tell_done(&self, reader: usize, done: &Done) {
        let (line, burned) = (&done.lease.line, &done.burned);
        let [of_batch, counts] = self.count(done.lease.batch, line, LineState::Done);
        let told = DoneLine {
            batch: done.lease.batch,
            line: line.number,
            upn: line.upn.as_deref(),
            issuer: line.issuer.as_deref(),
            label: line.label.as_deref(),
            serial: &burned.info.serial,
            model: burned.model.as_ref().map(|model| model.name.as_str()),
            entry: burned.entry,
            drift_seconds: burned.drift.map(Drift::seconds),
            counts,
            at_hand: None,
        };
        self.observer.event(reader, &BatchEvent::Done(&told));
        self.run.supply.changed(done.lease.batch);
        if of_batch.left() == 0 {
            self.look();
        }
    }

    /// Asks for the code on the display, a few times.
    pub(super) fn compare(&self, reader: usize, done: &Done) {
        let (station, burned) = (&self.run.station, &done.burned);
        let serial = &burned.info.serial;
        let entry = match station.escrow.entry(&burned.entry.to_string()) {
            Ok(entry) => entry,
            Err(error) => return self.stop(reader, error.into()),
        };
        for try_number in 1..=TRIES {
            let Some(code) = self.observer.ask_code(reader, serial, try_number) else {
                self.observer.event(reader, &BatchEvent::Compared { drift_steps: None });
                return self.tell_done(reader, done);
            };
            let now = station.clock.now();
            match station.compare(&entry, &burned.totp, code.trim(), now, Window::around(WINDOW)) {
                Ok(found) if found.drift_steps.is_some() => {
                    self.observer.event(reader, &BatchEvent::Compared { drift_steps: found.drift_steps });
                    return self.tell_done(reader, done);
                }
                Ok(_) => {}
                Err(error) => return self.stop(reader, error),
            }
        }
        let error = StationError::CodeDiffers { serial: serial.clone(), entry: entry.id };
        let noted = station.escrow.mark_unknown(entry.id, Facts::new().with("error", error.code()));
        match noted {
            Ok(()) => self.fail_line(reader, serial, &done.lease, &error),
            Err(error) => self.stop(reader, error.into()),
        }
    }

    fn fail_line(&self, reader: usize, serial: &SerialNumber, lease: &Lease, why: &dyn Remedy) {
        let line = &lease.line;
        let escrow = self.run.station.escrow;
        let batch = lease.batch;
        match escrow.fail_line(batch, line.number, &format!("{}: {why}", why.code())) {
            Ok(()) => {
                let [of_batch, _] = self.count(batch, line, LineState::Failed);
                let (number, upn) = (line.number, line.upn.as_deref());
                self.observer.event(reader, &BatchEvent::LineFailed { batch, line: number, upn, serial, why });
                self.run.supply.changed(batch);
                if of_batch.left() == 0 {
                    self.look();
                }
            }
            Err(EscrowError::BatchEnded { .. }) => self.look(),
            Err(error) => self.stop(reader, error.into()),
        }
    }

    /// Says what becomes of a line whose burn broke, and of the token.
    fn settle(
        &self,
        reader: usize,
        serial: &SerialNumber,
        lease: &Lease,
        error: StationError,
        fresh: Option<EntryId>,
    ) -> Verdict {
        let verdict = verdict(&error);
        if let Verdict::Stop = verdict {
            match &error {
                StationError::Escrow(EscrowError::BatchEnded { .. }) => {
                    self.look();
                    if !self.run.supply.may_grow() {
                        self.end(BatchEnd::Cancelled);
                    }
                }
                _ => self.stop(reader, error),
            }
            return verdict;
        }
        let written = after_write(&error);
        if let (Some(entry), false) = (fresh, written) {
            // Nothing was written: the line is free for any token. If this cannot be noted, it waits for this one.
            let _ = self.run.station.escrow.supersede(entry, Some("nothing was written to the token"));
        }
        let mut counts = 1;
        if written || !(is_wire(&error) || is_away(&error)) {
            let mut attempts = lock(&self.attempts);
            let failed = attempts.entry(serial.clone()).or_default();
            *failed += 1;
            counts = *failed;
        }
        let gives_up = matches!(verdict, Verdict::TokenFails) || counts >= ATTEMPTS;
        let bound = lease.line.serial.is_some() || written || waits(serial, lease);
        match verdict {
            Verdict::LineFails => self.fail_line(reader, serial, lease, &error),
            Verdict::Refuse => self.observer.event(reader, &BatchEvent::Refused { serial: Some(serial), why: &error }),
            _ if gives_up => {
                lock(&self.aside).insert(serial.clone());
                if bound {
                    self.fail_line(reader, serial, lease, &error);
                } else {
                    self.observer.event(reader, &BatchEvent::Refused { serial: Some(serial), why: &error });
                }
            }
            _ => {
                let (batch, line) = (Some(lease.batch), Some(lease.line.number).filter(|_| bound));
                self.observer.event(reader, &BatchEvent::Broken { serial: Some(serial), batch, line, why: &error });
            }
        }
        self.run.supply.changed(lease.batch);
        verdict
    }
}

/// Whether the line waits for this token, for a burn that was begun before.
fn waits(serial: &SerialNumber, lease: &Lease) -> bool {
    let begun = lease.line.entry.as_ref().filter(|entry| entry.state.is_unfinished());
    begun.is_some_and(|entry| entry.identity.serial == *serial && entry.state != EntryState::Superseded)
}

fn token_error(error: &StationError) -> Option<&TokenError> {
    match error {
        StationError::Token(source) | StationError::Burn { source, .. } => Some(source),
        _ => None,
    }
}

fn after_write(error: &StationError) -> bool {
    token_error(error).is_some_and(TokenError::after_write)
}

fn is_wire(error: &StationError) -> bool {
    matches!(token_error(error).map(TokenError::cause), Some(TokenError::Wire { .. }))
}

/// Whether the store cannot be reached: a server that comes back is waited for.
fn is_away(error: &StationError) -> bool {
    let away = |error: &EscrowError| {
        matches!(error, EscrowError::StoreUnavailable { .. } | EscrowError::StoreUncertain { .. })
    };
    matches!(error, StationError::Escrow(error) if away(error))
}

/// Whether nothing can be burned any more.
fn is_fatal(error: &StationError) -> bool {
    matches!(verdict(error), Verdict::Stop)
}

fn verdict(error: &StationError) -> Verdict {
    match error {
        StationError::Token(source) | StationError::Burn { source, .. } => token_verdict(source.cause()),
        // Another process was faster, or holds the store: nothing was written.
        StationError::Escrow(EscrowError::LineTaken { .. } | EscrowError::StoreBusy { .. }) => Verdict::Again,
        // Nothing was written to the token. What the store has of it is there when the token comes again.
        error if is_away(error) => Verdict::Again,
        StationError::DuplicateSeed { .. } => Verdict::LineFails,
        StationError::NotMarkedUnknown { .. }
        | StationError::NotMarkedProgrammed { .. }
        | StationError::Escrow(_)
        | StationError::Seed(_)
        | StationError::OfficerNeeded => Verdict::Stop,
        _ => Verdict::Refuse,
    }
}

fn token_verdict(error: &TokenError) -> Verdict {
    match error {
        TokenError::Wire { source: TransportError::TooLong { .. }, .. }
        | TokenError::Algorithm { .. }
        | TokenError::Digits { .. }
        | TokenError::TimeStep { .. }
        | TokenError::NoSuchSlot { .. }
        | TokenError::SlotName { .. }
        | TokenError::SlotNeeded
        | TokenError::SeedTooLong { .. }
        | TokenError::SeedAllZero => Verdict::LineFails,
        // Older tokens count failures and lock for good: nobody tries again with a light heart.
        TokenError::WrongKey { .. } | TokenError::AccessKeyWrong { .. } => Verdict::TokenFails,
        TokenError::UnlistedModel { .. }
        | TokenError::NotProgrammable { .. }
        | TokenError::SlotInUse { .. }
        | TokenError::Full
        | TokenError::AccessKeyNeeded
        | TokenError::LockedOut { .. } => Verdict::Refuse,
        TokenError::TimeOutOfRange { .. } | TokenError::OtherTimeNotPermitted => Verdict::Stop,
        _ => Verdict::Again,
    }
}
