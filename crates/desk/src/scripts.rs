//! Scripts that ask the desk through its API: each has a name for the audit, a token, scopes, and an end.
//!
//! A script's token is 256 random bits. It is shown once; the desk keeps a digest of it in a sealed record, so that any desk
//! of the escrow knows it, and neither the database nor a backup has it. Who holds one may do what its scopes say, and
//! nothing else: a script has no role and signs in nowhere.

mod error;
pub(crate) mod once;
mod pace;
mod scope;

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use oathburn_escrow::{Deed, EscrowError};
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use self::error::ApiError;
pub(crate) use self::pace::Pace;
pub use self::scope::Scope;
pub(crate) use self::scope::{Scoped, only};
use crate::desk::{DeedFacts as _, deed};
use crate::stations::Done;
use crate::table::{Next, Stored, Write, again};
use crate::{Desk, DeskError};

/// What every script's token begins with, so that those who look for secrets in sources and logs find it.
pub const PREFIX: &str = "oathburn_";
/// The random part, in bytes.
const BYTES: usize = 32;
/// How long a token may be good, in days.
pub const DAYS: RangeInclusive<u32> = 1..=3650;
/// How long it is good unless somebody says otherwise, in days.
pub const DEFAULT_DAYS: u32 = 365;
const DAY: u64 = 24 * 3600;
/// The longest name.
const MAX_NAME: usize = 40;
/// How exactly the last use is kept, in seconds: not every request is written down.
const STEP: u64 = 60;

/// A script as the desk keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What the audit calls it, behind `script:`.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Who has made it.
    pub made: Done,
    /// From when on its token is refused, in Unix seconds.
    pub expires_at: u64,
    /// Who has revoked it.
    pub revoked: Option<Done>,
    /// SHA-256 of its token, in hex.
    digest: String,
}

/// A script that is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewScript<'a> {
    /// 1 to 40 of a-z, 0-9, dot, dash and underscore.
    pub name: &'a str,
    /// What it may do: one scope at least.
    pub scopes: &'a [Scope],
    /// For how many days its token is good; see [`DAYS`].
    pub days: u32,
}

/// When a script asked last, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastUse {
    /// When, in Unix seconds, to the minute.
    pub at: u64,
    /// From where.
    pub address: String,
}

/// A script's token, once. It is wiped.
pub struct ScriptToken(Zeroizing<String>);

impl ScriptToken {
    fn generate() -> Result<Self, DeskError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| EscrowError::Random)?;
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * BYTES));
        text.push_str(PREFIX);
        BASE64URL_NOPAD.encode_append(bytes.as_slice(), &mut text);
        Ok(Self(text))
    }

    /// The text, for the one who is to have it.
    pub fn shown(&self) -> &str {
        &self.0
    }
}

/// Never the text.
impl fmt::Debug for ScriptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptToken(..)")
    }
}

impl Stored for Script {
    const KIND: &'static str = "script";

    fn lookup(&self) -> Option<String> {
        Some(self.digest.clone())
    }
}

impl Stored for LastUse {
    const KIND: &'static str = "script-use";
}

impl Script {
    /// Who does what it does, for the audit. No person has such a name.
    pub fn operator(&self) -> String {
        format!("script:{}", self.name)
    }

    /// How it stands, in a word.
    pub fn state(&self, now: UnixTime) -> &'static str {
        match self.refusal(now) {
            None => "active",
            Some(ApiError::TokenRevoked) => "revoked",
            Some(_) => "expired",
        }
    }

    fn refusal(&self, now: UnixTime) -> Option<ApiError> {
        if self.revoked.is_some() {
            Some(ApiError::TokenRevoked)
        } else if now.seconds() >= self.expires_at {
            Some(ApiError::TokenExpired)
        } else {
            None
        }
    }

    /// Refuses what its scopes do not name.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(ApiError::ScopeNeeded { scope }) }
    }
}

/// A name as it is kept.
fn name_of(text: &str) -> Result<String, ApiError> {
    let name = text.trim().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
        return Err(ApiError::NameRefused);
    }
    Ok(name)
}

