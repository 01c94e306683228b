//! How often something may be tried: counted in the store, so that all desks count together, and before it is judged, so
//! that tries at the same time do not pass together.

use std::net::IpAddr;

use oathburn_escrow::Together;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use crate::stations::throttle::address_key;
use crate::table::{Next, Stored, change_in};
use crate::{Desk, DeskError};

/// So many tries within so many seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// What is tried, and by whom it is counted.
    name: &'static str,
    most: usize,
    span: u64,
}

impl Rate {
    /// A rate of another kind.
    pub(crate) const fn new(name: &'static str, most: usize, span: u64) -> Self {
        Self { name, most, span }
    }
}

/// Sign-ins of one name from one address. Others elsewhere who have the name, too, are not kept out by them.
pub(crate) const NAME_AND_ADDRESS: Rate = Rate { name: "sign-in name address", most: 5, span: 15 * 60 };
/// Sign-ins from one address, whatever the name.
pub(crate) const ADDRESS: Rate = Rate { name: "sign-in address", most: 30, span: 15 * 60 };
/// Passwords of one name, from wherever.
pub(crate) const PASSWORD: Rate = Rate { name: "password", most: 100, span: 24 * 3600 };
/// Codes of the second factor, by whoever has the password. A guess hits one of three codes in 10^6 that hold: 3 * 10^-5 a
/// day.
pub(crate) const CODE: Rate = Rate { name: "code", most: 10, span: 24 * 3600 };

/// When something was tried, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tries {
    times: Vec<Tried>,
    ends: u64,
}

/// A second in which something was tried, in Unix seconds, and how often where it was more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Tried {
    Once(u64),
    Often(u64, usize),
}

impl Tried {
    const fn new(time: u64, count: usize) -> Self {
        if count == 1 { Self::Once(time) } else { Self::Often(time, count) }
    }

    const fn time(self) -> u64 {
        match self {
            Self::Once(time) | Self::Often(time, _) => time,
        }
    }

    const fn count(self) -> usize {
        match self {
            Self::Once(_) => 1,
            Self::Often(_, count) => count,
        }
    }
}

impl Stored for Tries {
    const KIND: &'static str = "throttle";

    fn expires_at(&self) -> Option<UnixTime> {
        Some(UnixTime::new(self.ends))
    }
}

/// A try that was counted.
#[must_use]
pub(crate) struct Entered {
    id: [u8; 32],
    time: u64,
}

impl Rate {
    /// Counts a try, or says in how many seconds there is room for one.
    pub(crate) fn enter(&self, desk: &Desk, whose: &str) -> Result<Entered, DeskError> {
        let Counted { id, rate } = self.of(desk, whose);
        let now = desk.now().seconds();
        desk.update::<Tries, _>(&id, |tries| Ok((Next::Put(rate.one_more(tries, now)?), Entered { id, time: now })))
    }

    /// The tries of somebody, to be counted in a transaction that is shared with others.
    pub(crate) fn of(&self, desk: &Desk, whose: &str) -> Counted {
        Counted { id: desk.id_of::<Tries>(&self.text(whose)), rate: *self }
    }

    /// The same in such a transaction.
    pub(crate) fn of_in(&self, together: &Together<'_>, whose: &str) -> Counted {
        Counted { id: together.id_of(Tries::KIND, &self.text(whose)), rate: *self }
    }

    fn text(&self, whose: &str) -> String {
        format!("{}\n{whose}", self.name)
    }

    fn one_more(&self, tries: Option<&Tries>, now: u64) -> Result<Tries, DeskError> {
        let mut times = tries.cloned().unwrap_or_default().times;
        times.retain(|tried| now < tried.time().saturating_add(self.span));
        if times.iter().map(|tried| tried.count()).sum::<usize>() >= self.most {
            let first = times.first().map(|tried| tried.time());
            let free = first.map_or(self.span, |first| first.saturating_add(self.span).saturating_sub(now));
            return Err(DeskError::Throttled { seconds: free.max(1) });
        }
        match times.last_mut() {
            Some(last) if last.time() == now => *last = Tried::new(now, last.count() + 1),
            _ => times.push(Tried::Once(now)),
        }
        let ends = times.iter().map(|tried| tried.time()).max().map_or(now, |last| last.saturating_add(self.span));
        Ok(Tries { times, ends })
    }
}

/// What somebody tries, and how often it may be tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    id: [u8; 32],
    rate: Rate,
}

