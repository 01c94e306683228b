//! Enrolment: with a code that is good once, somebody chooses a password and takes a second factor.

use data_encoding::HEXLOWER;
use oathburn_escrow::EscrowError;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::factor::{self, NewFactor};
use super::{Account, name_of, password, sign_in};
use crate::desk::{DeedFacts as _, deed};
use crate::session::{NewSession, Visit};
use crate::table::{Kept, Write, again};
use crate::throttle::{self, Entered};
use crate::{Desk, DeskError};

/// How long a code is good, in seconds: somebody must be told, and find the time.
pub(crate) const LIFE: u64 = 3 * 24 * 3600;
/// How long there is time for the password and the second factor once it was used.
const SETTLE: u64 = 30 * 60;
/// Letters and digits that are not taken for each other; 16 of them are 72 bits.
const ALPHABET: &[u8; 23] = b"ACDEFGHJKMNPRTVWXY34679";
const LEN: usize = 16;

/// What the desk knows of a code that it gave.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolment {
    /// A keyed digest of it.
    digest: String,
    /// From when on it is refused, in Unix seconds.
    expires_at: u64,
    /// Who has used it: a keyed digest of their visit, and the second factor that they were shown.
    begun: Option<Begun>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    visit: String,
    entry: String,
}

/// A code in clear, for the one who hands it out.
pub(crate) struct EnrolmentCode {
    pub(crate) shown: Zeroizing<String>,
    pub(crate) expires_at: UnixTime,
}

impl Enrolment {
    /// A new code, and what is kept of it.
    pub(crate) fn make(desk: &Desk) -> Result<(EnrolmentCode, Self), DeskError> {
        let mut plain = Zeroizing::new(String::with_capacity(LEN));
        let most = 256 - 256 % ALPHABET.len();
        while plain.len() < LEN {
            let mut byte = [0; 1];
            getrandom::fill(&mut byte).map_err(|_| EscrowError::Random)?;
            // Above, some letters would be likelier.
            if usize::from(byte[0]) < most {
                plain.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
            }
        }
        let expires_at = desk.now().seconds().saturating_add(LIFE);
        let shown = Zeroizing::new(format!("{}-{}-{}-{}", &plain[..4], &plain[4..8], &plain[8..12], &plain[12..]));
        let kept = Self { digest: digest(desk, &plain), expires_at, begun: None };
        Ok((EnrolmentCode { shown, expires_at: UnixTime::new(expires_at) }, kept))
    }

    fn is_live(&self, desk: &Desk) -> bool {
        desk.now().seconds() < self.expires_at
    }
}

/// What is kept of a code, as somebody typed it.
fn digest(desk: &Desk, typed: &str) -> String {
    let mut plain = Zeroizing::new(String::with_capacity(typed.len()));
    plain.extend(typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()));
    HEXLOWER.encode(&desk.records.id_of("enrolment", &plain))
}

fn visit_digest(desk: &Desk, visit: &Visit) -> String {
    HEXLOWER.encode(&desk.records.id_of("enrolment-visit", visit.number()))
}

/// Takes a code, and gives the second factor that goes with it; each time another one, until one was confirmed.
pub(crate) fn begin(desk: &Desk, name: &str, code: &str, visit: &Visit, address: &str) -> Result<NewFactor, DeskError> {
    let name = name_of(name).map_err(|_| DeskError::EnrolmentWrong)?;
    let tries = tries(desk, &name, address)?;
    let typed = digest(desk, code);
    let kept = desk.get::<Account>(&desk.account_id(&name))?;
    let right = kept.as_ref().is_some_and(|kept| {
        let enrolment = kept.value.enrolment.as_ref().filter(|enrolment| enrolment.is_live(desk));
        let same = enrolment.is_some_and(|enrolment| enrolment.digest.as_bytes().ct_eq(typed.as_bytes()).into());
        same && !kept.value.is_disabled
    });
    let Some(kept) = kept.filter(|_| right) else { return Err(DeskError::EnrolmentWrong) };
    let factor = factor::make(desk, &kept.value)?;
    let mut account = kept.value.clone();
    if let Some(enrolment) = &mut account.enrolment {
        enrolment.begun = Some(Begun { visit: visit_digest(desk, visit), entry: factor.entry.clone() });
        enrolment.expires_at = enrolment.expires_at.max(desk.now().seconds().saturating_add(SETTLE));
    }
    let event = deed(&name, "enrolment-begun").with_address(address);
    desk.write_noted(&event, &[Write::over(&kept, &account)?])?;
    tries.into_iter().try_for_each(|entered| entered.forgive(desk))?;
    Ok(factor)
}

/// What somebody chose.
pub(crate) struct Choice<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) again: &'a str,
    pub(crate) code: &'a str,
}

/// Ends an enrolment: the password is kept, the second factor counts, and they are signed in.
pub(crate) fn finish(desk: &Desk, choice: &Choice<'_>, visit: &Visit, address: &str) -> Result<NewSession, DeskError> {
    let name = name_of(choice.name).map_err(|_| DeskError::EnrolmentWrong)?;
    let mine = |kept: &Kept<Account>| {
        let enrolment = kept.value.enrolment.as_ref().filter(|enrolment| enrolment.is_live(desk));
        let begun = enrolment.and_then(|enrolment| enrolment.begun.clone());
        begun.filter(|begun| begun.visit.as_bytes().ct_eq(visit_digest(desk, visit).as_bytes()).into())
    };
    let id = desk.account_id(&name);
    let begun = desk.get::<Account>(&id)?.as_ref().and_then(mine).ok_or(DeskError::EnrolmentWrong)?;
    if choice.password != choice.again {
        return Err(DeskError::PasswordsDiffer);
    }
    password::check(choice.password, &name)?;
    let tries = tries(desk, &name, address)?;
    let hash = password::hash(choice.password)?;
    again(|| {
        let kept = desk.get::<Account>(&id)?.ok_or(DeskError::EnrolmentWrong)?;
        if mine(&kept).is_none_or(|now| now.entry != begun.entry) || kept.value.is_disabled {
            return Err(DeskError::EnrolmentWrong);
        }
        let mut account = Account { last_step: 0, ..kept.value.clone() };
        let step = factor::step_of(desk, &account, &begun.entry, choice.code, "enrolment")?;
        account.last_step = step.ok_or(DeskError::CodeWrong)?;
        account.password = Some(hash.clone());
        account.factor = Some(begun.entry.clone());
        account.enrolment = None;
        account.end_sessions();
        let event = deed(&name, "enrolled").with_address(address);
        sign_in::open_session(desk, &kept, &account, &event)
    })
    .and_then(|session| {
        if let Some(kept) = desk.get::<Account>(&id)? {
            factor::keep(desk, &kept.value, &begun.entry)?;
        }
        tries.into_iter().try_for_each(|entered| entered.forgive(desk))?;
        Ok(session)
    })
}

/// Counted like sign-ins: who guesses here guesses there, too.
fn tries(desk: &Desk, name: &str, address: &str) -> Result<[Entered; 2], DeskError> {
    let first = throttle::ADDRESS.enter(desk, address)?;
    Ok([first, throttle::NAME_AND_ADDRESS.enter(desk, &format!("{name}\n{address}"))?])
}
