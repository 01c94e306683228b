//! What admins do with accounts, and everybody with their own.

use oathburn_escrow::Deed;

use super::enrolment::EnrolmentCode;
use super::{Account, Enrolment, Person, Role, factor, name_of, password};
use crate::desk::{DeedFacts as _, deed};
use crate::scripts::ApiError;
use crate::table::{Kept, Next, Write, again};
use crate::{Desk, DeskError, throttle};

/// Who changes accounts.
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    name: String,
    /// Scripts make, change and reset no admin: a token that leaks must not make one.
    is_script: bool,
}

impl Manager {
    /// A script, by the name under which its deeds are noted.
    pub(crate) fn script(name: &str) -> Self {
        Self { name: name.into(), is_script: true }
    }

    fn deed(&self, what: &str) -> Deed {
        deed(&self.name, what)
    }

    fn may_have(&self, roles: &[Role]) -> Result<(), DeskError> {
        if self.is_script && roles.contains(&Role::Admin) { Err(ApiError::AdminKept.into()) } else { Ok(()) }
    }
}

impl From<&Person> for Manager {
    fn from(person: &Person) -> Self {
        Self { name: person.name.clone(), is_script: false }
    }
}

/// Makes an account, and the code with which its owner enrols.
pub(crate) fn add(desk: &Desk, by: &Manager, name: &str, roles: &[Role]) -> Result<EnrolmentCode, DeskError> {
    by.may_have(roles)?;
    let name = name_of(name)?;
    let event = with_roles(by.deed("person-added").with("person", name.as_str()), roles);
    invite(desk, &event, &name, roles)
}

fn invite(desk: &Desk, event: &Deed, name: &str, roles: &[Role]) -> Result<EnrolmentCode, DeskError> {
    if roles.is_empty() {
        return Err(DeskError::RolesMissing);
    }
    let id = desk.account_id(name);
    if desk.get::<Account>(&id)?.is_some() {
        return Err(DeskError::NameTaken);
    }
    let (code, enrolment) = Enrolment::make(desk)?;
    let account = Account::new(name, roles, enrolment)?;
    desk.write_noted(event, &[Write::new(&id, &account)?])?;
    Ok(code)
}

impl Desk {
    /// Makes an admin where there is none yet, or, with `another`, where all have lost their passwords. The code with which
    /// they enrol is returned, and until when it is good. This is for whoever has the officer's key.
    pub fn bootstrap(
        &self,
        operator: &str,
        name: &str,
        another: bool,
    ) -> Result<(zeroize::Zeroizing<String>, oathburn_oath::UnixTime), DeskError> {
        let name = name_of(name)?;
        let is_admin = |kept: &Kept<Account>| kept.value.has(Role::Admin) && kept.value.is_active();
        if !another && self.all::<Account>()?.iter().any(is_admin) {
            return Err(DeskError::AdminThere);
        }
        let id = self.account_id(&name);
        let event = with_roles(deed(operator, "desk-bootstrapped").with("person", name.as_str()), &[Role::Admin]);
        let code = again(|| match self.get::<Account>(&id)? {
            None => invite(self, &event, &name, &[Role::Admin]),
            // Somebody whose code ran out, or who lost everything.
            Some(kept) => {
                let (code, enrolment) = Enrolment::make(self)?;
                let mut account = kept.value.clone();
                if !account.has(Role::Admin) {
                    account.roles.insert(0, Role::Admin);
                }
                account.is_disabled = false;
                reset_to(&mut account, enrolment);
                self.write_noted(&event, &[Write::over(&kept, &account)?])?;
                factor::retire(self, operator, &kept.value)?;
                Ok(code)
            }
        })?;
        Ok((code.shown, code.expires_at))
    }
}

fn reset_to(account: &mut Account, enrolment: Enrolment) {
    account.password = None;
    account.factor = None;
    account.enrolment = Some(enrolment);
    account.end_sessions();
}

