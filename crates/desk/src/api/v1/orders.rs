//! Orders of burns: giving them, how they stand, and what comes out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use oathburn_escrow::{BatchId, EscrowError};
use serde::Deserialize;
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::answers::{Conflict, Conflicts, Lines, Order, OrderLine, OrderProgress, Orders};
use super::bodies::{Audience, GiveOrder, Reason, Release, Settle, User};
use super::extract::{Body, By, Params};
use super::select;
use crate::blocking::blocking;
use crate::scripts::once::Claim;
use crate::scripts::{ApiError, only};
use crate::stations::RegisterError;
use crate::work::wire::batch_id;
use crate::work::{self, Judged, Settlement, Terms};
use crate::{App, Desk, DeskError};

/// Orders and lines that are answered unless another number is asked for.
const PAGE: usize = 250;
/// The longest key of a request.
const MAX_KEY: usize = 64;

fn refused(problem: impl Into<String>) -> ApiError {
    ApiError::RequestRefused { problem: problem.into() }
}

fn id_of(text: &str) -> Result<BatchId, DeskError> {
    batch_id(text).ok_or_else(|| EscrowError::BatchUnknown { text: text.chars().take(64).collect() }.into())
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 250 unless it is said.
    limit: Option<usize>,
}

/// Orders, the newest first
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "orders", operation_id = "orders", params(Which),
    security(("script" = ["orders:read"])), responses((status = 200, body = Orders))
)]
pub(super) async fn list(
    State(app): State<App>,
    _: By<only::OrdersRead>,
    Params(which): Params<Which>,
) -> Result<Json<Orders>, DeskError> {
    let limit = select::limit(which.limit, PAGE)?;
    let after = which.after.as_deref().map(id_of).transpose()?;
    let mut orders = blocking(&app, Desk::orders).await?;
    // Ids sort by the time of their making.
    orders.sort_by_key(|order| std::cmp::Reverse(order.batch.id));
    orders.retain(|order| after.is_none_or(|after| order.batch.id < after));
    let next = orders.get(limit).and(orders.get(limit - 1)).map(|last| last.batch.id.to_string());
    Ok(Json(Orders { orders: orders.iter().take(limit).map(Order::from).collect(), next }))
}

/// One order, and who works on it now
#[utoipa::path(
    get, path = "/api/v1/orders/{order}", tag = "orders", operation_id = "order",
    params(("order" = String, Path, description = "Its id, whole")), security(("script" = ["orders:read"])),
    responses((status = 200, body = OrderProgress))
)]
pub(super) async fn one(
    State(app): State<App>,
    _: By<only::OrdersRead>,
    Path(order): Path<String>,
) -> Result<Json<OrderProgress>, DeskError> {
    let id = id_of(&order)?;
    Ok(Json(blocking(&app, move |desk| Ok(OrderProgress::from(&desk.progress(id)?))).await?))
}

/// Give an order: all of its list, or everything that is wrong with it
///
/// Its seeds are made and sealed at once: there are codes for all of its users from then on. With an `Idempotency-Key` it can be
/// sent again where no answer came, and is given once.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders", operation_id = "giveOrder", request_body = GiveOrder,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 letters, digits, dashes and underscores: another for each order")),
    security(("script" = ["orders:write"])),
    responses((status = 201, body = Order), (status = 200, body = Order, description = "It was given before, with this key."))
)]
pub(super) async fn give(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    headers: HeaderMap,
    Body(wanted): Body<GiveOrder>,
) -> Result<(StatusCode, Json<Order>), DeskError> {
    let key = key(&headers)?;
    let given = blocking(&app, move |desk| {
        let audience = audience(desk, &wanted.audience)?;
        let Some(key) = key else { return Ok((StatusCode::CREATED, judge(desk, &by.name, &wanted, audience, None)?)) };
        let body = Zeroizing::new(serde_json::to_vec(&wanted).map_err(|_| DeskError::Broken)?);
        let request = match desk.claim(&by.name, &key, &body)? {
            Claim::New(request) => request,
            Claim::Before(request) => {
                if let Some(order) = desk.order_for(&request)? {
                    return Ok((StatusCode::OK, found(desk, &by.name, &order, &audience)?));
                }
                desk.claim_again(&by.name, &key)?;
                request
            }
        };
        let given = judge(desk, &by.name, &wanted, audience, Some(request));
        if let Err(DeskError::Script(ApiError::OrderRefused { .. })) = given {
            desk.unclaim(&by.name, &key)?;
        }
        Ok((StatusCode::CREATED, given?))
    });
    let (status, order) = given.await?;
    Ok((status, Json(order)))
}

