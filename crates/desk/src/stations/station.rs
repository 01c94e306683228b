//! A station as the desk keeps it, and how it may go from state to state.

use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use super::code::{CodeState, StoredCode};
use super::{MacId, RegisterError};
use crate::protocol::StationKeys;

/// For how long the desk asks a station for a login code, in seconds.
pub const FETCH_LIFE: u64 = 15 * 60;

/// Where a station stands on its way to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StationState {
    /// It is registered, and no machine has shown keys for it.
    WaitingOnActivation,
    /// It has keys; nobody has signed it in since. Shown as signed out.
    WaitingForSignIn,
    /// It may work.
    SignedIn,
    /// Somebody has signed it out; it can be signed in again at any time.
    SignedOut,
    /// Its keys are worth nothing any more.
    Revoked,
}

impl StationState {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 5] =
        [Self::WaitingOnActivation, Self::WaitingForSignIn, Self::SignedIn, Self::SignedOut, Self::Revoked];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitingOnActivation => "waiting-on-activation",
            Self::WaitingForSignIn => "waiting-for-sign-in",
            Self::SignedIn => "signed-in",
            Self::SignedOut => "signed-out",
            Self::Revoked => "revoked",
        }
    }

    /// The name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::WaitingOnActivation => "Waiting on activation",
            Self::WaitingForSignIn => "Waiting for sign-in",
            Self::SignedIn => "Signed in",
            Self::SignedOut => "Signed out",
            Self::Revoked => "Revoked",
        }
    }

    /// The state with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether its machine has keys that the desk believes.
    pub const fn is_activated(self) -> bool {
        matches!(self, Self::WaitingForSignIn | Self::SignedIn | Self::SignedOut)
    }
}

/// Somebody did something at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Who.
    pub by: String,
    /// When, in Unix seconds.
    pub at: u64,
}

/// A station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Which machine.
    pub mac: MacId,
    /// Where it is.
    pub location: String,
    /// Where it stands.
    pub state: StationState,
    /// Counts activations and revocations.
    pub generation: u64,
    /// Its public keys, from its activation on; a revoked station's are kept so that it can be told.
    pub keys: Option<StationKeys>,
    /// The account that it acts for, while it is signed in.
    pub operator: Option<String>,
    /// Its newest verification code.
    pub code: Option<StoredCode>,
    /// Until when the desk wants it to show a login code, in Unix seconds.
    pub fetch_until: Option<u64>,
    /// Who has registered it.
    pub added: Done,
    /// When it was activated last, in Unix seconds.
    pub activated_at: Option<u64>,
    /// Who brought it into its state.
    pub changed: Done,
}

impl Station {
    /// A station that waits on its activation.
    pub fn new(mac: MacId, location: String, by: &str, now: UnixTime) -> Self {
        let done = Done { by: by.into(), at: now.seconds() };
        Self {
            mac,
            location,
            state: StationState::WaitingOnActivation,
            generation: 0,
            keys: None,
            operator: None,
            code: None,
            fetch_until: None,
            added: done.clone(),
            activated_at: None,
            changed: done,
        }
    }

    /// Whether these are the keys of the machine that the desk believes to be this station.
    pub fn is_activated_with(&self, keys: &StationKeys) -> bool {
        self.state.is_activated() && self.keys.as_ref() == Some(keys)
    }

    /// Whether its code can be used now.
    pub fn has_live_code(&self, now: UnixTime) -> bool {
        self.code.as_ref().is_some_and(|code| code.is_live(now))
    }

    /// Whether the desk wants it to show a login code.
    pub fn is_fetched(&self, now: UnixTime) -> bool {
        self.fetch_until.is_some_and(|until| now.seconds() < until)
    }

    /// A machine has proved that it has these keys, and that it is this station. Whatever was before is over.
    pub fn activate(&mut self, keys: StationKeys, by: &str, now: UnixTime) {
        self.keys = Some(keys);
        self.generation += 1;
        self.operator = None;
        self.fetch_until = None;
        self.activated_at = Some(now.seconds());
        self.set(StationState::WaitingForSignIn, by, now);
    }

    /// From here on it may work, for this account.
    pub fn sign_in(&mut self, operator: &str, by: &str, now: UnixTime) -> Result<(), RegisterError> {
        match self.state {
            StationState::WaitingForSignIn | StationState::SignedOut => {
                self.operator = Some(operator.into());
                self.fetch_until = None;
                self.set(StationState::SignedIn, by, now);
                Ok(())
            }
            _ => Err(self.not_now("signed in")),
        }
    }

    /// It may not work any more; its keys stay.
    pub fn sign_out(&mut self, by: &str, now: UnixTime) -> Result<(), RegisterError> {
        match self.state {
            StationState::SignedIn => {
                self.operator = None;
                self.set(StationState::SignedOut, by, now);
                Ok(())
            }
            _ => Err(self.not_now("signed out")),
        }
    }

    /// Its keys are worth nothing from here on, nor is its code.
    pub fn revoke(&mut self, by: &str, now: UnixTime) -> Result<(), RegisterError> {
        if self.state == StationState::Revoked {
            return Err(self.not_now("revoked"));
        }
        self.end(StationState::Revoked, by, now);
        Ok(())
    }

    /// It waits on its activation again, as when it was new: its keys are worth nothing any more, nor is its code.
    pub fn begin_anew(&mut self, by: &str, now: UnixTime) -> Result<(), RegisterError> {
        if self.state == StationState::WaitingOnActivation {
            return Err(self.not_now("provisioned again"));
        }
        self.end(StationState::WaitingOnActivation, by, now);
        self.keys = None;
        Ok(())
    }

