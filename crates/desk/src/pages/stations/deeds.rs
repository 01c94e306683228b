//! What is done to a selection at once.

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{Redirect, Response};
use axum::routing::post;
use maud::{Markup, html};

use super::{Admin, Fields, STATIONS, again, count, list, outcome, page, refused};
use crate::blocking::blocking;
use crate::pages::layout::token_field;
use crate::people::Person;
use crate::stations::{Bulk, MacId, Register, RegisterError};
use crate::{App, DeskError};

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new();
    for deed in DEEDS {
        let path = format!("{STATIONS}/{}", deed.path);
        routes = routes.route(&path, post(move |app, admin, fields| run(deed, app, admin, fields)));
    }
    routes.route("/stations/{mac}/relocate", post(relocate))
}

/// What is done to each station of a selection, in whose name, with which field of the form.
type Work = fn(&Register, &str, &[MacId], &Fields) -> Result<Bulk, RegisterError>;

struct Deed {
    path: &'static str,
    /// What was done, after a count of stations.
    done: &'static str,
    /// What is asked before, where it cannot be undone.
    question: Option<(&'static str, &'static str)>,
    work: Work,
}

const DEEDS: &[Deed] = &[
    Deed {
        path: "sign-in",
        done: "signed in",
        question: None,
        work: |register, by, macs, fields| register.sign_in(by, macs, fields.text("account")),
    },
    Deed {
        path: "sign-out",
        done: "signed out",
        question: None,
        work: |register, by, macs, _| register.sign_out(by, macs),
    },
    Deed {
        path: "fetch",
        done: "asked for a login code",
        question: None,
        work: |register, by, macs, _| register.fetch_login_codes(by, macs),
    },
    Deed {
        path: "revoke-codes",
        done: "without a verification code from now on",
        question: None,
        work: |register, by, macs, _| register.revoke_codes(by, macs),
    },
    Deed {
        path: "revoke",
        done: "revoked",
        question: Some((
            "Revoke",
            "Their keys and codes are worth nothing from the next request on, and cannot be made good again. Such a station can be provisioned again, with a new code.",
        )),
        work: |register, by, macs, _| register.revoke(by, macs),
    },
    Deed {
        path: "begin-anew",
        done: "waiting on activation again",
        question: Some((
            "Provision again",
            "They wait on their activation again: their keys and codes are worth nothing any more, and somebody has to type a new code at each.",
        )),
        work: |register, by, macs, _| register.begin_anew(by, macs),
    },
    Deed {
        path: "remove",
        done: "removed",
        question: Some(("Remove", "They leave the list. What they did stays in the audit.")),
        work: |register, by, macs, _| register.remove(by, macs),
    },
];

async fn run(
    deed: &'static Deed,
    State(app): State<App>,
    Admin(person): Admin,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let wanted = list::Wanted { state: fields.text("state").into(), q: fields.text("q").into(), page: 0 };
    let by = person.name.clone();
    let done = blocking(&app, move |desk| {
        let register = desk.register();
        let macs = fields.selection(register)?;
        if macs.is_empty() {
            return Err(RegisterError::NothingSelected.into());
        }
        if deed.question.is_some() && !fields.has("sure") {
            return Ok(Err((macs, fields)));
        }
        Ok(Ok((deed.work)(register, &by, &macs, &fields)?))
    });
    match done.await {
        Ok(Ok(bulk)) => list::with(&app, &person, wanted, &outcome(deed.done, &bulk)).await,
        Ok(Err((macs, fields))) => Ok(ask(&person, deed, &macs, &fields)),
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            let said = refused(&error);
            Ok(again(&error, list::with(&app, &person, wanted, &said).await?))
        }
        Err(error) => Err(error),
    }
}

/// Asks once more, naming the stations.
fn ask(person: &Person, deed: &Deed, macs: &[MacId], fields: &Fields) -> Response {
    let (title, text) = deed.question.unwrap_or_default();
    let body: Markup = html! {
        p { (count(macs.len())) ": " (text) }
        form method="post" action={ (STATIONS) "/" (deed.path) } {
            (token_field(&person.visit))
            input type="hidden" name="sure" value="yes";
            input type="hidden" name="state" value=(fields.text("state"));
            input type="hidden" name="q" value=(fields.text("q"));
            ul {
                @for mac in macs { li { (mac) input type="hidden" name="mac" value=(mac); } }
            }
            div.actions {
                button.danger { (title) }
                a.button href=(STATIONS) { "Leave it" }
            }
        }
    };
    page(person, title, &body)
}

async fn relocate(
    State(app): State<App>,
    Admin(person): Admin,
    Path(mac): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Redirect, DeskError> {
    let mac: MacId = mac.parse().map_err(|_| DeskError::PageUnknown)?;
    let by = person.name;
    blocking(&app, move |desk| Ok(desk.register().relocate(&by, mac, fields.text("location"))?)).await?;
    Ok(Redirect::to(&list::link(mac)))
}