/// Takes password and second factor away, and gives a code to enrol anew with: for who has lost one of them.
pub(crate) fn reset(desk: &Desk, by: &Manager, id: &[u8]) -> Result<(String, EnrolmentCode), DeskError> {
    let (code, enrolment) = Enrolment::make(desk)?;
    let account = change(desk, by, id, "person-reset", |account| {
        reset_to(account, enrolment.clone());
        Ok(())
    })?;
    factor::retire(desk, &by.name, &account)?;
    Ok((account.name, code))
}

/// Keeps somebody out, or lets them in again.
pub(crate) fn set_disabled(desk: &Desk, by: &Manager, id: &[u8], disabled: bool) -> Result<(), DeskError> {
    let what = if disabled { "person-disabled" } else { "person-enabled" };
    change(desk, by, id, what, |account| {
        account.is_disabled = disabled;
        if disabled {
            account.enrolment = None;
        }
        account.end_sessions();
        Ok(())
    })
    .map(drop)
}

/// Gives somebody other roles; it holds at once.
pub(crate) fn set_roles(desk: &Desk, by: &Manager, id: &[u8], roles: &[Role]) -> Result<(), DeskError> {
    change(desk, by, id, "person-roles", |account| {
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(DeskError::RolesMissing);
        }
        account.roles = roles;
        Ok(())
    })
    .map(drop)
}

/// Changes an account. Somebody who can let others in must stay.
fn change(
    desk: &Desk,
    by: &Manager,
    id: &[u8],
    what: &str,
    change: impl Fn(&mut Account) -> Result<(), DeskError>,
) -> Result<Account, DeskError> {
    let is_admin = |account: &Account| account.has(Role::Admin) && account.is_active();
    again(|| {
        let kept = desk.get::<Account>(id)?.ok_or(DeskError::PageUnknown)?;
        let mut account = kept.value.clone();
        by.may_have(&account.roles)?;
        change(&mut account)?;
        by.may_have(&account.roles)?;
        let mut writes = vec![Write::over(&kept, &account)?];
        if is_admin(&kept.value) && !is_admin(&account) {
            let others = desk.all::<Account>()?;
            let other = others.iter().find(|other| other.id != kept.id && is_admin(&other.value));
            // Written once more as it is: of two admins who take each other's role at the same time one comes too late.
            writes.push(Write::over(other.ok_or(DeskError::LastAdmin)?, &other.ok_or(DeskError::LastAdmin)?.value)?);
        }
        let event = with_roles(by.deed(what).with("person", account.name.as_str()), &account.roles);
        desk.write_noted(&event, &writes)?;
        Ok(account)
    })
}

fn with_roles(event: Deed, roles: &[Role]) -> Deed {
    event.with("roles", roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" "))
}

/// Changes one's own password; all sessions end, also this one.
pub(crate) fn change_password(
    desk: &Desk,
    by: &Person,
    old: &str,
    (new, repeated): (&str, &str),
) -> Result<(), DeskError> {
    if new != repeated {
        return Err(DeskError::PasswordsDiffer);
    }
    password::check(new, &by.name)?;
    let entered = throttle::PASSWORD.enter(desk, &by.name)?;
    let id = desk.account_id(&by.name);
    let before = desk.get::<Account>(&id)?.and_then(|kept| kept.value.password);
    if !password::is_right(old, before.as_deref()) {
        return Err(DeskError::PasswordWrong);
    }
    entered.forgive(desk)?;
    let hash = password::hash(new)?;
    again(|| {
        let kept = desk.get::<Account>(&id)?.ok_or(DeskError::SignInNeeded)?;
        if kept.value.password != before {
            return Err(DeskError::PasswordWrong);
        }
        let mut account = kept.value.clone();
        account.password = Some(hash.clone());
        account.end_sessions();
        desk.write_noted(&by.deed("password-changed"), &[Write::over(&kept, &account)?])
    })
}

/// Ends all one's sessions, also this one.
pub(crate) fn sign_out_everywhere(desk: &Desk, by: &Person) -> Result<(), DeskError> {
    desk.update_noted::<Account, _>(&desk.account_id(&by.name), |account| {
        let mut account = account.cloned().ok_or(DeskError::SignInNeeded)?;
        account.end_sessions();
        Ok((Next::Put(account), by.deed("signed-out-everywhere"), ()))
    })
}
