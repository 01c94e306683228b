//! Everybody's own account.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::layout::{ACCOUNT, layout, token_field};
use super::sign_in::password_field;
use super::{notice, time};
use crate::blocking::{blocking, blocking_with_password};
use crate::people::{Person, SHORTEST, manage};
use crate::problem::Problem;
use crate::session::{self, forget_cookie};
use crate::{App, DeskError};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(ACCOUNT, get(show))
        .route("/account/password", post(password))
        .route("/account/sign-out-everywhere", post(everywhere))
}

#[derive(Deserialize)]
struct Passwords {
    old: Zeroizing<String>,
    new: Zeroizing<String>,
    again: Zeroizing<String>,
}

async fn show(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    page(&app, person, None).await
}

async fn page(app: &App, person: Person, problem: Option<&DeskError>) -> Result<Response, DeskError> {
    let name = person.name.clone();
    let sessions = blocking(app, move |desk| session::sessions(desk, &name)).await?;
    let problem = problem.map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        dl {
            dt { "Name" } dd { (person.name) }
            dt { "Roles" } dd { @for role in &person.roles { (role) " " } }
        }
        h2 { "Change your password" }
        form method="post" action="/account/password" {
            (token_field(&person.visit))
            // For password managers: whose password it is.
            input type="text" value=(person.name) autocomplete="username" readonly hidden;
            (password_field("old", "Present password", "current-password"))
            p.hint { "At least " (SHORTEST) " characters; a few words are good." }
            (password_field("new", "New password", "new-password"))
            (password_field("again", "New password once more", "new-password"))
            div.actions { button { "Change" } }
        }
        h2 { "Sign out everywhere" }
        p { "All your sessions end, on this browser and on every other one. They were last used:" }
        ul { @for seen in &sessions { li { (time::show(*seen)) } } }
        form method="post" action="/account/sign-out-everywhere" {
            (token_field(&person.visit))
            button.quiet { "Sign out everywhere" }
        }
        p.hint { "A lost phone or a forgotten password: an admin of the desk resets both." }
    };
    Ok((status, layout(&person, ACCOUNT, "Your account", &body)).into_response())
}

async fn password(State(app): State<App>, person: Person, Form(typed): Form<Passwords>) -> Result<Response, DeskError> {
    let by = person.clone();
    let changed = blocking_with_password(&app, move |desk| {
        manage::change_password(desk, &by, &typed.old, (&typed.new, &typed.again))
    })
    .await;
    match changed {
        Ok(()) => Ok(([forget_cookie(&app)], Redirect::to("/sign-in")).into_response()),
        Err(error) => page(&app, person, Some(&error)).await,
    }
}

async fn everywhere(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    blocking(&app, move |desk| manage::sign_out_everywhere(desk, &person)).await?;
    Ok(([forget_cookie(&app)], Redirect::to("/sign-in")).into_response())
}
