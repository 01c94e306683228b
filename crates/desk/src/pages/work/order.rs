//! One order: how it stands, what somebody has to look at, its results, its end.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::extract::{Path, Query, State};
use axum::response::Response;
use data_encoding::HEXLOWER;
use maud::{Markup, html};
use oathburn_escrow::{BatchId, BatchState, Line, LineState};
use serde::Deserialize;

use super::live::Cells;
use super::new::audience_boxes;
use super::{WORK, audience as audience_of, progress as bar, summary};
use crate::blocking::blocking;
use crate::pages::layout::{layout, token_field};
use crate::pages::time;
use crate::people::{Person, Role};
use crate::stations::{MacId, Station};
use crate::work::wire::batch_id;
use crate::work::{Audience, Conflict, OnStation, Progress, Settlement};
use crate::{App, Desk, DeskError};

/// Lines on one page.
const PAGE: usize = 100;
/// What the keys of rows begin with that say who holds lines.
const HOLDER: &str = "station-";

#[derive(Default, Deserialize)]
pub(super) struct Wish {
    /// The line after which to begin.
    #[serde(default)]
    pub(super) after: u32,
    /// What a page that is open was made of; see [`Shown::mark`].
    pub(super) seen: Option<String>,
}

pub(super) fn id_of(text: &str) -> Result<BatchId, DeskError> {
    batch_id(text).ok_or(DeskError::PageUnknown)
}

/// All that the page shows of an order.
pub(super) struct Shown {
    progress: Progress,
    conflicts: Vec<(Vec<u8>, Conflict)>,
    waiting: Vec<Line>,
    lines: Vec<Line>,
    /// Which station has which of these lines, or had it.
    at: BTreeMap<u32, String>,
    /// Where the stations are that hold lines.
    locations: BTreeMap<String, String>,
}

impl Shown {
    pub(super) fn of(desk: &Desk, id: BatchId, after: u32) -> Result<Self, DeskError> {
        let progress = desk.progress(id)?;
        let conflicts = desk.conflicts(Some(id))?;
        let waiting = desk.waiting_lines(id)?;
        let lines = desk.order_lines(id, after, PAGE)?;
        let at = desk.stations_of(id, &lines)?;
        let mut locations = BTreeMap::new();
        for mac in progress.on.iter().filter_map(|held| held.station.parse::<MacId>().ok()) {
            if let Some((station, _)) = desk.register().get(mac)? {
                locations.insert(mac.to_string(), station.location);
            }
        }
        Ok(Self { progress, conflicts, waiting, lines, at, locations })
    }

    fn open(&self) -> impl Iterator<Item = &(Vec<u8>, Conflict)> {
        self.conflicts.iter().filter(|(_, conflict)| conflict.settled.is_none())
    }

    /// What the page has forms and rows for. Another mark says that it is to be loaded again.
    fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.progress.order.batch.state.to_string().hash(&mut hasher);
        (self.progress.order.batch.counts.done > 0, self.progress.order.batch.counts.failed > 0).hash(&mut hasher);
        self.open().for_each(|(id, _)| id.hash(&mut hasher));
        self.waiting.iter().for_each(|line| line.number.hash(&mut hasher));
        format!("{:016x}", hasher.finish())
    }

    /// What changes on a page that is open, and was made when `seen` was the mark.
    pub(super) fn cells(&self, seen: Option<&str>) -> Cells {
        let mut cells = Cells::new();
        let news = if seen.is_none_or(|seen| seen == self.mark()) { "" } else { "There is something new." };
        let mut order = summary(&self.progress.order);
        order.insert("news", news.to_owned());
        cells.insert("order".into(), order);
        for held in &self.progress.on {
            cells.insert(format!("{HOLDER}{}", held.station), self.holder(held).into());
        }
        for line in &self.lines {
            let row = [("token", token(line)), ("station", self.station(line)), ("line", line.state.to_string())];
            let mut row = BTreeMap::from(row);
            row.insert("note", note(line));
            cells.insert(format!("line-{}", line.number), row);
        }
        cells
    }

    /// What the row of a station says that holds lines.
    fn holder(&self, held: &OnStation) -> [(&'static str, String); 4] {
        let location = self.locations.get(&held.station).cloned().unwrap_or_default();
        let lines = held.lines.to_string();
        [("station", held.station.clone()), ("location", location), ("lines", lines), ("until", time::text(held.until))]
    }

    fn station(&self, line: &Line) -> String {
        self.at.get(&line.number).cloned().unwrap_or_default()
    }
}

/// The token of a line: the one that it has, or the only one that will do.
fn token(line: &Line) -> String {
    let entry = line.entry.as_ref().map(|entry| &entry.identity.serial);
    entry.or(line.serial.as_ref()).map(ToString::to_string).unwrap_or_default()
}

