//! What a caller asks of a driver, and which harm it allows.

use oathburn_oath::{Clock, Params, Seed, SerialNumber, Slot, TotpParams, UnixTime};

use crate::{AccessKey, Models};

/// Destructive effects the caller allows; the default allows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "separate permissions, each given by its own flag")]
pub struct Permits {
    /// Write over a seed that is known to be in use.
    pub overwrite_seed: bool,
    /// Set the clock of a token that loses its seed by that.
    pub erase_seed_on_sync: bool,
    /// Set a clock to anything but the present.
    pub set_other_time: bool,
    /// Write to a token whose serial number belongs to no known model.
    pub unlisted_model: bool,
    /// Delete a slot, or everything.
    pub erase: bool,
}

/// How long the display stays lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DisplayTimeout {
    /// 15 s.
    S15,
    /// 30 s.
    #[default]
    S30,
    /// 60 s.
    S60,
    /// 120 s.
    S120,
}

impl DisplayTimeout {
    /// From seconds; `None` for anything but 15, 30, 60 and 120.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        match seconds {
            15 => Some(Self::S15),
            30 => Some(Self::S30),
            60 => Some(Self::S60),
            120 => Some(Self::S120),
            _ => None,
        }
    }

    /// In seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::S15 => 15,
            Self::S30 => 30,
            Self::S60 => 60,
            Self::S120 => 120,
        }
    }
}

/// What a driver has just done, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The token accepted our answer to its challenge.
    Authenticated,
    /// Clock, algorithm and time step are set; on a restricted token the old seed is gone.
    ConfigWritten,
    /// The token confirmed the seed.
    SeedWritten,
    /// Serial number and clock were read again, and are right.
    ReadBack,
    /// The token had lost the session and was logged in to once more.
    Reauthenticated,
    /// The token computed the codes that the seed makes.
    CodesCompared,
    /// The token waits for a touch before it answers.
    TouchAwaited,
    /// The token waits for somebody to confirm with its button.
    ConfirmationAwaited,
}

/// Program this seed into this slot of this token, and into no other.
pub struct Order<'a> {
    /// The token it is meant for; any other is refused.
    pub serial: &'a SerialNumber,
    /// Where in the token.
    pub slot: &'a Slot,
    /// The seed.
    pub seed: &'a Seed,
    /// How its codes are made.
    pub params: Params,
    /// How long the display stays lit.
    pub display_timeout: DisplayTimeout,
    /// The time that is written to the token, read at the moment of writing.
    pub clock: &'a dyn Clock,
    /// The products that are known.
    pub models: &'a Models,
    /// What may be destroyed.
    pub permits: Permits,
    /// What only some families have.
    pub extras: Extras<'a>,
    /// Hears what has been done.
    pub progress: &'a dyn Fn(Progress),
}

/// What only some families have; a family that does not refuses it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// What the slot is called on the display.
    pub title: Option<&'a str>,
    /// Whether a code costs a touch.
    pub touch: bool,
    /// The key that the token asks for.
    pub access_key: Option<&'a AccessKey>,
}

/// Set the clock of this token.
pub struct ClockOrder<'a> {
    /// The token it is meant for; any other is refused.
    pub serial: &'a SerialNumber,
    /// Which slot's clock, where each has its own; `None` for all of them.
    pub slot: Option<&'a Slot>,
    /// The key that the token asks for.
    pub access_key: Option<&'a AccessKey>,
    /// The parameters of the seed it holds: some families can only write all of them at once.
    pub params: TotpParams,
    /// How long the display stays lit.
    pub display_timeout: DisplayTimeout,
    /// The present.
    pub clock: &'a dyn Clock,
    /// Another time than the present; needs its permit.
    pub other_time: Option<UnixTime>,
    /// The products that are known.
    pub models: &'a Models,
    /// What may be destroyed.
    pub permits: Permits,
    /// Hears what has been done.
    pub progress: &'a dyn Fn(Progress),
}
