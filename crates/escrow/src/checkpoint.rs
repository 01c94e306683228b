//! Checkpoints: the ends of all chains at some time, signed by an officer, kept where the store's writers do not write.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use crate::canon::Canon;
use crate::heads::Heads;
use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::store::{self, View};
use crate::{Escrow, EscrowError, EventKind, Facts, Finding, Officer, Opener, WriterId, check};

/// What an officer signed of a store at some time. It holds no secret: names of keys, counts and digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    body: Body,
    signer: WriterId,
    signature: Vec<u8>,
}

/// What is signed: JSON without spaces, its fields in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u32,
    escrow: String,
    /// The version of the roster, and its hash.
    roster: u64,
    roster_hash: String,
    signed_at: u64,
    entries: u64,
    /// By the writer's key: how many events, and the hash of the last one.
    chains: BTreeMap<String, Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    events: u64,
    last: String,
}

/// The file: JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointFile {
    checkpoint: Body,
    signer: String,
    signature: String,
}

impl Body {
    fn digest(&self, signer: &WriterId) -> [u8; 32] {
        let text = serde_json::to_string(self).expect("texts and numbers are JSON");
        Canon::new("oathburn escrow checkpoint 1").text(&text).bytes(signer.as_bytes()).digest()
    }
}

impl Checkpoint {
    /// No checkpoint file comes near it: 100,000 stations have less.
    pub const MAX_LEN: usize = 16 * 1024 * 1024;

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let file = CheckpointFile {
            checkpoint: self.body.clone(),
            signer: self.signer.to_string(),
            signature: HEXLOWER.encode(&self.signature),
        };
        serde_json::to_string(&file).expect("texts and numbers are JSON") + "\n"
    }

    /// Reads a file, and verifies that whom it names as its signer has signed it.
    pub fn parse(text: &str) -> Result<Self, EscrowError> {
        let unreadable = |problem: &str| EscrowError::CheckpointUnreadable { problem: problem.into() };
        if text.len() > Self::MAX_LEN {
            return Err(unreadable("it is too long"));
        }
        let file: CheckpointFile = serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
        if file.checkpoint.format != 1 {
            return Err(unreadable("it is not one of this version"));
        }
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).ok();
        let signer = bytes(&file.signer).and_then(|key| WriterId::from_slice(&key));
        let (Some(signer), Some(signature)) = (signer, bytes(&file.signature)) else {
            return Err(unreadable("its signature is none"));
        };
        let checkpoint = Self { body: file.checkpoint, signer, signature };
        if signer.has_signed(&checkpoint.digest(), &checkpoint.signature) {
            Ok(checkpoint)
        } else {
            Err(EscrowError::CheckpointForged)
        }
    }

    /// When it was signed, by the officer's clock.
    pub fn signed_at(&self) -> UnixTime {
        UnixTime::new(self.body.signed_at)
    }

    /// Who signed it.
    pub fn signer(&self) -> WriterId {
        self.signer
    }

    /// How many entries there were.
    pub fn entries(&self) -> u64 {
        self.body.entries
    }

    /// How many events there were, of all writers.
    pub fn events(&self) -> u64 {
        self.body.chains.values().map(|chain| chain.events).fold(0, u64::saturating_add)
    }

    /// The version of the roster.
    pub fn roster(&self) -> u64 {
        self.body.roster
    }

    fn digest(&self) -> [u8; 32] {
        self.body.digest(&self.signer)
    }

    fn sign(view: &dyn View, trust: &Trust, officer: &Officer, time: i64) -> Result<Self, EscrowError> {
        let roster = trust.latest();
        let chain = |(writer, head): (WriterId, store::ChainHead)| {
            let events = head.sequence.try_into().unwrap_or(0);
            (writer.to_string(), Chain { events, last: HEXLOWER.encode(&head.hash) })
        };
        let body = Body {
            format: 1,
            escrow: trust.escrow().to_string(),
            roster: roster.version,
            roster_hash: HEXLOWER.encode(&roster.hash),
            signed_at: time.try_into().unwrap_or(0),
            entries: view.stats()?.entries,
            chains: Heads::of(view)?.0.into_iter().map(chain).collect(),
        };
        let signer = officer.keys().writer();
        let signature = officer.keys().sign(&body.digest(&signer))?.to_vec();
        Ok(Self { body, signer, signature })
    }
}

