//! The auditor's pages: what happened, whether anything was changed, and checkpoints to keep elsewhere.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use oathburn_escrow::{Event, EventFilter, EventKind, Fact};
use oathburn_oath::UnixTime;
use serde::Deserialize;

use super::layout::{layout, token_field};
use super::time;
use crate::blocking::blocking;
use crate::people::{Person, Role};
use crate::{App, DeskError, trail};

const AUDIT: &str = "/audit";
/// Events on a page.
const PAGE: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(AUDIT, get(list))
        .route("/audit/verify", post(verify))
        .route("/audit/checkpoint", post(checkpoint))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    kind: String,
    operator: String,
    entry: String,
    since: String,
    until: String,
}

/// An event as a row.
pub(super) struct Row {
    time: UnixTime,
    kind: &'static str,
    who: String,
    facts: String,
    reason: String,
    entries: usize,
}

pub(super) fn rows_of(events: &[Event]) -> Vec<Row> {
    let row = |event: &Event| Row {
        time: event.time,
        kind: event.kind.as_str(),
        who: match &event.operator {
            Some(operator) => format!("{operator} ({})", event.writer),
            None => event.writer.clone(),
        },
        facts: facts(event),
        reason: event.reason.clone().unwrap_or_default(),
        entries: event.entries.len(),
    };
    events.iter().map(row).collect()
}

fn facts(event: &Event) -> String {
    let fact = |(name, fact): (&str, &Fact)| match fact {
        Fact::Number(number) => format!("{name} {number}"),
        Fact::Text(text) => format!("{name} {text}"),
    };
    event.facts.iter().map(fact).collect::<Vec<_>>().join(", ")
}

pub(super) fn events_table(rows: &[Row]) -> Markup {
    html! {
        div.table { table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "What" } th scope="col" { "Who" }
                th scope="col" { "Facts" } th scope="col" { "Reason" } th scope="col" { "Tokens" }
            } }
            tbody { @for row in rows { tr {
                td data-label="Time" { (time::show(row.time)) }
                td data-label="What" { (row.kind) }
                td data-label="Who" { (row.who) }
                td data-label="Facts" { (row.facts) }
                td data-label="Reason" { (row.reason) }
                td data-label="Tokens" { @if row.entries > 0 { (row.entries) } }
            } } }
        } }
    }
}

async fn list(State(app): State<App>, person: Person, Query(wanted): Query<Wanted>) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let kind = said(&wanted.kind).map(|kind| EventKind::from_name(&kind).ok_or(DeskError::Malformed)).transpose()?;
    let (since, until) = (said(&wanted.since), said(&wanted.until));
    let (since, until) = (since.as_deref().map(time::read).transpose()?, until.as_deref().map(time::read).transpose()?);
    let (entry, operator) = (said(&wanted.entry), said(&wanted.operator));
    let rows = blocking(&app, move |desk| {
        let entry = entry.map(|id| desk.escrow.entry(&id)).transpose()?.map(|entry| entry.id);
        let filter = EventFilter { entry, kind, writer: None, since, until };
        let mut events = match &operator {
            None => desk.escrow.newest_events(&filter, PAGE)?,
            Some(operator) => newest_of(desk, &filter, operator)?,
        };
        events.reverse();
        Ok(rows_of(&events))
    })
    .await?;
    let body = html! {
        (filter_form(&wanted))
        (events_table(&rows))
        @if rows.len() == PAGE { p.hint { "These are the newest " (PAGE) "; name a time for older ones." } }
        h2 { "Was anything changed?" }
        p { "Every signature and every chain is verified. That may take a while." }
        form method="post" action="/audit/verify" { (token_field(&person.visit)) button { "Verify" } }
        h2 { "Checkpoint" }
        p { "A signed file that says how far the trail has come. Keep it elsewhere: against it, "
            code { "oathburn escrow audit verify --checkpoint" } " shows what was cut off since." }
        form method="post" action="/audit/checkpoint" { (token_field(&person.visit)) button { "Download" } }
    };
    Ok(layout(&person, AUDIT, "Audit", &body))
}

/// The newest events of one operator; the store does not index what is only a claim.
fn newest_of(desk: &crate::Desk, filter: &EventFilter, operator: &str) -> Result<Vec<Event>, DeskError> {
    let mut found = std::collections::VecDeque::new();
    desk.escrow.each_event_by_time::<DeskError>(filter, |event| {
        if event.operator.as_deref() == Some(operator) {
            if found.len() == PAGE {
                found.pop_front();
            }
            found.push_back(event);
        }
        Ok(())
    })?;
    Ok(found.into())
}

fn filter_form(wanted: &Wanted) -> Markup {
    let field = |name: &str, label: &str, value: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                input type="text" id=(name) name=(name) value=(value) autocomplete="off";
            }
        }
    };
    html! {
        form method="get" action=(AUDIT) role="search" {
            div.field {
                label for="kind" { "What" }
                select id="kind" name="kind" {
                    option value="" { "everything" }
                    @for kind in EventKind::ALL {
                        option value=(kind) selected[kind.as_str() == wanted.kind] { (kind) }
                    }
                }
            }
            (field("operator", "Who", &wanted.operator))
            (field("entry", "Entry", &wanted.entry))
            (field("since", "From (UTC)", &wanted.since))
            (field("until", "Before (UTC)", &wanted.until))
            div.actions { button { "Show" } }
        }
    }
}

async fn verify(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    let findings = blocking(&app, |desk| Ok(desk.escrow.verify_events()?)).await?;
    let body = html! {
        @if findings.is_empty() {
            p.done role="status" { "Nothing is wrong: every signature and every chain holds." }
        } @else {
            p.problem role="alert" { (findings.len()) " things are wrong." }
            ul { @for finding in findings.iter().take(PAGE) { li { (finding) } } }
        }
        p { a href=(AUDIT) { "Back to the audit" } }
    };
    Ok(layout(&person, AUDIT, "Verified", &body))
}

async fn checkpoint(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    let json = blocking(&app, move |desk| Ok(trail::checkpoint(desk, &person.name)?.to_json())).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"oathburn-checkpoint.json\""),
    ];
    Ok((headers, json).into_response())
}
