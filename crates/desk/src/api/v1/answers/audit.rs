//! Answers about the audit trail.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::rfc3339;

/// Events.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Events {
    pub(in crate::api::v1) events: Vec<Event>,
}

/// Events by their time, each once.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct EventPage {
    pub(in crate::api::v1) events: Vec<Event>,
    /// What to say as `after` to go on, now or later: what happened meanwhile follows.
    pub(in crate::api::v1) next: String,
    /// Whether there is more already. A page may be empty and yet not the last.
    pub(in crate::api::v1) more: bool,
}

/// A signed event.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Event {
    /// Its signer's key and its place in that chain.
    id: String,
    /// The signer's label.
    writer: String,
    /// When, by the signer's clock.
    #[schema(format = DateTime)]
    time: String,
    /// The machine.
    host: String,
    /// Whose deed it is: a person, `script:NAME`, a station.
    #[schema(required)]
    operator: Option<String>,
    /// What happened.
    kind: String,
    /// The entries that it touched.
    entries: Vec<String>,
    /// What else it says: names with texts or whole numbers.
    #[schema(value_type = Object, additional_properties)]
    facts: Value,
    /// Why.
    #[schema(required)]
    reason: Option<String>,
}

impl From<&oathburn_escrow::Event> for Event {
    fn from(event: &oathburn_escrow::Event) -> Self {
        Self {
            id: event.id.to_string(),
            writer: event.writer.clone(),
            time: rfc3339(event.time),
            host: event.host.clone(),
            operator: event.operator.clone(),
            kind: event.kind.as_str().into(),
            entries: event.entries.iter().map(ToString::to_string).collect(),
            facts: serde_json::to_value(&event.facts).unwrap_or_default(),
            reason: event.reason.clone(),
        }
    }
}

/// What verifying has found.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Findings {
    /// Whether every signature and every chain holds.
    pub(in crate::api::v1) sound: bool,
    /// What is wrong; 1,000 at most.
    pub(in crate::api::v1) findings: Vec<Finding>,
}

/// Something that is not as its signed events say.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Finding {
    table: String,
    row: String,
    #[schema(required)]
    column: Option<String>,
    #[schema(required)]
    entry: Option<String>,
    problem: String,
}

impl From<&oathburn_escrow::Finding> for Finding {
    fn from(finding: &oathburn_escrow::Finding) -> Self {
        Self {
            table: finding.table.into(),
            row: finding.row.clone(),
            column: finding.column.map(Into::into),
            entry: finding.entry.map(|entry| entry.to_string()),
            problem: finding.problem.clone(),
        }
    }
}
