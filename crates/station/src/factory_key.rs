//! What is known of keys that a token counts: a key that it refused once is not tried again unasked.
//!
//! A token that always wants a key bears few wrong ones. The maker's is tried where nobody gives one and none is sealed;
//! whether it was refused, replaced or set again is noted in the escrow, for all stations.

use oathburn_escrow::{EscrowError, EventFilter, EventKind, Facts};
use oathburn_oath::Remedy;
use oathburn_token::{AccessKey, AccessKeys, TokenError, TokenFamily, TokenInfo};

use crate::Station;

/// The fact that says whether a token has its maker's key.
const FACTORY_KEY: &str = "factory_key";

impl Station<'_> {
    /// Whether the maker's key was refused or replaced, and nothing later says that the token has it again.
    pub(crate) fn lost_factory_key(&self, info: &TokenInfo) -> Result<bool, EscrowError> {
        let filter = EventFilter { kind: Some(EventKind::TokenChanged), ..EventFilter::default() };
        let (family, serial) = (info.family.to_string(), info.serial.to_string());
        let mut newest = None;
        self.escrow.each_event::<EscrowError>(&filter, |signed| {
            let (event, of) = (signed.event, |name| signed.facts.text(name));
            let has = of(FACTORY_KEY).filter(|_| of("family") == Some(&family) && of("serial") == Some(&serial));
            newest = newest.take().max(has.map(|has| (event.time, event.id, has == "no")));
            Ok(())
        })?;
        Ok(newest.is_some_and(|(_, _, lost)| lost))
    }

    /// Notes whether the token has its maker's key, where that is news.
    pub(crate) fn note_factory_key(
        &self,
        driver: &dyn TokenFamily,
        info: &TokenInfo,
        has: bool,
    ) -> Result<(), EscrowError> {
        if driver.capabilities().access_key != AccessKeys::Always || self.lost_factory_key(info)? != has {
            return Ok(());
        }
        let facts = Facts::new()
            .with("family", info.family.to_string())
            .with("serial", info.serial.to_string())
            .with(FACTORY_KEY, if has { "yes" } else { "no" });
        self.escrow.note_token(facts)
    }

    /// Notes that the token refused a key that nobody gave: the sealed one is in doubt then, or the maker's is not the
    /// token's any more. A key that somebody gave is his to try.
    pub(crate) fn note_refused_key(
        &self,
        driver: &dyn TokenFamily,
        info: &TokenInfo,
        given: Option<&AccessKey>,
        error: &TokenError,
    ) -> Result<(), EscrowError> {
        let counted = driver.capabilities().access_key == AccessKeys::Always;
        if !counted || given.is_some() || !is_refusal(error) {
            return Ok(());
        }
        match self.sealed_keys(info)?.into_iter().next() {
            Some(entry) if entry.state.is_unfinished() => Ok(()),
            Some(entry) => self.escrow.mark_unknown(entry.id, Facts::new().with("error", error.code())),
            None => self.note_factory_key(driver, info, false),
        }
    }
}

fn is_refusal(error: &TokenError) -> bool {
    match error {
        TokenError::AccessKeyWrong { .. } | TokenError::LockedOut { .. } => true,
        TokenError::AfterWrite(source) => is_refusal(source),
        _ => false,
    }
}
