//! Pages for people. They need no script.

mod layout;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use self::layout::bare;
use crate::App;
use crate::problem::Problem;

/// The one style sheet.
const STYLE: &str = include_str!("pages/desk.css");

/// All pages: one line for each area.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/desk.css", get(style))
}

/// The same for everybody, and for as long as the desk is not a newer one.
async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLE).into_response()
}

/// What went wrong, and what to do.
pub(crate) fn problem(problem: &Problem) -> Markup {
    let status = problem.status;
    bare(
        status.canonical_reason().unwrap_or("Error"),
        &html! {
            p.problem role="alert" { (sentence(&problem.message)) "." }
            @if let Some(remedy) = &problem.remedy { p { (sentence(remedy)) "." } }
            p { a href="/" { "Go to the start page" } }
            p.small { "Code: " code { (problem.code) } }
        },
    )
}

/// Messages are fragments: on a page they begin as sentences do.
fn sentence(fragment: &str) -> String {
    let mut chars = fragment.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
