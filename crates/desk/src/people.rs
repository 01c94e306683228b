//! People who work at the desk, and what they may do.

pub(crate) mod enrolment;
pub(crate) mod factor;
pub(crate) mod manage;
mod password;
pub(crate) mod sign_in;

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use data_encoding::HEXLOWER;
use oathburn_escrow::Deed;
use serde::{Deserialize, Serialize};

pub(crate) use self::enrolment::Enrolment;
pub(crate) use self::password::SHORTEST;
use crate::blocking::blocking;
use crate::session::{self, Visit};
use crate::table::{Kept, Stored};
use crate::{App, Desk, DeskError, desk};

/// What somebody may do at the desk. An admin's role is not above the others: who runs the desk need not give codes away,
/// and who looks into the audit changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Lets people and stations in, and gives orders.
    Admin,
    /// Gives codes to users, and finds out what is wrong with tokens.
    Helpdesk,
    /// Reads what happened.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: &'static [Self] = &[Self::Admin, Self::Helpdesk, Self::Auditor];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// A name as people sign in with it: without white space around it, and no other of it elsewhere.
pub(crate) fn name_of(text: &str) -> Result<String, DeskError> {
    let name = text.trim();
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+' | '\''));
    if name.is_empty() || name.chars().count() > MAX_NAME || !plain {
        return Err(DeskError::NameRefused);
    }
    Ok(name.to_lowercase())
}

/// What the desk keeps of somebody.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// What they sign in with, and what the audit calls them.
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// Under which number their second factor lies in the escrow; it tells nothing.
    pub(crate) number: String,
    /// Sessions of an older generation have ended.
    pub(crate) generation: u64,
    pub(crate) is_disabled: bool,
    /// The password, as argon2id makes it.
    pub(crate) password: Option<String>,
    /// The escrow's entry with the seed of the second factor.
    pub(crate) factor: Option<String>,
    /// The last time step whose code was used, and what is older.
    pub(crate) last_step: u64,
    /// What somebody was given to choose a password and a second factor with.
    pub(crate) enrolment: Option<Enrolment>,
}

impl Stored for Account {
    const KIND: &'static str = "person";
}

impl Account {
    /// Somebody who has neither password nor second factor yet.
    pub(crate) fn new(name: &str, roles: &[Role], enrolment: Enrolment) -> Result<Self, DeskError> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(|_| oathburn_escrow::EscrowError::Random)?;
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        Ok(Self {
            name: name.into(),
            roles,
            number: HEXLOWER.encode(&number),
            generation: 0,
            is_disabled: false,
            password: None,
            factor: None,
            last_step: 0,
            enrolment: Some(enrolment),
        })
    }

    /// Whether they can sign in.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_disabled && self.password.is_some() && self.factor.is_some()
    }

    /// How it stands with them, in a word.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_disabled {
            "disabled"
        } else if self.is_active() {
            "active"
        } else {
            "invited"
        }
    }

    /// All their sessions end.
    pub(crate) fn end_sessions(&mut self) {
        self.generation = self.generation.saturating_add(1);
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Who, never with what.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

impl Desk {
    /// Under which id somebody is kept.
    pub(crate) fn account_id(&self, name: &str) -> [u8; 32] {
        self.id_of::<Account>(name)
    }

    /// The account with this id, as pages write it.
    pub(crate) fn account(&self, id: &str) -> Result<Kept<Account>, DeskError> {
        let id = HEXLOWER.decode(id.as_bytes()).ok().filter(|id| id.len() == 32);
        let kept = id.map(|id| self.get::<Account>(&id)).transpose()?.flatten();
        kept.ok_or(DeskError::PageUnknown)
    }
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
