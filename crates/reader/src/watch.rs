//! Readers and tokens that come and go, as it happens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::reader::libnfc_names;
use crate::{Presence, ReaderError, ReaderSelector, Stack, libnfc, pcsc};

/// What came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A reader is there; all that are there when the watch begins are told so.
    ReaderConnected,
    /// A reader is gone, or cannot be used any more.
    ReaderDisconnected,
    /// Something was laid on a reader.
    TokenOn,
    /// It was taken off.
    TokenOff,
    /// It was taken off, and it or something else was laid there, faster than anybody looked.
    TokenSwapped,
}

impl Change {
    /// Its name in data: `reader-connected`, `token-on` and so on. Never changes its meaning.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReaderConnected => "reader-connected",
            Self::ReaderDisconnected => "reader-disconnected",
            Self::TokenOn => "token-on",
            Self::TokenOff => "token-off",
            Self::TokenSwapped => "token-swapped",
        }
    }
}

/// A change at a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderChange {
    /// What chooses this reader and no other.
    pub selector: ReaderSelector,
    /// What happened.
    pub change: Change,
    /// Whether something lies on it now; `None` when nobody can say.
    pub token_present: Option<bool>,
}

/// How long those who watch look at a stretch before they see whether they are to stop.
const PIECE: Duration = Duration::from_millis(250);
/// How often a reader of libnfc is opened for a look. In between anybody can use it.
const LOOK: Duration = Duration::from_millis(500);
/// How often libnfc is asked for readers, and a service that is not there for its return.
const SEARCH: Duration = Duration::from_secs(2);

/// Reports what happens at the readers that `selector` means, or at all of both stacks, until `report` says `false` or
/// `interrupted` says `true`; it is asked about four times a second.
///
/// PC/SC tells of each change by itself. A reader of libnfc is opened for a moment twice a second; while another
/// program has it, nothing is reported of it, and one that fails once has not gone. A service that ends, or comes back, is readers that go and come; it is an
/// error only when it is not there at the beginning and libnfc has no readers either.
pub fn watch(
    selector: Option<&ReaderSelector>,
    interrupted: &dyn Fn() -> bool,
    report: &mut dyn FnMut(&ReaderChange) -> bool,
) -> Result<(), ReaderError> {
    let wants = |stack| selector.is_none_or(|selector| selector.stack() == stack);
    let mut names = Names::new(selector);
    if wants(Stack::Libnfc) {
        names.search();
    }
    if wants(Stack::PcSc)
        && names.known.is_empty()
        && let Err(error) = pcsc::Service::connect()
    {
        return Err(error);
    }
    let stop = AtomicBool::new(false);
    let (sender, changes) = channel();
    thread::scope(|scope| {
        if wants(Stack::PcSc) {
            let outlet = Outlet { selector, stop: &stop, changes: sender.clone() };
            scope.spawn(move || watch_service(&outlet));
        }
        let mut start = |name: String| {
            let outlet = Outlet { selector: None, stop: &stop, changes: sender.clone() };
            scope.spawn(move || watch_libnfc(&name, &outlet));
        };
        names.known.iter().cloned().for_each(&mut start);
        let mut searched = Instant::now();
        while !interrupted() {
            if wants(Stack::Libnfc) && searched.elapsed() >= SEARCH {
                names.search().into_iter().for_each(&mut start);
                searched = Instant::now();
            }
            if !hand_on(&changes, report) {
                break;
            }
        }
        stop.store(true, Ordering::Release);
    });
    Ok(())
}

/// Reports what has come, or waits a little; `false` when no more is wanted.
fn hand_on(changes: &Receiver<ReaderChange>, report: &mut dyn FnMut(&ReaderChange) -> bool) -> bool {
    match changes.recv_timeout(PIECE) {
        Ok(change) => report(&change),
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}

/// The readers of libnfc that are watched.
struct Names<'a> {
    selector: Option<&'a ReaderSelector>,
    known: BTreeSet<String>,
}

impl<'a> Names<'a> {
    fn new(selector: Option<&'a ReaderSelector>) -> Self {
        let full = selector.filter(|one| one.stack() == Stack::Libnfc && libnfc::is_full_name(one.name()));
        Self { selector, known: full.map(|one| one.name().to_owned()).into_iter().collect() }
    }

