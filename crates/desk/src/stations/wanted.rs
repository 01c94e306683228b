//! Which stations somebody looks for.

use super::{Station, StationState};

/// Which stations somebody looks for; what is empty lets all pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// A state.
    pub(crate) state: Option<StationState>,
    /// A part of a MAC ID, in any spelling, or of a location.
    pub(crate) text: String,
}

impl Wanted {
    /// Whether a station is one of them.
    pub(crate) fn includes(&self, station: &Station) -> bool {
        self.state.is_none_or(|state| station.state == state) && self.finds(station)
    }

    /// Whether the text finds a station, whatever its state.
    pub(crate) fn finds(&self, station: &Station) -> bool {
        let q = self.text.trim().to_lowercase();
        let digits: String = q.chars().filter(char::is_ascii_hexdigit).collect();
        let is_mac = digits.len() >= 2 && q.chars().all(|c| c.is_ascii_hexdigit() || ":-. ".contains(c));
        let bare = data_encoding::HEXLOWER.encode(&station.mac.bytes());
        station.location.to_lowercase().contains(&q) || (is_mac && bare.contains(&digits))
    }
}