/// The key by which a script repeats a request.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut lines = headers.get_all("idempotency-key").iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let plain = |text: &&str| {
        (1..=MAX_KEY).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let key = line.to_str().ok().filter(plain).filter(|_| lines.next().is_none());
    let problem = "the Idempotency-Key is not 1 to 64 letters, digits, dashes and underscores";
    key.map(|key| Some(key.to_owned())).ok_or_else(|| refused(problem))
}

/// An order that was given before. The desk may have ended before it was said who may work on it.
fn found(desk: &Desk, by: &str, order: &work::Order, audience: &work::Audience) -> Result<Order, DeskError> {
    if order.audience.is_some() {
        return Ok(Order::from(order));
    }
    desk.redirect_order(by, order.batch.id, audience)?;
    Ok(Order::from(&desk.order(order.batch.id)?))
}

fn judge(
    desk: &Desk,
    by: &str,
    wanted: &GiveOrder,
    audience: work::Audience,
    request: Option<String>,
) -> Result<Order, DeskError> {
    if wanted.name.trim().is_empty() || wanted.name.chars().count() > 200 || wanted.name.chars().any(char::is_control) {
        return Err(refused("the name is empty, longer than 200 characters, or holds control characters").into());
    }
    let (list, first) = match (&wanted.users, &wanted.csv) {
        (Some(users), None) => (table(users)?, 2),
        (None, Some(csv)) => (csv.clone(), 1),
        _ => return Err(refused("there is neither `users` nor `csv`, or both").into()),
    };
    let terms = Terms {
        name: wanted.name.trim().into(),
        issuer: wanted.issuer.as_deref().unwrap_or_default().trim().into(),
        audience: Some(audience),
        replace: wanted.replace,
        unlisted_model: wanted.unlisted_model,
        request,
    };
    match desk.order_list(by, &terms, list.as_bytes())? {
        Judged::Given(id) => Ok(Order::from(&desk.order(id)?)),
        Judged::Refused(mut problems) => {
            // Of users in JSON the first has the number 1.
            for problem in &mut problems {
                problem.row = (problem.row + 1).saturating_sub(first);
            }
            Err(ApiError::OrderRefused { problems }.into())
        }
    }
}

/// Users as the list that is read everywhere, so that they are judged alike.
fn table(users: &[User]) -> Result<Zeroizing<String>, ApiError> {
    let cells = |user: &User| -> [Option<Zeroizing<String>>; 7] {
        let text = |text: &Option<String>| text.clone().map(Zeroizing::new);
        let step = user.time_step.map(|step| Zeroizing::new(step.to_string()));
        let upn = Some(Zeroizing::new(user.upn.clone()));
        [upn, text(&user.serial), user.seed.clone(), text(&user.algorithm), step, text(&user.issuer), text(&user.label)]
    };
    let rows: Vec<_> = users.iter().map(cells).collect();
    let length =
        |row: &[Option<Zeroizing<String>>; 7]| row.iter().flatten().map(|cell| 2 * cell.len()).sum::<usize>() + 32;
    // Room for all of it at once: a text that grows leaves unwiped copies behind.
    let mut list = Zeroizing::new(String::with_capacity(128 + rows.iter().map(length).sum::<usize>()));
    list.push_str("upn,serial,seed,algorithm,time step,issuer,label\n");
    for (number, row) in (1..).zip(&rows) {
        if row[0].as_ref().is_none_or(|upn| upn.trim().is_empty()) {
            return Err(refused(format!("user {number} has no upn")));
        }
        for (place, cell) in row.iter().enumerate() {
            list.push_str(if place == 0 { "\"" } else { ",\"" });
            for character in cell.iter().flat_map(|cell| cell.chars()) {
                match character {
                    '"' => list.push_str("\"\""),
                    control if control.is_control() => {
                        return Err(refused(format!("user {number} holds a control character")));
                    }
                    other => list.push(other),
                }
            }
            list.push('"');
        }
        list.push('\n');
    }
    Ok(list)
}

