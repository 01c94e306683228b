//! Visits and sessions: a cookie with a random number, and what the desk knows of it.
//!
//! Every browser has a visit, so that forms are bound to it before anybody signs in. Who signs in gets another number,
//! under whose keyed digest a session lies in the store.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use data_encoding::BASE64URL_NOPAD;
use oathburn_escrow::{EscrowError, Together};
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::people::{Account, Person};
use crate::table::{Next, Stored, Write, change_in, get_in};
use crate::{App, Desk, DeskError, csrf};

/// How long a session lasts, in seconds: a working day.
pub(crate) const LIFE: u64 = 10 * 3600;
/// How long it lasts unused, in seconds.
pub(crate) const IDLE: u64 = 30 * 60;
/// How exactly its last use is kept, in seconds: not every page is written down.
const STEP: u64 = 60;
/// The length of the number, in bytes, and as text.
const NUMBER: usize = 32;
const TEXT: usize = 43;

/// What a browser's cookie says. It is a secret while somebody is signed in with it.
#[derive(Clone)]
pub(crate) struct Visit {
    number: Zeroizing<String>,
    /// Whether the browser does not have it yet.
    is_new: bool,
    /// What forms carry that are made for it.
    pub(crate) form_token: String,
    secure: bool,
}

impl Visit {
    /// A visit with a new number.
    pub(crate) fn begin(app: &App) -> Result<Self, DeskError> {
        Ok(Self::with(app, new_number()?, true))
    }

    /// The visit that a request belongs to, if its browser has one.
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let name = cookie_name(app.secure);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let number = pairs.into_iter().find(|(key, _)| *key == name)?.1;
        let plain = number.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (plain && number.len() == TEXT).then(|| Self::with(app, Zeroizing::new(number.into()), false))
    }

    fn with(app: &App, number: Zeroizing<String>, is_new: bool) -> Self {
        let form_token = csrf::token(&app.desk, &number);
        Self { number, is_new, form_token, secure: app.secure }
    }

    /// The number itself: a secret.
    pub(crate) fn number(&self) -> &str {
        &self.number
    }

    /// The header that gives the browser its cookie, where it has none yet.
    pub(crate) fn cookie(&self) -> Option<(HeaderName, HeaderValue)> {
        if self.is_new { Some(set_cookie(self.secure, &self.number, "")) } else { None }
    }
}

/// The header that makes a browser keep this number.
fn set_cookie(secure: bool, number: &str, rest: &str) -> (HeaderName, HeaderValue) {
    let only = if secure { "; Secure" } else { "" };
    let name = cookie_name(secure);
    let text = Zeroizing::new(format!("{name}={number}; Path=/; HttpOnly; SameSite=Strict{only}{rest}"));
    let mut value = HeaderValue::from_str(&text).expect("numbers are letters and digits");
    value.set_sensitive(true);
    (header::SET_COOKIE, value)
}

/// The header that makes a browser forget its number.
pub(crate) fn forget_cookie(app: &App) -> (HeaderName, HeaderValue) {
    set_cookie(app.secure, "", "; Max-Age=0")
}

/// A browser holds a cookie of the first name only where it came over TLS, from this very host (RFC 6265bis, section 4.1.3).
const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-oathburn" } else { "oathburn" }
}

/// Every request has one: the browser's own, or a new one.
impl FromRequestParts<App> for Visit {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, DeskError> {
        Self::of(app, &parts.headers).map_or_else(|| Self::begin(app), Ok)
    }
}

/// Never the number.
impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Visit(..)")
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// Their name.
    name: String,
    /// The generation of the account that it was made for.
    generation: u64,
    /// When it was made, in Unix seconds.
    began: u64,
    /// When it was last used.
    seen: u64,
}

impl Stored for Session {
    const KIND: &'static str = "session";

    fn lookup(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn expires_at(&self) -> Option<UnixTime> {
        let end = self.began.saturating_add(LIFE).min(self.seen.saturating_add(IDLE));
        Some(UnixTime::new(end))
    }
}

fn new_number() -> Result<Zeroizing<String>, DeskError> {
    let mut bytes = Zeroizing::new([0; NUMBER]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| EscrowError::Random)?;
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice())))
}

