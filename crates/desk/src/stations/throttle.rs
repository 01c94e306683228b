//! How often verification codes may be guessed, so that a guess hits one with a chance below 1 in 10,000.
//!
//! # The arithmetic
//!
//! Each guess names a station by its MAC ID and a code. A code of *d* digits is drawn evenly from 10^*d*, so a guess at it
//! hits with a chance of 10^−*d*: *k* different guesses at one code with *k* · 10^−*d* (drawn without putting back, this
//! is exact), and guesses at several codes with no more than the sum over all of them (Boole's inequality), however they
//! depend on each other, on what was answered before, or on which stations share a code. So a guess *costs* 10^−*d*, and
//! what all guesses cost together bounds the chance that any of them hits, whoever makes them, from wherever, at however
//! many stations.
//!
//! The [`Ledger`] adds up what guesses cost, for all stations, addresses and desks together, within any span of time as
//! long as the longest life of a live code. A guess is entered *before* it is judged, so that guesses at the same time
//! cannot pass together; when it was right, its cost is given back, for it was no guess. Once a share is used up, nothing
//! is judged any more until the span has moved on. Shares ([`SHARES`]):
//!
//! | codes | share of the chance | guesses |
//! |---|---|---|
//! | 6 to 9 digits | 0.9 · 10^−4 | 90 at 6 digits, 900 at 7, 9,000 at 8, 90,000 at 9 |
//! | 10 to 12 digits | 0.09 · 10^−4 | 90,000 at 10 digits, 9,000,000 at 12 |
//!
//! Together 0.99 · 10^−4.
//!
//! # Who wants to lock others out
//!
//! A limit is also a weapon. What cannot hit costs nothing: a MAC ID that is not registered, a station without a live code.
//! One address ([`address_key`]) may use a tenth of a share. Who has many addresses and knows MAC IDs of stations that wait can
//! use up the share of short codes; then codes of ten digits and more still work, whose share needs 90,000 guesses and more, and
//! login codes, which an admin types, are not guessed at all. Where many codes are live at a time they are made longer
//! ([`super::CodeLength::for_live`]), so that technicians who mistype do not use up the share themselves.

use std::net::IpAddr;

use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use super::CodeLength;

/// What costs are counted in: a chance of 10^−12, that of a guess at twelve digits.
pub const UNITS_PER_CERTAINTY: u64 = 1_000_000_000_000;

/// What must not be reached: a chance of 10^−4, in units.
pub const LIMIT: u64 = UNITS_PER_CERTAINTY / 10_000;

/// From so many digits on a code is long.
const LONG: u8 = 10;

/// How often the technician of each live code may mistype, on average, before the share is used up.
pub const GUESSES_PER_CODE: u64 = 2;

/// One address may use this part of a share.
const ADDRESS_PART: u64 = 10;

/// Into how many parts the span is cut.
const BUCKETS: u64 = 24;

/// How much chance all guesses may have together, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// At codes of 6 to 9 digits.
    pub short: u64,
    /// At codes of 10 to 12 digits.
    pub long: u64,
}

/// The shares of everybody together.
pub const SHARES: Shares = Shares { short: LIMIT / 100 * 90, long: LIMIT / 100 * 9 };

/// The shares of one address.
pub const ADDRESS_SHARES: Shares = Shares { short: SHARES.short / ADDRESS_PART, long: SHARES.long / ADDRESS_PART };

// The bound that all of this is for.
const _: () = assert!(SHARES.short + SHARES.long < LIMIT);

impl Shares {
    const fn of(&self, length: CodeLength) -> u64 {
        if length.digits() < LONG { self.short } else { self.long }
    }

    /// How many guesses at codes of this length the share allows.
    pub const fn guesses(&self, length: CodeLength) -> u64 {
        self.of(length) / cost(length)
    }
}

/// What a guess at a code costs: its chance, in units.
pub const fn cost(length: CodeLength) -> u64 {
    10_u64.pow((CodeLength::LONGEST.digits() - length.digits()) as u32)
}

