//! The list, with what can be done to a selection.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use oathburn_oath::UnixTime;
use serde::Deserialize;

use super::{Admin, STATIONS, note, page, shown_code, time};
use crate::blocking::blocking;
use crate::pages::layout::token_field;
use crate::people::Person;
use crate::stations::{CodeLength, MacId, Station, StationState};
use crate::{App, DeskError, stations};

/// How many stations are on a page.
const PER_PAGE: usize = 250;

pub(super) fn routes() -> Router<App> {
    Router::new().route(STATIONS, get(list))
}

/// Which stations are to be shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// The stable name of a state, or nothing.
    pub(super) state: String,
    /// A part of a MAC ID or a location.
    pub(super) q: String,
    /// Counted from 0.
    pub(super) page: usize,
}

impl Wanted {
    pub(super) fn includes(&self, station: &Station) -> bool {
        self.stations().includes(station)
    }

    fn finds(&self, station: &Station) -> bool {
        self.stations().finds(station)
    }

    fn stations(&self) -> stations::Wanted {
        stations::Wanted { state: StationState::from_name(&self.state), text: self.q.clone() }
    }

    fn link(&self, state: &str, page: usize) -> String {
        let q = crate::pages::sign_in::quoted(&self.q);
        format!("{STATIONS}?state={state}&q={q}&page={page}")
    }
}

/// What the page shows.
pub(super) struct Shown {
    wanted: Wanted,
    /// How many stations are in each state, and that match.
    counts: HashMap<StationState, usize>,
    matching: usize,
    rows: Vec<Row>,
    now: UnixTime,
    guesses: u64,
}

struct Row {
    station: Station,
    note: String,
    seen: Option<u64>,
}

async fn list(State(app): State<App>, admin: Admin, Query(wanted): Query<Wanted>) -> Result<Response, DeskError> {
    with(&app, &admin.0, wanted, &html! {}).await
}

/// The list under something that is said first.
pub(super) async fn with(app: &App, person: &Person, wanted: Wanted, said: &Markup) -> Result<Response, DeskError> {
    let shown = blocking(app, move |desk| {
        let register = desk.register();
        let listed = register.list_seen()?;
        let (mut counts, mut matching) = (HashMap::new(), Vec::new());
        for one in listed.into_iter().filter(|one| wanted.finds(&one.station)) {
            *counts.entry(one.station.state).or_insert(0) += 1;
            if wanted.includes(&one.station) {
                matching.push(one);
            }
        }
        let total = matching.len();
        let rows = matching.into_iter().skip(wanted.page.saturating_mul(PER_PAGE)).take(PER_PAGE);
        let rows = rows.map(|one| {
            let code = shown_code(register, &one.station)?;
            let note = note(&one.station, code.as_deref(), register.now());
            Ok(Row { note, seen: one.seen.map(|seen| seen.at), station: one.station })
        });
        let rows = rows.collect::<Result<Vec<_>, DeskError>>()?;
        let guesses = register.guesses_left(CodeLength::SHORTEST)?;
        Ok(Shown { wanted, counts, matching: total, rows, now: register.now(), guesses })
    });
    let shown = shown.await?;
    let body = html! {
        (said)
        (tools(&shown))
        @if shown.rows.is_empty() {
            p { "No station is here." }
        } @else {
            form method="post" {
                (token_field(&person.visit))
                input type="hidden" name="state" value=(shown.wanted.state);
                input type="hidden" name="q" value=(shown.wanted.q);
                (news())
                (table(&shown))
                (actions(&shown))
            }
        }
        script src="/stations.js" defer {}
    };
    Ok(page(person, "Stations", &body))
}

fn tools(shown: &Shown) -> Markup {
    let total: usize = shown.counts.values().sum();
    let current = |state: &str| (shown.wanted.state == state).then_some("page");
    html! {
        div.actions {
            a.button href={ (STATIONS) "/add" } { "Add stations" }
            a.button.quiet href={ (STATIONS) "/login-code" } { "Type a login code" }
        }
        nav aria-label="States" {
            ul {
                li { a href=(shown.wanted.link("", 0)) aria-current=[current("")] { "All (" (total) ")" } }
                @for state in StationState::ALL {
                    @let count = shown.counts.get(&state).copied().unwrap_or(0);
                    li { a href=(shown.wanted.link(state.as_str(), 0)) aria-current=[current(state.as_str())] { (state.title()) " (" (count) ")" } }
                }
            }
        }
        form method="get" action=(STATIONS) role="search" {
            input type="hidden" name="state" value=(shown.wanted.state);
            div.field {
                label for="q" { "MAC ID or location" }
                input type="search" id="q" name="q" value=(shown.wanted.q);
            }
            button.quiet { "Search" }
        }
        @if shown.guesses < 20 {
            p.problem role="alert" {
                "Somebody has guessed at verification codes: the desk judges only " (shown.guesses)
                " more wrong codes of six digits for now. Codes of ten digits and login codes go on."
            }
        }
    }
}

