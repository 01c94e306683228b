//! People who work at the desk, and what they may do.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use oathburn_escrow::Deed;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::session::{self, Visit};
use crate::table::Stored;
use crate::{App, DeskError, desk};

/// What somebody may do at the desk. An admin's role is not above the others: who runs the desk need not give codes away,
/// and who looks into the audit changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Lets people and stations in, and gives orders.
    Admin,
    /// Gives codes to users, and finds out what is wrong with tokens.
    Helpdesk,
    /// Reads what happened.
    Auditor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        })
    }
}

/// What the desk keeps of somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// What they sign in with, and what the audit calls them.
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// Sessions of an older generation have ended.
    pub(crate) generation: u64,
}

impl Stored for Account {
    const KIND: &'static str = "person";
}

/// Whoever is signed in. A handler that takes one is reached by nobody else.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// What they sign in with, and what the audit calls them.
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// What their forms carry.
    pub(crate) visit: Visit,
}

impl Person {
    /// Refuses those who have another role.
    pub(crate) fn require(&self, role: Role) -> Result<(), DeskError> {
        if self.has(role) { Ok(()) } else { Err(DeskError::RoleNeeded { role }) }
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// What they do, for the escrow's audit: `what` is a word such as `station-added`.
    pub(crate) fn deed(&self, what: &str) -> Deed {
        desk::deed(&self.name, what)
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, DeskError> {
        let visit = Visit::from_request_parts(parts, app).await?;
        blocking(app, move |desk| session::person(desk, visit)).await
    }
}