/// When a line was burned, or why it was not.
fn note(line: &Line) -> String {
    match (&line.failure, line.state) {
        (Some((why, _)), LineState::Failed) => why.clone(),
        _ => line.entry.as_ref().and_then(|entry| entry.programmed_at).map(time::text).unwrap_or_default(),
    }
}

pub(super) async fn show(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    page(&app, &person, id_of(&id)?, wish.after, html! {}).await
}

/// The page of an order, with what there is to be said first.
pub(super) async fn page(
    app: &App,
    person: &Person,
    id: BatchId,
    after: u32,
    said: Markup,
) -> Result<Response, DeskError> {
    let (shown, stations) =
        blocking(app, move |desk| Ok((Shown::of(desk, id, after)?, desk.register().list()?))).await?;
    let title = shown.progress.order.batch.name.clone();
    Ok(layout(person, WORK, &title, &html! { (said) (body(person, &shown, &stations, after)) }))
}

fn body(person: &Person, shown: &Shown, stations: &[Station], after: u32) -> Markup {
    let order = &shown.progress.order;
    let place = format!("{WORK}/{}", order.batch.id);
    let (live, again) =
        (format!("{place}/events?after={after}&seen={}", shown.mark()), format!("{place}?after={after}"));
    html! {
        div data-live=(live) data-key="order" {
            p { (bar(order)) }
            p { span role="status" data-cell="news" {} " " a href=(again) { "Load this page again" } }
            dl {
                dt { "State" } dd data-cell="state" { (order.batch.state) }
                dt { "Given" } dd { (time::show(order.batch.created_at)) " by " (order.by) }
                dt { "For" } dd { (audience_of(order)) }
                dt { "Order" } dd { code { (order.batch.id) } }
            }
            (conflicts(person, &place, shown))
            (waiting(person, &place, shown))
            (holders(shown))
            (lines(&place, shown, after))
        }
        (results(person, &place, shown))
        @if order.batch.state == BatchState::Running { (changes(person, &place, shown, stations)) }
        (settled(shown))
        p { a href=(WORK) { "Back to all orders" } }
        script src="/work.js" defer {}
    }
}

/// What comes out of an order.
fn results(person: &Person, place: &str, shown: &Shown) -> Markup {
    let batch = &shown.progress.order.batch;
    html! {
        h2 { "Results" }
        p { a href={ (place) "/results.csv" } download { "Download what became of each line, as CSV" } }
        @if batch.counts.failed > 0 && batch.state != BatchState::Cancelled {
            form method="post" action={ (place) "/retry" } {
                (token_field(&person.visit))
                div.actions { button { "Take failed lines up again" } }
            }
        }
        @if batch.counts.done > 0 {
            form method="post" action={ (place) "/export" } {
                (token_field(&person.visit))
                p {
                    "The file for Entra holds the seeds of all tokens that are done. It is as secret as they are: delete it when it has \
                     been imported. Who has it made, and why, is noted, and the tokens count as exported."
                }
                (reason_field("export-reason", true))
                div.actions { button { "Make the file for Entra" } }
            }
        }
    }
}

/// What can be changed while an order goes on.
fn changes(person: &Person, place: &str, shown: &Shown, stations: &[Station]) -> Markup {
    let audience = &shown.progress.order.audience;
    html! {
        h2 { "Stations" }
        form method="post" action={ (place) "/audience" } {
            (token_field(&person.visit))
            (audience_boxes(stations, &audience.clone().unwrap_or_default(), *audience == Some(Audience::default())))
            div.actions { button.quiet { "Change who may work on it" } }
        }
        h2 { "Cancel" }
        form method="post" action={ (place) "/cancel" } {
            (token_field(&person.visit))
            p { "Lines that are left are not burned any more. What a station burns before it hears of that is kept, and shown here." }
            (reason_field("cancel-reason", true))
            div.actions { button.danger { "Cancel the order" } }
        }
    }
}

fn reason_field(id: &str, required: bool) -> Markup {
    html! {
        label for=(id) { "Reason" }
        input type="text" id=(id) name="reason" maxlength="500" autocomplete="off" required[required];
    }
}

