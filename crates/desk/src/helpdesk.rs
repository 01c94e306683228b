//! What a helpdesk does for users: codes, and what is wrong with tokens. Everything is noted under the clerk's name before it
//! is answered, and every clerk and every token has limits.

use std::num::NonZeroUsize;

use oathburn_escrow::{Disclosure, Entry, Event, EventFilter, Facts, Filter, Opener, Purpose, Together};
use oathburn_formats::{Explained, KeyUri, explain};
use oathburn_oath::{ClockReading, DisplayedCode, Sighting, TimedCode, TokenRecord, Totp, UnixTime, Window};
use oathburn_station::{CodeSearch, DriftOrder, DriftReport, Models, Station};

use crate::blocking::blocking;
use crate::journal::Pending;
use crate::people::Person;
use crate::session::{self, Visit};
use crate::throttle::Rate;
use crate::{App, Desk, DeskError, Role};

/// Entries that a search shows.
pub(crate) const MOST_FOUND: usize = 50;
/// Events of a token that are shown, the newest.
pub(crate) const MOST_EVENTS: usize = 200;
/// Codes that are given at a time, before and after the one that holds.
pub(crate) const MOST_PAST: u32 = 10;
pub(crate) const MOST_FUTURE: u32 = 10;
/// How far ahead, in seconds, a code may be given: whoever reads it until then has it, too.
pub(crate) const FURTHEST: u64 = 7 * 24 * 3600;
/// The length of an entry's id, as text (RFC 9562, section 4).
const ID: usize = 36;
/// How many steps a token's clock may be off when its codes are looked for: two hours at 30 s.
const DRIFT_STEPS: u32 = 240;
/// The same where the whole escrow is searched.
const IDENTIFY_STEPS: u32 = 20;
/// What services bear, in seconds either way.
const TOLERANCE: u32 = 120;

/// What a clerk and a token may cost. Desks that share an escrow should be set up alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpdeskLimits {
    /// How often one clerk may ask for codes within an hour.
    pub codes_per_clerk: usize,
    /// How often codes of one token may be asked for within a day, by whomever.
    pub codes_per_token: usize,
    /// How often one clerk may compare codes that a user reads out, within an hour.
    pub comparisons_per_clerk: usize,
}

impl Default for HelpdeskLimits {
    fn default() -> Self {
        Self { codes_per_clerk: 60, codes_per_token: 20, comparisons_per_clerk: 120 }
    }
}

/// What a clerk says of why.
#[derive(Clone, Debug)]
pub(crate) struct Grounds {
    reason: String,
    ticket: Option<String>,
}

impl Grounds {
    /// A reason that somebody can understand later, and the number of a ticket where there is one.
    pub(crate) fn new(reason: &str, ticket: &str) -> Result<Self, DeskError> {
        let (reason, ticket) = (reason.trim(), ticket.trim());
        let plain = |text: &str, most| text.chars().count() <= most && !text.chars().any(char::is_control);
        if reason.chars().count() < 3 || !plain(reason, 500) || !plain(ticket, 64) {
            return Err(DeskError::ReasonMissing);
        }
        Ok(Self { reason: reason.into(), ticket: Some(ticket.to_owned()).filter(|ticket| !ticket.is_empty()) })
    }
}

/// Which codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Around which time; now where it is not said.
    pub(crate) at: Option<UnixTime>,
    pub(crate) past: u32,
    pub(crate) future: u32,
    /// What the token's display shows instead of what the service accepts.
    pub(crate) on_token: bool,
}

/// Codes that were handed out, with the time in which they hold.
pub(crate) struct Given {
    pub(crate) entry: Entry,
    pub(crate) codes: Vec<TimedCode>,
    /// When they were asked for.
    pub(crate) now: UnixTime,
}

/// Tokens that a text means: a serial number, a user, or a part of either.
pub(crate) fn search(desk: &Desk, text: &str) -> Result<Vec<Entry>, DeskError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let filter = Filter { text: Some(text.into()), ..Filter::default() };
    let mut found = desk.escrow.entries_after(&filter, None, MOST_FOUND)?;
    // In use before what is not, the newest first.
    found.sort_by_key(|entry| (!entry.state.is_live(), std::cmp::Reverse(entry.id)));
    Ok(found)
}

/// A token by its entry. Access keys and what the desk keeps are none.
pub(crate) fn token(desk: &Desk, id: &str) -> Result<Entry, DeskError> {
    // A part of an id is for people who type; a page names all of it.
    if id.len() != ID {
        return Err(DeskError::PageUnknown);
    }
    a_token(desk.escrow.entry(id)?, id)
}