impl Counted {
    /// Counts a try together with what it is a try of: it counts if that is written.
    pub(crate) fn enter(&self, together: &mut Together<'_>) -> Result<(), DeskError> {
        let now = together.now().seconds();
        change_in::<Tries>(together, &self.id, |tries| self.rate.one_more(tries, now))
    }
}

impl Entered {
    /// Takes the try back: it was right.
    pub(crate) fn forgive(self, desk: &Desk) -> Result<(), DeskError> {
        desk.update::<Tries, _>(&self.id, |tries| {
            let Some(tries) = tries else { return Ok((Next::Keep, ())) };
            let mut tries = tries.clone();
            if let Some(at) = tries.times.iter().rposition(|tried| tried.time() == self.time) {
                match tries.times[at].count() {
                    1 => drop(tries.times.remove(at)),
                    count => tries.times[at] = Tried::new(self.time, count - 1),
                }
            }
            Ok((if tries.times.is_empty() { Next::Delete } else { Next::Put(tries) }, ()))
        })
    }
}

/// Whose tries they are that come from an address.
pub(crate) fn address(ip: IpAddr) -> String {
    address_key(ip)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use oathburn_oath::Remedy as _;

    use super::*;
    use crate::testing::Home;

    const THREE: Rate = Rate { name: "test", most: 3, span: 60 };

    #[test]
    fn tries_are_counted_by_all_desks_and_forgotten_in_time() {
        let home = Home::new();
        let desks = [home.desk(), home.desk()];
        for number in 0..3 {
            let _counted = THREE.enter(&desks[number % 2], "ada").unwrap();
            home.clock.pass(10);
        }
        let refused = THREE.enter(&desks[1], "ada").err().unwrap();
        assert_eq!((refused.code(), refused.to_string()), ("throttled", "too many tries: wait 30 seconds".into()));
        // Others are not kept out, and a refusal counts for nothing.
        let _other = THREE.enter(&desks[0], "bob").unwrap();
        home.clock.pass(30);
        let _first_is_forgotten = THREE.enter(&desks[0], "ada").unwrap();
        assert!(THREE.enter(&desks[0], "ada").is_err());
        home.clock.pass(60);
        let _all_are = THREE.enter(&desks[0], "ada").unwrap();
    }

    #[test]
    fn tries_of_one_second_are_kept_as_one_and_those_of_before_are_read() {
        let home = Home::new();
        let desk = home.desk();
        for _ in 0..3 {
            let _counted = THREE.enter(&desk, "ada").unwrap();
        }
        let id = desk.id_of::<Tries>("test\nada");
        let now = desk.now().seconds();
        let kept = serde_json::to_value(desk.get::<Tries>(&id).unwrap().unwrap().value).unwrap();
        assert_eq!(kept, serde_json::json!({ "times": [[now, 3]], "ends": now + 60 }));
        let before = serde_json::json!({ "times": [now - 70, now - 5, now - 5, now], "ends": now + 60 });
        let before: Tries = serde_json::from_value(before).unwrap();
        assert!(matches!(THREE.one_more(Some(&before), now), Err(DeskError::Throttled { seconds: 55 })));
        let more = THREE.one_more(Some(&before), now + 55).unwrap();
        assert_eq!(more.times, [Tried::Once(now), Tried::Once(now + 55)]);
    }

    #[test]
    fn what_was_right_does_not_count() {
        let home = Home::new();
        let desk = home.desk();
        for _ in 0..10 {
            THREE.enter(&desk, "ada").unwrap().forgive(&desk).unwrap();
        }
        let wrong = THREE.enter(&desk, "ada").unwrap();
        let _wrong = THREE.enter(&desk, "ada").unwrap();
        let right = THREE.enter(&desk, "ada").unwrap();
        right.forgive(&desk).unwrap();
        let _wrong = THREE.enter(&desk, "ada").unwrap();
        assert!(THREE.enter(&desk, "ada").is_err());
        // What was forgotten meanwhile can be taken back all the same.
        home.clock.pass(60);
        wrong.forgive(&desk).unwrap();
    }

    #[test]
    fn tries_at_the_same_time_do_not_pass_together() {
        let home = Home::new();
        let desks: Vec<_> = (0..3).map(|_| home.desk()).collect();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = desks
                .iter()
                .map(|desk| scope.spawn(|| (0..4).filter(|_| THREE.enter(desk, "ada").is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 3);
    }
}
