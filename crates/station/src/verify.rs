//! Does the token show what the escrow says?

use oathburn_escrow::{Disclosure, Entry, Purpose};
use oathburn_oath::{Drift, Totp, UnixTime, Window, find_code};

use crate::{Station, StationError};

/// Where a displayed code was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Steps the token is ahead; `None` when the code was not found.
    pub drift_steps: Option<i64>,
    /// The same in seconds, as far as whole steps tell it.
    pub drift: Option<Drift>,
}

impl Station<'_> {
    /// Looks for `code` among those that the entry's token may show around `at`. A match is noted in the escrow,
    /// the code is not.
    pub fn verify(
        &self,
        entry: &Entry,
        code: &str,
        at: UnixTime,
        window: Window,
    ) -> Result<Verification, StationError> {
        let params = entry.params.totp()?;
        let officer = self.officer.ok_or(StationError::OfficerNeeded)?;
        let record = officer.opener()?.open(entry, &Disclosure::new(Purpose::CompareCode))?;
        self.compare(entry, &Totp::new(&record.seed, params), code, at, window)
    }

    /// [`Station::verify`] where the seed is at hand, right after a burn.
    pub fn compare(
        &self,
        entry: &Entry,
        totp: &Totp,
        code: &str,
        at: UnixTime,
        window: Window,
    ) -> Result<Verification, StationError> {
        let Some(&steps) = find_code(totp, code, at, window).first() else {
            return Ok(Verification { drift_steps: None, drift: None });
        };
        self.note_displayed(entry, steps, at)?;
        let seconds = steps * i64::from(totp.time_step().seconds());
        Ok(Verification { drift_steps: Some(steps), drift: Some(Drift::from_seconds(seconds)) })
    }
}
