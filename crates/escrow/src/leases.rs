//! What is done with leases: taking them in somebody's name, using them, giving them back.

use oathburn_oath::{TokenRecord, UnixTime};

use crate::batch::{Claim, Lease, Line, LineState};
use crate::escrow::seconds;
use crate::journal::EventDraft;
use crate::lease::RemoteHolder;
use crate::sealing::Condition;
use crate::store::{self, LineRow, LinesWanted, LinesWhich, RemoteLeaseRow};
use crate::{BatchId, EntryId, Escrow, EscrowError, EventKind, Facts, Origin, Reservation, lease, lines};

/// A lease that a remote station holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteLease {
    /// Of which batch.
    pub batch: BatchId,
    /// Of which line.
    pub line: u32,
    /// What the station is called.
    pub station: String,
    /// When it ends, unless it is renewed.
    pub until: UnixTime,
}

impl Escrow {
    /// Leases up to `limit` open lines, in order, in the name of a remote station; those that name a token only if
    /// `named`. Each line is compared with what was signed. Until then, or until they are released or reported, nobody
    /// else gets them, neither here nor far away.
    pub fn lease_lines(
        &self,
        batch: BatchId,
        holder: &RemoteHolder,
        (limit, named): (usize, bool),
        until: UnixTime,
    ) -> Result<Vec<Lease>, EscrowError> {
        let rows = self.remote_rows(batch, holder, LinesWhich::Open { limit, named }, until)?;
        self.leased(batch, holder, &rows)
    }

    /// Leases one line in the name of a remote station, if work is left on it and nobody holds it, or renews its lease.
    /// With `take_over` the lease of another remote station ends: for whoever has burned the line already.
    pub fn lease_line(
        &self,
        batch: BatchId,
        line: u32,
        (holder, take_over): (&RemoteHolder, bool),
        until: UnixTime,
    ) -> Result<Claim, EscrowError> {
        let rows = self.remote_rows(batch, holder, LinesWhich::This { line: line.into(), take_over }, until)?;
        if let Some(lease) = self.leased(batch, holder, &rows)?.pop() {
            return Ok(Claim::Leased(Box::new(lease)));
        }
        let state = store::read(&*self.inner.store, |view| view.line(batch.as_bytes(), line.into()))?
            .and_then(|row| LineState::from_name(&row.state));
        Ok(match state {
            None => Claim::Nothing,
            Some(state) if state.is_left() => Claim::Busy { line },
            Some(state) => Claim::Ended { line, state },
        })
    }

    /// One line of a batch as it stands, compared with what was signed; `None` when there is no such line.
    pub fn line(&self, batch: BatchId, line: u32) -> Result<Option<Line>, EscrowError> {
        let mut found = self.lines(batch, line.saturating_sub(1), 1)?;
        Ok(found.pop().filter(|found| found.number == line))
    }

    /// The leases of one remote station, or of all of them; also those that have ended and were not taken by anybody
    /// since.
    pub fn remote_leases(&self, holder: Option<&RemoteHolder>) -> Result<Vec<RemoteLease>, EscrowError> {
        let rows = self.inner.store.remote_leases(holder.map(RemoteHolder::station))?;
        let read = |row: RemoteLeaseRow| {
            Some(RemoteLease {
                batch: BatchId::from_slice(&row.batch)?,
                line: row.line.try_into().ok()?,
                station: row.station,
                until: UnixTime::new(row.expires_at.try_into().unwrap_or(0)),
            })
        };
        // A lease of what is no batch is nobody's.
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Ends leases of a remote station: of one batch or all, of one line or all; says how many there were.
    pub fn release_remote(
        &self,
        holder: &RemoteHolder,
        (batch, line): (Option<BatchId>, Option<u32>),
    ) -> Result<u64, EscrowError> {
        let batch = batch.as_ref().map(|batch| batch.as_bytes().as_slice());
        self.inner.store.release_remote(holder.station(), (batch, line.map(i64::from)))
    }

    /// Gives a lease back.
    pub fn release(&self, lease: &Lease) -> Result<(), EscrowError> {
        self.inner.store.release(lease.batch.as_bytes(), lease.line.number.into(), &lease.holder)
    }

    /// Seals a seed for a leased line, as [`Escrow::reserve`] does. Refused when the lease was lost meanwhile, or the
    /// batch was ended.
    pub fn reserve_line(&self, lease: &Lease, record: &TokenRecord, origin: Origin) -> Result<EntryId, EscrowError> {
        self.reserve_line_noting(lease, record, origin, Facts::new())
    }

    /// [`Escrow::reserve_line`] with facts for the event: where the line is burned, if it is not here.
    pub fn reserve_line_noting(
        &self,
        lease: &Lease,
        record: &TokenRecord,
        origin: Origin,
        facts: Facts,
    ) -> Result<EntryId, EscrowError> {
        let held = (lease.holder.clone(), lease.line.number);
        self.reserve_for((Some(lease.batch), record, origin), facts, Condition::Leased(&held))
    }

    /// Seals the seed of a token that was burned already, far away: for its line, or for none. To refuse it would be to lose
    /// it, so it is sealed even if another token has the same seed.
    pub fn reserve_burned(
        &self,
        lease: Option<&Lease>,
        record: &TokenRecord,
        facts: Facts,
    ) -> Result<EntryId, EscrowError> {
        let held = lease.map(|lease| (lease.holder.clone(), lease.line.number));
        let condition = held.as_ref().map_or(Condition::None, Condition::Burned);
        self.reserve_for((lease.map(|lease| lease.batch), record, Origin::Given), facts, condition)
    }

    fn reserve_for(
        &self,
        (batch, record, origin): (Option<BatchId>, &TokenRecord, Origin),
        facts: Facts,
        condition: Condition<'_>,
    ) -> Result<EntryId, EscrowError> {
        let reservation = Reservation { record, origin, batch };
        let event = EventDraft::new(EventKind::Reserved, facts);
        let ids = self.sealing_rows(std::slice::from_ref(&reservation), &event, condition, &mut |_, _, _| {})?;
        Ok(ids[0])
    }

    fn remote_rows(
        &self,
        batch: BatchId,
        holder: &RemoteHolder,
        which: LinesWhich,
        until: UnixTime,
    ) -> Result<Vec<LineRow>, EscrowError> {
        let inner = &*self.inner;
        let us = inner.holder();
        let dead = inner.store.holders(batch.as_bytes())?;
        inner.store.lease_lines(&LinesWanted {
            batch: batch.as_bytes().to_vec(),
            which,
            holder: holder.row().clone(),
            dead: dead.into_iter().filter(|other| lease::is_dead(other, &us)).collect(),
            now: inner.now(),
            expires_at: seconds(until.seconds()),
        })
    }

    /// Rows that were leased, each as its signed events say it; if one is not, none of them is leased.
    fn leased(&self, batch: BatchId, holder: &RemoteHolder, rows: &[LineRow]) -> Result<Vec<Lease>, EscrowError> {
        let inner = &*self.inner;
        let verified = inner.look(|view, trust| {
            let head = lines::head(view, trust, batch)?;
            let mut known = None;
            rows.iter().map(|row| lines::verified(view, trust, &head, row, &mut known)).collect::<Result<Vec<_>, _>>()
        });
        if verified.is_err() {
            for row in rows {
                inner.store.release(&row.batch, row.line, holder.row())?;
            }
        }
        let lease = |line| Lease { batch, line, holder: holder.row().clone() };
        Ok(verified?.into_iter().map(lease).collect())
    }
}