/// A session that begins: a number that no visit had before, so that none that somebody knew is signed in.
pub(crate) struct NewSession {
    number: Zeroizing<String>,
    id: [u8; 32],
    session: Session,
}

/// Makes a session for an account; it counts when it is written.
pub(crate) fn make(desk: &Desk, account: &Account) -> Result<NewSession, DeskError> {
    let number = new_number()?;
    let now = desk.now().seconds();
    let session = Session { name: account.name.clone(), generation: account.generation, began: now, seen: now };
    Ok(NewSession { id: desk.id_of::<Session>(&number), number, session })
}

impl NewSession {
    /// What is written together with the deed.
    pub(crate) fn write(&self) -> Result<Write, DeskError> {
        Write::new(&self.id, &self.session)
    }

    /// The header that gives it to the browser.
    pub(crate) fn cookie(&self, app: &App) -> (HeaderName, HeaderValue) {
        set_cookie(app.secure, &self.number, "")
    }
}

/// Who is signed in with this visit.
pub(crate) fn person(desk: &Desk, visit: Visit) -> Result<Person, DeskError> {
    if visit.is_new {
        return Err(DeskError::SignInNeeded);
    }
    let id = desk.id_of::<Session>(&visit.number);
    let session = desk.get::<Session>(&id)?.ok_or(DeskError::SignInNeeded)?.value;
    let account = desk.get::<Account>(&desk.id_of::<Account>(&session.name))?.ok_or(DeskError::SignInNeeded)?.value;
    if account.generation != session.generation {
        return Err(DeskError::SignInNeeded);
    }
    let now = desk.now().seconds();
    if now >= session.seen.saturating_add(STEP) {
        desk.update::<Session, _>(&id, |session| {
            let used = session.map(|session| Session { seen: now.max(session.seen), ..session.clone() });
            // It ended meanwhile: it is not made anew.
            Ok((used.map_or(Next::Keep, Next::Put), ()))
        })?;
    }
    Ok(Person { name: account.name, roles: account.roles, visit })
}

/// The same in a transaction that is shared with others.
pub(crate) fn person_in(together: &mut Together<'_>, visit: &Visit) -> Result<Person, DeskError> {
    if visit.is_new {
        return Err(DeskError::SignInNeeded);
    }
    let id = together.id_of(Session::KIND, &visit.number);
    let session = get_in::<Session>(together, &id)?.ok_or(DeskError::SignInNeeded)?.value;
    let account_id = together.id_of(Account::KIND, &session.name);
    let account = get_in::<Account>(together, &account_id)?.ok_or(DeskError::SignInNeeded)?.value;
    if account.generation != session.generation {
        return Err(DeskError::SignInNeeded);
    }
    let now = together.now().seconds();
    if now >= session.seen.saturating_add(STEP) {
        change_in::<Session>(together, &id, |_| Ok(Session { seen: now, ..session }))?;
    }
    Ok(Person { name: account.name, roles: account.roles, visit: visit.clone() })
}

/// Whether somebody is still signed in with this visit, without using the session.
pub(crate) fn lasts(desk: &Desk, visit: &Visit) -> Result<bool, DeskError> {
    let Some(session) = desk.get::<Session>(&desk.id_of::<Session>(&visit.number))? else { return Ok(false) };
    let account = desk.get::<Account>(&desk.id_of::<Account>(&session.value.name))?;
    Ok(account.is_some_and(|account| account.value.generation == session.value.generation))
}

/// When the sessions of somebody were last used, the newest first.
pub(crate) fn sessions(desk: &Desk, name: &str) -> Result<Vec<UnixTime>, DeskError> {
    let account = desk.get::<Account>(&desk.account_id(name))?.ok_or(DeskError::SignInNeeded)?.value;
    let sessions = desk.find::<Session>(name)?.into_iter().map(|kept| kept.value);
    let live = sessions.filter(|session| session.generation == account.generation);
    let mut seen: Vec<_> = live.map(|session| UnixTime::new(session.seen)).collect();
    seen.sort_unstable_by(|one, other| other.cmp(one));
    Ok(seen)
}
