//! The second factor of whoever signs in.

use oathburn_oath::{Clock as _, Seed, SystemClock, Totp, TotpParams, UnixTime};

/// The authenticator app on somebody's phone.
pub(crate) struct App {
    seed: Seed,
    last: u64,
}

impl App {
    /// What the picture says, as text.
    pub(crate) fn scan(secret: &str) -> Self {
        Self { seed: Seed::from_base32(secret).unwrap(), last: 0 }
    }

    /// A code that was not used: the one that holds now, or the next.
    pub(crate) fn code(&mut self) -> String {
        let totp = Totp::new(&self.seed, TotpParams::default());
        self.last = totp.step_at(SystemClock.now()).max(self.last + 1);
        totp.code_at(UnixTime::new(self.last * 30)).to_string()
    }
}
