//! How far is a token's clock off, since when, and until when does a server bear it?

use oathburn_escrow::{Disclosure, Entry, EventFilter, EventKind, Facts, Purpose};
use oathburn_oath::{ClockReading, Drift, DriftRate, Sighting, TimeStep, TokenRecord, Totp, UnixTime, Window};
use oathburn_token::{ClockSync, TokenInfo};

use crate::{Station, StationError};

/// What a token's clock does.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftReport {
    /// Steps that the token is ahead, as far as whole steps tell it.
    pub steps: i64,
    /// The clock as it was seen now.
    pub reading: ClockReading,
    /// The clock as it was known before: at the last burn, synchronization or check.
    pub before: Option<ClockReading>,
    /// How fast it runs away; `None` when nothing was known before, or too little time has passed.
    pub rate: Option<DriftRate>,
    /// Whether a server that bears `tolerance` seconds bears it now.
    pub in_window: bool,
    /// When it leaves the server's window, or left it; at the rate of a usual quartz where its own is not known.
    pub leaves_window_at: Option<UnixTime>,
    /// How many steps of the window would show the codes by chance; 0 when the clock was read.
    pub false_hits: f64,
    /// The other steps, nearest first, that show the codes, too.
    pub others: Vec<i64>,
    /// What setting the clock does to this model's seed; `None` when the model is not known.
    pub sync: Option<ClockSync>,
}

/// A code to look for: when it was read, how far off it may be, and what the server bears.
#[derive(Clone, Copy, Debug)]
pub struct DriftOrder {
    /// When the last code was shown.
    pub at: UnixTime,
    /// Where to look.
    pub window: Window,
    /// What the server bears, in seconds either way.
    pub tolerance: u32,
}

impl Station<'_> {
    /// The drift that displayed codes tell; `None` when no step of the window shows them. A match is noted in the
    /// escrow, the codes are not.
    pub fn drift_of_codes(
        &self,
        entry: &Entry,
        sighting: Sighting,
        order: DriftOrder,
    ) -> Result<Option<DriftReport>, StationError> {
        let officer = self.officer.ok_or(StationError::OfficerNeeded)?;
        entry.params.totp()?;
        let record = officer.opener()?.open(entry, &Disclosure::new(Purpose::CompareCode))?;
        self.drift_of_opened(entry, &record, sighting, order)
    }

    /// The same with a record that was opened, and noted, to compare codes with it.
    pub fn drift_of_opened(
        &self,
        entry: &Entry,
        record: &TokenRecord,
        sighting: Sighting,
        order: DriftOrder,
    ) -> Result<Option<DriftReport>, StationError> {
        let params = entry.params.totp()?;
        let totp = Totp::new(&record.seed, params);
        let found = sighting.find(&totp, order.at, order.window);
        let Some((&steps, others)) = found.split_first() else { return Ok(None) };
        let before = self.first_drift(entry)?;
        if others.is_empty() {
            // Where two steps show the same code, nothing is known.
            self.note_displayed(entry, steps, order.at)?;
        }
        let reading = displayed(params.step, steps, order.at);
        let report = self.report(entry, (steps, reading), before, order.tolerance);
        let false_hits = sighting.false_hits(order.window.steps());
        Ok(Some(DriftReport { false_hits, others: others.to_vec(), ..report }))
    }

    /// The drift that the token's own clock tells, read over the air.
    pub fn drift_of_clock(
        &self,
        entry: &Entry,
        token: &TokenInfo,
        tolerance: u32,
    ) -> Result<Option<DriftReport>, StationError> {
        let Some(clock) = token.clock else { return Ok(None) };
        let now = self.clock.now();
        let drift = Drift::between(clock, now);
        let reading = ClockReading { at: now, drift, within: 1 };
        let before = self.first_drift(entry)?;
        Ok(Some(self.report(entry, (drift.steps(entry.params.totp()?.step), reading), before, tolerance)))
    }

    fn report(
        &self,
        entry: &Entry,
        (steps, reading): (i64, ClockReading),
        before: Option<ClockReading>,
        tolerance: u32,
    ) -> DriftReport {
        let rate = before.and_then(|before| DriftRate::between(before, reading));
        let away = if reading.drift.seconds() < 0 { -DriftRate::TYPICAL_PPM } else { DriftRate::TYPICAL_PPM };
        let leaves = rate.unwrap_or(DriftRate::from_ppm(away)).leaves(reading, tolerance);
        let model = self.models.lookup(&entry.identity.family, &entry.identity.serial);
        DriftReport {
            steps,
            reading,
            before,
            rate,
            in_window: reading.drift.seconds().unsigned_abs() <= u64::from(tolerance),
            leaves_window_at: leaves,
            false_hits: 0.0,
            others: Vec::new(),
            sync: model.map(|model| model.sync),
        }
    }

    /// The clock of an entry's token as it was last seen: read when it was burned or set, or told by a code since.
    pub fn known_drift(&self, entry: &Entry) -> Result<Option<ClockReading>, StationError> {
        let (read, told) = (read(entry), self.told(entry)?);
        // A code is coarse: it counts only where it contradicts what was read, or where nothing was.
        Ok(match (read, told.last().copied()) {
            (Some(read), Some(told)) if told.at > read.at && !agree(read, told) => Some(told),
            (None, told) => told,
            (read, _) => read,
        })
    }

    /// The clock from which a rate is counted: as it was read at the last burn or synchronization, or else told by
    /// the oldest code.
    fn first_drift(&self, entry: &Entry) -> Result<Option<ClockReading>, StationError> {
        match read(entry) {
            Some(read) => Ok(Some(read)),
            None => Ok(self.told(entry)?.first().copied()),
        }
    }

    /// What displayed codes told, oldest first.
    fn told(&self, entry: &Entry) -> Result<Vec<ClockReading>, StationError> {
        let filter = EventFilter { entry: Some(entry.id), kind: Some(EventKind::Verified), ..EventFilter::default() };
        let Some(step) = entry.params.step() else { return Ok(Vec::new()) };
        let told = self.escrow.events(&filter)?.into_iter().filter_map(|event| {
            let steps = event.facts.number("drift_steps")?;
            let at = event.facts.number("at").and_then(|at| u64::try_from(at).ok()).map_or(event.time, UnixTime::new);
            Some(displayed(step, steps, at))
        });
        Ok(told.collect())
    }

    /// Notes in the escrow that the token showed a code of its own so many steps ahead at that time.
    pub(crate) fn note_displayed(&self, entry: &Entry, steps: i64, at: UnixTime) -> Result<(), StationError> {
        let at = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
        self.escrow.note_verified(entry.id, Facts::new().with("drift_steps", steps).with("at", at))?;
        Ok(())
    }
}

/// The reading at the last burn or synchronization.
fn read(entry: &Entry) -> Option<ClockReading> {
    let (drift, at) = entry.drift_seconds.zip(entry.drift_at)?;
    Some(ClockReading { at, drift: Drift::from_seconds(drift), within: 1 })
}

/// The reading that a displayed code is: whole steps, right to one of them.
fn displayed(step: TimeStep, steps: i64, at: UnixTime) -> ClockReading {
    let length = step.seconds();
    ClockReading { at, drift: Drift::from_seconds(steps.saturating_mul(length.into())), within: length }
}

fn agree(one: ClockReading, other: ClockReading) -> bool {
    let apart = one.drift.seconds().abs_diff(other.drift.seconds());
    apart <= u64::from(one.within) + u64::from(other.within)
}
