//! What all pages have in common.

use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::csrf;
use crate::people::{Person, Role};
use crate::session::Visit;

/// The pages in the navigation: where they are, what they are called, whose they are.
const PLACES: &[(&str, &str, Role)] = &[
    ("/helpdesk", "Helpdesk", Role::Helpdesk),
    ("/audit", "Audit", Role::Auditor),
    ("/stations", "Stations", Role::Admin),
    ("/work", "Work", Role::Admin),
    ("/people", "People", Role::Admin),
    ("/scripts", "Scripts", Role::Admin),
];

/// The first place that somebody may see; everybody has an account of their own.
pub(super) fn first_place(person: &Person) -> &'static str {
    PLACES.iter().find(|(_, _, role)| person.has(*role)).map_or(ACCOUNT, |(path, ..)| path)
}

/// Where everybody's own account is.
pub(super) const ACCOUNT: &str = "/account";

/// A page for somebody who is signed in. `here` is the path of the place in the navigation that it belongs to.
pub(crate) fn layout(person: &Person, here: &str, title: &str, body: &Markup) -> Response {
    let places = PLACES.iter().filter(|(_, _, role)| person.has(*role));
    document(
        title,
        &html! {
            header {
                span.brand { "oathburn" }
                nav aria-label="Pages" {
                    ul {
                        @for (path, name, _) in places {
                            li { a href=(path) aria-current=[(*path == here).then_some("page")] { (name) } }
                        }
                    }
                }
                form.who method="post" action="/sign-out" {
                    (token_field(&person.visit))
                    a href=(ACCOUNT) aria-current=[(here == ACCOUNT).then_some("page")] { (person.name) }
                    button { "Sign out" }
                }
            }
        },
        body,
    )
    .into_response()
}

/// A page for somebody who is not signed in, with forms that are bound to the visit.
pub(crate) fn visitor(visit: &Visit, title: &str, body: &Markup) -> Response {
    let page = bare(title, body);
    match visit.cookie() {
        Some(cookie) => ([cookie], page).into_response(),
        None => page.into_response(),
    }
}

/// A page for anybody, without forms.
pub(crate) fn bare(title: &str, body: &Markup) -> Markup {
    document(title, &html! {}, body)
}

/// The field that every form needs; see [`csrf`].
pub(crate) fn token_field(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(csrf::FIELD) value=(visit.form_token); }
}

/// For forms that carry codes. Browsers write what a form has sent to the disk, to open its page again after their next start,
/// unless there was a password in it. No password manager wants one that is a code for one time.
pub(crate) fn not_to_be_kept() -> Markup {
    html! { input type="password" name="kept" value="no" autocomplete="one-time-code" hidden; }
}

pub(super) fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · oathburn" }
                link rel="stylesheet" href="/desk.css";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (head)
                main id="main" {
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}
