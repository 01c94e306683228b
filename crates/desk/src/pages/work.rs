//! Orders: giving one, and how they stand. For admins.

mod deeds;
mod live;
mod new;
mod order;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::layout::layout;
use super::time;
use crate::blocking::blocking;
use crate::people::{Person, Role};
use crate::work::Order;
use crate::{App, DeskError};

/// Where orders are.
pub(super) const WORK: &str = "/work";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(WORK, get(list))
        // How long a body may be is said for all requests alike.
        .route("/work/new", get(new::form).post(new::give).layer(DefaultBodyLimit::disable()))
        .route("/work/{id}", get(order::show))
        .route("/work/{id}/results.csv", get(deeds::results))
        .route("/work/{id}/cancel", post(deeds::cancel))
        .route("/work/{id}/retry", post(deeds::retry))
        .route("/work/{id}/release", post(deeds::release))
        .route("/work/{id}/audience", post(deeds::audience))
        .route("/work/{id}/export", post(deeds::export))
        .route("/work/{id}/settle", post(deeds::settle))
        .merge(live::routes())
}

async fn list(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let (mut orders, conflicts) = blocking(&app, |desk| Ok((desk.orders()?, desk.conflicts(None)?))).await?;
    orders.reverse();
    let open = |order: &Order| {
        let id = order.batch.id.to_string();
        conflicts.iter().filter(|(_, one)| one.order == id && one.settled.is_none()).count()
    };
    let body = html! {
        div.actions { a.button href="/work/new" { "New order" } }
        @if orders.is_empty() {
            p { "There is no order yet. An order is a list of users; stations burn a token for each." }
        } @else {
            div.table data-live={ (WORK) "/events" } {
                table {
                    caption { "Orders, newest first" }
                    thead {
                        tr {
                            th scope="col" { "Order" } th scope="col" { "For" } th scope="col" { "Given" }
                            th scope="col" { "State" } th scope="col" { "Progress" } th scope="col" { "To look at" }
                        }
                    }
                    tbody { @for order in &orders { (row(order, open(order))) } }
                }
            }
            script src="/work.js" defer {}
        }
    };
    Ok(layout(&person, WORK, "Work", &body))
}

fn row(order: &Order, conflicts: usize) -> Markup {
    let batch = &order.batch;
    html! {
        tr data-key=(batch.id) {
            th scope="row" data-label="Order" { a href={ (WORK) "/" (batch.id) } { (batch.name) } }
            td data-label="For" { (audience(order)) }
            td data-label="Given" { (time::show(batch.created_at)) " by " (order.by) }
            td data-label="State" data-cell="state" { (batch.state) }
            td data-label="Progress" { div { (progress(order)) } }
            td data-label="To look at" { @if conflicts > 0 { strong { (conflicts) } } }
        }
    }
}

fn audience(order: &Order) -> String {
    order.audience.as_ref().map_or_else(|| "nobody yet".into(), crate::work::Audience::describe)
}

/// How many lines are done, for eyes and for programs that read aloud.
fn progress(order: &Order) -> Markup {
    html! {
        progress max=(order.batch.lines) value=(order.batch.counts.done) data-cell="bar" aria-label={ "Done of " (order.batch.name) } {}
        " " span data-cell="progress" { (counts(order)) }
    }
}

fn counts(order: &Order) -> String {
    let (counts, lines) = (order.batch.counts, order.batch.lines);
    format!("{} of {lines} done, {} failed, {} left", counts.done, counts.failed, counts.left())
}

/// What of an order changes while somebody looks on.
fn summary(order: &Order) -> BTreeMap<&'static str, String> {
    let (state, bar) = (order.batch.state.to_string(), order.batch.counts.done.to_string());
    [("state", state), ("bar", bar), ("progress", counts(order))].into()
}
