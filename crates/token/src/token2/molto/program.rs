//! Programming a profile.

use super::commands::{config_command, title_command};
use super::profile_of;
use super::session::Session;
use crate::token2::single::{check_time, seed_command, time_based, writable_seed};
use crate::{Order, Progress, TokenError};

/// Title, config, seed; then the profile is read again.
pub(super) fn write(session: &mut Session<'_>, order: &Order<'_>) -> Result<(), TokenError> {
    let params = time_based(order.params)?;
    let seed = writable_seed(order.seed, params.algorithm)?;
    let number = profile_of(order.slot)?;
    session.check_serial()?;
    if session.profile(number)?.has_seed && !order.permits.overwrite_seed {
        return Err(TokenError::SlotInUse { slot: order.slot.clone() });
    }
    session.log_in()?;
    if let Some(title) = order.extras.title {
        session.write_now(|key| Ok(title_command(key, number, title)))?;
    }
    session.write_now(|key| {
        let now = check_time(order.clock.now())?;
        Ok(config_command(key, number, params, order.display_timeout, now))
    })?;
    (order.progress)(Progress::ConfigWritten);
    session.write_now(|key| Ok(seed_command(key, &seed, number)))?;
    (order.progress)(Progress::SeedWritten);
    session.check_serial()?;
    let read = session.profile(number)?;
    for (what, same) in [
        ("state: no seed", read.has_seed),
        ("hash", read.algorithm == Some(params.algorithm)),
        ("number of digits", read.digits == Some(params.digits.get())),
        ("time step", read.step == Some(params.step)),
        ("title", order.extras.title.is_none_or(|title| title == read.label)),
    ] {
        if !same {
            return Err(TokenError::ReadBack { what });
        }
    }
    (order.progress)(Progress::ReadBack);
    Ok(())
}
