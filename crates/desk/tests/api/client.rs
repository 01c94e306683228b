//! A script that asks, and holds every answer against the document.

use std::sync::Arc;

use oathburn_desk::scripts::{NewScript, Scope};
use oathburn_desk::{Desk, Settings};
use oathburn_escrow::{Event, EventFilter, EventKind, Origin, Programmed, Reservation};
use oathburn_oath::{Clock, FamilyId, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams};
use serde_json::Value;

use crate::schema;
use crate::support::*;

pub(crate) const SEED: &[u8; 20] = b"12345678901234567890";

/// A desk that serves, another one of the same escrow for what admins do, and a clock that is moved by hand.
pub(crate) struct Office {
    pub(crate) server: Server,
    pub(crate) desk: Desk,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) document: Value,
}

impl Office {
    pub(crate) fn open() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let (home, clock) = (Arc::new(Home::new()), HandClock::new());
        let desk = home.desk(clock.clone(), settings.clone());
        let server = Server::at(home, false, settings, clock.clone());
        let document = serde_json::from_str(oathburn_desk::openapi()).unwrap();
        Self { server, desk, clock, document }
    }

    /// The token of a new script.
    pub(crate) fn token(&self, name: &str, scopes: &[Scope]) -> String {
        let new = NewScript { name, scopes, days: 7 };
        self.desk.add_script("ada", &new).unwrap().1.shown().to_owned()
    }

    /// A new script that asks.
    pub(crate) fn script(&self, name: &str, scopes: &[Scope]) -> Script<'_> {
        Script { office: self, token: self.token(name, scopes) }
    }

    pub(crate) fn events(&self, kind: EventKind) -> Vec<Event> {
        let filter = EventFilter { kind: Some(kind), ..EventFilter::default() };
        self.desk.escrow().events(&filter).unwrap()
    }

    /// What was done at the desk, and by whom.
    pub(crate) fn deeds(&self) -> Vec<(String, String)> {
        let deed = |event: Event| {
            (event.operator.clone().unwrap_or_default(), event.facts.text("deed").unwrap_or_default().to_owned())
        };
        self.events(EventKind::DeskDeed).into_iter().map(deed).collect()
    }

    /// The entry of a token that was burned for somebody.
    pub(crate) fn burned(&self, serial: &str, upn: &str, seed: &[u8]) -> String {
        let escrow = self.server.home.escrow(&(self.clock.clone() as Arc<dyn Clock>));
        let record = TokenRecord {
            identity: TokenIdentity {
                family: FamilyId::new("token2-single").unwrap(),
                serial: SerialNumber::new(serial).unwrap(),
                slot: Slot::SINGLE,
            },
            params: TotpParams::default().into(),
            seed: Seed::new(seed.to_vec()).unwrap(),
            manufacturer: None,
            model: Some("OTPC-P2-i".into()),
            upn: Some(upn.into()),
            issuer: Some("ACME".into()),
        };
        let entry = escrow.reserve(&Reservation { record: &record, origin: Origin::Generated, batch: None }).unwrap();
        escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(-61), ..Programmed::default() }).unwrap();
        entry.to_string()
    }
}

/// A script.
pub(crate) struct Script<'a> {
    pub(crate) office: &'a Office,
    pub(crate) token: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.reply.status, status, "{:#?}", self.reply);
        self.json
    }

    /// What was refused, by its code.
    pub(crate) fn refused(&self, status: u16) -> &str {
        assert_eq!(self.reply.status, status, "{:#?}", self.reply);
        self.json["error"]["code"].as_str().unwrap()
    }
}

impl Script<'_> {
    /// `path` as the document has it; what stands in braces, and a query, come from `parts` in order.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        parts: &[&str],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut parts = parts.iter();
        let mut target = String::new();
        for segment in path.split('/').skip(1) {
            let segment = if segment.starts_with('{') { parts.next().unwrap() } else { segment };
            target.extend(["/", segment]);
        }
        target.extend(parts.copied());
        let authorization = format!("Bearer {}", self.token);
        let headers = [&[("Authorization", authorization.as_str())], headers].concat();
        let reply = self.office.server.ask(method, &target, &headers, body);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
        assert!(reply.header("set-cookie").is_none() && reply.header("access-control-allow-origin").is_none());
        let json = serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("no JSON: {reply:?}"));
        let schema = schema::of_answer(&self.office.document, method, path, reply.status);
        schema::judge(&self.office.document, schema, &json, "");
        Answer { reply, json }
    }

    pub(crate) fn get(&self, path: &str, parts: &[&str]) -> Answer {
        self.ask("GET", path, parts, &[], b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, parts: &[&str], body: &Value) -> Answer {
        self.ask(method, path, parts, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, parts: &[&str], body: &Value) -> Answer {
        self.send("POST", path, parts, body)
    }
}
