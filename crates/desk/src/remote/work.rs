//! What a station has in hand, and how it keeps in step with its desk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oathburn_escrow::{BatchId, BatchState, Escrow, EscrowError, LineState, NewBatch, StationKey};
use oathburn_oath::Seed;
use oathburn_station::BatchOptions;

use super::home::{is_for, members};
use super::portion::PortionFile;
use super::{CLOCK_TOLERANCE, Clocks, DeskTrouble, LeaseEnd, RemoteDesk, RemoteError, RemoteHome, ahead_by, reports};
use crate::work::wire::{
    Held, LeaseAnswer, LeaseRequest, MAX_LINES, MAX_REPORTS, MAX_SERIALS, OrderState, Outcome, Portion, Report,
    ReportRequest, ReportState, open_seed,
};

/// The fact in the options of a local batch that names its portion.
const PORTION: &str = "portion";
/// How long the desk is left alone while it is there and nothing happens.
const PAUSE: Duration = Duration::from_secs(15);
/// The same while lines are waited for, or the desk is away.
const SHORT_PAUSE: Duration = Duration::from_secs(3);
/// After a failure nobody who waits before a reader asks for so long.
pub(super) const QUIET: Duration = Duration::from_secs(20);

/// What somebody at the station should know.
#[derive(Debug)]
pub enum RemoteEvent<'a> {
    /// Lines have come.
    Leased {
        /// The order's name.
        order: &'a str,
        /// How many.
        lines: usize,
    },
    /// Lines are not burned here any more.
    Closed {
        /// The order's name.
        order: &'a str,
        /// Why.
        why: &'a str,
    },
    /// The desk does not answer; what is leased is burned all the same.
    Away(&'a DeskTrouble),
    /// It answers again.
    Back,
    /// It took a report, and somebody there has to look at it, or it did not take it.
    Conflict {
        /// The line of the order.
        line: u32,
        /// The token.
        serial: Option<&'a str>,
        /// Why.
        why: &'a str,
    },
    /// The station must not go on.
    Stopped(&'a DeskTrouble),
}

/// A portion with what is known of it in memory only.
pub(super) struct InHand {
    pub(super) file: PortionFile,
    pub(super) batch: BatchId,
    pub(super) options: BatchOptions,
    /// By the numbers of lines in the local batch.
    pub(super) seeds: HashMap<u32, Seed>,
}

impl InHand {
    pub(super) fn is_open(&self) -> bool {
        self.file.closed.is_none()
    }

    /// The line of the order that a line of the local batch stands for.
    pub(super) fn line_of(&self, local: u32) -> Option<u32> {
        let place = usize::try_from(local).ok()?.checked_sub(1)?;
        self.file.lines.get(place).map(|held| held.leased.line)
    }
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) portions: Vec<InHand>,
    /// Orders that are there for us, by the last answer; nothing before the first one.
    pub(super) orders: Option<Vec<OrderState>>,
    /// Lines of orders that ended here, done or failed, and are not in the last answer's counts.
    pub(super) ended: BTreeMap<(String, u32), bool>,
    /// Those of them that the desk has heard of since: they are in its next answer's.
    heard: BTreeSet<(String, u32)>,
    /// Tokens that lie there, for which there is no line.
    pub(super) wanted: BTreeSet<String>,
    /// What the desk has said of tokens, and when.
    pub(super) in_use: HashMap<String, (bool, Instant)>,
    /// The desk did not answer.
    pub(super) away: bool,
    /// When it did not answer somebody who waited before a reader.
    pub(super) quiet: Option<Instant>,
    /// Why we must not go on.
    pub(super) stopped: Option<DeskTrouble>,
    /// No more lines are taken.
    pub(super) closing: bool,
    /// Something happened that the desk should hear of.
    pub(super) woken: bool,
}

/// The work of a station: what it has in hand, what it tells and asks the desk.
pub struct RemoteWork<'a> {
    pub(super) home: &'a RemoteHome,
    pub(super) escrow: &'a Escrow,
    pub(super) key: &'a StationKey,
    pub(super) desk: &'a dyn RemoteDesk,
    pub(super) clocks: &'a dyn Clocks,
    /// How many lines are to be at hand.
    ahead: usize,
    /// Whether to wait for further orders when none is left.
    pub(super) stay: bool,
    told: &'a (dyn Fn(&RemoteEvent<'_>) + Sync),
    shared: Mutex<Shared>,
    wake: Condvar,
}

