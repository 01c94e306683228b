//! Reading and writing what the register keeps: JSON in sealed records.

use oathburn_escrow::{Change, EscrowError, Record};
use oathburn_oath::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{PAGE, Register};

/// Changes that are made together.
#[derive(Default)]
pub(super) struct Draft(Vec<Row>);

struct Row {
    kind: &'static str,
    id: Vec<u8>,
    expected_version: Option<u64>,
    lookup: Option<String>,
    expires_at: Option<UnixTime>,
    /// Nothing where the record goes.
    body: Option<Zeroizing<Vec<u8>>>,
}

impl Draft {
    pub(super) fn put(
        &mut self,
        kind: &'static str,
        id: &[u8],
        expected_version: Option<u64>,
        expires_at: Option<u64>,
        body: &impl Serialize,
    ) {
        self.put_found_by(kind, (id, expected_version), None, expires_at, body);
    }

    pub(super) fn put_found_by(
        &mut self,
        kind: &'static str,
        (id, expected_version): (&[u8], Option<u64>),
        lookup: Option<&str>,
        expires_at: Option<u64>,
        body: &impl Serialize,
    ) {
        let body = Zeroizing::new(serde_json::to_vec(body).expect("records are plain data"));
        self.0.push(Row {
            kind,
            id: id.to_vec(),
            expected_version,
            lookup: lookup.map(str::to_owned),
            expires_at: expires_at.map(UnixTime::new),
            body: Some(body),
        });
    }

    pub(super) fn delete(&mut self, kind: &'static str, id: &[u8], version: u64) {
        let expected_version = Some(version);
        self.0.push(Row { kind, id: id.to_vec(), expected_version, lookup: None, expires_at: None, body: None });
    }

    pub(super) fn changes(&self) -> Vec<Change<'_>> {
        self.0.iter().map(Row::change).collect()
    }
}

impl Row {
    fn change(&self) -> Change<'_> {
        let Self { kind, id, expected_version, lookup, expires_at, body } = self;
        match body {
            Some(body) => Change::Put {
                kind,
                id,
                expected_version: *expected_version,
                lookup: lookup.as_deref(),
                expires_at: *expires_at,
                body,
            },
            None => Change::Delete { kind, id, expected_version: expected_version.unwrap_or_default() },
        }
    }
}

impl Register {
    /// A record with its version.
    pub(super) fn read<T: DeserializeOwned>(&self, kind: &str, id: &[u8]) -> Result<Option<(T, u64)>, EscrowError> {
        self.records.get(kind, id)?.map(|record| Ok((decoded(&record)?, record.version))).transpose()
    }

    /// The records that are found by a text, with their ids and versions.
    pub(super) fn found<T: DeserializeOwned>(
        &self,
        kind: &str,
        lookup: &str,
    ) -> Result<Vec<(T, Vec<u8>, u64)>, EscrowError> {
        let records = self.records.find(kind, lookup)?;
        records.into_iter().map(|record| Ok((decoded(&record)?, record.id.clone(), record.version))).collect()
    }

    /// All records of a kind.
    pub(super) fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, EscrowError> {
        let (mut all, mut after) = (Vec::new(), Vec::new());
        loop {
            let records = self.records.list(kind, &after, PAGE)?;
            let Some(last) = records.last() else { return Ok(all) };
            after.clone_from(&last.id);
            for record in &records {
                all.push(decoded(record)?);
            }
        }
    }
}

/// The seal held, so a desk has written it: one of another version, if it cannot be read.
fn decoded<T: DeserializeOwned>(record: &Record) -> Result<T, EscrowError> {
    let broken =
        |_| EscrowError::RecordBroken { kind: record.kind.clone(), id: data_encoding::HEXLOWER.encode(&record.id) };
    serde_json::from_slice(&record.body).map_err(broken)
}
