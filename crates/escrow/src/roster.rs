//! The roster: who may open, who may burn; each version signed by an officer of the version before.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use crate::canon::Canon;
use crate::keys::KeyPair;
use crate::proven::Proven;
use crate::store::RosterRow;
use crate::{EscrowError, EscrowId, EventKind, Member, PublicKeys, WriterId, wrap};

/// Where the chain of somebody ends who was taken off the roster: what that key signs from then on counts for nothing,
/// under whatever version of the roster it says it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) writer: WriterId,
    /// The last event; 0 when nothing was ever signed.
    pub(crate) sequence: i64,
    /// The hash of that event.
    pub(crate) hash: [u8; 32],
}

/// One version of the roster, its signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The escrow it belongs to.
    pub escrow: EscrowId,
    /// Counted from 1.
    pub version: u64,
    /// When it was signed, by the signer's clock.
    pub signed_at: UnixTime,
    /// Who may open, at least one.
    pub officers: Vec<Member>,
    /// Which machines may seal and sign.
    pub stations: Vec<Member>,
    /// The chains of those who are not on it any more, but were on the version before.
    pub(crate) closed: Vec<Closing>,
    /// The digest of body and signer, which the next version, its event and pins name.
    pub(crate) hash: [u8; 32],
}

/// The text that is signed: JSON without spaces, its fields in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u32,
    escrow: String,
    version: u64,
    /// The hash of the version before as hex; empty in version 1.
    previous: String,
    signed_at: u64,
    officers: Vec<BodyMember>,
    stations: Vec<BodyMember>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed: Vec<BodyClosing>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyClosing {
    writer: String,
    sequence: u64,
    hash: String,
}

impl BodyClosing {
    fn new(closing: &Closing) -> Self {
        Self {
            writer: closing.writer.to_string(),
            sequence: closing.sequence.try_into().unwrap_or(0),
            hash: HEXLOWER.encode(&closing.hash),
        }
    }

