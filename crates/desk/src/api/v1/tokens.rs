//! Hardware tokens: what the helpdesk does, with the limits of its page for each script and for each token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use oathburn_escrow::EscrowError;
use oathburn_oath::UnixTime;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{
    Candidate, Drift, Event, Events, Explanation, Explanations, GivenCodes, Search, Token, TokenWithClock, Tokens,
};
use super::audit::time;
use super::bodies::{GiveCodes, Reading};
use super::extract::{Body, By, Params};
use crate::blocking::blocking;
use crate::helpdesk::{self, Asker, Grounds, MOST_FOUND, Wanted};
use crate::scripts::{ApiError, only};
use crate::{App, DeskError};

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Find {
    /// A user, a serial number, or a part of either.
    q: String,
}

/// Hardware tokens, by user or serial number
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", operation_id = "findTokens", params(Find),
    security(("script" = ["tokens:read"])), responses((status = 200, body = Tokens)),
)]
pub(super) async fn find(
    State(app): State<App>,
    _: By<only::TokensRead>,
    Params(Find { q }): Params<Find>,
) -> Result<Json<Tokens>, DeskError> {
    let found = blocking(&app, move |desk| helpdesk::search(desk, &q)).await?;
    let more = found.len() == MOST_FOUND;
    Ok(Json(Tokens { tokens: found.iter().map(Token::from).collect(), more }))
}

/// One hardware token, and what is known of its clock
#[utoipa::path(
    get, path = "/api/v1/tokens/{entry}", tag = "tokens", operation_id = "token",
    params(("entry" = String, Path, description = "Its entry, whole")), security(("script" = ["tokens:read"])),
    responses((status = 200, body = TokenWithClock)),
)]
pub(super) async fn one(
    State(app): State<App>,
    _: By<only::TokensRead>,
    Path(entry): Path<String>,
) -> Result<Json<TokenWithClock>, DeskError> {
    let found = blocking(&app, move |desk| {
        let entry = helpdesk::token(desk, &entry).map_err(unknown(&entry))?;
        let clock = helpdesk::known_drift(desk, &entry)?.map(Into::into);
        Ok(TokenWithClock { token: Token::from(&entry), clock })
    });
    Ok(Json(found.await?))
}

/// What happened to a hardware token, the newest first
#[utoipa::path(
    get, path = "/api/v1/tokens/{entry}/events", tag = "tokens", operation_id = "tokenEvents",
    params(("entry" = String, Path, description = "Its entry, whole")), security(("script" = ["tokens:read"])),
    responses((status = 200, body = Events)),
)]
pub(super) async fn events(
    State(app): State<App>,
    _: By<only::TokensRead>,
    Path(entry): Path<String>,
) -> Result<Json<Events>, DeskError> {
    let story = blocking(&app, move |desk| {
        let entry = helpdesk::token(desk, &entry).map_err(unknown(&entry))?;
        helpdesk::story(desk, &entry)
    });
    Ok(Json(Events { events: story.await?.iter().map(Event::from).collect() }))
}

/// Give codes for a user without a token: on record, with reason and ticket, before they are answered
#[utoipa::path(
    post, path = "/api/v1/tokens/{entry}/codes", tag = "tokens", operation_id = "giveCodes",
    params(("entry" = String, Path, description = "Its entry, whole")), request_body = GiveCodes,
    security(("script" = ["codes:give"])), responses((status = 200, body = GivenCodes)),
)]
pub(super) async fn codes(
    State(app): State<App>,
    by: By<only::CodesGive>,
    Path(entry): Path<String>,
    Body(wanted): Body<GiveCodes>,
) -> Result<Json<GivenCodes>, DeskError> {
    if wanted.ticket.trim().is_empty() {
        return Err(ApiError::TicketMissing.into());
    }
    let grounds = Grounds::new(&wanted.reason, &wanted.ticket)?;
    let at: Option<UnixTime> = wanted.at.as_deref().map(time).transpose()?;
    let wanted = Wanted { at, past: wanted.past, future: wanted.future, on_token: wanted.on_token };
    let given = helpdesk::give(&app, Asker::Script(by.name), &entry, wanted, grounds).await;
    let (_, given) = given.map_err(unknown(&entry))?;
    Ok(Json(GivenCodes::from(&given)))
}

