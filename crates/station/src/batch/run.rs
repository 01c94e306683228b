//! The loop on each reader: wait, burn, ask for removal, next.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use oathburn_escrow::{BatchId, BatchState, Line, LineCounts, LineState};
use oathburn_oath::SerialNumber;

use super::token::Next;
use super::{BatchEvent, BatchObserver, Place, Supply, Trouble, TroubleKind};
use crate::{Station, StationError};

/// How often the escrow is asked whether somebody else has finished or cancelled the batch.
const LOOK: Duration = Duration::from_secs(2);
/// Batches with more lines are not counted again while they run: that would take longer than a burn.
const RECOUNTED: u64 = 100_000;
/// How long a reader that is away is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// Batches and those who work on them.
pub struct BatchRun<'a> {
    /// Who burns.
    pub station: Station<'a>,
    /// What is burned, and how.
    pub supply: &'a dyn Supply,
    /// Asked a few times a second whether to end; a conversation with a token is never cut.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
    /// End when no token came for so long.
    pub patience: Option<Duration>,
}

/// How a run ended.
#[derive(Debug)]
pub enum BatchEnd {
    /// No line is left.
    Finished,
    /// The batch was cancelled.
    Cancelled,
    /// We were told to end.
    Interrupted,
    /// No token came.
    Idle,
    /// Nothing can be burned any more.
    Stopped(Box<StationError>),
}

/// What the readers of a run share.
pub(super) struct Shared<'a> {
    pub(super) run: &'a BatchRun<'a>,
    pub(super) observer: &'a dyn BatchObserver,
    over: AtomicBool,
    end: Mutex<Option<BatchEnd>>,
    last_token: Mutex<Instant>,
    last_look: Mutex<Instant>,
    /// How the lines stand of each batch that was seen.
    counts: Mutex<HashMap<BatchId, LineCounts>>,
    /// Lines that are being burned here.
    burning: AtomicUsize,
    /// How often a token failed in this run.
    pub(super) attempts: Mutex<HashMap<SerialNumber, u32>>,
    /// Tokens that are not tried again in this run.
    pub(super) aside: Mutex<HashSet<SerialNumber>>,
}