/// What a [`RemoteWork`] is made of.
#[derive(Clone, Copy)]
pub struct RemoteParts<'a> {
    /// Where leased lines lie.
    pub home: &'a RemoteHome,
    /// The station's own escrow.
    pub escrow: &'a Escrow,
    /// The station's key.
    pub key: &'a StationKey,
    /// The desk.
    pub desk: &'a dyn RemoteDesk,
    /// The machine's clocks.
    pub clocks: &'a dyn Clocks,
    /// How many lines are to be at hand.
    pub ahead: usize,
    /// Whether to wait for further orders when none is left.
    pub stay: bool,
    /// Who hears what happens.
    pub told: &'a (dyn Fn(&RemoteEvent<'_>) + Sync),
}

impl<'a> RemoteWork<'a> {
    /// Takes up what is in hand: what was leased before and has not ended.
    pub fn open(parts: RemoteParts<'a>) -> Result<Self, RemoteError> {
        let RemoteParts { home, escrow, key, desk, clocks, ahead, stay, told } = parts;
        let (shared, wake) = (Mutex::default(), Condvar::new());
        let work = Self { home, escrow, key, desk, clocks, ahead, stay, told, shared, wake };
        let mut batches: HashMap<String, BatchId> = HashMap::new();
        for batch in escrow.batches()? {
            if let Some(portion) = batch.options.text(PORTION) {
                batches.insert(portion.to_owned(), batch.id);
            }
        }
        let mut strange = Vec::new();
        for file in home.portions()? {
            let batch = batches.get(&file.id).copied();
            let (in_hand, whole) = work.take_up(file, batch)?;
            strange.extend((!whole && in_hand.is_open()).then_some(in_hand.batch));
            work.lock().portions.push(in_hand);
        }
        for batch in strange {
            work.close(batch, "it was sealed to a key that this station had before")?;
        }
        work.close_ended()?;
        Ok(work)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        // Whoever panicked held lists, which are whole at any time.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something that the desk should hear of, or that could be burned.
    pub fn is_idle(&self) -> bool {
        self.lock().portions.is_empty()
    }

    /// Why the desk does not let this station go on, if it does not.
    pub fn stopped(&self) -> Option<DeskTrouble> {
        self.lock().stopped.clone()
    }

    /// How many lines can be burned without the desk.
    pub fn lines_at_hand(&self) -> Result<usize, RemoteError> {
        let batches: Vec<_> = self.lock().portions.iter().filter(|one| one.is_open()).map(|one| one.batch).collect();
        let mut count = 0;
        for batch in batches {
            count += usize::try_from(self.escrow.line_counts(batch)?.left()).unwrap_or(usize::MAX);
        }
        Ok(count)
    }

    /// The orders that are there for this station, by the desk's last answer.
    pub fn orders(&self) -> Vec<OrderState> {
        self.lock().orders.clone().unwrap_or_default()
    }

    /// Keeps in step with the desk until `over` says so.
    pub fn keep_in_step(&self, over: &dyn Fn() -> bool) -> Result<(), RemoteError> {
        while !over() {
            let pause = match self.sync(false) {
                Ok(()) if self.waits() => SHORT_PAUSE,
                Ok(()) => PAUSE,
                Err(RemoteError::Desk(_)) => SHORT_PAUSE,
                Err(error) => return Err(error),
            };
            let until = Instant::now() + pause;
            let mut shared = self.lock();
            while !over() && !shared.woken && Instant::now() < until {
                let nap = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
                shared = self.wake.wait_timeout(shared, nap).unwrap_or_else(PoisonError::into_inner).0;
            }
            // What happens while the desk is away can wait until it may be back.
            let away = shared.away;
            shared.woken = false;
            drop(shared);
            if away {
                self.nap(until.min(Instant::now() + SHORT_PAUSE), over);
            }
        }
        Ok(())
    }

    fn nap(&self, until: Instant, over: &dyn Fn() -> bool) {
        while !over() && Instant::now() < until {
            let nap = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
            drop(self.wake.wait_timeout(self.lock(), nap).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Ends a pause of [`Self::keep_in_step`].
    pub fn wake(&self) {
        self.lock().woken = true;
        self.wake.notify_all();
    }

    /// Waits until something happens, or for so long.
    pub(super) fn wait<'s>(&self, shared: MutexGuard<'s, Shared>, most: Duration) -> MutexGuard<'s, Shared> {
        self.wake.wait_timeout(shared, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Nothing can be burned, and more may come.
    fn waits(&self) -> bool {
        let shared = self.lock();
        !shared.wanted.is_empty() || !shared.portions.iter().any(InHand::is_open)
    }

    /// Tells the desk what became of lines, and asks it for more. `at_rest` says that no burn is going on here: what was
    /// begun and is not finished is told, too. [`RemoteError::ClockOff`] says that nothing should be burned here.
    pub fn sync(&self, at_rest: bool) -> Result<(), RemoteError> {
        self.close_ended()?;
        let synced = self.tell(at_rest).and_then(|()| self.ask()).and_then(|()| {
            // What was taken back is given back at once.
            let closed = self.lock().portions.iter().any(|portion| !portion.is_open());
            if closed { self.tell(at_rest) } else { Ok(()) }
        });
        let (trouble, was_away) = match &synced {
            Err(RemoteError::Desk(trouble)) => (Some(trouble.clone()), self.lock().away),
            Err(_) => return synced,
            Ok(()) => (None, self.lock().away),
        };
        match &trouble {
            None => {
                self.lock().away = false;
                if was_away {
                    (self.told)(&RemoteEvent::Back);
                }
            }
            Some(trouble) if trouble.passes => {
                self.lock().away = true;
                if !was_away {
                    (self.told)(&RemoteEvent::Away(trouble));
                }
            }
            Some(trouble) => {
                self.lock().stopped = Some(trouble.clone());
                (self.told)(&RemoteEvent::Stopped(trouble));
            }
        }
        synced
    }

    /// Gives back what was not begun, after the last burn; tells all that can be told.
    pub fn end(&self, give_back: bool) -> Result<(), RemoteError> {
        self.lock().closing = true;
        if give_back {
            let open: Vec<_> = self.lock().portions.iter().filter(|one| one.is_open()).map(|one| one.batch).collect();
            for batch in open {
                self.close(batch, "given back")?;
            }
        }
        self.close_ended()?;
        self.tell(true)
    }

    fn ask(&self) -> Result<(), RemoteError> {
        for _ in 0..20 {
            let (request, portions) = self.request()?;
            let from = self.clocks.now();
            let answer = self.desk.lease(&request)?;
            let end = LeaseEnd { from, seconds: answer.seconds };
            let more = !answer.portions.is_empty();
            let ahead = answer.time.map_or(0, |time| ahead_by(time, &end.from, &self.clocks.now()));
            self.apply((&request, &portions), answer, &end)?;
            // Only now: what was leased is to be given back.
            if ahead.unsigned_abs() > CLOCK_TOLERANCE {
                return Err(RemoteError::ClockOff { seconds: ahead });
            }
            if !more || request.lines == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What is asked for; and of the open portions the lines that are left here.
    fn request(&self) -> Result<(LeaseRequest, Vec<(BatchId, Held)>), RemoteError> {
        let now = self.clocks.now();
        let mut portions = Vec::new();
        let (mut held, mut renew) = (Vec::new(), false);
        for portion in &self.lock().portions {
            let lines = portion.file.lines.iter().map(|held| held.leased.line).collect::<Vec<_>>();
            // Also those that are closed, or burned and not told of yet: they are not to be given to us once more.
            let here = portion.file.lines.iter().filter(|held| !held.over).map(|held| held.leased.line).collect();
            held.push(Held { order: portion.file.order.clone(), lines: here });
            if portion.is_open() {
                renew |= portion.file.end.left(&now) < portion.file.end.seconds / 2;
                portions.push((portion.batch, Held { order: portion.file.order.clone(), lines }));
            }
        }
        let mut open = 0;
        for (batch, lines) in &mut portions {
            let mut left = Vec::new();
            for line in self.escrow.lines(*batch, 0, usize::MAX)?.iter().filter(|line| line.state.is_left()) {
                let place = usize::try_from(line.number).unwrap_or(0).saturating_sub(1);
                left.extend(lines.lines.get(place));
                open += usize::from(line.state == LineState::Open);
            }
            lines.lines = left;
        }
        let shared = self.lock();
        let wants = !shared.closing && shared.stopped.is_none();
        // Topped up when half of them are gone: one request for many lines.
        let lines = if wants && open <= self.ahead / 2 { (self.ahead - open).min(MAX_LINES) } else { 0 };
        let serials = if wants { shared.wanted.iter().take(MAX_SERIALS).cloned().collect() } else { Vec::new() };
        Ok((LeaseRequest { lines, serials, held, renew }, portions))
    }

    fn apply(
        &self,
        (request, portions): (&LeaseRequest, &[(BatchId, Held)]),
        answer: LeaseAnswer,
        end: &LeaseEnd,
    ) -> Result<(), RemoteError> {
        let kept = |order: &str, line| answer.held.iter().any(|held| held.order == order && held.lines.contains(&line));
        for (batch, held) in portions {
            // What is not ours any more is not burned.
            if held.lines.iter().any(|&line| !kept(&held.order, line)) {
                self.close(*batch, "the desk has taken its lines back")?;
            } else if request.renew {
                self.with(*batch, |portion| portion.file.end = end.clone())?;
            }
        }
        let same_officers = is_for(self.escrow, &members(&answer.officers)?);
        for portion in answer.portions {
            // Those who may open have changed: this run goes on with what it has, the next one begins anew.
            if same_officers {
                self.take(portion, end)?;
            } else {
                self.lock().closing = true;
            }
        }
        let mut shared = self.lock();
        for heard in std::mem::take(&mut shared.heard) {
            shared.ended.remove(&heard);
        }
        shared.orders = Some(answer.orders);
        shared.wanted.retain(|serial| !request.serials.contains(serial));
        drop(shared);
        self.wake.notify_all();
        Ok(())
    }

    /// Takes new lines: written down, made a batch, and then used.
    fn take(&self, portion: Portion, end: &LeaseEnd) -> Result<(), RemoteError> {
        let file = PortionFile::new(portion, end.clone())?;
        file.save(&self.home.portions_folder())?;
        let (in_hand, whole) = self.take_up(file, None)?;
        let (name, lines) = (in_hand.file.name.clone(), in_hand.file.lines.len());
        let batch = in_hand.batch;
        self.lock().portions.push(in_hand);
        if !whole {
            self.close(batch, "the station cannot open its seeds")?;
            return Err(RemoteError::Answer { what: "the seed of a line" });
        }
        (self.told)(&RemoteEvent::Leased { order: &name, lines });
        Ok(())
    }

    /// A portion that is on disk, with its batch and its seeds; and whether all of these could be opened.
    fn take_up(&self, file: PortionFile, batch: Option<BatchId>) -> Result<(InHand, bool), RemoteError> {
        let batch = if let Some(batch) = batch {
            batch
        } else {
            let lines = file.new_lines()?;
            let options = file.options.clone().with(PORTION, file.id.as_str());
            self.escrow.create_batch(&NewBatch { name: &file.name, options, lines: &lines })?
        };
        let order = file.order().ok_or(RemoteError::Answer { what: "the order of a lease" })?;
        let (mut seeds, mut whole) = (HashMap::new(), true);
        for (held, local) in file.lines.iter().zip(1..).filter(|(held, _)| !held.leased.sealed.is_empty()) {
            match open_seed(self.key, order, held.leased.line, &held.leased.sealed) {
                Some(seed) => drop(seeds.insert(local, seed)),
                None => whole = false,
            }
        }
        let options = BatchOptions::from_facts(&file.options);
        Ok((InHand { file, batch, options, seeds }, whole))
    }

    /// Closes what has ended.
    pub(super) fn close_ended(&self) -> Result<(), RemoteError> {
        let now = self.clocks.now();
        let shared = self.lock();
        let ended = shared.portions.iter().filter(|one| one.is_open() && one.file.end.is_over(&now));
        let ended: Vec<_> = ended.map(|one| one.batch).collect();
        drop(shared);
        ended.into_iter().try_for_each(|batch| self.close(batch, "its lease has ended"))
    }

    /// Burns no more lines of a portion.
    fn close(&self, batch: BatchId, why: &str) -> Result<(), RemoteError> {
        let mut name = String::new();
        // Nothing can be begun from here on; what is open is told to be free only after that.
        match self.escrow.cancel_batch(batch, Some(why)) {
            Ok(()) | Err(EscrowError::BatchEnded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.with(batch, |portion| {
            portion.file.closed = Some(why.to_owned());
            portion.file.forget_seeds();
            portion.seeds.clear();
            name.clone_from(&portion.file.name);
        })?;
        (self.told)(&RemoteEvent::Closed { order: &name, why });
        Ok(())
    }

    /// Changes a portion, and writes it down.
    fn with(&self, batch: BatchId, change: impl FnOnce(&mut InHand)) -> Result<(), RemoteError> {
        let mut shared = self.lock();
        let Some(portion) = shared.portions.iter_mut().find(|portion| portion.batch == batch) else { return Ok(()) };
        change(portion);
        portion.file.save(&self.home.portions_folder())
    }

    /// Tells what the desk does not know yet.
    fn tell(&self, at_rest: bool) -> Result<(), RemoteError> {
        let portions: Vec<_> = self.lock().portions.iter().map(|one| (one.batch, one.file.clone())).collect();
        for (batch, file) in portions {
            let untold = reports::untold(self.escrow, batch, &file, at_rest)?;
            for some in untold.chunks(MAX_REPORTS) {
                let answer = self.desk.report(&ReportRequest { reports: some.to_vec() })?;
                let mut settled = Vec::new();
                for taken in &answer.taken {
                    let report = some.iter().find(|one| one.attempt == taken.attempt && one.state == taken.state);
                    let Some(report) = report.filter(|_| taken.outcome != Outcome::Later) else { continue };
                    if taken.outcome != Outcome::Noted {
                        let serial = report.token.as_ref().map(|token| token.serial.as_str());
                        let why = taken.why.as_deref().unwrap_or("it does not say why");
                        (self.told)(&RemoteEvent::Conflict { line: report.line, serial, why });
                    }
                    settled.push(report.clone());
                }
                self.with(batch, |portion| settled.iter().for_each(|report| note_told(portion, report)))?;
                let ended = settled.iter().filter(|one| matches!(one.state, ReportState::Done | ReportState::Failed));
                self.lock().heard.extend(ended.map(|report| (report.order.clone(), report.line)));
            }
            self.drop_if_over(batch)?;
        }
        Ok(())
    }

    /// Nothing is left to do or to tell: the file goes.
    fn drop_if_over(&self, batch: BatchId) -> Result<(), RemoteError> {
        let mut shared = self.lock();
        let Some(place) = shared.portions.iter().position(|one| one.batch == batch && one.file.is_over()) else {
            return Ok(());
        };
        // A run counts the lines of a batch until it is finished.
        let ended = self.escrow.finish_batch(batch)? || self.escrow.batch_state(batch)? != BatchState::Running;
        if ended {
            let portion = shared.portions.remove(place);
            portion.file.delete(&self.home.portions_folder())?;
        }
        Ok(())
    }
}

fn note_told(portion: &mut InHand, report: &Report) {
    portion.file.told.insert(report.attempt.clone(), report.state);
    let closed = portion.file.closed.is_some();
    let ends = match report.state {
        ReportState::Done | ReportState::Failed | ReportState::Returned => true,
        // A line that was begun and is not burned here any more.
        ReportState::Unknown => closed,
        ReportState::Dropped => false,
    };
    if let (true, Some(place)) = (ends, portion.file.lines.iter().position(|held| held.leased.line == report.line)) {
        let held = &mut portion.file.lines[place];
        held.over = true;
        held.leased.sealed.clear();
        if let Ok(local) = u32::try_from(place + 1) {
            portion.seeds.remove(&local);
        }
    }
}
