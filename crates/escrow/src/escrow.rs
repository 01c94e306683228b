//! The escrow: opening, and everything that is read.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use oathburn_oath::{Clock, Seed, TokenIdentity};

use data_encoding::HEXLOWER;

use crate::audit::DUPLICATE_KEYS;
use crate::canon::Canon;
use crate::following::{follow, steady};
use crate::heads::{self, Heads};
use crate::history::{self, Events};
use crate::journal::{Draft, EventDraft, Journal};
use crate::keys::KeyPair;
use crate::pins::Written;
use crate::roster::Trust;
use crate::sealing::Sealing;
use crate::store::{self, EntryRow, EscrowStore, Filling, HeaderRow, HolderRow, View, WrapRow};
use crate::wrap::{self, Key};
use crate::{
    CheckReport, Entry, EntryId, EscrowError, EscrowId, Event, EventFilter, EventKind, Facts, Filter, Finding, Member,
    Officer, Opener, Pins, Roster, StationKey, StoreUrl, check, claim, duplicate, lease,
};

/// Rows that are read at a time where there may be many.
pub(crate) const PAGE: usize = 500;
/// Events that are read at a time. Each comes with all that it touched, which may be an import of thousands.
pub(crate) const EVENTS: usize = 50;

/// Who is asking; claimed facts that every event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Who says to be at the keyboard.
    pub operator: Option<String>,
    /// The user id of the process.
    pub uid: u32,
    /// The machine's name.
    pub host: String,
}

/// An open escrow: a store, the roster it is believed to have, and the station that uses it.
///
/// Clones share one connection and one sealing session.
#[derive(Clone)]
pub struct Escrow {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) url: StoreUrl,
    pub(crate) pins: Pins,
    pub(crate) store: Arc<dyn EscrowStore>,
    pub(crate) station: Arc<StationKey>,
    pub(crate) who: Writer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trust: Arc<RwLock<Arc<Trust>>>,
    /// The ends of chains that this process has seen in the store, or written to it.
    seen: Arc<Mutex<Heads>>,
    pub(crate) sealing: Arc<Mutex<Option<Sealing>>>,
    first_use: bool,
    holder: OnceLock<HolderRow>,
}

impl Escrow {
    /// Makes a new store with this officer and this station on its roster, and pins it in place of whatever was
    /// pinned for that address. Never overwrites a store.
    pub fn init(
        url: &StoreUrl,
        officer: &Officer,
        station: &StationKey,
        pins: &Pins,
        who: &Writer,
        clock: &dyn Clock,
    ) -> Result<EscrowId, EscrowError> {
        let operator = who.operator.clone().unwrap_or_else(|| format!("uid {}", who.uid));
        let officers = [Member { label: operator, keys: officer.public() }];
        Self::found(url, (officer, &officers), station, pins, who, clock)
    }

    /// Makes a new store for a station that is on its own: these officers can open what it seals, and it cannot. The
    /// roster is signed by somebody who is made up for it and forgotten at once, so that nobody at the station ever
    /// held a key that opens or lets others in.
    pub fn init_for(
        url: &StoreUrl,
        officers: &[Member],
        station: &StationKey,
        pins: &Pins,
        who: &Writer,
        clock: &dyn Clock,
    ) -> Result<EscrowId, EscrowError> {
        if officers.is_empty() {
            return Err(EscrowError::LastOfficer);
        }
        let founder = Officer::generate()?;
        let mut officers = officers.to_vec();
        officers.push(Member::new("founder, forgotten", founder.public())?);
        Self::found(url, (&founder, &officers), station, pins, who, clock)
    }