impl BatchRun<'_> {
    /// Works until no line is left, or something ends it. Each place has a thread of its own.
    pub fn run(&self, places: Vec<Box<dyn Place>>, observer: &dyn BatchObserver) -> BatchEnd {
        let counts = self.supply.batches().into_iter().map(|batch| {
            let counts = self.station.escrow.line_counts(batch.id)?;
            Ok((batch.id, counts))
        });
        let counts = match counts.collect::<Result<HashMap<_, _>, StationError>>() {
            Ok(counts) => counts,
            Err(error) => return BatchEnd::Stopped(Box::new(error)),
        };
        let now = Instant::now();
        let shared = Shared {
            run: self,
            observer,
            over: AtomicBool::new(false),
            end: Mutex::new(None),
            last_token: Mutex::new(now),
            last_look: Mutex::new(now),
            counts: Mutex::new(counts),
            burning: AtomicUsize::new(0),
            attempts: Mutex::default(),
            aside: Mutex::default(),
        };
        shared.look();
        thread::scope(|scope| {
            for (reader, place) in places.into_iter().enumerate() {
                let shared = &shared;
                scope.spawn(move || shared.serve(reader, place));
            }
        });
        let end = shared.end.into_inner().unwrap_or_else(PoisonError::into_inner);
        end.unwrap_or(BatchEnd::Interrupted)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked held counters and lists, which are whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    /// Ends the run; the first reason counts.
    pub(super) fn end(&self, end: BatchEnd) {
        lock(&self.end).get_or_insert(end);
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn stop(&self, reader: usize, error: StationError) {
        self.observer.event(reader, &BatchEvent::Stopped(&error));
        self.end(BatchEnd::Stopped(Box::new(error)));
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Whether to stop waiting for a token.
    fn gives_up(&self) -> bool {
        if self.is_over() {
            return true;
        }
        if (self.run.interrupted)() {
            self.end(BatchEnd::Interrupted);
        } else if self.run.patience.is_some_and(|patience| lock(&self.last_token).elapsed() > patience) {
            self.end(BatchEnd::Idle);
        } else {
            let mut last = lock(&self.last_look);
            let due = last.elapsed() > LOOK;
            if due {
                *last = Instant::now();
            }
            drop(last);
            if due {
                self.look();
                self.recount();
            }
        }
        self.is_over()
    }

    /// Asks the escrow whether there is still something to do.
    pub(super) fn look(&self) {
        let (escrow, supply) = (self.run.station.escrow, self.run.supply);
        let mut end = BatchEnd::Finished;
        for batch in supply.batches() {
            let state = escrow
                .finish_batch(batch.id)
                .and_then(|finished| if finished { Ok(BatchState::Finished) } else { escrow.batch_state(batch.id) });
            match state {
                Ok(BatchState::Finished) => supply.changed(batch.id),
                Ok(BatchState::Cancelled) => {
                    supply.changed(batch.id);
                    end = BatchEnd::Cancelled;
                }
                // There is; what is wrong with the escrow is said when something is to be written.
                _ => return,
            }
        }
        if !supply.may_grow() {
            self.end(end);
        }
    }

    /// Counts anew what other processes do, too.
    fn recount(&self) {
        for (batch, counts) in lock(&self.counts).iter_mut() {
            if counts.left() + counts.done + counts.failed > RECOUNTED {
                continue;
            }
            let now = self.run.station.escrow.line_counts(*batch);
            // A line that is being burned here may be done in the escrow already, and is counted here in a moment.
            if let (Ok(now), 0) = (now, self.burning.load(Ordering::SeqCst)) {
                *counts = now;
            }
        }
    }

    /// Counts a line that came to its end: how the lines of its batch, and those of all, stand now.
    pub(super) fn count(&self, batch: BatchId, line: &Line, to: LineState) -> [LineCounts; 2] {
        let mut counts = lock(&self.counts);
        if let Some(counts) = counts.get_mut(&batch) {
            // A burn that broke in this run made its line reserved meanwhile: only what is left of both is told.
            let first = line.state == LineState::Reserved;
            let from =
                if first && counts.reserved > 0 || counts.open == 0 { &mut counts.reserved } else { &mut counts.open };
            *from = from.saturating_sub(1);
            *if to == LineState::Done { &mut counts.done } else { &mut counts.failed } += 1;
        } else {
            // A batch that came while we run: it is counted with this line.
            let now = self.run.station.escrow.line_counts(batch).unwrap_or_default();
            counts.insert(batch, now);
        }
        let all = counts.values().fold(LineCounts::default(), |all, one| LineCounts {
            open: all.open + one.open,
            reserved: all.reserved + one.reserved,
            done: all.done + one.done,
            failed: all.failed + one.failed,
        });
        [counts.get(&batch).copied().unwrap_or_default(), all]
    }

    fn serve(&self, reader: usize, mut place: Box<dyn Place>) {
        while !self.gives_up() {
            self.observer.event(reader, &BatchEvent::Waiting);
            let token = place.wait_for_token(&|| self.gives_up()).and_then(|()| place.connect());
            match token {
                Ok(mut transport) => {
                    *lock(&self.last_token) = Instant::now();
                    self.burning.fetch_add(1, Ordering::SeqCst);
                    let next = self.token(reader, &mut *transport);
                    drop(transport);
                    if let Next::Compare(burned) = next {
                        self.compare(reader, &burned);
                    }
                    self.burning.fetch_sub(1, Ordering::SeqCst);
                    *lock(&self.last_token) = Instant::now();
                    self.take_off(reader, &mut *place);
                }
                Err(trouble) => self.bear(reader, &mut *place, &trouble),
            }
        }
    }

    fn take_off(&self, reader: usize, place: &mut dyn Place) {
        if self.is_over() {
            return;
        }
        self.observer.event(reader, &BatchEvent::TakeOff);
        match place.wait_for_removal(&|| self.gives_up()) {
            Err(trouble) if trouble.kind == TroubleKind::Away => self.bear(reader, place, &trouble),
            _ => {}
        }
    }

    fn bear(&self, reader: usize, place: &mut dyn Place, trouble: &Trouble) {
        match trouble.kind {
            TroubleKind::Interrupted => {}
            TroubleKind::TakeOff => {
                self.observer.event(reader, &BatchEvent::Refused { serial: None, why: trouble });
                self.take_off(reader, place);
            }
            TroubleKind::Away => {
                self.observer.event(reader, &BatchEvent::Away(trouble));
                let until = Instant::now() + PAUSE;
                while !self.gives_up() && Instant::now() < until {
                    thread::park_timeout(until.saturating_duration_since(Instant::now()).min(PAUSE / 4));
                }
            }
        }
    }
}
