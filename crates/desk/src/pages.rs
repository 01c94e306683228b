//! Pages for people. They need no script.

mod account;
mod enrol;
mod helpdesk;
mod layout;
mod people;
mod scripts;
mod sign_in;
mod stations;
mod time;
mod trail;
mod work;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};

use self::layout::bare;
use crate::App;
use crate::people::Person;
use crate::problem::Problem;

/// The one style sheet.
const STYLE: &str = include_str!("pages/desk.css");

/// All pages: one line for each area.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(start))
        .route("/desk.css", get(style))
        .merge(sign_in::routes())
        .merge(enrol::routes())
        .merge(account::routes())
        .merge(people::routes())
        .merge(scripts::routes())
        .merge(stations::routes())
        .merge(work::routes())
        .merge(helpdesk::routes())
        .merge(trail::routes())
}

/// The first place that somebody may see.
async fn start(person: Person) -> Redirect {
    Redirect::to(layout::first_place(&person))
}

/// Where somebody signs in who is to see a place afterwards.
pub(crate) fn to_sign_in(place: Option<&str>) -> Response {
    let place = place.filter(|place| *place != "/");
    let to = place.map(|place| format!("?to={}", sign_in::quoted(place))).unwrap_or_default();
    Redirect::to(&format!("/sign-in{to}")).into_response()
}

/// The same for everybody, and for as long as the desk is not a newer one.
async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLE).into_response()
}

/// What went wrong, and what to do.
pub(crate) fn problem(problem: &Problem) -> Markup {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    bare(title, &html! { (notice(problem)) p { a href="/" { "Go to the start page" } } })
}

/// The same above a form that is to be filled in again.
fn notice(problem: &Problem) -> Markup {
    html! {
        div.problem role="alert" {
            p { (sentence(&problem.message)) "." }
            @if let Some(remedy) = &problem.remedy { p { (sentence(remedy)) "." } }
            p.small { "Code: " code { (problem.code) } }
        }
    }
}

/// Messages are fragments: on a page they begin as sentences do.
fn sentence(fragment: &str) -> String {
    let mut chars = fragment.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
