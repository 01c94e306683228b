//! Signing in and out.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::layout::{token_field, visitor};
use super::notice;
use crate::blocking::{blocking, blocking_with_password};
use crate::people::Person;
use crate::people::sign_in::{self, Credentials};
use crate::problem::Problem;
use crate::serve::Peer;
use crate::session::{Visit, forget_cookie};
use crate::{App, DeskError, throttle};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/sign-in", get(show).post(sign_in)).route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct Place {
    to: Option<String>,
}

#[derive(Deserialize)]
struct Typed {
    name: String,
    password: Zeroizing<String>,
    code: Zeroizing<String>,
    to: Option<String>,
}

async fn show(visit: Visit, Query(place): Query<Place>) -> Response {
    form(&visit, None, "", place.to.as_deref())
}

fn form(visit: &Visit, problem: Option<&DeskError>, name: &str, to: Option<&str>) -> Response {
    let problem = problem.map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        form method="post" action="/sign-in" {
            (token_field(visit))
            @if let Some(to) = to { input type="hidden" name="to" value=(to); }
            (text_field("name", "Name", "username", name))
            (password_field("password", "Password", "current-password"))
            (code_field())
            div.actions { button { "Sign in" } }
        }
        p.hint { "New here? " a href="/enrol" { "Enrol with the code that you were given." } }
    };
    (status, visitor(visit, "Sign in", &body)).into_response()
}

/// A line of text.
pub(super) fn text_field(name: &str, label: &str, autocomplete: &str, value: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input type="text" id=(name) name=(name) value=(value) autocomplete=(autocomplete) autocapitalize="none" spellcheck="false" required;
    }
}

pub(super) fn password_field(name: &str, label: &str, autocomplete: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input type="password" id=(name) name=(name) autocomplete=(autocomplete) required;
    }
}

/// Six digits of the second factor.
pub(super) fn code_field() -> Markup {
    html! {
        label for="code" { "Code that your app shows" }
        input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12" required;
    }
}

async fn sign_in(State(app): State<App>, visit: Visit, peer: Peer, Form(typed): Form<Typed>) -> Response {
    let (name, to) = (typed.name.clone(), typed.to.clone());
    let address = throttle::address(peer.0);
    let (tried, old) = (address.clone(), visit.clone());
    let result = blocking_with_password(&app, move |desk| {
        let credentials = Credentials { name: &typed.name, password: &typed.password, code: &typed.code };
        let session = sign_in::sign_in(desk, &credentials, &tried)?;
        // Whoever was signed in here before is not any more.
        sign_in::sign_out(desk, &typed.name, old.number())?;
        Ok(session)
    })
    .await;
    match result {
        Ok(session) => ([session.cookie(&app)], Redirect::to(place(to.as_deref()))).into_response(),
        Err(error) => {
            if matches!(error, DeskError::SignInWrong) {
                let name = name.clone();
                // Not waited for: how long it takes says whether there is such a name.
                tokio::spawn(
                    async move { blocking(&app, move |desk| sign_in::note_failure(desk, &name, &address)).await },
                );
            }
            form(&visit, Some(&error), &name, to.as_deref())
        }
    }
}

/// A place of ours; anything that leads elsewhere is the start page.
fn place(to: Option<&str>) -> &str {
    let plain = |to: &&str| {
        to.starts_with('/') && !to.starts_with("//") && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    to.filter(plain).unwrap_or("/")
}

/// A place as the value of a parameter.
pub(super) fn quoted(place: &str) -> String {
    let mut quoted = String::with_capacity(place.len() + 8);
    for byte in place.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => quoted.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(quoted, "%{byte:02X}")),
        }
    }
    quoted
}

async fn sign_out(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    blocking(&app, move |desk| sign_in::sign_out(desk, &person.name, person.visit.number())).await?;
    Ok(([forget_cookie(&app)], Redirect::to("/sign-in")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for good in ["/", "/people", "/people/1?a=b%20c", "/a//b"] {
            assert_eq!(place(Some(good)), good);
        }
        for bad in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x", "evil", "/ä"]
        {
            assert_eq!(place(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(place(None), "/");
        assert_eq!(quoted("/a?b=c&d\"<é"), "/a%3Fb%3Dc%26d%22%3C%C3%A9");
    }
}