/// What guesses have cost, of all or from one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// How long a guess counts, in seconds: the longest life of a live code.
    span: u64,
    /// Until when the code with that life lives, in Unix seconds.
    span_until: u64,
    buckets: Vec<Bucket>,
}

/// The guesses of a part of the span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    first: u64,
    last: u64,
    short: u64,
    long: u64,
}

impl Bucket {
    const fn of(&self, length: CodeLength) -> u64 {
        if length.digits() < LONG { self.short } else { self.long }
    }

    const fn of_mut(&mut self, length: CodeLength) -> &mut u64 {
        if length.digits() < LONG { &mut self.short } else { &mut self.long }
    }
}

impl Ledger {
    /// Notes that codes of this life were made, in seconds: guesses count for at least so long from now on.
    pub fn made(&mut self, now: UnixTime, life: u32) {
        let now = now.seconds();
        let before = if now < self.span_until { self.span } else { 0 };
        self.span = before.max(life.into());
        self.span_until = self.span_until.max(now.saturating_add(life.into()));
    }

    /// Enters a guess at a code of this length, before it is judged. When the share is used up nothing is entered, and
    /// the time comes back, in seconds from now, after which some of it is free again.
    pub fn enter(&mut self, now: UnixTime, length: CodeLength, shares: &Shares) -> Result<(), u64> {
        // A clock that went back must not make room.
        let now = self.buckets.iter().map(|bucket| bucket.last).fold(now.seconds(), u64::max);
        let span = self.span.max(1);
        self.buckets.retain(|bucket| now < bucket.last.saturating_add(span));
        if self.spent(length).saturating_add(cost(length)) > shares.of(length) {
            let oldest = self.buckets.iter().filter_map(|bucket| (bucket.of(length) > 0).then_some(bucket.last));
            return Err(oldest.min().map_or(span, |last| last.saturating_add(span).saturating_sub(now).max(1)));
        }
        let width = span / BUCKETS;
        match self.buckets.last_mut() {
            Some(bucket) if now - bucket.first <= width => {
                bucket.last = now;
                *bucket.of_mut(length) += cost(length);
            }
            _ => {
                let mut bucket = Bucket { first: now, last: now, short: 0, long: 0 };
                *bucket.of_mut(length) += cost(length);
                self.buckets.push(bucket);
            }
        }
        Ok(())
    }

    /// Gives back what was entered for a code that was right.
    pub fn give_back(&mut self, length: CodeLength) {
        // The newest that holds it: what is given back early would make room that is not there.
        if let Some(bucket) = self.buckets.iter_mut().rev().find(|bucket| bucket.of(length) >= cost(length)) {
            *bucket.of_mut(length) -= cost(length);
        }
    }

    /// What counts at present, in units, of the share that codes of this length are in.
    pub fn spent(&self, length: CodeLength) -> u64 {
        self.buckets.iter().map(|bucket| bucket.of(length)).sum()
    }

    /// How many guesses at codes of this length are let through at present.
    pub fn left(&mut self, now: UnixTime, length: CodeLength) -> u64 {
        let now = self.buckets.iter().map(|bucket| bucket.last).fold(now.seconds(), u64::max);
        let span = self.span.max(1);
        self.buckets.retain(|bucket| now < bucket.last.saturating_add(span));
        SHARES.of(length).saturating_sub(self.spent(length)) / cost(length)
    }

    /// Until when it must be kept, in Unix seconds.
    pub fn expires_at(&self, now: UnixTime) -> u64 {
        let last = self.buckets.iter().map(|bucket| bucket.last).fold(now.seconds(), u64::max);
        self.span_until.max(last.saturating_add(self.span)).saturating_add(1)
    }

    /// The ledger of an address: it counts as long as the one of all.
    pub fn for_address(all: &Self, kept: Option<Self>) -> Self {
        let buckets = kept.map(|kept| kept.buckets).unwrap_or_default();
        Self { span: all.span, span_until: all.span_until, buckets }
    }
}

/// Whom an address belongs to: one IPv4 address, or a network of 48 bits in IPv6, which is what one site gets (RFC 6177).
pub fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests;