/// The same in a transaction that is shared with others.
fn token_in(together: &Together<'_>, id: &str) -> Result<Entry, DeskError> {
    a_token(together.entry(&id.parse().map_err(|_| DeskError::PageUnknown)?)?, id)
}

fn a_token(found: Entry, id: &str) -> Result<Entry, DeskError> {
    if found.is_of_token() && found.id.to_string() == id { Ok(found) } else { Err(DeskError::PageUnknown) }
}

/// What happened to a token, the newest first.
pub(crate) fn story(desk: &Desk, entry: &Entry) -> Result<Vec<Event>, DeskError> {
    let filter = EventFilter { entry: Some(entry.id), ..EventFilter::default() };
    let mut events = desk.escrow.newest_events(&filter, MOST_EVENTS)?;
    events.reverse();
    Ok(events)
}

/// What is known of a token's clock.
pub(crate) fn known_drift(desk: &Desk, entry: &Entry) -> Result<Option<ClockReading>, DeskError> {
    let models = Models::builtin();
    let station = Station { escrow: &desk.escrow, officer: None, models: &models, clock: &*desk.clock };
    Ok(station.known_drift(entry)?)
}

/// Who asks for codes.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// Whoever is signed in with a visit, and may give codes.
    Visit(Visit),
    /// A script whose token was good, by its name.
    Script(String),
}

/// What is written, and opened, for whoever asks for codes.
pub(crate) struct Opened {
    person: Option<Person>,
    entry: Entry,
    record: TokenRecord,
    now: UnixTime,
}

/// Gives codes away, to a person or to a script, whose limits count. That, by whom and why is durable before a code is made.
pub(crate) async fn give(
    app: &App,
    by: Asker,
    id: &str,
    wanted: Wanted,
    grounds: Grounds,
) -> Result<(Option<Person>, Given), DeskError> {
    let drift = if wanted.on_token {
        let id = id.to_owned();
        blocking(app, move |desk| known_drift(desk, &token(desk, &id)?)).await?
    } else {
        None
    };
    let opened = open(&app.desk, by, id, wanted, grounds)?.done().await?;
    given(opened, wanted, drift)
}

/// The same for whoever may block.
#[cfg(test)]
pub(crate) fn codes(desk: &Desk, by: &str, id: &str, wanted: Wanted, grounds: &Grounds) -> Result<Given, DeskError> {
    let drift = if wanted.on_token { known_drift(desk, &token(desk, id)?)? } else { None };
    let opened = open(desk, Asker::Script(by.into()), id, wanted, grounds.clone())?.wait()?;
    given(opened, wanted, drift).map(|(_, given)| given)
}

/// Looks at who asks and for what, counts, notes and opens, in one transaction with what others ask for at the same time: a
/// try that is refused counts for nobody.
fn open(desk: &Desk, by: Asker, id: &str, wanted: Wanted, grounds: Grounds) -> Result<Pending<Opened>, DeskError> {
    let (id, limits) = (id.to_owned(), desk.settings().helpdesk);
    desk.soon(move |together| {
        let (name, person) = match &by {
            Asker::Script(name) => (name.clone(), None),
            Asker::Visit(visit) => {
                let person = session::person_in(together, visit)?;
                person.require(Role::Helpdesk)?;
                (person.name.clone(), Some(person))
            }
        };
        let entry = token_in(together, &id)?;
        entry.params.totp()?;
        let now = together.now();
        let disclosure = disclosure(wanted, &grounds, now)?;
        for (rate, whose) in [
            (Rate::new("helpdesk codes clerk", limits.codes_per_clerk, 3600), name.clone()),
            (Rate::new("helpdesk codes token", limits.codes_per_token, 24 * 3600), entry.id.to_string()),
        ] {
            rate.of_in(together, &whose).enter(together)?;
        }
        let record = together.disclose(&name, &entry, &disclosure)?;
        Ok(Opened { person, entry, record, now })
    })
}

/// What is noted of codes that are given.
fn disclosure(wanted: Wanted, grounds: &Grounds, now: UnixTime) -> Result<Disclosure, DeskError> {
    let at = wanted.at.unwrap_or(now);
    if at.seconds() > now.seconds().saturating_add(FURTHEST) || wanted.past > MOST_PAST || wanted.future > MOST_FUTURE {
        return Err(DeskError::CodesTooMany);
    }
    let facts = Facts::new()
        .with("at", i64::try_from(at.seconds()).unwrap_or(i64::MAX))
        .with("from_offset", -i64::from(wanted.past))
        .with("to_offset", i64::from(wanted.future))
        .with("clock", if wanted.on_token { "token" } else { "service" })
        .with_some("ticket", grounds.ticket.as_deref());
    let reason = Some(grounds.reason.clone());
    Ok(Disclosure { facts, reason, ..Disclosure::new(Purpose::ShowCodes) })
}