    /// Those that are new.
    fn search(&mut self) -> Vec<String> {
        if self.selector.is_some_and(|one| libnfc::is_full_name(one.name())) {
            return Vec::new();
        }
        let listed = libnfc_names(&[]);
        let wanted = |name: &&String| {
            self.selector.is_none_or(|selector| !selector.matching(std::iter::once(name.as_str())).is_empty())
        };
        let new: Vec<_> = listed.iter().filter(wanted).filter(|name| !self.known.contains(*name)).cloned().collect();
        self.known.extend(new.iter().cloned());
        new
    }
}

/// Where one who watches reports.
struct Outlet<'a> {
    selector: Option<&'a ReaderSelector>,
    stop: &'a AtomicBool,
    changes: Sender<ReaderChange>,
}

impl Outlet<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn wants(&self, name: &str) -> bool {
        self.selector.is_none_or(|selector| !selector.matching(std::iter::once(name)).is_empty())
    }

    fn tell(&self, selector: &ReaderSelector, change: Change, token_present: Option<bool>) {
        // Whoever listened is about to stop us.
        let _ = self.changes.send(ReaderChange { selector: selector.clone(), change, token_present });
    }

    /// Waits, unless it is to stop.
    fn rest(&self, long: Duration) {
        let end = Instant::now() + long;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(PIECE));
        }
    }
}

/// What is known of one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `None` when nobody can say.
    pub(crate) token: Option<bool>,
    /// What changes when a token comes or goes: a count, or an identifier.
    pub(crate) mark: Vec<u8>,
}

impl Seen {
    /// What happened between two looks, in order.
    pub(crate) fn changes(&self, now: &Self) -> &'static [Change] {
        match (self.token, now.token) {
            (Some(true), Some(false)) => &[Change::TokenOff],
            (Some(false) | None, Some(true)) => &[Change::TokenOn],
            (Some(true), Some(true)) if self.mark != now.mark => &[Change::TokenSwapped],
            (Some(false), Some(false)) if self.mark != now.mark => &[Change::TokenOn, Change::TokenOff],
            _ => &[],
        }
    }
}

/// The service, as often as it comes.
fn watch_service(outlet: &Outlet<'_>) {
    while !outlet.is_stopped() {
        let mut seen = Vec::<(String, Seen)>::new();
        let ended = pcsc::Service::connect().and_then(|service| {
            service.watch(PIECE, &mut || !outlet.is_stopped(), &mut |now| follow(outlet, &mut seen, now))
        });
        if let Err(error) = ended {
            debug!(%error, "the service cannot be watched");
            follow(outlet, &mut seen, Vec::new());
            outlet.rest(SEARCH);
        }
    }
}

/// Compares what the service shows with what it showed.
fn follow(outlet: &Outlet<'_>, seen: &mut Vec<(String, Seen)>, mut now: Vec<(String, Seen)>) {
    now.retain(|(name, _)| outlet.wants(name));
    for (name, _) in seen.iter().filter(|(name, _)| !now.iter().any(|(other, _)| other == name)) {
        outlet.tell(&ReaderSelector::pcsc(name), Change::ReaderDisconnected, None);
    }
    for (name, state) in &now {
        let selector = ReaderSelector::pcsc(name);
        match seen.iter().find(|(other, _)| other == name) {
            None => outlet.tell(&selector, Change::ReaderConnected, state.token),
            Some((_, before)) => {
                for &change in before.changes(state) {
                    outlet.tell(&selector, change, Some(change != Change::TokenOff));
                }
            }
        }
    }
    *seen = now;
}