/// Rows come and go while the page is open: they are made from the template.
fn holders(shown: &Shown) -> Markup {
    let row = |key: Option<String>, [station, location, lines, until]: [&str; 4]| {
        html! {
            tr data-key=[key] {
                th scope="row" data-label="Station" data-cell="station" { (station) }
                td data-label="Location" data-cell="location" { (location) }
                td data-label="Lines" data-cell="lines" { (lines) }
                td data-label="Free again" data-cell="until" { (until) }
            }
        }
    };
    html! {
        div.table hidden[shown.progress.on.is_empty()] {
            table {
                caption { "Who holds lines now" }
                thead { tr { th scope="col" { "Station" } th scope="col" { "Location" } th scope="col" { "Lines" } th scope="col" { "Free again, if nothing is heard" } } }
                tbody {
                    @for held in &shown.progress.on {
                        @let cells = shown.holder(held);
                        (row(Some(format!("{HOLDER}{}", held.station)), cells.each_ref().map(|(_, text)| text.as_str())))
                    }
                    template data-rows=(HOLDER) { (row(None, [""; 4])) }
                }
            }
        }
    }
}

fn conflicts(person: &Person, place: &str, shown: &Shown) -> Markup {
    html! {
        @if shown.open().next().is_some() { h2 { "Look at these" } }
        @for (id, conflict) in shown.open() {
            @let id = HEXLOWER.encode(id);
            div.problem role="alert" {
                p { (about(conflict)) "." }
                form method="post" action={ (place) "/settle" } aria-label={ "Settle line " (conflict.line) } {
                    (token_field(&person.visit))
                    input type="hidden" name="conflict" value=(id);
                    (reason_field(&format!("reason-{id}"), true))
                    div.actions {
                        @if conflict.kind.is_beside() {
                            button name="how" value="retired" { "Put the token out of use" }
                            @if conflict.burned { button name="how" value="accepted" { "The token is in use" } }
                        } @else {
                            button name="how" value="seen" { "I have seen to it" }
                        }
                    }
                }
            }
        }
    }
}

fn about(conflict: &Conflict) -> String {
    let user = conflict.upn.as_deref().unwrap_or("stock");
    format!(
        "Line {} ({user}), token {}, station {}: {}",
        conflict.line,
        conflict.serial,
        conflict.station,
        conflict.kind.describe()
    )
}

/// What was to be looked at, and what somebody did about it.
fn settled(shown: &Shown) -> Markup {
    let settled = || shown.conflicts.iter().filter_map(|(_, conflict)| Some((conflict, conflict.settled.as_ref()?)));
    html! {
        @if settled().next().is_some() {
            h2 { "Settled" }
            ul {
                @for (conflict, settled) in settled() {
                    li {
                        (about(conflict)) ". "
                        @match settled.how {
                            Settlement::Retired => { "The token was put out of use" }
                            Settlement::Accepted => { "The token is in use" }
                            Settlement::Seen => { "It was seen to" }
                        }
                        ": " (settled.by) ", " (time::show(oathburn_oath::UnixTime::new(settled.at))) "."
                    }
                }
            }
        }
    }
}

fn waiting(person: &Person, place: &str, shown: &Shown) -> Markup {
    html! {
        @if !shown.waiting.is_empty() {
            h2 { "Begun and not finished" }
            p { "Each waits for its token: laid on a reader at its station, it is finished. If the token is lost or broken, release the line." }
            @for line in &shown.waiting {
                form method="post" action={ (place) "/release" } aria-label={ "Release line " (line.number) } {
                    (token_field(&person.visit))
                    input type="hidden" name="line" value=(line.number);
                    p { "Line " (line.number) " (" (line.upn.as_deref().unwrap_or("stock")) ") waits for " strong { (token(line)) } "." }
                    (reason_field(&format!("release-{}", line.number), true))
                    div.actions { button.quiet { "Release the line" } }
                }
            }
        }
    }
}

fn lines(place: &str, shown: &Shown, after: u32) -> Markup {
    html! {
        h2 { "Lines" }
        div.table {
            table {
                caption { "The lines of the order" }
                thead {
                    tr {
                        th scope="col" { "Line" } th scope="col" { "User" } th scope="col" { "Token" }
                        th scope="col" { "Station" } th scope="col" { "State" } th scope="col" { "When, or why not" }
                    }
                }
                tbody {
                    @for line in &shown.lines {
                        tr data-key={ "line-" (line.number) } {
                            th scope="row" data-label="Line" { (line.number) }
                            td data-label="User" { (line.upn.as_deref().unwrap_or_default()) }
                            td data-label="Token" data-cell="token" { (token(line)) }
                            td data-label="Station" data-cell="station" { (shown.station(line)) }
                            td data-label="State" data-cell="line" { (line.state) }
                            td data-label="When, or why not" data-cell="note" { (note(line)) }
                        }
                    }
                }
            }
        }
        p {
            @if after > 0 { a href=(place) { "First lines" } " " }
            @if let (Some(last), true) = (shown.lines.last(), shown.lines.len() == PAGE) {
                a href={ (place) "?after=" (last.number) } { "More lines" }
            }
        }
    }
}
