//! Login codes: what a station shows, and an admin types.

use std::net::IpAddr;

use oathburn_escrow::EscrowError;
use serde::{Deserialize, Serialize};

use super::rows::Draft;
use super::{ALL, FLOOD, LOGIN, Register, STATION, retrying};
use crate::protocol::{LoginStatus, Refusal, ShownCode, StationKeys};
use crate::stations::throttle::address_key;
use crate::stations::{LoginCode, MacId, RegisterError, Station, StationState, csv, login_code};

/// How many stations may ask for a login code within the life of one, from one address: an office.
const PER_ADDRESS: u32 = 60;
/// And from all of them together.
const OF_ALL: u32 = 2000;
/// A code that is asked for again is shown again, unless it ends within so many seconds.
const WORTH_SHOWING: u64 = 60;

/// A station that shows a login code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginOffer {
    /// Which machine it says it is.
    pub mac: MacId,
    /// The keys that it has.
    pub keys: StationKeys,
    /// What it shows.
    pub code: LoginCode,
    /// Until when, in Unix seconds.
    pub expires_at: u64,
    /// Where it speaks from.
    pub address: String,
    /// It is activated already, with these keys: the desk has fetched the code.
    pub activated: bool,
}

/// How many have asked since when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    start: u64,
    count: u32,
}

impl Register {
    /// A login code for a station that has proved to have these keys, and is not activated with them.
    pub fn offer_login(&self, mac: MacId, keys: &StationKeys, address: IpAddr) -> Result<ShownCode, RegisterError> {
        retrying(|| {
            let (shown, mut draft) = match self.offer((mac, keys), address, false)? {
                (shown, Some(draft)) => (shown, draft),
                (shown, None) => return Ok(shown),
            };
            self.count_offer(ALL, OF_ALL, &mut draft)?;
            self.count_offer(&self.records.id_of(FLOOD, &address_key(address)), PER_ADDRESS, &mut draft)?;
            self.records.commit(&draft.changes())?;
            Ok(shown)
        })
    }

    /// A login code for an activated station that waits for sign-in, as the desk fetches it.
    pub fn offer_own_login(&self, station: &Station, address: IpAddr) -> Result<ShownCode, RegisterError> {
        let Some(keys) = station.keys.as_ref().filter(|_| station.state.is_activated()) else {
            return Err(Refusal::NotKnown.into());
        };
        if station.state == StationState::SignedIn {
            return Err(Refusal::LoginCodeGone.into());
        }
        retrying(|| {
            let (shown, draft) = self.offer((station.mac, keys), address, true)?;
            if let Some(mut draft) = draft {
                // Whoever waits at the desk for the code is told.
                let changed = self.records.get(super::CHANGED, ALL)?.map(|record| record.version);
                draft.put(super::CHANGED, ALL, changed, None, &());
                self.records.commit(&draft.changes())?;
            }
            Ok(shown)
        })
    }

    /// The code that a station shows at present, if it shows one.
    pub fn shown(&self, mac: MacId, keys: &StationKeys) -> Result<Option<ShownCode>, RegisterError> {
        let offer = self.read::<LoginOffer>(LOGIN, &self.offer_id(mac, keys))?;
        Ok(offer.map(|(offer, _)| ShownCode { code: offer.code, expires_at: offer.expires_at }))
    }

    /// The login code that a station shows, where the desk has fetched one.
    pub fn fetched(&self, station: &Station) -> Result<Option<ShownCode>, RegisterError> {
        match &station.keys {
            Some(keys) if station.is_fetched(self.now()) => self.shown(station.mac, keys),
            _ => Ok(None),
        }
    }

    /// How a station with a login code fares.
    pub fn login_status(&self, mac: MacId, keys: &StationKeys) -> Result<LoginStatus, RegisterError> {
        if let Some((station, version)) = self.get(mac)?
            && station.is_activated_with(keys)
        {
            return Ok(LoginStatus { shown: None, station: Some(self.status(&station, version)?) });
        }
        let shown = self.shown(mac, keys)?.ok_or(Refusal::LoginCodeGone)?;
        Ok(LoginStatus { shown: Some(shown), station: None })
    }

    /// The station that shows a code, with its record if it is registered.
    pub fn find_login(&self, code: &LoginCode) -> Result<Option<(LoginOffer, Option<Station>)>, RegisterError> {
        let Some((offer, _, _)) = self.found::<LoginOffer>(LOGIN, code.plain())?.pop() else { return Ok(None) };
        let station = self.get(offer.mac)?.map(|(station, _)| station);
        Ok(Some((offer, station)))
    }