/// The codes, with what is known of the token's clock applied.
fn given(
    Opened { person, entry, record, now }: Opened,
    wanted: Wanted,
    drift: Option<ClockReading>,
) -> Result<(Option<Person>, Given), DeskError> {
    let ahead = drift.map_or(0, |known| known.drift.seconds());
    let totp = Totp::new(&record.seed, entry.params.totp()?);
    let at = wanted.at.unwrap_or(now);
    let mut codes: Vec<_> = totp.window(at.offset(ahead), wanted.past, wanted.future).collect();
    for timed in &mut codes {
        timed.valid_from = timed.valid_from.offset(-ahead);
        timed.valid_until = timed.valid_until.offset(-ahead);
    }
    Ok((person, Given { entry, codes, now }))
}

/// One or two codes that somebody reads out, as a clerk types them.
pub(crate) fn sighting(code: &str, next: &str) -> Result<Sighting, DeskError> {
    let read = |text: &str| text.parse::<DisplayedCode>();
    let next = Some(next.trim()).filter(|next| !next.is_empty()).map(read).transpose()?;
    Ok(Sighting::new(read(code)?, next)?)
}

/// How far a token's clock is off, told by what it shows; `None` where it is not found.
pub(crate) fn drift(
    desk: &Desk,
    by: &str,
    id: &str,
    sighting: Sighting,
) -> Result<(Entry, Option<DriftReport>), DeskError> {
    let (entry, record) = compare(desk, by, id, None)?;
    let report = as_station(desk, by, |station| {
        let order = DriftOrder { at: desk.now(), window: Window::around(DRIFT_STEPS), tolerance: TOLERANCE };
        Ok(station.drift_of_opened(&entry, &record, sighting, order)?)
    })?;
    Ok((entry, report))
}

/// Why a token shows other codes than its seed makes.
pub(crate) fn why(desk: &Desk, by: &str, id: &str, sighting: Sighting) -> Result<(Entry, Explained), DeskError> {
    let (entry, record) = compare(desk, by, id, Some("explained"))?;
    let params = entry.params.totp()?;
    let uri = KeyUri {
        issuer: None,
        account: Some("token".into()),
        seed: record.seed,
        algorithm: Some(params.algorithm),
        digits: Some(params.digits),
        step: Some(params.step),
        counter: None,
    };
    let explained = explain(&uri.to_uri(), sighting, desk.now()).map_err(|_| DeskError::Broken)?;
    Ok((entry, explained))
}

/// Whose token shows this: the whole escrow is searched.
pub(crate) fn identify(desk: &Desk, by: &str, sighting: Sighting) -> Result<CodeSearch, DeskError> {
    let (most, name) = (desk.settings().helpdesk.comparisons_per_clerk, by.to_owned());
    desk.together(move |together| count_comparison(together, most, &name))?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    as_station(desk, by, |station| {
        Ok(station.identify_code(sighting, desk.now(), Window::around(IDENTIFY_STEPS), threads)?)
    })
}

/// Opens a token to compare with it what somebody reads out: counted and noted with what others ask for at the same time.
fn compare(desk: &Desk, by: &str, id: &str, what: Option<&'static str>) -> Result<(Entry, TokenRecord), DeskError> {
    let (most, name, id) = (desk.settings().helpdesk.comparisons_per_clerk, by.to_owned(), id.to_owned());
    desk.together(move |together| {
        let entry = token_in(together, &id)?;
        entry.params.totp()?;
        count_comparison(together, most, &name)?;
        let facts = Facts::new().with_some("deed", what);
        let disclosure = Disclosure { facts, ..Disclosure::new(Purpose::CompareCode) };
        let record = together.disclose(&name, &entry, &disclosure)?;
        Ok((entry, record))
    })
}

/// Whoever compares often enough guesses.
fn count_comparison(together: &mut Together<'_>, most: usize, by: &str) -> Result<(), DeskError> {
    Rate::new("helpdesk comparisons", most, 3600).of_in(together, by).enter(together)
}

fn as_station<T>(
    desk: &Desk,
    by: &str,
    job: impl FnOnce(&Station<'_>) -> Result<T, DeskError>,
) -> Result<T, DeskError> {
    let (escrow, opener): (_, Opener) = (desk.escrow.acting_for(by), desk.opener.acting_for(by));
    let models = Models::builtin();
    job(&Station { escrow: &escrow, officer: Some(&opener), models: &models, clock: &*desk.clock })
}