    fn found(
        url: &StoreUrl,
        (officer, officers): (&Officer, &[Member]),
        station: &StationKey,
        pins: &Pins,
        who: &Writer,
        clock: &dyn Clock,
    ) -> Result<EscrowId, EscrowError> {
        let escrow = EscrowId::new();
        let now = clock.now();
        let time = seconds(now.seconds());
        let stations = [Member { label: who.host.clone(), keys: station.public() }];
        let (roster, row) = Roster::sign(escrow, None, now, officers, &stations, officer.keys())?;
        let recipients = officers.iter().chain(&stations).map(|member| member.keys.recipient.as_str());
        let duplicate_key = WrapRow {
            id: 1_i64.to_be_bytes().to_vec(),
            roster: 1,
            created_at: time,
            wrap: wrap::wrap(&wrap::generate()?, recipients, DUPLICATE_KEYS.key)?,
            writer_number: 0,
            writer: Vec::new(),
            sequence: 0,
        };
        let draft = Draft {
            header: Some(HeaderRow { id: escrow.as_bytes().to_vec(), created_at: time }),
            rosters: vec![row],
            events: vec![
                EventDraft::new(EventKind::EscrowCreated, Facts::new()),
                roster_signed(&roster),
                EventDraft::wrapping(EventKind::DuplicateKeyWrapped, &duplicate_key, DUPLICATE_KEYS.domain, &escrow),
            ],
            duplicate_keys: vec![duplicate_key],
            ..Draft::default()
        };
        let trust = Trust::founded(roster);
        let journal = Journal { trust: &trust, signer: officer.keys(), who, time };
        let mut draft = Some(draft);
        let mut first = |filling: &dyn Filling| match draft.take() {
            Some(draft) => filling.write(&journal.write(filling.view(), draft)?),
            None => Ok(()),
        };
        store::make(url, &mut first, || pins.replace(url, &trust))?;
        Ok(escrow)
    }