fn digest(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

impl Desk {
    /// Makes a script, and the token with which it asks, which is returned this once. A name is free again when its script has
    /// ended. `by` is the admin, or whoever has the officer's key.
    pub fn add_script(&self, by: &str, new: &NewScript<'_>) -> Result<(Script, ScriptToken), DeskError> {
        let name = name_of(new.name)?;
        let mut scopes = new.scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(ApiError::ScopesMissing.into());
        }
        if !DAYS.contains(&new.days) {
            return Err(ApiError::Life.into());
        }
        let token = ScriptToken::generate()?;
        let id = self.id_of::<Script>(&name);
        let script = again(|| {
            let now = self.now();
            let old = self.get::<Script>(&id)?;
            if old.as_ref().is_some_and(|old| old.value.refusal(now).is_none()) {
                return Err(ApiError::NameTaken.into());
            }
            let script = Script {
                name: name.clone(),
                scopes: scopes.clone(),
                made: Done { by: by.into(), at: now.seconds() },
                expires_at: now.seconds().saturating_add(u64::from(new.days) * DAY),
                revoked: None,
                digest: digest(token.shown()),
            };
            let write = match &old {
                None => Write::new(&id, &script)?,
                Some(old) => Write::over(old, &script)?,
            };
            self.write_noted(&script.noted(by, "script-added"), &[write])?;
            Ok(script)
        })?;
        Ok((script, token))
    }

    /// All scripts, also those that have ended, by their names; with their last use.
    pub fn scripts(&self) -> Result<Vec<(Script, Option<LastUse>)>, DeskError> {
        let mut all: Vec<_> = self.all::<Script>()?.into_iter().map(|kept| kept.value).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let with_use = |script: Script| self.last_use(&script).map(|seen| (script, seen));
        all.into_iter().map(with_use).collect()
    }

    fn last_use(&self, script: &Script) -> Result<Option<LastUse>, DeskError> {
        Ok(self.get::<LastUse>(&self.id_of::<LastUse>(&script.digest))?.map(|kept| kept.value))
    }

    /// Takes the worth of a script's token, from the next request on.
    pub fn revoke_script(&self, by: &str, name: &str) -> Result<Script, DeskError> {
        let id = self.id_of::<Script>(&name_of(name)?);
        self.update_noted::<Script, _>(&id, |script| {
            let mut script = script.cloned().ok_or(ApiError::NameUnknown)?;
            if script.revoked.is_some() {
                return Err(ApiError::NameUnknown.into());
            }
            script.revoked = Some(Done { by: by.into(), at: self.now().seconds() });
            let event = script.noted(by, "script-revoked");
            Ok((Next::Put(script.clone()), event, script))
        })
    }

    /// The script that has this token, if it is good.
    pub(crate) fn script(&self, token: &str, address: IpAddr) -> Result<Script, DeskError> {
        let digest = digest(token);
        let is_its = |script: &Script| bool::from(script.digest.as_bytes().ct_eq(digest.as_bytes()));
        let found = self.find::<Script>(&digest)?.into_iter().map(|kept| kept.value).find(is_its);
        let script = found.ok_or(ApiError::TokenWrong)?;
        let now = self.now();
        if let Some(refusal) = script.refusal(now) {
            return Err(refusal.into());
        }
        self.pace.enter(&script.name, now, self.settings().requests_per_script)?;
        let seen = LastUse { at: now.seconds(), address: address.to_canonical().to_string() };
        self.update::<LastUse, _>(&self.id_of::<LastUse>(&script.digest), |old| {
            let is_fresh = old.is_some_and(|old| seen.at < old.at.saturating_add(STEP) && seen.address == old.address);
            Ok((if is_fresh { Next::Keep } else { Next::Put(seen.clone()) }, ()))
        })?;
        Ok(script)
    }
}

