//! What a single-profile token remembers, and for how long.

use oathburn_oath::Seed;

/// What a config write and a seed write set. Numbers are kept as they came: the token checks none of them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed, when there is one.
    pub seed: Option<Seed>,
    /// 1 is SHA-1, 2 is SHA-256.
    pub algorithm: u8,
    /// The time step in seconds.
    pub time_step: u8,
    /// How long the display stays on: 0 to 3 are 15, 30, 60 and 120 seconds.
    pub display_timeout: u8,
}

/// As it leaves the factory.
impl Default for Settings {
    fn default() -> Self {
        Self { seed: None, algorithm: 1, time_step: 30, display_timeout: 1 }
    }
}

/// Working memory and what of it is stored.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) held: Settings,
    stored: Settings,
}

impl Memory {
    /// Makes what is held outlive a loss of power.
    pub(super) fn store(&mut self) {
        self.stored = self.held.clone();
    }

    /// What is not stored is gone.
    pub(super) fn lose_power(&mut self) {
        self.held = self.stored.clone();
    }
}

/// How far the host has come in proving that it knows the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    Closed,
    Challenged([u8; 8]),
    Open,
}

/// The counter of wrong answers in old firmware. It outlives sessions and power.
pub(super) struct Tries {
    allowed: u8,
    wrong: u8,
}

impl Tries {
    pub(super) const fn new(allowed: u8) -> Self {
        Self { allowed, wrong: 0 }
    }

    pub(super) const fn are_used_up(&self) -> bool {
        self.wrong >= self.allowed
    }

    /// A right answer makes up for wrong ones, as long as there is still a try left to give it.
    pub(super) fn count(&mut self, right: bool) {
        self.wrong = if right { 0 } else { self.wrong.saturating_add(1) };
    }
}
