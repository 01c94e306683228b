//! What a token tells of its profiles, to anybody.

use oathburn_oath::{Algorithm, Slot, TimeStep};

use super::PROFILES;
use super::commands::profile_command;
use crate::token2::single::refused;
use crate::{SlotInfo, StatusWord, TokenError, Transport, exchange};

/// Whether this is a Molto2, which answers GET INFO much like its single-profile cousins and keeps a key that its owner
/// may have changed. Asked is for the public data (tag `70`) of profile 0.
pub(in crate::token2) fn is_molto2(transport: &mut dyn Transport) -> Result<bool, TokenError> {
    let response = exchange(transport, &profile_command(0))?;
    Ok(response.status == StatusWord::DONE && matches!(response.data.as_slice(), [0x95, _, 0x70, ..]))
}

/// How many profiles there are: the larger model has one where the smaller ends.
pub(super) fn count(transport: &mut dyn Transport) -> Result<u8, TokenError> {
    let [small, large] = PROFILES;
    let response = exchange(transport, &profile_command(small))?;
    Ok(if response.status == StatusWord::DONE { large } else { small })
}

pub(super) fn profiles(transport: &mut dyn Transport) -> Result<Vec<SlotInfo>, TokenError> {
    (0..count(transport)?).map(|number| profile(transport, number)).collect()
}

pub(super) fn profile(transport: &mut dyn Transport, number: u8) -> Result<SlotInfo, TokenError> {
    let response = exchange(transport, &profile_command(number))?;
    match response.status {
        StatusWord::DONE => {}
        StatusWord(0x6a83) => return Err(TokenError::NoSuchSlot { slot: Slot::Number(number) }),
        status => return Err(refused("READ PROFILE", status)),
    }
    parse_profile(number, &response.data)
        .ok_or(TokenError::Garbled { command: "READ PROFILE", what: "something that is no profile" })
}

/// The public data: flag, title in 16 bytes, two times that are no clocks, algorithm, step, digits, whether there is
/// a seed.
pub(in crate::token2) fn parse_profile(number: u8, data: &[u8]) -> Option<SlotInfo> {
    let data: &[u8; 29] = match data {
        [0x95, 0x1f, 0x70, 0x1d, data @ ..] => data.try_into().ok()?,
        _ => return None,
    };
    let title = data[1..17].split(|&byte| byte == 0).next().unwrap_or_default();
    let algorithm = match data[25] {
        1 => Some(Algorithm::Sha1),
        2 => Some(Algorithm::Sha256),
        _ => None,
    };
    let has_seed = match data[28] {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(SlotInfo {
        slot: Some(Slot::Number(number)),
        label: String::from_utf8_lossy(title).into_owned(),
        has_seed,
        event_based: false,
        algorithm,
        digits: Some(data[27]),
        step: TimeStep::new(data[26].into()).ok(),
        clock: None,
    })
}