/// Who is named is registered, and at each place is somebody: an order for nobody would wait for ever.
fn audience(desk: &Desk, wanted: &Audience) -> Result<work::Audience, DeskError> {
    if wanted.everywhere {
        if wanted.locations.is_empty() && wanted.stations.is_empty() {
            return Ok(work::Audience::default());
        }
        return Err(refused("the audience is everywhere, and names stations or locations").into());
    }
    if wanted.locations.is_empty() && wanted.stations.is_empty() {
        return Err(DeskError::AudienceMissing);
    }
    let known = desk.register().list()?;
    for mac in select::macs(&wanted.stations)? {
        if !known.iter().any(|station| station.mac == mac) {
            return Err(RegisterError::NotRegistered { mac }.into());
        }
    }
    if let Some(place) = wanted.locations.iter().find(|place| !known.iter().any(|station| station.location == **place))
    {
        return Err(refused(format!("no station is at {:?}", place.chars().take(128).collect::<String>())).into());
    }
    let stations = select::macs(&wanted.stations)?.iter().map(ToString::to_string).collect();
    Ok(work::Audience { stations, locations: wanted.locations.clone() })
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// `next` of the page before.
    after: Option<u32>,
    /// 1 to 1,000; 250 unless it is said.
    limit: Option<usize>,
}

/// Lines of an order
#[utoipa::path(
    get, path = "/api/v1/orders/{order}/lines", tag = "orders", operation_id = "orderLines",
    params(("order" = String, Path, description = "Its id, whole"), After), security(("script" = ["orders:read"])),
    responses((status = 200, body = Lines))
)]
pub(super) async fn lines(
    State(app): State<App>,
    _: By<only::OrdersRead>,
    Path(order): Path<String>,
    Params(After { after, limit }): Params<After>,
) -> Result<Json<Lines>, DeskError> {
    let (id, limit) = (id_of(&order)?, select::limit(limit, PAGE)?);
    let read = blocking(&app, move |desk| {
        let mut lines = desk.order_lines(id, after.unwrap_or(0), limit + 1)?;
        let more = lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| more).map(|line| line.number);
        let stations = desk.stations_of(id, &lines)?;
        let lines = lines.iter().map(|line| OrderLine::new(line, stations.get(&line.number))).collect();
        Ok(Lines { lines, next })
    });
    Ok(Json(read.await?))
}

/// What became of the lines of an order, as a CSV file
#[utoipa::path(
    get, path = "/api/v1/orders/{order}/results", tag = "orders", operation_id = "orderResults",
    params(("order" = String, Path, description = "Its id, whole")), security(("script" = ["orders:read"])),
    responses((status = 200, body = String, content_type = "text/csv"))
)]
pub(super) async fn results(
    State(app): State<App>,
    _: By<only::OrdersRead>,
    Path(order): Path<String>,
) -> Result<Response, DeskError> {
    let id = id_of(&order)?;
    let file = blocking(&app, move |desk| desk.order_results(id)).await?;
    Ok(file_of(&format!("results-{id}.csv"), file))
}

fn file_of(name: &str, bytes: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// What stations reported of an order, and does not fit
#[utoipa::path(
    get, path = "/api/v1/orders/{order}/conflicts", tag = "orders", operation_id = "orderConflicts",
    params(("order" = String, Path, description = "Its id, whole")), security(("script" = ["orders:read"])),
    responses((status = 200, body = Conflicts))
)]
pub(super) async fn conflicts(
    State(app): State<App>,
    _: By<only::OrdersRead>,
    Path(order): Path<String>,
) -> Result<Json<Conflicts>, DeskError> {
    let id = id_of(&order)?;
    let found = blocking(&app, move |desk| {
        desk.order(id)?;
        desk.conflicts(Some(id))
    });
    Ok(Json(Conflicts { conflicts: found.await?.iter().map(|(id, one)| Conflict::new(id, one)).collect() }))
}

/// Settle something that does not fit
#[utoipa::path(
    post, path = "/api/v1/orders/{order}/conflicts/{conflict}", tag = "orders", operation_id = "settle",
    params(("order" = String, Path, description = "Its id, whole"), ("conflict" = String, Path, description = "Its id")),
    request_body = Settle, security(("script" = ["orders:write"])), responses((status = 200, body = Conflicts))
)]
pub(super) async fn settle(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    Path((order, conflict)): Path<(String, String)>,
    Body(Settle { how, reason }): Body<Settle>,
) -> Result<Json<Conflicts>, DeskError> {
    let id = id_of(&order)?;
    let how = serde_json::from_value::<Settlement>(how.into())
        .map_err(|_| refused("`how` is not retired, accepted or seen"))?;
    let settled = blocking(&app, move |desk| {
        let of_order = desk.conflicts(Some(id))?;
        let wanted = of_order.iter().find(|(one, _)| HEXLOWER.encode(one) == conflict);
        let (conflict, _) = wanted.ok_or_else(|| refused("the order has no such conflict"))?;
        desk.settle(&by.name, conflict, how, &because(&reason)?)?;
        desk.conflicts(Some(id))
    });
    Ok(Json(Conflicts { conflicts: settled.await?.iter().map(|(id, one)| Conflict::new(id, one)).collect() }))
}

