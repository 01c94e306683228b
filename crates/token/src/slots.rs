//! What a token says of its slots.

use oathburn_oath::{Algorithm, Slot, TimeStep, UnixTime};

/// One slot of a token, as far as the token tells. What is `None` it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// Which one; `None` for a name that we can show but not write: somebody else gave it.
    pub slot: Option<Slot>,
    /// Its name or title, as text; bytes that are none are replaced.
    pub label: String,
    /// Whether it holds a seed.
    pub has_seed: bool,
    /// Whether its codes come from a counter.
    pub event_based: bool,
    /// The hash.
    pub algorithm: Option<Algorithm>,
    /// Digits of a code, as the token counts them.
    pub digits: Option<u8>,
    /// Seconds a code lasts.
    pub step: Option<TimeStep>,
    /// What its clock shows.
    pub clock: Option<UnixTime>,
}

/// The slot that has this place, if there is one.
pub fn find_slot<'a>(slots: &'a [SlotInfo], slot: &Slot) -> Option<&'a SlotInfo> {
    slots.iter().find(|info| info.slot.as_ref() == Some(slot))
}

/// A code that a token computed. `Debug` prints none.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadCode {
    /// The step it was asked for; `None` when the token counts itself.
    pub step: Option<u64>,
    /// Its digits, leading zeros among them.
    pub text: String,
}

impl std::fmt::Debug for ReadCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadCode").field("step", &self.step).finish_non_exhaustive()
    }
}