impl Opener {
    /// See [`Escrow::checkpoint`]: signed by this officer, and noted under the name of whoever is at the keyboard.
    pub fn checkpoint(&self) -> Result<Checkpoint, EscrowError> {
        Escrow { inner: Arc::clone(&self.escrow) }.checkpoint(&self.officer)
    }
}

impl Escrow {
    /// Signs the ends of all chains, the version of the roster and the number of entries, and notes it. Verify the
    /// events first: what is signed is what is there.
    pub fn checkpoint(&self, officer: &Officer) -> Result<Checkpoint, EscrowError> {
        let inner = &*self.inner;
        let mut made = None;
        inner.steadily(|trust| {
            inner.known(officer)?;
            inner.commit(trust, officer.keys(), &mut |view| {
                let checkpoint = Checkpoint::sign(view, trust, officer, inner.now())?;
                let facts = Facts::new()
                    .with("digest", HEXLOWER.encode(&checkpoint.digest()))
                    .with("entries", i64::try_from(checkpoint.entries()).unwrap_or(i64::MAX));
                made = Some(checkpoint);
                Ok(Draft { events: vec![EventDraft::new(EventKind::Checkpointed, facts)], ..Draft::default() })
            })
        })?;
        made.ok_or(EscrowError::RosterUnsteady)
    }

    /// What the store has lost or changed since a checkpoint was signed. No officer is needed.
    pub fn verify_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Vec<Finding>, EscrowError> {
        let trust = self.inner.followed();
        store::read(&*self.inner.store, |view| compare(view, &trust, checkpoint))
    }
}

fn compare(view: &dyn View, trust: &Trust, checkpoint: &Checkpoint) -> Result<Vec<Finding>, EscrowError> {
    let body = &checkpoint.body;
    let mut findings = Vec::new();
    if body.escrow != trust.escrow().to_string() {
        let problem = format!("the checkpoint is of escrow {}", body.escrow);
        findings.push(check::finding("escrow", trust.escrow().to_string(), Some("id"), problem));
        return Ok(findings);
    }
    match trust.version(body.roster) {
        Some(roster) if HEXLOWER.encode(&roster.hash) == body.roster_hash => {
            if !roster.is_officer(&checkpoint.signer) {
                return Err(EscrowError::CheckpointForged);
            }
        }
        Some(_) => findings.push(check::finding(
            "rosters",
            body.roster.to_string(),
            None,
            "it is not the version that the checkpoint knew",
        )),
        None => findings.push(check::finding(
            "rosters",
            body.roster.to_string(),
            None,
            format!("the checkpoint knew this version; the newest is {}", trust.latest().version),
        )),
    }
    let entries = view.stats()?.entries;
    if entries < body.entries {
        let problem = format!("there are {entries} entries; the checkpoint knew {}", body.entries);
        findings.push(check::finding("entries", String::new(), None, problem));
    }
    for (writer, chain) in &body.chains {
        let key = HEXLOWER.decode(writer.as_bytes()).ok().and_then(|key| WriterId::from_slice(&key));
        let Some(key) = key else { return Err(EscrowError::CheckpointForged) };
        let sequence = i64::try_from(chain.events).unwrap_or(i64::MAX);
        let problem = match view.event_hash(&key, sequence)? {
            Some(hash) if HEXLOWER.encode(&hash) == chain.last => continue,
            Some(_) => "it is not the event that the checkpoint knew".to_owned(),
            None => match view.head(&key)?.sequence {
                0 => "the checkpoint knew it; the whole chain is gone".to_owned(),
                last => format!("the checkpoint knew it; the chain ends at {last}"),
            },
        };
        findings.push(check::event_finding(crate::EventId { writer: key, sequence: chain.events }, problem));
    }
    Ok(findings)
}