/// Where the page says what has changed while it is open, also to those who do not see it.
pub(super) fn news() -> Markup {
    html! { p.news role="status" id="news" {} }
}

fn table(shown: &Shown) -> Markup {
    let pages = shown.matching.div_ceil(PER_PAGE);
    html! {
        div.table {
            table {
                caption { (super::count(shown.matching)) @if pages > 1 { ", page " (shown.wanted.page + 1) " of " (pages) } }
                thead {
                    tr {
                        th scope="col" { "Select" }
                        th scope="col" { "MAC ID" }
                        th scope="col" { "Location" }
                        th scope="col" { "State" }
                        th scope="col" { "Now" }
                        th scope="col" { "Heard of" }
                    }
                }
                tbody id="stations" data-events={ (STATIONS) "/events" } {
                    @for row in &shown.rows { (line(row, shown.now)) }
                }
            }
        }
        @if pages > 1 {
            nav aria-label="Pages of the list" {
                ul {
                    @if shown.wanted.page > 0 {
                        li { a rel="prev" href=(shown.wanted.link(&shown.wanted.state, shown.wanted.page - 1)) { "Back" } }
                    }
                    @if shown.wanted.page + 1 < pages {
                        li { a rel="next" href=(shown.wanted.link(&shown.wanted.state, shown.wanted.page + 1)) { "Next" } }
                    }
                }
            }
        }
    }
}

fn line(row: &Row, now: UnixTime) -> Markup {
    let station = &row.station;
    html! {
        tr data-mac=(station.mac) {
            td data-label="Select" { input type="checkbox" name="mac" value=(station.mac) aria-label={ "Select " (station.mac) ", " (station.location) }; }
            th scope="row" data-label="MAC ID" { a href=(link(station.mac)) { (station.mac) } }
            td data-label="Location" { (station.location) }
            td data-label="State" { span data-cell="state" data-state=(station.state.as_str()) { (station.state.title()) } }
            td data-label="Now" data-cell="note" { (row.note) }
            td data-label="Heard of" { @if let Some(at) = row.seen { (ago(UnixTime::new(at), now)) } }
        }
    }
}

/// The page of one station.
pub(super) fn link(mac: MacId) -> String {
    format!("{STATIONS}/{mac}")
}

/// A time for people in a hurry, exactly for the others.
fn ago(at: UnixTime, now: UnixTime) -> Markup {
    let text = match now.since(at) {
        ..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    };
    html! { span title=(time::text(at)) { (text) } }
}

fn actions(shown: &Shown) -> Markup {
    html! {
        p {
            label.inline { input type="checkbox" name="all" value="yes"; "All " (super::count(shown.matching)) " of this list" }
        }
        (buttons())
    }
}

/// What can be done to stations that are selected.
pub(super) fn buttons() -> Markup {
    let to = |deed: &str| format!("{STATIONS}/{deed}");
    html! {
        fieldset {
            legend { "Sign-in" }
            label for="account" { "Account that they act for" }
            input type="text" id="account" name="account" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="128";
            div.actions {
                button formaction=(to("sign-in")) { "Sign in" }
                button.quiet formaction=(to("sign-out")) { "Sign out" }
                button.quiet formaction=(to("fetch")) { "Fetch login codes" }
            }
        }
        fieldset {
            legend { "Verification codes" }
            label.inline { input type="radio" name="shared" value="no" checked; "Another for each station" }
            label.inline { input type="radio" name="shared" value="yes"; "The same for all" }
            label for="digits" { "Digits, at least" }
            select id="digits" name="digits" {
                @for digits in CodeLength::SHORTEST.digits()..=CodeLength::LONGEST.digits() { option value=(digits) { (digits) } }
            }
            label for="life" { "Good for" }
            select id="life" name="life" {
                @for (hours, name) in [(1, "1 hour"), (8, "8 hours"), (24, "24 hours"), (72, "3 days"), (168, "7 days"), (720, "30 days")] {
                    option value=(hours) selected[hours == 24] { (name) }
                }
            }
            div.actions {
                button formaction=(to("codes")) { "Make codes" }
                button.quiet formaction=(to("revoke-codes")) { "Revoke codes" }
            }
        }
        fieldset {
            legend { "Ends" }
            div.actions {
                button.danger formaction=(to("revoke")) { "Revoke" }
                button.danger formaction=(to("begin-anew")) { "Provision again" }
                button.danger formaction=(to("remove")) { "Remove" }
            }
        }
    }
}
