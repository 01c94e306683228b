//! What stands in paths and lists: MAC IDs, places in a list.

use crate::DeskError;
use crate::scripts::ApiError;
use crate::stations::{MacId, RegisterError};

/// The most of something that is answered at once, unless less is asked for.
pub(super) const MOST: usize = 1000;

/// A MAC ID in any spelling.
pub(super) fn mac(text: &str) -> Result<MacId, DeskError> {
    Ok(text.parse().map_err(RegisterError::from)?)
}

/// Many of them.
pub(super) fn macs(texts: &[String]) -> Result<Vec<MacId>, DeskError> {
    texts.iter().map(|text| mac(text)).collect()
}

/// How many are wanted.
pub(super) fn limit(wanted: Option<usize>, usual: usize) -> Result<usize, ApiError> {
    match wanted.unwrap_or(usual) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(ApiError::RequestRefused { problem: format!("limit is not 1 to {MOST}") }),
    }
}
