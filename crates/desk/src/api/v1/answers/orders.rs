//! Answers about orders.

use data_encoding::HEXLOWER;
use oathburn_escrow::Line;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::bodies::Audience;
use super::{rfc3339, seconds};
use crate::work::{self, Conflict as Noted, Progress};

/// Orders, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Orders {
    pub(in crate::api::v1) orders: Vec<Order>,
    /// What to say as `after` for the next page; nothing at the end.
    #[schema(required)]
    pub(in crate::api::v1) next: Option<String>,
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Order {
    /// What it is asked for by; the batch of the escrow.
    order: String,
    /// What people call it.
    name: String,
    /// running, finished, cancelled.
    state: String,
    /// Who may work on it; nothing where nobody may yet.
    #[schema(required)]
    audience: Option<Audience>,
    /// Who gave it.
    by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// How many lines it has.
    lines: u64,
    /// How many of them are done.
    done: u64,
    /// How many have failed.
    failed: u64,
    /// How many are left.
    left: u64,
}

impl From<&work::Order> for Order {
    fn from(order: &work::Order) -> Self {
        let batch = &order.batch;
        Self {
            order: batch.id.to_string(),
            name: batch.name.clone(),
            state: batch.state.as_str().into(),
            audience: order.audience.as_ref().map(Audience::from),
            by: order.by.clone(),
            created_at: rfc3339(batch.created_at),
            ended_at: batch.ended_at.map(rfc3339),
            lines: batch.lines,
            done: batch.counts.done,
            failed: batch.counts.failed,
            left: batch.counts.left(),
        }
    }
}

impl From<&work::Audience> for Audience {
    fn from(audience: &work::Audience) -> Self {
        Self {
            everywhere: *audience == work::Audience::default(),
            locations: audience.locations.clone(),
            stations: audience.stations.clone(),
        }
    }
}

/// An order, and who works on it now.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct OrderProgress {
    order: Order,
    /// Who holds lines of it.
    on: Vec<OnStation>,
    /// How much somebody has to look at: see its conflicts.
    conflicts: usize,
}

/// Lines that a station holds.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct OnStation {
    station: String,
    /// How many lines.
    lines: usize,
    /// When the last of them goes to others, if nothing is heard.
    #[schema(format = DateTime)]
    until: String,
}

impl From<&Progress> for OrderProgress {
    fn from(progress: &Progress) -> Self {
        let on = |one: &work::OnStation| OnStation {
            station: one.station.clone(),
            lines: one.lines,
            until: rfc3339(one.until),
        };
        Self {
            order: (&progress.order).into(),
            on: progress.on.iter().map(on).collect(),
            conflicts: progress.conflicts,
        }
    }
}

/// Lines of an order.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Lines {
    pub(in crate::api::v1) lines: Vec<OrderLine>,
    /// What to say as `after` for the next page; nothing at the end.
    #[schema(required)]
    pub(in crate::api::v1) next: Option<u32>,
}

/// A line of an order: one user.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct OrderLine {
    /// Its number, counted from 1.
    line: u32,
    #[schema(required)]
    upn: Option<String>,
    /// The token that was burned for it, or is to be.
    #[schema(required)]
    serial: Option<String>,
    #[schema(required)]
    model: Option<String>,
    #[schema(required)]
    issuer: Option<String>,
    #[schema(required)]
    label: Option<String>,
    /// open, reserved, done, failed.
    state: String,
    /// The token's entry, once a burn was begun.
    #[schema(required)]
    entry: Option<String>,
    /// The entry with which codes are given before any token is burned.
    #[schema(required)]
    codes_of: Option<String>,
    /// Which station has it, or told what became of it.
    #[schema(required)]
    station: Option<String>,
    #[schema(required, format = DateTime)]
    programmed_at: Option<String>,
    /// The token's clock minus the station's.
    #[schema(required)]
    drift_seconds: Option<i64>,
    /// Why it failed.
    #[schema(required)]
    error: Option<String>,
}

impl OrderLine {
    pub(in crate::api::v1) fn new(line: &Line, station: Option<&String>) -> Self {
        let entry = line.entry.as_ref();
        let serial = entry.map(|entry| &entry.identity.serial).or(line.serial.as_ref());
        Self {
            line: line.number,
            upn: line.upn.clone(),
            serial: serial.map(ToString::to_string),
            model: entry.and_then(|entry| entry.model.clone()),
            issuer: line.issuer.clone(),
            label: line.label.clone(),
            state: line.state.as_str().into(),
            entry: entry.map(|entry| entry.id.to_string()),
            codes_of: line.seed.filter(|_| entry.is_none()).map(|seed| seed.to_string()),
            station: station.cloned(),
            programmed_at: entry.and_then(|entry| entry.programmed_at).map(rfc3339),
            drift_seconds: entry.and_then(|entry| entry.drift_seconds),
            error: line.failure.as_ref().map(|(why, _)| why.clone()),
        }
    }
}

/// What stations reported, and does not fit; oldest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Conflicts {
    pub(in crate::api::v1) conflicts: Vec<Conflict>,
}

/// Something that somebody has to look at.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Conflict {
    /// What it is settled by.
    conflict: String,
    line: u32,
    #[schema(required)]
    upn: Option<String>,
    /// second-token, after-failure, after-cancel, broken, burned-over, took-anothers.
    kind: String,
    /// The same for people.
    what: String,
    station: String,
    serial: String,
    entry: String,
    /// The entry that it is in conflict with.
    #[schema(required)]
    other: Option<String>,
    #[schema(format = DateTime)]
    at: String,
    /// How it was settled: retired, accepted, seen.
    #[schema(required)]
    settled: Option<String>,
    #[schema(required)]
    settled_by: Option<String>,
}

impl Conflict {
    pub(in crate::api::v1) fn new(id: &[u8], noted: &Noted) -> Self {
        let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let how = |settled: &work::Settled| name(serde_json::to_value(settled.how).unwrap_or_default());
        Self {
            conflict: HEXLOWER.encode(id),
            line: noted.line,
            upn: noted.upn.clone(),
            kind: name(serde_json::to_value(noted.kind).unwrap_or_default()),
            what: noted.kind.describe().into(),
            station: noted.station.clone(),
            serial: noted.serial.clone(),
            entry: noted.entry.clone(),
            other: noted.other.clone(),
            at: seconds(noted.at),
            settled: noted.settled.as_ref().map(how),
            settled_by: noted.settled.as_ref().map(|settled| settled.by.clone()),
        }
    }
}