/// One reader of libnfc, which is let go between two looks.
fn watch_libnfc(name: &str, outlet: &Outlet<'_>) {
    let selector = ReaderSelector::libnfc(name);
    let mut seen: Option<Seen> = None;
    let mut failures = 0;
    while !outlet.is_stopped() {
        let looked = libnfc::Reader::new(name).and_then(|reader| reader.hasty().look());
        match looked {
            Ok((presence, uid)) => {
                failures = 0;
                let now = Seen { token: Some(presence != Presence::Empty), mark: mark(uid) };
                match &seen {
                    None => outlet.tell(&selector, Change::ReaderConnected, now.token),
                    // It was in somebody's hands: of what happened there only the end is known.
                    Some(Seen { token: None, .. }) if now.token == Some(false) => {}
                    Some(before) => {
                        for &change in before.changes(&now) {
                            outlet.tell(&selector, change, now.token);
                        }
                    }
                }
                seen = Some(now);
            }
            // Somebody works with it.
            Err(ReaderError::ReaderBusy { .. }) => {
                if seen.is_none() {
                    outlet.tell(&selector, Change::ReaderConnected, None);
                    seen = Some(Seen::default());
                }
            }
            Err(error) => {
                debug!(name, %error, "a reader cannot be watched");
                failures += 1;
                let is_gone = failures > 1 || matches!(error, ReaderError::ReaderMissing { .. });
                // A chip that stumbles once is no change.
                if seen.take_if(|_| is_gone).is_some() {
                    outlet.tell(&selector, Change::ReaderDisconnected, None);
                }
            }
        }
        outlet.rest(LOOK);
    }
}

/// A token by its identifier; one that makes up another each time (ISO/IEC 14443-3, section 6.5.4: it begins with 08)
/// is like any other of its kind.
fn mark(uid: Option<Vec<u8>>) -> Vec<u8> {
    match uid {
        Some(uid) if uid.len() == 4 && uid[0] == 0x08 => vec![0x08],
        Some(uid) => uid,
        // That of an empty reader says nothing.
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(token: impl Into<Option<bool>>, mark: u8) -> Seen {
        Seen { token: token.into(), mark: vec![mark] }
    }

    #[test]
    fn two_looks_tell_what_happened_in_between() {
        for (before, now, expected) in [
            (seen(false, 0), seen(true, 1), &[Change::TokenOn][..]),
            (seen(None, 0), seen(true, 1), &[Change::TokenOn]),
            (seen(true, 1), seen(false, 2), &[Change::TokenOff]),
            (seen(true, 1), seen(true, 1), &[]),
            (seen(true, 1), seen(true, 3), &[Change::TokenSwapped]),
            (seen(false, 2), seen(false, 2), &[]),
            (seen(false, 2), seen(false, 4), &[Change::TokenOn, Change::TokenOff]),
            (seen(true, 1), seen(None, 1), &[]),
        ] {
            assert_eq!(before.changes(&now), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_made_up_identifier_is_no_mark() {
        assert_eq!(mark(Some(vec![8, 1, 2, 3])), mark(Some(vec![8, 3, 2, 1])));
        assert_ne!(mark(Some(vec![4, 1, 2, 3])), mark(Some(vec![4, 3, 2, 1])));
        assert_ne!(mark(Some(vec![8, 1, 2, 3, 4, 5, 6])), mark(Some(vec![8, 1, 2, 3, 4, 5, 7])));
    }

    #[test]
    fn readers_that_come_and_go_are_told_by_name() {
        let (sender, changes) = channel();
        let selector = "acr".parse().unwrap();
        let stop = AtomicBool::new(false);
        let outlet = Outlet { selector: Some(&selector), stop: &stop, changes: sender };
        let reader = |name: &str, token| (name.to_owned(), seen(token, 0));
        let mut known = Vec::new();
        follow(&outlet, &mut known, vec![reader("ACR 1", true), reader("Omnikey", true)]);
        follow(&outlet, &mut known, vec![reader("ACR 2", false), reader("ACR 1", false)]);
        follow(&outlet, &mut known, vec![]);
        let told: Vec<_> = changes.try_iter().map(|c| (c.selector.name().to_owned(), c.change)).collect();
        let expected = [
            ("ACR 1", Change::ReaderConnected),
            ("ACR 2", Change::ReaderConnected),
            ("ACR 1", Change::TokenOff),
            ("ACR 2", Change::ReaderDisconnected),
            ("ACR 1", Change::ReaderDisconnected),
        ];
        assert_eq!(told, expected.map(|(name, change)| (name.to_owned(), change)));
    }
}