    fn read(self) -> Option<Closing> {
        Some(Closing {
            writer: WriterId::from_slice(&HEXLOWER.decode(self.writer.as_bytes()).ok()?)?,
            sequence: self.sequence.try_into().ok()?,
            hash: HEXLOWER.decode(self.hash.as_bytes()).ok()?.try_into().ok()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyMember {
    label: String,
    recipient: String,
    writer: String,
}

impl BodyMember {
    fn new(member: &Member) -> Self {
        Self {
            label: member.label.clone(),
            recipient: member.keys.recipient.clone(),
            writer: member.keys.writer.to_string(),
        }
    }

    fn read(self) -> Option<Member> {
        wrap::recipient(&self.recipient)?;
        let writer = WriterId::from_slice(&HEXLOWER.decode(self.writer.as_bytes()).ok()?)?;
        Some(Member { label: self.label, keys: PublicKeys { recipient: self.recipient, writer } })
    }
}

fn digest(body: &str, signer: &[u8]) -> [u8; 32] {
    Canon::new("oathburn escrow roster 1").text(body).bytes(signer).digest()
}

impl Roster {
    /// Signs a version of the roster that closes no chain. `previous` is the version before.
    pub(crate) fn sign(
        escrow: EscrowId,
        previous: Option<&Self>,
        signed_at: UnixTime,
        officers: &[Member],
        stations: &[Member],
        signer: &KeyPair,
    ) -> Result<(Self, RosterRow), EscrowError> {
        Self::sign_closing(escrow, previous, signed_at, [officers, stations], Vec::new(), signer)
    }

    /// Signs a version of the roster, with officers and stations, and the ends of chains.
    pub(crate) fn sign_closing(
        escrow: EscrowId,
        previous: Option<&Self>,
        signed_at: UnixTime,
        [officers, stations]: [&[Member]; 2],
        closed: Vec<Closing>,
        signer: &KeyPair,
    ) -> Result<(Self, RosterRow), EscrowError> {
        let version = previous.map_or(0, |roster| roster.version) + 1;
        let body = serde_json::to_string(&Body {
            format: 1,
            escrow: escrow.to_string(),
            version,
            previous: previous.map_or_else(String::new, |roster| HEXLOWER.encode(&roster.hash)),
            signed_at: signed_at.seconds(),
            officers: officers.iter().map(BodyMember::new).collect(),
            stations: stations.iter().map(BodyMember::new).collect(),
            closed: closed.iter().map(BodyClosing::new).collect(),
        })
        .expect("texts and numbers are JSON");
        let writer = signer.writer();
        let hash = digest(&body, writer.as_bytes());
        let row = RosterRow {
            version: version.try_into().unwrap_or(i64::MAX),
            signer: writer.as_bytes().to_vec(),
            signature: signer.sign(&hash)?.to_vec(),
            body,
        };
        let (officers, stations) = (officers.to_vec(), stations.to_vec());
        Ok((Self { escrow, version, signed_at, officers, stations, closed, hash }, row))
    }

    /// Reads a version and verifies that an officer of the version before signed it (of version 1: one of its own).
    fn verify(row: &RosterRow, escrow: EscrowId, previous: Option<&Self>) -> Option<Self> {
        let (body, roster) = Self::read(&row.body, &row.signer)?;
        let version = previous.map_or(0, |roster| roster.version) + 1;
        let link = previous.map_or_else(String::new, |roster| HEXLOWER.encode(&roster.hash));
        let in_place = body.version == version && u64::try_from(row.version) == Ok(version) && body.previous == link;
        let signer = WriterId::from_slice(&row.signer)?;
        let entitled = previous.unwrap_or(&roster).is_officer(&signer);
        let holds = in_place && roster.escrow == escrow && entitled;
        (holds && signer.has_signed(&roster.hash, &row.signature)).then_some(roster)
    }

    /// Reads the text of a version, which is written in one way only, whoever signed it.
    fn read(text: &str, signer: &[u8]) -> Option<(Body, Self)> {
        let mut body: Body = serde_json::from_str(text).ok()?;
        if serde_json::to_string(&body).ok()? != text || body.format != 1 || body.officers.is_empty() {
            return None;
        }
        let read = |members: &mut Vec<BodyMember>| members.drain(..).map(BodyMember::read).collect::<Option<Vec<_>>>();
        let escrow: EscrowId = body.escrow.parse().ok()?;
        let roster = Self {
            escrow,
            version: body.version,
            signed_at: UnixTime::new(body.signed_at),
            officers: read(&mut body.officers)?,
            stations: read(&mut body.stations)?,
            closed: body.closed.drain(..).map(BodyClosing::read).collect::<Option<_>>()?,
            hash: digest(text, signer),
        };
        (escrow.to_string() == body.escrow && roster.version > 0).then_some((body, roster))
    }

    /// The text of a version as the store has it, without its signature, which alone makes it one: for those who feed
    /// strange texts to it.
    #[doc(hidden)]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, &[]).map(|(_, roster)| roster)
    }

    /// Whether this writer is an officer.
    pub fn is_officer(&self, writer: &WriterId) -> bool {
        self.officers.iter().any(|one| one.keys.writer == *writer)
    }

    /// Whether this writer is an approved station.
    pub fn is_station(&self, writer: &WriterId) -> bool {
        self.stations.iter().any(|one| one.keys.writer == *writer)
    }

    /// The label of a writer.
    pub fn label(&self, writer: &WriterId) -> Option<&str> {
        let mut members = self.officers.iter().chain(&self.stations);
        members.find(|one| one.keys.writer == *writer).map(|one| one.label.as_str())
    }
}

/// All versions of a roster, each verified, and what was proved under them.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    rosters: Vec<Roster>,
    pub(crate) proven: Arc<Proven>,
}

impl Trust {
    /// The trust in a roster that was just made.
    pub(crate) fn founded(roster: Roster) -> Self {
        Self { rosters: vec![roster], proven: Arc::default() }
    }

    /// Verifies all versions, oldest first, without gaps.
    pub(crate) fn verify(escrow: EscrowId, rows: &[RosterRow]) -> Result<Self, EscrowError> {
        let mut rosters: Vec<Roster> = Vec::with_capacity(rows.len());
        for row in rows {
            let forged = EscrowError::RosterForged { version: row.version.try_into().unwrap_or(0) };
            rosters.push(Roster::verify(row, escrow, rosters.last()).ok_or(forged)?);
        }
        if rosters.is_empty() {
            return Err(EscrowError::RosterForged { version: 1 });
        }
        Ok(Self { rosters, proven: Arc::default() })
    }

    pub(crate) fn latest(&self) -> &Roster {
        self.rosters.last().expect("there is no trust without a roster")
    }

    pub(crate) fn escrow(&self) -> EscrowId {
        self.latest().escrow
    }

    pub(crate) fn version(&self, version: u64) -> Option<&Roster> {
        self.rosters.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    pub(crate) fn rosters(&self) -> &[Roster] {
        &self.rosters
    }

    /// Whether a writer could sign this kind of event under a version of the roster, at this place of the chain.
    pub(crate) fn entitles(&self, writer: &WriterId, version: i64, sequence: i64, kind: EventKind) -> bool {
        let Some(roster) = u64::try_from(version).ok().and_then(|version| self.version(version)) else { return false };
        let may = roster.is_officer(writer) || (roster.is_station(writer) && !kind.is_for_officers());
        may && self.closing(writer, roster.version).is_none_or(|closing| sequence <= closing.sequence)
    }

    /// The end of a writer's chain, as the first version after this one says it that took the writer off.
    fn closing(&self, writer: &WriterId, version: u64) -> Option<&Closing> {
        let later = self.rosters.iter().skip_while(|roster| roster.version <= version);
        later.flat_map(|roster| &roster.closed).find(|closing| closing.writer == *writer)
    }

    /// The hash that the event at this place of a chain must have, if a version of the roster says it.
    pub(crate) fn closed_at(&self, writer: &WriterId, sequence: i64) -> Option<&[u8; 32]> {
        let all = self.rosters.iter().flat_map(|roster| &roster.closed);
        all.filter(|closing| closing.writer == *writer && closing.sequence == sequence)
            .map(|closing| &closing.hash)
            .next()
    }

    /// All ends of chains, with the version of the roster that says them.
    pub(crate) fn closings(&self) -> impl Iterator<Item = (u64, &Closing)> {
        self.rosters.iter().flat_map(|roster| roster.closed.iter().map(|closing| (roster.version, closing)))
    }

    /// The latest label of a writer.
    pub(crate) fn label(&self, writer: &WriterId) -> Option<&str> {
        self.rosters.iter().rev().find_map(|roster| roster.label(writer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Officer;

    fn member(label: &str, officer: &Officer) -> Member {
        Member { label: label.into(), keys: officer.public() }
    }

    /// Alice founds, Alice lets Bob in, Bob sends Alice away.
    fn history() -> (EscrowId, [Officer; 2], Vec<Roster>, Vec<RosterRow>) {
        let escrow = EscrowId::new();
        let (alice, bob) = (Officer::generate().unwrap(), Officer::generate().unwrap());
        let members = [member("alice", &alice), member("bob", &bob)];
        let time = UnixTime::new(7);
        let (one, row1) = Roster::sign(escrow, None, time, &members[..1], &[], alice.keys()).unwrap();
        let (two, row2) = Roster::sign(escrow, Some(&one), time, &members, &[], alice.keys()).unwrap();
        let (three, row3) = Roster::sign(escrow, Some(&two), time, &members[1..], &[], bob.keys()).unwrap();
        (escrow, [alice, bob], vec![one, two, three], vec![row1, row2, row3])
    }

    #[test]
    fn signed_successors_are_followed() {
        let (escrow, [alice, bob], rosters, rows) = history();
        let trust = Trust::verify(escrow, &rows).unwrap();
        assert_eq!(trust.rosters(), rosters);
        let (alice, bob) = (alice.keys().writer(), bob.keys().writer());
        assert!(!trust.latest().is_officer(&alice) && trust.latest().is_officer(&bob));
        assert_eq!(trust.label(&alice), Some("alice"));
        assert!(trust.entitles(&alice, 2, 1, EventKind::Revealed));
        assert!(!trust.entitles(&alice, 3, 1, EventKind::Revealed));
        assert!(!trust.entitles(&bob, 1, 1, EventKind::Reserved));
        assert!(!trust.entitles(&bob, 0, 1, EventKind::Reserved) && !trust.entitles(&bob, -1, 1, EventKind::Reserved));
        assert!(!trust.entitles(&bob, 4, 1, EventKind::Reserved));
    }

    #[test]
    fn what_nobody_entitled_signed_is_refused() {
        let (escrow, [alice, _], rosters, rows) = history();
        let forged = |rows: &[RosterRow]| match Trust::verify(escrow, rows) {
            Err(EscrowError::RosterForged { version }) => version,
            other => panic!("{other:?}"),
        };
        assert_eq!(forged(&[]), 1);
        assert_eq!(forged(&rows[1..]), 2);
        assert_eq!(forged(&[rows[0].clone(), rows[2].clone()]), 3);
        let mut changed = rows.clone();
        changed[1].body = changed[1].body.replace("bob", "eve");
        assert_eq!(forged(&changed), 2);
        changed.clone_from(&rows);
        changed[1].signature = rows[0].signature.clone();
        assert_eq!(forged(&changed), 2);
        changed.clone_from(&rows);
        changed[1].body = format!(" {}", rows[1].body);
        assert_eq!(forged(&changed), 2);
        assert!(Trust::verify(EscrowId::new(), &rows).is_err());
        // A stranger, an officer who was sent away, and an empty roster.
        let eve = Officer::generate().unwrap();
        let time = UnixTime::new(8);
        for signer in [&eve, &alice] {
            let members = [member("eve", &eve), member("alice", &alice)];
            let (_, row) = Roster::sign(escrow, rosters.last(), time, &members, &[], signer.keys()).unwrap();
            assert_eq!(forged(&[rows.clone(), vec![row]].concat()), 4);
        }
        let (_, row) = Roster::sign(escrow, Some(&rosters[0]), time, &[], &[], alice.keys()).unwrap();
        assert_eq!(forged(&[rows[0].clone(), row]), 2);
    }

    #[test]
    fn stations_sign_what_stations_may() {
        let (officer, station) = (Officer::generate().unwrap(), Officer::generate().unwrap());
        let escrow = EscrowId::new();
        let (roster, _) = Roster::sign(
            escrow,
            None,
            UnixTime::new(7),
            &[member("alice", &officer)],
            &[member("desk", &station)],
            officer.keys(),
        )
        .unwrap();
        let trust = Trust::founded(roster);
        for kind in EventKind::ALL {
            let expected = !kind.is_for_officers();
            assert_eq!(trust.entitles(&station.keys().writer(), 1, 1, *kind), expected, "{kind}");
            assert!(trust.entitles(&officer.keys().writer(), 1, 1, *kind));
        }
    }
}
