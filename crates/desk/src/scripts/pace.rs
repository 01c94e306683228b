//! How fast scripts may ask: each desk counts the requests of every script within the second. A script that runs wild is slowed
//! down before it costs others their place.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use oathburn_oath::UnixTime;

use super::ApiError;

/// What was asked within one second.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    at: Option<UnixTime>,
    /// By the scripts' names; there are no more of them than scripts whose tokens are good.
    asked: HashMap<String, u32>,
}

impl Pace {
    /// Counts a request, or refuses it.
    pub(super) fn enter(&self, script: &str, now: UnixTime, most: u32) -> Result<(), ApiError> {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.at != Some(now) {
            *second = Second { at: Some(now), asked: HashMap::new() };
        }
        let asked = second.asked.entry(script.to_owned()).or_default();
        if *asked >= most {
            return Err(ApiError::TooFast { most });
        }
        *asked += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_has_its_own_pace_in_every_second() {
        let pace = Pace::default();
        let enter = |script: &str, now: u64| pace.enter(script, UnixTime::new(now), 2).is_ok();
        assert_eq!([1, 2, 3].map(|_| enter("robot", 10)), [true, true, false]);
        assert!(enter("inventory", 10));
        assert_eq!([1, 2, 3].map(|_| enter("robot", 11)), [true, true, false]);
        // A clock that goes back keeps nobody out.
        assert!(enter("robot", 10));
    }
}
