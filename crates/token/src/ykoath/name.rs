//! Names: `[period/][issuer:]account`, in which the key sees nothing but bytes.

use oathburn_oath::{Params, Slot, TimeStep};

use crate::{Naming, TokenError};

/// The longest name in bytes of UTF-8.
pub(super) const MAX_LEN: usize = 64;

/// Programs that show codes leave such names out.
const HIDDEN: &str = "_hidden:";

/// A name taken apart, as every program does that reads codes from keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The digits before the slash, where time counts.
    pub(super) period: Option<&'a str>,
    /// What stands before the first colon.
    pub(super) issuer: Option<&'a str>,
    /// The rest.
    pub(super) account: &'a str,
}

impl<'a> Name<'a> {
    /// Reads a name; event-based ones have no period.
    pub(super) fn read(text: &'a str, event_based: bool) -> Self {
        let (period, rest) = if event_based { (None, text) } else { split_period(text) };
        let issuer = rest.split_once(':').filter(|(issuer, account)| !issuer.is_empty() && !account.is_empty());
        match issuer {
            Some((issuer, account)) => Self { period, issuer: Some(issuer), account },
            None => Self { period, issuer: None, account: rest },
        }
    }

    /// Seconds a code lasts; `None` for a number that is none.
    pub(super) fn step(&self) -> Option<TimeStep> {
        self.period.map_or(Some(TimeStep::S30), |period| period.parse().ok())
    }
}

/// Digits and a slash in front of something. Programs take any script's digits for digits.
fn split_period(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((period, rest)) if !period.is_empty() && !rest.is_empty() && period.chars().all(char::is_numeric) => {
            (Some(period), rest)
        }
        _ => (None, text),
    }
}

/// The slot of a name as it stands on a key; `None` for one that no slot can have.
pub(super) fn slot_of(name: &str) -> Option<Slot> {
    name.parse::<Slot>().ok().filter(|slot| slot.to_string() == name)
}

/// The slot for a new seed: as it was named, or made of issuer and account; the period is added where it must be.
pub(super) fn choose(naming: &Naming<'_>) -> Result<Slot, TokenError> {
    let event_based = naming.params.counter().is_some();
    let prefix = match naming.params.step() {
        Some(step) if step != TimeStep::S30 => format!("{step}/"),
        _ => String::new(),
    };
    let (name, issuer) = match (naming.slot, naming.account) {
        (Some(slot), _) => {
            let named = slot.to_string();
            let has_period = Name::read(&named, event_based).period.is_some();
            (if has_period { named } else { prefix + &named }, None)
        }
        (None, Some(account)) => {
            let issuer = naming.issuer.filter(|issuer| !issuer.is_empty());
            let label = issuer.map_or_else(|| account.to_owned(), |issuer| format!("{issuer}:{account}"));
            (prefix + &label, Some((issuer, account)))
        }
        (None, None) => return Err(TokenError::SlotNeeded),
    };
    match problem(&name, naming.params, issuer) {
        None => slot_of(&name).ok_or(TokenError::SlotName { name, problem: "it is not plain text" }),
        Some(problem) => Err(TokenError::SlotName { name, problem }),
    }
}