    /// The desk wants it to show a login code.
    pub fn fetch(&mut self, now: UnixTime) -> Result<(), RegisterError> {
        match self.state {
            StationState::WaitingForSignIn | StationState::SignedOut => {
                self.fetch_until = Some(now.seconds() + FETCH_LIFE);
                Ok(())
            }
            _ => Err(self.not_now("asked for a login code")),
        }
    }

    /// Nobody can be let in by its code any more; says whether somebody could.
    pub fn revoke_code(&mut self, now: UnixTime) -> bool {
        match &mut self.code {
            Some(code) if code.is_live(now) => {
                code.state = CodeState::Revoked;
                true
            }
            _ => false,
        }
    }

    fn end(&mut self, state: StationState, by: &str, now: UnixTime) {
        self.generation += 1;
        self.operator = None;
        self.fetch_until = None;
        self.revoke_code(now);
        self.set(state, by, now);
    }

    fn set(&mut self, state: StationState, by: &str, now: UnixTime) {
        self.state = state;
        self.changed = Done { by: by.into(), at: now.seconds() };
    }

    fn not_now(&self, deed: &'static str) -> RegisterError {
        RegisterError::NotNow { mac: self.mac, state: self.state, deed }
    }
}

#[cfg(test)]
mod tests {
    use super::StationState as S;
    use super::*;

    const NOW: UnixTime = UnixTime::new(1000);

    fn keys(name: &str) -> StationKeys {
        StationKeys { recipient: format!("age1{name}"), writer: "00".into() }
    }

    fn station(state: S) -> Station {
        let mut station = Station::new("00-1A-2B-3C-4D-5E".parse().unwrap(), "Ulm".into(), "alice", NOW);
        if state != S::WaitingOnActivation {
            station.activate(keys("one"), "station", NOW);
        }
        match state {
            S::SignedIn => station.sign_in("ulm", "alice", NOW).unwrap(),
            S::SignedOut => {
                station.sign_in("ulm", "alice", NOW).unwrap();
                station.sign_out("alice", NOW).unwrap();
            }
            S::Revoked => station.revoke("alice", NOW).unwrap(),
            _ => {}
        }
        assert_eq!(station.state, state);
        station
    }

    /// Every deed in every state: where it leads, or that it is refused.
    #[test]
    fn the_ways_between_the_states_are_these() {
        type Deed = fn(&mut Station) -> Result<(), RegisterError>;
        let sign_in: Deed = |station| station.sign_in("ulm", "bob", NOW);
        let sign_out: Deed = |station| station.sign_out("bob", NOW);
        let revoke: Deed = |station| station.revoke("bob", NOW);
        let anew: Deed = |station| station.begin_anew("bob", NOW);
        let fetch: Deed = |station| station.fetch(NOW);
        let activate: Deed = |station| {
            station.activate(keys("two"), "station", NOW);
            Ok(())
        };
        let table: [(S, [Option<S>; 6]); 5] = [
            (S::WaitingOnActivation, [None, None, Some(S::Revoked), None, None, Some(S::WaitingForSignIn)]),
            (
                S::WaitingForSignIn,
                [
                    Some(S::SignedIn),
                    None,
                    Some(S::Revoked),
                    Some(S::WaitingOnActivation),
                    Some(S::WaitingForSignIn),
                    Some(S::WaitingForSignIn),
                ],
            ),
            (
                S::SignedIn,
                [
                    None,
                    Some(S::SignedOut),
                    Some(S::Revoked),
                    Some(S::WaitingOnActivation),
                    None,
                    Some(S::WaitingForSignIn),
                ],
            ),
            (
                S::SignedOut,
                [
                    Some(S::SignedIn),
                    None,
                    Some(S::Revoked),
                    Some(S::WaitingOnActivation),
                    Some(S::SignedOut),
                    Some(S::WaitingForSignIn),
                ],
            ),
            (S::Revoked, [None, None, None, Some(S::WaitingOnActivation), None, Some(S::WaitingForSignIn)]),
        ];
        for (from, ways) in table {
            for (index, (deed, to)) in
                [sign_in, sign_out, revoke, anew, fetch, activate].into_iter().zip(ways).enumerate()
            {
                let mut station = station(from);
                let before = station.clone();
                match (deed(&mut station), to) {
                    (Ok(()), Some(to)) => assert_eq!(station.state, to, "{from:?} {index}"),
                    (Err(RegisterError::NotNow { state, .. }), None) => {
                        assert_eq!((state, &station), (from, &before), "{from:?} {index}");
                    }
                    other => panic!("{from:?} {index}: {other:?}"),
                }
                // Only who is signed in acts for somebody, and only what is fetched is asked for a code.
                assert_eq!(station.operator.is_some(), station.state == S::SignedIn);
                assert!(!station.is_fetched(NOW) || index == 4);
            }
        }
    }

    #[test]
    fn old_keys_are_worth_nothing_after_revocation_and_another_activation() {
        let mut station = station(S::SignedIn);
        assert!(station.is_activated_with(&keys("one")) && !station.is_activated_with(&keys("two")));
        let generation = station.generation;
        station.activate(keys("two"), "station", NOW);
        assert!(!station.is_activated_with(&keys("one")) && station.generation > generation);
        station.revoke("alice", NOW).unwrap();
        assert!(!station.is_activated_with(&keys("two")) && station.generation == generation + 2);
        station.begin_anew("alice", NOW).unwrap();
        assert_eq!((station.keys, station.generation), (None, generation + 3));
    }

    #[test]
    fn names_are_the_ones_on_the_wire() {
        for state in S::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(S::from_name(state.as_str()), Some(state));
            assert!(!state.title().is_empty());
        }
        assert_eq!(S::from_name("on-fire"), None);
    }
}
