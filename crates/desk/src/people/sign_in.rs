//! Signing in, with a password and a code, and out.

use oathburn_escrow::Deed;

use super::{Account, factor, name_of, password};
use crate::desk::{DeedFacts as _, deed};
use crate::session::{self, NewSession, Session};
use crate::table::{Kept, Write, again};
use crate::{Desk, DeskError, throttle};

/// What somebody typed.
pub(crate) struct Credentials<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) code: &'a str,
}

/// Signs somebody in. What is wrong is not said: whoever guesses learns nothing of names, passwords or codes.
pub(crate) fn sign_in(desk: &Desk, typed: &Credentials<'_>, address: &str) -> Result<NewSession, DeskError> {
    let by_address = throttle::ADDRESS.enter(desk, address)?;
    // What nobody can be called costs as much as a name that nobody has.
    let name = name_of(typed.name).unwrap_or_default();
    let by_both = throttle::NAME_AND_ADDRESS.enter(desk, &format!("{name}\n{address}"))?;
    let by_name = throttle::PASSWORD.enter(desk, &name)?;
    let id = desk.account_id(&name);
    let account = desk.get::<Account>(&id)?.map(|kept| kept.value).filter(Account::is_active);
    let kept = account.as_ref().and_then(|account| account.password.as_deref());
    if !password::is_right(typed.password, kept) {
        return Err(DeskError::SignInWrong);
    }
    let by_code = throttle::CODE.enter(desk, &name)?;
    let session = again(|| {
        let kept = desk.get::<Account>(&id)?.ok_or(DeskError::SignInWrong)?;
        // It may have changed while the password was compared.
        if !kept.value.is_active() || kept.value.password != account.as_ref().and_then(|one| one.password.clone()) {
            return Err(DeskError::SignInWrong);
        }
        let mut account = kept.value.clone();
        let entry = account.factor.clone().ok_or(DeskError::SignInWrong)?;
        let step = factor::step_of(desk, &account, &entry, typed.code, "sign-in")?;
        account.last_step = step.ok_or(DeskError::SignInWrong)?;
        open_session(desk, &kept, &account, &deed(&name, "signed-in").with_address(address))
    })?;
    for entered in [by_address, by_both, by_name, by_code] {
        entered.forgive(desk)?;
    }
    Ok(session)
}

/// Notes that somebody failed to sign in, where there is somebody of that name; what strangers type is not written down.
pub(crate) fn note_failure(desk: &Desk, name: &str, address: &str) -> Result<(), DeskError> {
    let Ok(name) = name_of(name) else { return Ok(()) };
    if desk.get::<Account>(&desk.account_id(&name))?.is_none() {
        return Ok(());
    }
    desk.write_noted(&deed(&name, "sign-in-failed").with_address(address), &[])
}

/// Writes an account and a session for it, together, and the deed.
pub(super) fn open_session(
    desk: &Desk,
    kept: &Kept<Account>,
    account: &Account,
    event: &Deed,
) -> Result<NewSession, DeskError> {
    let session = session::make(desk, account)?;
    desk.write_noted(event, &[Write::over(kept, account)?, session.write()?])?;
    Ok(session)
}

/// Ends one session.
pub(crate) fn sign_out(desk: &Desk, name: &str, number: &str) -> Result<(), DeskError> {
    let id = desk.id_of::<Session>(number);
    match desk.get::<Session>(&id)? {
        Some(kept) => desk.write_noted(&deed(name, "signed-out"), &[Write::delete(&kept)]),
        None => Ok(()),
    }
}
