//! Who works at the desk: for admins.

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use data_encoding::HEXLOWER;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{layout, token_field};
use super::sign_in::text_field;
use super::{notice, time};
use crate::blocking::blocking;
use crate::people::enrolment::EnrolmentCode;
use crate::people::manage::{self, Manager};
use crate::people::{Account, Person, Role};
use crate::problem::Problem;
use crate::table::Kept;
use crate::{App, DeskError};

const PEOPLE: &str = "/people";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(PEOPLE, get(list).post(add))
        .route("/people/{id}", get(one))
        .route("/people/{id}/roles", post(roles))
        .route("/people/{id}/disable", post(disable))
        .route("/people/{id}/enable", post(enable))
        .route("/people/{id}/reset", post(reset))
}

/// Boxes that were ticked.
#[derive(Deserialize)]
struct Roles {
    admin: Option<String>,
    helpdesk: Option<String>,
    auditor: Option<String>,
}

impl Roles {
    fn chosen(&self) -> Vec<Role> {
        let boxes = [(&self.admin, Role::Admin), (&self.helpdesk, Role::Helpdesk), (&self.auditor, Role::Auditor)];
        boxes.into_iter().filter(|(ticked, _)| ticked.is_some()).map(|(_, role)| role).collect()
    }
}

#[derive(Deserialize)]
struct New {
    name: String,
    #[serde(flatten)]
    roles: Roles,
}

async fn list(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    page(&app, person, None, "").await
}

async fn page(app: &App, person: Person, problem: Option<DeskError>, name: &str) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let mut people = blocking(app, crate::Desk::all::<Account>).await?;
    people.sort_by(|one, other| one.value.name.cmp(&other.value.name));
    let problem = problem.as_ref().map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        div.table {
            table {
                caption { "Everybody with an account at this desk" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Roles" } th scope="col" { "State" } } }
                tbody {
                    @for kept in &people {
                        tr {
                            th scope="row" data-label="Name" { a href={ (PEOPLE) "/" (HEXLOWER.encode(&kept.id)) } { (kept.value.name) } }
                            td data-label="Roles" { (names(&kept.value.roles)) }
                            td data-label="State" { (kept.value.state()) }
                        }
                    }
                }
            }
        }
        h2 { "Add somebody" }
        @if let Some(problem) = &problem { (notice(problem)) }
        form method="post" action=(PEOPLE) {
            (token_field(&person.visit))
            (text_field("name", "Name", "off", name))
            (role_boxes(&[]))
            div.actions { button { "Add" } }
        }
    };
    Ok((status, layout(&person, PEOPLE, "People", &body)).into_response())
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

fn role_boxes(ticked: &[Role]) -> Markup {
    html! {
        fieldset {
            legend { "Roles" }
            @for role in Role::ALL {
                label.inline {
                    input type="checkbox" name=(role) value="yes" checked[ticked.contains(role)];
                    (role)
                }
            }
        }
    }
}

async fn add(State(app): State<App>, person: Person, Form(new): Form<New>) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let (by, name, roles) = (person.clone(), new.name.clone(), new.roles.chosen());
    let added = blocking(&app, move |desk| manage::add(desk, &(&by).into(), &name, &roles)).await;
    match added {
        Ok(code) => Ok(invited(&person, &new.name, &code)),
        Err(error @ (DeskError::NameRefused | DeskError::NameTaken | DeskError::RolesMissing)) => {
            page(&app, person, Some(error), &new.name).await
        }
        Err(error) => Err(error),
    }
}

/// The code, once.
fn invited(person: &Person, name: &str, code: &EnrolmentCode) -> Response {
    let body = html! {
        p.done role="status" { "Give this code to " strong { (name) } ", in person or by telephone. It is shown only once." }
        p { code.code { (code.shown.as_str()) } }
        p { "It is good once, until " (time::show(code.expires_at)) ". They type it at "
            code { "/enrol" } ", choose a password and scan a second factor." }
        p { a href=(PEOPLE) { "Back to all people" } }
    };
    layout(person, PEOPLE, "Enrolment code", &body)
}

async fn one(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let kept = blocking(&app, move |desk| desk.account(&id)).await?;
    Ok(details(&person, &kept))
}

fn details(person: &Person, kept: &Kept<Account>) -> Response {
    let account = &kept.value;
    let place = format!("{PEOPLE}/{}", HEXLOWER.encode(&kept.id));
    let (switch, label) = if account.is_disabled { ("enable", "Let in again") } else { ("disable", "Disable") };
    let body = html! {
        dl {
            dt { "Name" } dd { (account.name) }
            dt { "State" } dd { (account.state()) }
        }
        h2 { "Roles" }
        form method="post" action={ (place) "/roles" } {
            (token_field(&person.visit))
            (role_boxes(&account.roles))
            div.actions { button { "Change roles" } }
        }
        h2 { "Password and second factor" }
        p { "Both are taken away, all sessions end, and you get a code with which they enrol anew." }
        form method="post" action={ (place) "/reset" } {
            (token_field(&person.visit))
            button.danger { "Reset both" }
        }
        h2 { "Access" }
        form method="post" action={ (place) "/" (switch) } {
            (token_field(&person.visit))
            button.danger[!account.is_disabled] { (label) }
        }
        p { a href=(PEOPLE) { "Back to all people" } }
    };
    layout(person, PEOPLE, &account.name, &body)
}

async fn roles(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(roles): Form<Roles>,
) -> Result<Redirect, DeskError> {
    change(app, person, id, move |desk, by, id| manage::set_roles(desk, by, id, &roles.chosen())).await
}

async fn disable(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Redirect, DeskError> {
    change(app, person, id, |desk, by, id| manage::set_disabled(desk, by, id, true)).await
}

async fn enable(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Redirect, DeskError> {
    change(app, person, id, |desk, by, id| manage::set_disabled(desk, by, id, false)).await
}

async fn change(
    app: App,
    person: Person,
    id: String,
    job: impl FnOnce(&crate::Desk, &Manager, &[u8]) -> Result<(), DeskError> + Send + 'static,
) -> Result<Redirect, DeskError> {
    person.require(Role::Admin)?;
    let place = blocking(&app, move |desk| {
        let kept = desk.account(&id)?;
        job(desk, &(&person).into(), &kept.id)?;
        Ok(format!("{PEOPLE}/{}", HEXLOWER.encode(&kept.id)))
    })
    .await?;
    Ok(Redirect::to(&place))
}

async fn reset(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let by = person.clone();
    let (name, code) = blocking(&app, move |desk| {
        let kept = desk.account(&id)?;
        manage::reset(desk, &(&by).into(), &kept.id)
    })
    .await?;
    Ok(invited(&person, &name, &code))
}