/// Why a name would be read as something else than was meant.
fn problem(name: &str, params: Params, meant: Option<(Option<&str>, &str)>) -> Option<&'static str> {
    let read = Name::read(name, params.counter().is_some());
    if name.is_empty() || name.len() > MAX_LEN {
        return Some("it must have 1 to 64 bytes, in which letters beyond A to Z count as two or more");
    }
    if name.chars().any(char::is_control) {
        return Some("it holds control characters");
    }
    if name.starts_with(HIDDEN) {
        return Some("programs that show codes leave out names that begin so");
    }
    if params.step().is_some() && read.step() != params.step() {
        return Some("its beginning would be read as another time step than the seed has");
    }
    let (issuer, account) = meant?;
    if account.is_empty() {
        return Some("it names no user");
    }
    (read.issuer != issuer || read.account != account)
        .then_some("a colon, or digits and a slash, would be read as the end of the issuer or as a time step")
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{Algorithm, Digits, HotpParams, TotpParams};
    use proptest::prelude::*;

    use super::*;

    fn totp(step: u32) -> Params {
        TotpParams { step: TimeStep::new(step).unwrap(), ..TotpParams::default() }.into()
    }

    fn hotp() -> Params {
        HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 }.into()
    }

    fn made(issuer: Option<&str>, account: &str, params: Params) -> Result<String, TokenError> {
        let naming = Naming { slot: None, issuer, account: Some(account), params, slots: &[] };
        choose(&naming).map(|slot| slot.to_string())
    }

    fn named(slot: &str, params: Params) -> Result<String, TokenError> {
        let slot = slot.parse().unwrap();
        let naming = Naming { slot: Some(&slot), issuer: None, account: None, params, slots: &[] };
        choose(&naming).map(|slot| slot.to_string())
    }

    #[test]
    fn names_are_taken_apart_as_others_do() {
        let read = |text, event_based| {
            let name = Name::read(text, event_based);
            (name.period, name.issuer, name.account)
        };
        assert_eq!(read("ACME:bob", false), (None, Some("ACME"), "bob"));
        assert_eq!(read("60/ACME:bob:x", false), (Some("60"), Some("ACME"), "bob:x"));
        assert_eq!(read("60/ACME:bob", true), (None, Some("60/ACME"), "bob"));
        assert_eq!(read(":bob", false), (None, None, ":bob"));
        assert_eq!(read("bob:", false), (None, None, "bob:"));
        assert_eq!(read("60/", false), (None, None, "60/"));
        assert_eq!(Name::read("99999999999/x", false).step(), None);
    }

    #[test]
    fn new_names_are_made_of_issuer_account_and_period() {
        assert_eq!(made(Some("ACME"), "bob", totp(30)).unwrap(), "ACME:bob");
        assert_eq!(made(None, "bob", totp(60)).unwrap(), "60/bob");
        assert_eq!(made(Some("ACME"), "a:b", totp(45)).unwrap(), "45/ACME:a:b");
        assert_eq!(made(Some("60/ACME"), "bob", hotp()).unwrap(), "60/ACME:bob");
        assert_eq!(named("ACME:bob", totp(60)).unwrap(), "60/ACME:bob");
        assert_eq!(named("60/ACME:bob", totp(60)).unwrap(), "60/ACME:bob");
        assert_eq!(named("7", totp(30)).unwrap(), "7");
        assert!(matches!(
            choose(&Naming { slot: None, issuer: Some("ACME"), account: None, params: totp(30), slots: &[] }),
            Err(TokenError::SlotNeeded)
        ));
    }

    #[test]
    fn names_that_would_be_misread_are_refused() {
        for (issuer, account, params) in [
            (Some("AC:ME"), "bob", totp(30)),
            (None, "ACME:bob", totp(30)),
            (None, "60/bob", totp(30)),
            (Some("60/ACME"), "bob", totp(30)),
            (Some("٦٠/ACME"), "bob", totp(30)),
            (Some("_hidden"), "bob", totp(30)),
            (Some("ACME"), "", totp(30)),
            (Some("ACME"), "bo\nb", totp(30)),
            (Some("ACME"), &"x".repeat(60), totp(30)),
        ] {
            assert!(matches!(made(issuer, account, params), Err(TokenError::SlotName { .. })), "{issuer:?} {account}");
        }
        assert!(matches!(named("45/ACME:bob", totp(60)), Err(TokenError::SlotName { .. })));
        assert!(matches!(named("45/ACME:bob", totp(30)), Err(TokenError::SlotName { .. })));
    }

    proptest! {
        #[test]
        fn a_name_that_is_made_reads_as_it_was_meant(
            issuer in proptest::option::of("[a-zA-Z0-9:/ .é日@_]{1,20}"),
            account in "[a-zA-Z0-9:/ .é日@_]{1,50}",
            step in prop_oneof![Just(30_u32), Just(60), 1..1000_u32],
            event_based: bool,
        ) {
            let params = if event_based { hotp() } else { totp(step) };
            if let Ok(name) = made(issuer.as_deref(), &account, params) {
                let read = Name::read(&name, event_based);
                prop_assert_eq!((read.issuer, read.account), (issuer.as_deref(), account.as_str()));
                prop_assert!(event_based || read.step().is_some_and(|read| read.seconds() == step));
                prop_assert!(name.len() <= MAX_LEN && slot_of(&name).is_some());
            }
        }
    }
}