/// How far a token's clock is off, told by what it shows
#[utoipa::path(
    post, path = "/api/v1/tokens/{entry}/drift", tag = "tokens", operation_id = "drift",
    params(("entry" = String, Path, description = "Its entry, whole")), request_body = Reading,
    security(("script" = ["codes:compare"])), responses((status = 200, body = Drift)),
)]
pub(super) async fn drift(
    State(app): State<App>,
    by: By<only::CodesCompare>,
    Path(entry): Path<String>,
    Body(read): Body<Reading>,
) -> Result<Json<Drift>, DeskError> {
    let compared = blocking(&app, move |desk| {
        let sighting = sighting(&read)?;
        let (entry, report) = helpdesk::drift(desk, &by.name, &entry, sighting).map_err(unknown(&entry))?;
        Ok(Drift::new(&entry, report.as_ref()))
    });
    Ok(Json(compared.await?))
}

/// Why a token shows other codes than its seed makes
#[utoipa::path(
    post, path = "/api/v1/tokens/{entry}/explain", tag = "tokens", operation_id = "explain",
    params(("entry" = String, Path, description = "Its entry, whole")), request_body = Reading,
    security(("script" = ["codes:compare"])), responses((status = 200, body = Explanations)),
)]
pub(super) async fn explain(
    State(app): State<App>,
    by: By<only::CodesCompare>,
    Path(entry): Path<String>,
    Body(read): Body<Reading>,
) -> Result<Json<Explanations>, DeskError> {
    let explained = blocking(&app, move |desk| {
        let sighting = sighting(&read)?;
        let (_, explained) = helpdesk::why(desk, &by.name, &entry, sighting).map_err(unknown(&entry))?;
        let explanations = explained.explanations.iter().map(Explanation::from).collect();
        Ok(Explanations { explanations, searched: explained.searched })
    });
    Ok(Json(explained.await?))
}

/// Whose token shows this: all tokens of the escrow are compared
#[utoipa::path(
    post, path = "/api/v1/tokens/identify", tag = "tokens", operation_id = "identify", request_body = Reading,
    security(("script" = ["codes:compare"])), responses((status = 200, body = Search)),
)]
pub(super) async fn identify(
    State(app): State<App>,
    by: By<only::CodesCompare>,
    Body(read): Body<Reading>,
) -> Result<Json<Search>, DeskError> {
    // One at a time: a search takes all processors.
    let turn = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let searched = blocking(&app, move |desk| {
        let _turn = turn;
        let search = helpdesk::identify(desk, &by.name, sighting(&read)?)?;
        let candidate = |one: &oathburn_station::Candidate| Candidate {
            token: Token::from(&one.entry),
            drift_steps: one.drift_steps,
        };
        Ok(Search {
            candidates: search.candidates.iter().take(MOST_FOUND).map(candidate).collect(),
            expected_false_hits: search.false_hits,
            searched: search.searched,
            unopened: search.unopened.iter().map(ToString::to_string).collect(),
        })
    });
    Ok(Json(searched.await?))
}

fn sighting(read: &Reading) -> Result<oathburn_oath::Sighting, DeskError> {
    helpdesk::sighting(&read.code, read.next.as_deref().map_or("", |next| next.as_str()))
}

/// What has no page is an entry that there is not.
fn unknown(entry: &str) -> impl FnOnce(DeskError) -> DeskError + use<> {
    let text = entry.chars().take(64).collect();
    |error| match error {
        DeskError::PageUnknown => EscrowError::EntryUnknown { text }.into(),
        error => error,
    }
}