impl Script {
    fn noted(&self, by: &str, what: &str) -> Deed {
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let end = i64::try_from(self.expires_at).unwrap_or(i64::MAX);
        deed(by, what).with("script", self.name.as_str()).with("scopes", scopes.join(" ")).with("expires_at", end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::net::Ipv4Addr;

    use oathburn_escrow::{EventFilter, EventKind};
    use oathburn_oath::Remedy as _;

    use super::*;
    use crate::Settings;
    use crate::testing::Home;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn new<'a>(name: &'a str, scopes: &'a [Scope]) -> NewScript<'a> {
        NewScript { name, scopes, days: 30 }
    }

    #[test]
    fn a_token_is_good_at_every_desk_until_its_end() {
        let home = Home::new();
        let desks = [home.desk(), home.desk()];
        let (made, token) = desks[0].add_script("ada", &new("Inventory", &[Scope::StationsRead])).unwrap();
        assert!(token.shown().starts_with(PREFIX) && token.shown().len() == PREFIX.len() + 43);
        let known = desks[1].script(token.shown(), HERE).unwrap();
        assert_eq!((known.operator().as_str(), &known), ("script:inventory", &made));
        assert_eq!(known.require(Scope::CodesGive).unwrap_err().code(), "script-scope");
        let last = if token.shown().ends_with('A') { "E" } else { "A" };
        let other = format!("{}{last}", &token.shown()[..token.shown().len() - 1]);
        for wrong in ["", PREFIX, &other, &made.digest] {
            assert_eq!(desks[0].script(wrong, HERE).unwrap_err().code(), "script-token-wrong", "{wrong}");
        }
        home.clock.pass(30 * DAY - 1);
        desks[0].script(token.shown(), HERE).unwrap();
        home.clock.pass(1);
        assert_eq!(desks[0].script(token.shown(), HERE).unwrap_err().code(), "script-token-expired");
        assert_eq!(made.state(desks[0].now()), "expired");
        // The name is free again; the old token stays worthless.
        let (_, newer) = desks[0].add_script("ada", &new("inventory", &[Scope::CodesGive])).unwrap();
        assert_eq!(desks[1].script(token.shown(), HERE).unwrap_err().code(), "script-token-wrong");
        desks[1].script(newer.shown(), HERE).unwrap();
    }

    #[test]
    fn a_revoked_token_is_refused_at_once_and_everywhere() {
        let home = Home::new();
        let desks = [home.desk(), home.desk()];
        let (_, token) = desks[0].add_script("ada", &new("robot", &[Scope::TokensRead])).unwrap();
        desks[0].script(token.shown(), HERE).unwrap();
        assert_eq!(desks[1].add_script("bob", &new("ROBOT", &[Scope::TokensRead])).unwrap_err().code(), "script-taken");
        desks[1].revoke_script("bob", "robot").unwrap();
        assert_eq!(desks[0].script(token.shown(), HERE).unwrap_err().code(), "script-token-revoked");
        assert_eq!(desks[0].revoke_script("bob", "robot").unwrap_err().code(), "script-unknown");
        assert_eq!(desks[0].revoke_script("bob", "nobody").unwrap_err().code(), "script-unknown");
        let filter = EventFilter { kind: Some(EventKind::DeskDeed), ..EventFilter::default() };
        let events = desks[0].escrow().events(&filter).unwrap();
        let deeds: Vec<_> = events.iter().map(|event| (event.operator.as_deref(), event.facts.text("deed"))).collect();
        assert_eq!(deeds, [(Some("ada"), Some("script-added")), (Some("bob"), Some("script-revoked"))]);
        assert!(!format!("{events:?} {token:?}").contains(token.shown()));
    }

    #[test]
    fn a_script_that_asks_too_fast_is_slowed_down_and_no_other() {
        let home = Home::new();
        let desk = home.desk_with(Settings { requests_per_script: 3, ..Settings::default() });
        let (_, token) = desk.add_script("ada", &new("robot", &[Scope::TokensRead])).unwrap();
        let (_, other) = desk.add_script("ada", &new("other", &[Scope::TokensRead])).unwrap();
        let ask = |token: &ScriptToken| desk.script(token.shown(), HERE).map_err(|error| error.code());
        for _ in 0..3 {
            ask(&token).unwrap();
        }
        assert_eq!(ask(&token).unwrap_err(), "script-too-fast");
        ask(&other).unwrap();
        home.clock.pass(1);
        ask(&token).unwrap();
    }

    #[test]
    fn its_last_use_is_kept_to_the_minute() {
        let home = Home::new();
        let desk = home.desk();
        let (made, token) = desk.add_script("ada", &new("robot", &[Scope::TokensRead])).unwrap();
        let used = || desk.scripts().unwrap()[0].1.clone().map(|seen| seen.at - made.made.at);
        assert_eq!(used(), None);
        for (pass, expected) in [(1, 1), (59, 1), (1, 61)] {
            home.clock.pass(pass);
            desk.script(token.shown(), HERE).unwrap();
            assert_eq!(used(), Some(expected));
        }
    }

    #[test]
    fn what_makes_no_script_is_named() {
        let home = Home::new();
        let desk = home.desk();
        let long = "x".repeat(41);
        for name in ["", " ", "a b", "ä", "../x", "script:x", "a\nb", &long] {
            let refused = desk.add_script("ada", &new(name, &[Scope::AuditRead])).unwrap_err();
            assert_eq!(refused.code(), "script-name", "{name:?}");
        }
        assert_eq!(desk.add_script("ada", &new("x", &[])).unwrap_err().code(), "script-scopes");
        for days in [0, 3651] {
            let new = NewScript { days, ..new("x", &[Scope::AuditRead]) };
            assert_eq!(desk.add_script("ada", &new).unwrap_err().code(), "script-life");
        }
    }
}
