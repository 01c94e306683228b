//! What a run of a batch sees of the work: open portions, their seeds, and whether more may come.

use std::time::{Duration, Instant};

use oathburn_escrow::{BatchId, LineCounts};
use oathburn_oath::{Seed, SerialNumber};
use oathburn_station::{BatchEvent, BatchObserver, DoneLine, OpenBatch, Supply, TokenInfo};

use super::work::{InHand, QUIET, RemoteWork};
use crate::work::wire::TokenRequest;

/// For how long an answer about a token is good.
const FRESH: Duration = Duration::from_secs(10);
/// For how long a token waits for an answer about lines.
const ASKED: Duration = Duration::from_secs(3);

impl Supply for RemoteWork<'_> {
    fn batches(&self) -> Vec<OpenBatch> {
        let now = self.clocks.now();
        let shared = self.lock();
        if shared.stopped.is_some() {
            return Vec::new();
        }
        let open = shared.portions.iter().filter(|one| one.is_open() && !one.file.end.is_over(&now));
        open.map(|one| OpenBatch { id: one.batch, options: one.options.clone() }).collect()
    }

    fn seed(&self, batch: BatchId, line: u32) -> Option<Seed> {
        let now = self.clocks.now();
        let shared = self.lock();
        let portion = shared.portions.iter().find(|one| one.batch == batch && !one.file.end.is_over(&now))?;
        portion.seeds.get(&line).cloned()
    }

    fn prescribes_all(&self) -> bool {
        true
    }

    fn knows(&self, _: BatchId) -> bool {
        // All that is in this escrow was done for the desk.
        true
    }

    fn may_grow(&self) -> bool {
        let shared = self.lock();
        let unheard = shared.orders.is_none();
        let left = || shared.orders.iter().flatten().any(|order| order.left > 0);
        !shared.closing && shared.stopped.is_none() && (self.stay || unheard || left())
    }

    fn changed(&self, _: BatchId) {
        self.wake();
    }

    fn is_in_use(&self, token: &TokenInfo) -> bool {
        let request = TokenRequest { family: token.family.to_string(), serial: token.serial.to_string() };
        let key = format!("{}/{}", request.family, request.serial);
        {
            let shared = self.lock();
            if let Some((in_use, _)) = shared.in_use.get(&key).filter(|(_, when)| when.elapsed() < FRESH) {
                return *in_use;
            }
            // Nobody waits before a reader for a desk that does not answer.
            if shared.away || shared.quiet.is_some_and(|when| when.elapsed() < QUIET) {
                return false;
            }
        }
        let answer = self.desk.token(&request);
        let mut shared = self.lock();
        if let Ok(answer) = answer {
            shared.in_use.insert(key, (answer.in_use, Instant::now()));
            answer.in_use
        } else {
            shared.quiet = Some(Instant::now());
            false
        }
    }

    fn is_unanswered(&self, serial: &SerialNumber) -> bool {
        let shared = self.lock();
        shared.away || shared.orders.is_none() || shared.wanted.contains(serial.as_str())
    }

    fn wanted(&self, serial: &SerialNumber) -> bool {
        let (serial, until) = (serial.to_string(), Instant::now() + ASKED);
        self.lock().wanted.insert(serial.clone());
        self.wake();
        let mut shared = self.lock();
        while shared.wanted.contains(&serial) {
            // Nobody waits before a reader for a desk that does not answer.
            let left = until.saturating_duration_since(Instant::now());
            if shared.away || shared.closing || shared.stopped.is_some() || left.is_zero() {
                return false;
            }
            shared = self.wait(shared, left.min(Duration::from_millis(200)));
        }
        true
    }
}

/// Tells somebody who watches of the lines of orders, where a run speaks of those of its own batches.
pub struct OrderObserver<'a> {
    /// Whose lines they are.
    pub work: &'a RemoteWork<'a>,
    /// Who watches.
    pub observer: &'a dyn BatchObserver,
}

impl OrderObserver<'_> {
    fn order(&self, batch: BatchId, line: u32) -> (BatchId, u32) {
        let shared = self.work.lock();
        let portion = shared.portions.iter().find(|one| one.batch == batch);
        let found = |portion: &InHand| Some((portion.file.order()?, portion.line_of(line)?));
        portion.and_then(found).unwrap_or((batch, line))
    }
}

impl OrderObserver<'_> {
    /// A line came to its end here. How its order stands: by the desk's last answer, and by what it has not heard of.
    fn ended(&self, order: BatchId, line: u32, is_done: bool) -> Option<LineCounts> {
        let order = order.to_string();
        let mut shared = self.work.lock();
        shared.ended.insert((order.clone(), line), is_done);
        let told = shared.orders.iter().flatten().find(|one| one.order == order)?;
        let here = |wanted: bool| {
            let of_order = shared.ended.iter().filter(|((one, _), is_done)| *one == order && **is_done == wanted);
            u64::try_from(of_order.count()).unwrap_or(u64::MAX)
        };
        let (done, failed) = (told.done.saturating_add(here(true)), told.failed.saturating_add(here(false)));
        let open = told.lines.saturating_sub(done).saturating_sub(failed);
        Some(LineCounts { open, reserved: 0, done, failed })
    }
}

impl BatchObserver for OrderObserver<'_> {
    fn event(&self, reader: usize, event: &BatchEvent<'_>) {
        let order = |batch: &BatchId, line: &u32| self.order(*batch, *line);
        match event {
            BatchEvent::Leased { batch, line, upn } => {
                let (batch, line) = order(batch, line);
                self.observer.event(reader, &BatchEvent::Leased { batch, line, upn: *upn });
            }
            BatchEvent::Done(done) => {
                let (batch, line) = self.order(done.batch, done.line);
                let at_hand = Some(done.counts.left());
                let counts = self.ended(batch, line, true).unwrap_or(done.counts);
                self.observer.event(reader, &BatchEvent::Done(&DoneLine { batch, line, counts, at_hand, ..**done }));
            }
            BatchEvent::Broken { serial, batch: Some(batch), line: Some(line), why } => {
                let (batch, line) = order(batch, line);
                let (batch, line) = (Some(batch), Some(line));
                self.observer.event(reader, &BatchEvent::Broken { serial: *serial, batch, line, why: *why });
            }
            BatchEvent::LineFailed { batch, line, upn, serial, why } => {
                let (batch, line) = order(batch, line);
                self.ended(batch, line, false);
                self.observer.event(reader, &BatchEvent::LineFailed { batch, line, upn: *upn, serial, why: *why });
            }
            other => self.observer.event(reader, other),
        }
    }

    fn ask_code(&self, reader: usize, serial: &SerialNumber, try_number: u32) -> Option<String> {
        self.observer.ask_code(reader, serial, try_number)
    }
}
