//! The way from a station's work to its desk: signed requests.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use oathburn_oath::Remedy as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ClientError, OwnStation};
use crate::protocol::Refusal;
use crate::remote::{DeskTrouble, RemoteDesk};
use crate::work::wire::{
    LEASE, LeaseAnswer, LeaseRequest, REPORT, ReportAnswer, ReportRequest, TOKEN, TokenAnswer, TokenRequest,
};

/// The longest answer: as many lines as come at a time, each with all that a cell of a list can hold.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// For how long somebody waits who has laid a token on a reader.
const TOKEN_TIME: Duration = Duration::from_secs(3);

/// A station's desk, for its work.
#[derive(Clone, Debug)]
pub struct WorkDesk(Arc<OwnStation>);

impl WorkDesk {
    /// The desk that knows this station.
    pub fn new(station: OwnStation) -> Self {
        Self(Arc::new(station))
    }

    /// The station.
    pub fn station(&self) -> &OwnStation {
        &self.0
    }

    fn ask<T: DeserializeOwned>(&self, target: &str, request: &impl Serialize) -> Result<T, DeskTrouble> {
        let body = serde_json::to_vec(request).expect("texts and numbers are JSON");
        self.0.ask_limited(("POST", target, &body), 0, MAX_ANSWER).map_err(|error| trouble(&error))
    }
}

impl RemoteDesk for WorkDesk {
    fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, DeskTrouble> {
        self.ask(LEASE, request)
    }

    fn report(&self, request: &ReportRequest) -> Result<ReportAnswer, DeskTrouble> {
        self.ask(REPORT, request)
    }

    fn token(&self, request: &TokenRequest) -> Result<TokenAnswer, DeskTrouble> {
        let (sender, receiver) = channel();
        let (desk, request) = (self.clone(), request.clone());
        // It ends by itself when the connection gives up; nobody waits for that.
        thread::spawn(move || sender.send(desk.ask(TOKEN, &request)));
        receiver.recv_timeout(TOKEN_TIME).unwrap_or_else(|_| {
            let desk = self.0.provisioned().url.as_str().to_owned();
            Err(trouble(&ClientError::Unreachable { desk, reason: "it did not answer in time".into() }))
        })
    }
}

/// Whether the desk has said that this station is not to work; everything else may pass.
fn trouble(error: &ClientError) -> DeskTrouble {
    let refused = matches!(
        error,
        ClientError::Refused(
            Refusal::NotKnown
                | Refusal::Revoked
                | Refusal::OldGeneration
                | Refusal::NotSignedIn
                | Refusal::RequestUnreadable
        )
    );
    DeskTrouble { passes: !refused, code: error.code(), message: error.to_string(), remedy: error.remedy() }
}