/// Words that somebody understands later.
fn because(reason: &str) -> Result<String, DeskError> {
    let reason = reason.trim();
    if reason.chars().count() < 3 || reason.chars().any(char::is_control) {
        Err(DeskError::ReasonMissing)
    } else {
        Ok(reason.into())
    }
}

/// Say anew who may work on an order
#[utoipa::path(
    put, path = "/api/v1/orders/{order}/audience", tag = "orders", operation_id = "redirectOrder",
    params(("order" = String, Path, description = "Its id, whole")), request_body = Audience,
    security(("script" = ["orders:write"])), responses((status = 200, body = Order))
)]
pub(super) async fn redirect(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    Path(order): Path<String>,
    Body(wanted): Body<Audience>,
) -> Result<Json<Order>, DeskError> {
    changed(&app, &order, move |desk, id| {
        let audience = audience(desk, &wanted)?;
        desk.redirect_order(&by.name, id, &audience)
    })
    .await
}

/// End an order: lines that were left are not burned any more
#[utoipa::path(
    post, path = "/api/v1/orders/{order}/cancel", tag = "orders", operation_id = "cancelOrder",
    params(("order" = String, Path, description = "Its id, whole")), request_body = Reason,
    security(("script" = ["orders:write"])), responses((status = 200, body = Order))
)]
pub(super) async fn cancel(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    Path(order): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<Order>, DeskError> {
    changed(&app, &order, move |desk, id| desk.cancel_order(&by.name, id, Some(&because(&reason)?))).await
}

/// Take the failed lines of an order up again
#[utoipa::path(
    post, path = "/api/v1/orders/{order}/retry", tag = "orders", operation_id = "retryOrder",
    params(("order" = String, Path, description = "Its id, whole")), security(("script" = ["orders:write"])),
    responses((status = 200, body = Order))
)]
pub(super) async fn retry(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    Path(order): Path<String>,
) -> Result<Json<Order>, DeskError> {
    changed(&app, &order, move |desk, id| desk.retry_order(&by.name, id).map(drop)).await
}

/// Take a line away from a token that cannot be finished: it is open for another
#[utoipa::path(
    post, path = "/api/v1/orders/{order}/release", tag = "orders", operation_id = "releaseLine",
    params(("order" = String, Path, description = "Its id, whole")), request_body = Release,
    security(("script" = ["orders:write"])), responses((status = 200, body = Order))
)]
pub(super) async fn release(
    State(app): State<App>,
    by: By<only::OrdersWrite>,
    Path(order): Path<String>,
    Body(Release { line, reason }): Body<Release>,
) -> Result<Json<Order>, DeskError> {
    changed(&app, &order, move |desk, id| desk.release_line(&by.name, id, line, &because(&reason)?)).await
}

/// The order as it stands after something was done with it.
async fn changed(
    app: &App,
    order: &str,
    job: impl FnOnce(&Desk, BatchId) -> Result<(), DeskError> + Send + 'static,
) -> Result<Json<Order>, DeskError> {
    let id = id_of(order)?;
    let order = blocking(app, move |desk| {
        job(desk, id)?;
        desk.order(id)
    });
    Ok(Json(Order::from(&order.await?)))
}

/// The seeds of all tokens of an order that are done, as Entra imports them
///
/// That they leave, and why, is on record before they do.
#[utoipa::path(
    post, path = "/api/v1/orders/{order}/export", tag = "orders", operation_id = "exportOrder",
    params(("order" = String, Path, description = "Its id, whole")), request_body = Reason,
    security(("script" = ["export:write"])),
    responses((status = 200, body = String, content_type = "text/csv", description = "The only answer with seeds."))
)]
pub(super) async fn export(
    State(app): State<App>,
    by: By<only::ExportWrite>,
    Path(order): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Response, DeskError> {
    let id = id_of(&order)?;
    let exported = blocking(&app, move |desk| desk.export_order(&by.name, id, &because(&reason)?));
    let (mut file, _) = exported.await?;
    // What is sent is the one copy.
    Ok(file_of(&format!("entra-{id}.csv"), std::mem::take(&mut *file)))
}