    /// Signs the station in that shows a code, to act for this account; activates it before, with the keys that it has, if it is not.
    /// One that is not registered needs a location. One that is activated with other keys is not replaced: it is to be revoked
    /// first, or to begin anew.
    pub fn accept_login(
        &self,
        by: &str,
        code: &LoginCode,
        location: Option<&str>,
        operator: &str,
    ) -> Result<Station, RegisterError> {
        let location = location.filter(|text| !text.trim().is_empty()).map(csv::location).transpose()?;
        let operator = super::deeds::account(operator)?;
        retrying(|| {
            let now = self.now();
            let found = self.found::<LoginOffer>(LOGIN, code.plain())?.pop();
            let (offer, id, offer_version) = found.ok_or(RegisterError::LoginCodeUnknown)?;
            let mac = offer.mac;
            let (mut station, version) = match self.get(mac)? {
                Some((station, version)) => (station, Some(version)),
                None if offer.activated => return Err(RegisterError::LoginCodeUnknown),
                None => {
                    let location = location.clone().ok_or(RegisterError::LocationNeeded { mac })?;
                    (Station::new(mac, location, by, now), None)
                }
            };
            let mut draft = Draft::default();
            let is_known = station.is_activated_with(&offer.keys);
            match (is_known, offer.activated) {
                (true, _) => {}
                (false, true) => return Err(RegisterError::LoginCodeUnknown),
                (false, false) if station.state.is_activated() => {
                    let (state, deed) = (station.state, "replaced by a machine with other keys");
                    return Err(RegisterError::NotNow { mac, state, deed });
                }
                (false, false) => {
                    station.revoke_code(now);
                    station.activate(offer.keys.clone(), by, now);
                    self.forget_seen(mac, &mut draft)?;
                }
            }
            station.sign_in(&operator, by, now)?;
            draft.put(STATION, &self.id(STATION, mac), version, None, &station);
            draft.delete(LOGIN, &id, offer_version);
            let mut deed = Self::deed(by, "login-code-accepted", &[mac]);
            let facts = deed.facts.with("account", operator.as_str()).with("writer", offer.keys.writer.as_str());
            deed.facts = facts.with("address", offer.address.as_str()).with("location", station.location.as_str());
            self.commit(&deed, draft)?;
            Ok(station)
        })
    }

    /// Ends a login code: nobody expects the station that shows it.
    pub fn refuse_login(&self, by: &str, code: &LoginCode) -> Result<(), RegisterError> {
        retrying(|| {
            let found = self.found::<LoginOffer>(LOGIN, code.plain())?.pop();
            let (offer, id, version) = found.ok_or(RegisterError::LoginCodeUnknown)?;
            let mut draft = Draft::default();
            draft.delete(LOGIN, &id, version);
            self.commit(&Self::deed(by, "login-code-refused", &[offer.mac]), draft)
        })
    }

    /// The code that is shown already, or a new one and what is to be written for it.
    fn offer(
        &self,
        (mac, keys): (MacId, &StationKeys),
        address: IpAddr,
        activated: bool,
    ) -> Result<(ShownCode, Option<Draft>), RegisterError> {
        let now = self.now().seconds();
        let id = self.offer_id(mac, keys);
        let kept = self.read::<LoginOffer>(LOGIN, &id)?;
        if let Some((offer, _)) = &kept
            && offer.activated == activated
            && now + WORTH_SHOWING < offer.expires_at
        {
            return Ok((ShownCode { code: offer.code.clone(), expires_at: offer.expires_at }, None));
        }
        let code = LoginCode::generate().map_err(|_| EscrowError::Random)?;
        let expires_at = now + u64::from(login_code::LIFE);
        let shown = ShownCode { code: code.clone(), expires_at };
        let address = address.to_canonical().to_string();
        let offer = LoginOffer { mac, keys: keys.clone(), code: code.clone(), expires_at, address, activated };
        let mut draft = Draft::default();
        let version = kept.map(|(_, version)| version);
        draft.put_found_by(LOGIN, (&id, version), Some(code.plain()), Some(expires_at), &offer);
        Ok((shown, Some(draft)))
    }

    /// Counts one more, or says when there is room for it again.
    fn count_offer(&self, id: &[u8], most: u32, draft: &mut Draft) -> Result<(), RegisterError> {
        let now = self.now().seconds();
        let life = u64::from(login_code::LIFE);
        let (mut window, version) = match self.read::<Window>(FLOOD, id)? {
            Some((window, version)) if now < window.start + life => (window, Some(version)),
            Some((_, version)) => (Window { start: now, count: 0 }, Some(version)),
            None => (Window { start: now, count: 0 }, None),
        };
        if window.count >= most {
            let retry_after = (window.start + life).saturating_sub(now).max(1);
            return Err(Refusal::TooManyLoginCodes { retry_after }.into());
        }
        window.count += 1;
        draft.put(FLOOD, id, version, Some(window.start + life), &window);
        Ok(())
    }

    /// One code for each pair of keys: a stranger with the same MAC ID does not take away what a station shows.
    fn offer_id(&self, mac: MacId, keys: &StationKeys) -> [u8; 32] {
        self.records.id_of(LOGIN, &format!("{mac} {}", keys.writer))
    }
}
