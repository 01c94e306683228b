//! What officers do with the roster: letting people and machines in, and taking them off.

use std::sync::Arc;

use oathburn_oath::UnixTime;

use crate::audit::DUPLICATE_KEYS;
use crate::escrow::{Inner, roster_signed};
use crate::journal::{Draft, EventDraft};
use crate::roster::{Closing, Trust};
use crate::store::{View, WrapRow};
use crate::{Escrow, EscrowError, Member, Officer, PublicLine, Role, Roster, WriterId};
use crate::{records, wrap};

/// An officer who changes the roster, and sees to it that the keys follow.
pub struct Custodian {
    pub(crate) escrow: Arc<Inner>,
    pub(crate) officer: Officer,
}

/// What became of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterChange {
    /// The version in force.
    pub roster: Roster,
    /// Whom it was about.
    pub member: Member,
    /// Whether there was anything to change.
    pub changed: bool,
}

/// Members of the next version, and who is not among them any more.
struct Successor {
    officers: Vec<Member>,
    stations: Vec<Member>,
    gone: Option<WriterId>,
}

impl Escrow {
    /// Prepares to change the roster with an officer's keys.
    pub fn custodian(&self, officer: Officer) -> Result<Custodian, EscrowError> {
        self.inner.refresh()?;
        self.inner.known(&officer)?;
        Ok(Custodian { escrow: Arc::clone(&self.inner), officer })
    }
}

impl Roster {
    /// The members in one role.
    pub fn members(&self, role: Role) -> &[Member] {
        match role {
            Role::Officer => &self.officers,
            Role::Station => &self.stations,
        }
    }

    /// The only member in this role who is called like this.
    pub fn member(&self, role: Role, name: &str) -> Result<&Member, EscrowError> {
        let mut called = self.members(role).iter().filter(|member| member.is_called(name));
        match (called.next(), called.next()) {
            (Some(member), None) => Ok(member),
            (Some(_), Some(_)) => Err(EscrowError::MemberAmbiguous { name: name.into() }),
            (None, _) => Err(EscrowError::MemberUnknown { role, name: name.into() }),
        }
    }
}

impl Custodian {
    /// Signs a version of the roster with one more member, who is then able to find duplicates. An officer can open
    /// what is sealed from then on; [`Self::renew`] opens to them what was sealed before.
    ///
    /// Somebody who is there already changes nothing. When another officer signs a version at the same time, one of
    /// both wins, and the other is told.
    pub fn add(&self, line: &PublicLine) -> Result<RosterChange, EscrowError> {
        self.escrow.refresh()?;
        self.escrow.known(&self.officer)?;
        let trust = self.escrow.trust();
        let (roster, new) = (trust.latest(), &line.member);
        if let Some(member) = roster.members(line.role).iter().find(|member| member.keys == new.keys) {
            return Ok(RosterChange { roster: roster.clone(), member: member.clone(), changed: false });
        }
        let mut all = roster.officers.iter().chain(&roster.stations);
        let shares =
            |member: &&Member| member.keys.recipient == new.keys.recipient || member.keys.writer == new.keys.writer;
        if let Some(other) = all.find(shares) {
            return Err(EscrowError::MemberMixed { label: other.label.clone() });
        }
        let mut next = Successor { officers: roster.officers.clone(), stations: roster.stations.clone(), gone: None };
        match line.role {
            Role::Officer => next.officers.push(new.clone()),
            Role::Station => next.stations.push(new.clone()),
        }
        self.sign(&trust, &next, new)
    }

    /// Signs a version of the roster without a member, closes the chain of what that member signed, and begins another
    /// duplicate key and, for an officer, another key of the desk's records. What a removed officer could open counts as
    /// known: [`Self::renew`] seals it anew, and [`Escrow::exposed`] lists the tokens.
    ///
    /// Somebody who was taken off before changes nothing. Nobody removes themselves: the keys that the one who leaves
    /// must not know are made by the one who signs.
    pub fn remove(&self, role: Role, name: &str) -> Result<RosterChange, EscrowError> {
        self.escrow.refresh()?;
        self.escrow.known(&self.officer)?;
        let trust = self.escrow.trust();
        let roster = trust.latest();
        let member = match roster.member(role, name) {
            Err(EscrowError::MemberUnknown { role, name }) => {
                let member = trust.former(role).into_iter().find(|member| member.is_called(&name));
                let member = member.ok_or(EscrowError::MemberUnknown { role, name })?;
                return Ok(RosterChange { roster: roster.clone(), member, changed: false });
            }
            other => other?.clone(),
        };
        let others = |members: &[Member]| members.iter().filter(|one| **one != member).cloned().collect::<Vec<_>>();
        let next = Successor {
            officers: others(&roster.officers),
            stations: others(&roster.stations),
            gone: Some(member.keys.writer),
        };
        if next.officers.is_empty() {
            return Err(EscrowError::LastOfficer);
        }
        if member.keys.writer == self.officer.keys().writer() {
            return Err(EscrowError::OwnRemoval);
        }
        self.sign(&trust, &next, &member)
    }

