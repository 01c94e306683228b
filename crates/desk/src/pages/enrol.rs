//! Enrolment: from a code to a password and a second factor.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::layout::{not_to_be_kept, token_field, visitor};
use super::notice;
use super::sign_in::{code_field, password_field, text_field};
use crate::blocking::{blocking, blocking_with_password};
use crate::people::SHORTEST;
use crate::people::enrolment::{self, Choice};
use crate::problem::Problem;
use crate::serve::Peer;
use crate::session::Visit;
use crate::{App, DeskError, throttle};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/enrol", get(show).post(begin)).route("/enrol/finish", post(finish))
}

#[derive(Deserialize)]
struct Given {
    name: String,
    code: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Chosen {
    name: String,
    password: Zeroizing<String>,
    again: Zeroizing<String>,
    code: Zeroizing<String>,
}

async fn show(visit: Visit) -> Response {
    form(&visit, None, "")
}

fn form(visit: &Visit, problem: Option<&DeskError>, name: &str) -> Response {
    let problem = problem.map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        p { "You were given a name and an enrolment code. Have an authenticator app at hand." }
        form method="post" action="/enrol" {
            (token_field(visit))
            (not_to_be_kept())
            (text_field("name", "Name", "username", name))
            (text_field("code", "Enrolment code", "off", ""))
            div.actions { button { "Go on" } }
        }
    };
    (status, visitor(visit, "Enrol", &body)).into_response()
}

async fn begin(State(app): State<App>, visit: Visit, peer: Peer, Form(given): Form<Given>) -> Response {
    let (name, own) = (given.name.clone(), visit.clone());
    let address = throttle::address(peer.0);
    let begun = blocking(&app, move |desk| enrolment::begin(desk, &given.name, &given.code, &own, &address)).await;
    match begun {
        Ok(factor) => {
            let picture = html! {
                h2 { "Your second factor" }
                p { "Scan this with an authenticator app. It is shown only once." }
                // A drawing that we have made, of nothing but numbers.
                div.qr { (PreEscaped(factor.qr.as_str())) }
                p { "Or type the key: " code.code { (factor.text.as_str()) } " (TOTP, SHA-1, 6 digits, 30 seconds)" }
            };
            choose(&visit, None, &name, &picture)
        }
        Err(error) => form(&visit, Some(&error), &name),
    }
}

fn choose(visit: &Visit, problem: Option<&DeskError>, name: &str, picture: &Markup) -> Response {
    let problem = problem.map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        (picture)
        h2 { "Your password" }
        form method="post" action="/enrol/finish" {
            (token_field(visit))
            (text_field("name", "Name", "username", name))
            p.hint id="rule" { "At least " (SHORTEST) " characters; a few words are good." }
            (password_field("password", "Password", "new-password"))
            (password_field("again", "Password once more", "new-password"))
            (code_field())
            div.actions { button { "Finish" } }
        }
    };
    (status, visitor(visit, "Enrol", &body)).into_response()
}

async fn finish(State(app): State<App>, visit: Visit, peer: Peer, Form(chosen): Form<Chosen>) -> Response {
    let (name, own) = (chosen.name.clone(), visit.clone());
    let address = throttle::address(peer.0);
    let finished = blocking_with_password(&app, move |desk| {
        let Chosen { name, password, again, code } = &chosen;
        enrolment::finish(desk, &Choice { name, password, again, code }, &own, &address)
    })
    .await;
    match finished {
        Ok(session) => ([session.cookie(&app)], Redirect::to("/")).into_response(),
        Err(error @ DeskError::EnrolmentWrong) => form(&visit, Some(&error), &name),
        Err(error) => {
            let again = html! {
                p { "The picture is not shown again. If your app does not have it, "
                    a href="/enrol" { "begin again with your enrolment code" } "." }
            };
            choose(&visit, Some(&error), &name, &again)
        }
    }
}