    /// Opens a store whose escrow and roster are those that were seen before, or signed successors; at the first use
    /// of an address they are pinned. Reading works for every station, sealing and noting for approved ones.
    pub fn open(
        url: &StoreUrl,
        station: StationKey,
        pins: &Pins,
        who: Writer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EscrowError> {
        let store: Arc<dyn EscrowStore> = store::open(url)?.into();
        let first_use = pins.escrow(url)?.is_none();
        let (trust, seen) = follow(&*store, url, pins, None)?;
        let inner = Inner {
            url: url.clone(),
            pins: pins.clone(),
            store,
            station: Arc::new(station),
            who,
            clock,
            trust: Arc::new(RwLock::new(Arc::new(trust))),
            seen: Arc::new(Mutex::new(seen)),
            sealing: Arc::default(),
            first_use,
            holder: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same escrow for somebody else at the keyboard: what is done through it is noted under that name. Connection,
    /// roster and sealing session are shared.
    #[must_use]
    pub fn acting_for(&self, operator: &str) -> Self {
        Self { inner: Arc::new(self.inner.acting_for(operator)) }
    }

    /// The format of a store, and the newest that is known here: opening one brings it to that. Nothing is changed.
    pub fn format_of(url: &StoreUrl) -> Result<(i64, i64), EscrowError> {
        store::format(url)
    }

    /// Which escrow it is.
    pub fn id(&self) -> EscrowId {
        self.inner.trust().escrow()
    }

    /// Whether this user had never seen a store at this place: then everything is believed for the first time, and
    /// [`Self::fingerprint`] should be compared with what an officer says.
    pub fn is_first_use(&self) -> bool {
        self.inner.first_use
    }

    /// What tells this escrow from every other: a digest of its id and of the roster it was founded with, from which
    /// all others follow by signatures.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.inner.trust())
    }

    /// The roster in force.
    pub fn roster(&self) -> Roster {
        self.inner.trust().latest().clone()
    }

    /// All versions of the roster, oldest first.
    pub fn rosters(&self) -> Vec<Roster> {
        self.inner.trust().rosters().to_vec()
    }

    /// Whether this station may seal and note.
    pub fn is_approved(&self) -> bool {
        self.inner.trust().latest().is_station(&self.inner.station.keys().writer())
    }

    /// All entries of a token's slot, newest first.
    pub fn find(&self, identity: &TokenIdentity) -> Result<Vec<Entry>, EscrowError> {
        let mut entries = self.entries(&Filter::identity(identity))?;
        entries.reverse();
        Ok(entries)
    }

    /// The entries that decide what is on a token's slot: newest first, down to the newest one that is known to be on
    /// it, for that one replaced whatever is older. Whether a token is written to rests on them, so each is compared
    /// with its signed events.
    pub fn current(&self, identity: &TokenIdentity) -> Result<Vec<Entry>, EscrowError> {
        self.inner.look(|view, trust| claim::current(view, trust, identity))
    }

    /// The entry with this id, or the only one whose id begins like this.
    pub fn entry(&self, text: &str) -> Result<Entry, EscrowError> {
        let text = text.trim();
        let unknown = || EscrowError::EntryUnknown { text: text.into() };
        let (low, high) = id_range(text).ok_or_else(unknown)?;
        let rows = store::read(&*self.inner.store, |view| view.entries_between(&low, &high, 2))?;
        match rows.as_slice() {
            [] => Err(unknown()),
            [row] => Entry::try_from(row),
            _ => Err(EscrowError::EntryAmbiguous { text: text.into() }),
        }
    }

    /// Entries, oldest first.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, EscrowError> {
        self.entries_after(filter, None, usize::MAX)
    }

    /// Up to `limit` entries, oldest first, that come after one. Access keys of tokens and what the desk keeps are among them
    /// only where their family is asked for.
    pub fn entries_after(
        &self,
        filter: &Filter,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<Entry>, EscrowError> {
        let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
        let filter = Filter { seeds_only: filter.family.is_none(), ..filter.clone() };
        let rows = store::read(&*self.inner.store, |view| view.entries(&filter, &after, limit))?;
        rows.iter().map(Entry::try_from).collect()
    }

    /// The entries that hold this very seed, in any state, oldest first, compared with their signed events; nothing is
    /// opened. Stations that are not on the roster cannot ask.
    pub fn duplicates_of(&self, seed: &Seed) -> Result<Vec<Entry>, EscrowError> {
        let rows = self.inner.look(|view, trust| {
            let mut rows = Vec::new();
            for (number, key) in duplicate_keys(view, trust, self.inner.station.keys())? {
                rows.extend(view.entries_tagged(number, &duplicate::tag(&key, seed))?);
            }
            verified(view, trust, rows)
        })?;
        let entries: Vec<Entry> = rows.iter().map(Entry::try_from).collect::<Result<_, _>>()?;
        Ok(entries.into_iter().filter(Entry::is_of_token).collect())
    }

    /// Prepares to open seals with an officer's keys.
    pub fn opener(&self, officer: Officer) -> Result<Opener, EscrowError> {
        Opener::new(Arc::clone(&self.inner), officer)
    }

    /// Events, by time.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, EscrowError> {
        let trust = self.inner.followed();
        let start = (i64::MIN, i64::MIN);
        let rows = store::read(&*self.inner.store, |view| view.events(filter, start, usize::MAX))?;
        let mut events = rows.iter().map(|row| Event::read(row, &trust)).collect::<Result<Vec<_>, _>>()?;
        events.sort_by_key(|event| (event.time, event.id));
        Ok(events)
    }

    /// Compares everything with what was signed, and opens every seal when there is an officer. Nothing is disclosed,
    /// so nothing is noted.
    pub fn check(&self, officer: Option<&Officer>) -> Result<CheckReport, EscrowError> {
        if let Some(officer) = officer {
            self.inner.known(officer)?;
        }
        let trust = self.inner.followed();
        store::read(&*self.inner.store, |view| check::check(view, &trust, officer.map(Officer::keys)))
    }

    /// Verifies rosters, events and wrapped keys: every signature, every chain.
    pub fn verify_events(&self) -> Result<Vec<Finding>, EscrowError> {
        let trust = self.inner.followed();
        store::read(&*self.inner.store, |view| check::verify_events(view, &trust))
    }
}

impl Inner {
    pub(crate) fn acting_for(&self, operator: &str) -> Self {
        Self {
            url: self.url.clone(),
            pins: self.pins.clone(),
            store: Arc::clone(&self.store),
            station: Arc::clone(&self.station),
            who: Writer { operator: Some(operator.into()), ..self.who.clone() },
            clock: Arc::clone(&self.clock),
            trust: Arc::clone(&self.trust),
            seen: Arc::clone(&self.seen),
            sealing: Arc::clone(&self.sealing),
            first_use: self.first_use,
            holder: self.holder.clone(),
        }
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn now(&self) -> i64 {
        seconds(self.clock.now().seconds())
    }

    /// Who we are to other processes.
    pub(crate) fn holder(&self) -> HolderRow {
        let make = || lease::this_process(&self.station.keys().writer(), &self.who.host);
        self.holder.get_or_init(make).clone()
    }

    /// Refuses officers who are not on the roster.
    pub(crate) fn known(&self, officer: &Officer) -> Result<(), EscrowError> {
        let trust = self.trust();
        if trust.latest().is_officer(&officer.keys().writer()) {
            Ok(())
        } else {
            Err(EscrowError::OfficerUnknown { escrow: trust.escrow() })
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Heads> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what `draft` says, signed by `signer`, if the roster is still the one it was made for, and the signer's
    /// chain still goes on from what was seen of it.
    pub(crate) fn commit(
        &self,
        trust: &Trust,
        signer: &KeyPair,
        draft: &mut dyn FnMut(&dyn View) -> Result<Draft, EscrowError>,
    ) -> Result<(), EscrowError> {
        let journal = Journal { trust, signer, who: &self.who, time: self.now() };
        let own = self.seen().of_writer(&signer.writer());
        let mut written = Written::default();
        self.store.commit(&mut |view| {
            heads::refuse(&own.lost(view, trust)?)?;
            steady(view, trust)?;
            let commit = journal.write(view, draft(view)?)?;
            written = Written::of(&commit);
            Ok(commit)
        })?;
        self.seen().merge(written.heads());
        // It is done, whatever can be remembered of it here: the next one to open the store sees it, and says so when
        // it cannot be kept.
        let _ = self.pins.remember(&self.url, trust.escrow(), &written);
        Ok(())
    }
}

/// See [`Escrow::fingerprint`].
pub(crate) fn fingerprint(trust: &Trust) -> String {
    let first = trust.rosters().first().map(|roster| roster.hash).unwrap_or_default();
    let digest = Canon::new("oathburn escrow fingerprint 1").bytes(trust.escrow().as_bytes()).bytes(&first).digest();
    let groups: Vec<_> = digest[..16].chunks(2).map(|pair| HEXLOWER.encode(pair)).collect();
    groups.join("-")
}

/// The event that goes with a version of the roster.
pub(crate) fn roster_signed(roster: &Roster) -> EventDraft {
    let facts = Facts::new().with("version", seconds(roster.version)).with("hash", HEXLOWER.encode(&roster.hash));
    EventDraft::new(EventKind::RosterSigned, facts)
}

/// The rows, when all of them are what their signed events make them.
fn verified(view: &dyn View, trust: &Trust, rows: Vec<EntryRow>) -> Result<Vec<EntryRow>, EscrowError> {
    let mut events = Events::new();
    for row in &rows {
        history::verify(view, trust, Entry::try_from(row)?.id, row, &mut events)?;
    }
    Ok(rows)
}

/// The keys that find duplicates, with their numbers, newest last.
pub(crate) fn duplicate_keys(view: &dyn View, trust: &Trust, keys: &KeyPair) -> Result<Vec<(i64, Key)>, EscrowError> {
    let mut unwrapped = Vec::new();
    for row in view.duplicate_keys()? {
        DUPLICATE_KEYS.verify(view, trust, &row)?;
        let number = row.id.as_slice().try_into().map_or(0, i64::from_be_bytes);
        let unwrap = || wrap::unwrap(&row.wrap, keys, DUPLICATE_KEYS.key);
        unwrapped.push((number, trust.proven.key(&row, &keys.writer(), unwrap)?));
    }
    Ok(unwrapped)
}

pub(crate) fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The lowest and the highest id that begin with `text`, dashes where they may be; `None` when no id can.
fn id_range(text: &str) -> Option<([u8; 16], [u8; 16])> {
    let digits: String = text.chars().filter(|&one| one != '-').collect();
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bound = |fill: &str| {
        let padded = format!("{digits}{}", fill.repeat(32 - digits.len()));
        data_encoding::HEXLOWER_PERMISSIVE.decode(padded.as_bytes()).ok()?.try_into().ok()
    };
    Some((bound("0")?, bound("f")?))
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{
        FamilyId, FixedClock, Remedy, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams, UnixTime,
    };

    use super::*;
    use crate::{Disclosure, Origin, Purpose, Reservation};

    #[test]
    fn prefixes_of_ids_are_ranges() {
        let range = |text| id_range(text).map(|(low, high)| (low[0], low[15], high[0], high[15]));
        assert_eq!(range("0"), Some((0x00, 0x00, 0x0f, 0xff)));
        assert_eq!(range("7A-"), Some((0x7a, 0x00, 0x7a, 0xff)));
        for none in ["", "-", "g", "é", "000000000000000000000000000000000"] {
            assert_eq!(range(none), None, "{none:?}");
        }
    }

    /// A second version of the roster, signed while the escrow is open: the next seal is for the new officer too.
    #[test]
    fn a_new_roster_is_followed_while_the_escrow_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let (alice, bob) = (Officer::generate().unwrap(), Officer::generate().unwrap());
        let url = StoreUrl::sqlite(folder.path().join("escrow.db"));
        let pins = Pins::new(folder.path().join("pins"));
        let who = Writer { operator: None, uid: 0, host: "desk".into() };
        let clock = Arc::new(FixedClock(UnixTime::new(1)));
        let station = || StationKey::load_or_create(&folder.path().join("station.key")).unwrap();
        Escrow::init(&url, &alice, &station(), &pins, &who, &*clock).unwrap();
        let open = || Escrow::open(&url, station(), &pins, who.clone(), clock.clone()).unwrap();
        let escrow = open();
        let record = TokenRecord {
            identity: TokenIdentity {
                family: FamilyId::new("token2-single").unwrap(),
                serial: SerialNumber::new("1").unwrap(),
                slot: Slot::SINGLE,
            },
            params: TotpParams::default().into(),
            seed: Seed::new(b"12345678901234567890".to_vec()).unwrap(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        };
        let reservation = Reservation { record: &record, origin: Origin::Given, batch: None };
        let before = escrow.reserve(&reservation).unwrap();

        let trust = escrow.inner.trust();
        let mut officers = trust.latest().officers.clone();
        officers.push(Member { label: "bob".into(), keys: bob.public() });
        let stations = &trust.latest().stations;
        let (roster, row) =
            Roster::sign(escrow.id(), Some(trust.latest()), UnixTime::new(2), &officers, stations, alice.keys())
                .unwrap();
        let other = open();
        let sign = |_: &dyn View| {
            let events = vec![roster_signed(&roster)];
            Ok(Draft { rosters: vec![row.clone()], events, ..Draft::default() })
        };
        other.inner.commit(&trust, alice.keys(), &mut { sign }).unwrap();

        let after = escrow.reserve(&reservation).unwrap();
        assert_eq!(escrow.roster().version, 2);
        // A roster that changes again and again is not followed for ever.
        let mut tries = 0;
        let unsteady = |_: &Trust| -> Result<(), EscrowError> {
            tries += 1;
            Err(EscrowError::RosterUnsteady)
        };
        assert_eq!(escrow.inner.steadily(unsteady).unwrap_err().code(), "roster-unsteady");
        assert_eq!(tries, 3);
        let opener = open().opener(bob).unwrap();
        let entry = |id: EntryId| escrow.entry(&id.to_string()).unwrap();
        let disclosure = Disclosure::new(Purpose::Reveal);
        assert_eq!(opener.open(&entry(after), &disclosure).unwrap().seed, record.seed);
        assert_eq!(opener.open(&entry(before), &disclosure).unwrap_err().code(), "key-not-wrapped");
        assert_eq!(escrow.check(Some(&alice)).unwrap().findings, []);
        // Whoever has seen the second version does not go back.
        drop((escrow, other, opener));
        let connection = rusqlite::Connection::open(folder.path().join("escrow.db")).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM rosters WHERE version = 2").unwrap();
        drop(connection);
        let error = Escrow::open(&url, station(), &pins, who.clone(), clock.clone()).err().unwrap();
        assert_eq!(error.code(), "roster-older");
    }
}