    /// Signs and commits a successor of the roster in force, with the duplicate keys that go with it.
    fn sign(&self, trust: &Trust, next: &Successor, member: &Member) -> Result<RosterChange, EscrowError> {
        let time = self.escrow.now();
        let committed = self.escrow.commit(trust, self.officer.keys(), &mut |view| self.draft(view, trust, next, time));
        // Somebody else may have been first: whoever was, that version is in force now.
        self.escrow.refresh()?;
        let roster = self.escrow.trust().latest().clone();
        match committed {
            Err(EscrowError::RosterUnsteady) => Err(EscrowError::RosterChanged { version: roster.version }),
            other => other.map(|()| RosterChange { roster, member: member.clone(), changed: true }),
        }
    }

    fn draft(&self, view: &dyn View, trust: &Trust, next: &Successor, time: i64) -> Result<Draft, EscrowError> {
        let escrow = trust.escrow();
        let mut closed = Vec::new();
        if let Some(writer) = &next.gone {
            let head = view.head(writer)?;
            let hash = head.hash.as_slice().try_into().unwrap_or_default();
            closed.push(Closing { writer: *writer, sequence: head.sequence, hash });
        }
        let signed_at = UnixTime::new(time.try_into().unwrap_or(0));
        let members = [next.officers.as_slice(), next.stations.as_slice()];
        let (roster, row) =
            Roster::sign_closing(escrow, Some(trust.latest()), signed_at, members, closed, self.officer.keys())?;
        let version = row.version;
        let mut draft = Draft { rosters: vec![row], events: vec![roster_signed(&roster)], ..Draft::default() };
        let wrap_to = |key: &wrap::Key| {
            let recipients = members.iter().copied().flatten().map(|member| member.keys.recipient.as_str());
            wrap::wrap(key, recipients, DUPLICATE_KEYS.key)
        };
        let mut last = 0;
        for row in view.duplicate_keys()? {
            DUPLICATE_KEYS.verify(view, trust, &row)?;
            last = row.id.as_slice().try_into().map_or(last, i64::from_be_bytes);
            let key = wrap::unwrap(&row.wrap, self.officer.keys(), DUPLICATE_KEYS.key)?;
            let row = WrapRow { roster: version, wrap: wrap_to(&key)?, ..row };
            draft.events.push(EventDraft::wrapping_again(DUPLICATE_KEYS.again, &row, DUPLICATE_KEYS.domain, &escrow));
            draft.rewrapped_keys.push(row);
        }
        if next.gone.is_some() {
            let key = wrap::generate()?;
            let row = WrapRow {
                id: (last + 1).to_be_bytes().to_vec(),
                roster: version,
                created_at: time,
                wrap: wrap_to(&key)?,
                writer_number: 0,
                writer: Vec::new(),
                sequence: 0,
            };
            draft.events.push(EventDraft::wrapping_again(DUPLICATE_KEYS.kind, &row, DUPLICATE_KEYS.domain, &escrow));
            draft.duplicate_keys.push(row);
            if next.gone.is_some_and(|writer| trust.latest().is_officer(&writer)) {
                let officers: Vec<_> = next.officers.iter().map(|member| member.keys.recipient.as_str()).collect();
                let members = (roster.version, officers.as_slice());
                match records::replace(view, trust, members, (last + 1, &key), time, &mut draft) {
                    // Nobody stays an officer because a row is damaged; to renew names it.
                    Err(EscrowError::Damaged { .. }) => {}
                    other => other?,
                }
            }
        }
        Ok(draft)
    }
}
