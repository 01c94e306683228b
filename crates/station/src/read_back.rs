//! Codes that a token computes itself: whether they are those of the escrowed seed.

use oathburn_escrow::{Disclosure, Entry, Facts, Purpose};
use oathburn_oath::{Params, Slot, Totp, TotpParams};
use oathburn_token::{AccessKey, CodesOrder, ReadCode, Transport};

use crate::burn::seconds_of;
use crate::{Event, Identified, Station, StationError};

/// Steps from the present one that are compared: neighbours, and one far away.
const COMPARED: [u64; 3] = [0, 1, 0x0100_0001];
/// How far a counting token may be ahead of what the escrow last knew of it.
const COUNTS_AHEAD: u64 = 1000;

/// What a token computed, beside what its escrowed seed makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// Whether all of it is the same.
    pub matches: bool,
    /// How many codes were compared.
    pub compared: usize,
    /// How many codes a counting token was ahead.
    pub counts_ahead: Option<u64>,
}

impl Station<'_> {
    /// Lets the token compute codes and compares them with the seed of its entry. A match is noted in the escrow. A
    /// counting token makes its next code by that, and will not make it again.
    pub fn read_back(
        &self,
        transport: &mut dyn Transport,
        entry: &Entry,
        access_key: Option<&AccessKey>,
        observer: &dyn Fn(&Event),
    ) -> Result<ReadBack, StationError> {
        let now = self.clock.now();
        let params = entry.params;
        let steps: Vec<u64> = match params {
            Params::Totp(params) => {
                let step = now.seconds() / u64::from(params.step.seconds());
                COMPARED.iter().map(|offset| step.saturating_add(*offset)).collect()
            }
            Params::Hotp(_) => vec![0],
        };
        let officer = self.officer.ok_or(StationError::OfficerNeeded)?;
        let record = officer.opener()?.open(entry, &Disclosure::new(Purpose::CompareCode))?;
        let codes = self.read_codes(transport, entry, &steps, access_key, observer)?;
        let made = Totp::new(
            &record.seed,
            TotpParams { algorithm: params.algorithm(), digits: params.digits(), ..TotpParams::default() },
        );
        let is = |code: &ReadCode, counter| made.code_of(counter).to_string() == code.text;
        let compared = codes.len();
        let (matches, counts_ahead) = match params {
            Params::Totp(_) => (codes.iter().zip(&steps).all(|(code, &step)| is(code, step)), None),
            Params::Hotp(params) => {
                let known = params.counter;
                let ahead =
                    (0..COUNTS_AHEAD).find(|ahead| codes.iter().all(|code| is(code, known.wrapping_add(*ahead))));
                (ahead.is_some(), ahead)
            }
        };
        if matches {
            let facts = Facts::new()
                .with("read_back", i64::try_from(compared).unwrap_or(i64::MAX))
                .with("at", seconds_of(now))
                .with_some("counts_ahead", counts_ahead.map(|ahead| i64::try_from(ahead).unwrap_or(i64::MAX)));
            self.escrow.note_verified(entry.id, facts)?;
        }
        Ok(ReadBack { matches, compared, counts_ahead })
    }

    /// Codes as the token on the other end of `transport` computes them, for an entry of its.
    fn read_codes(
        &self,
        transport: &mut dyn Transport,
        entry: &Entry,
        steps: &[u64],
        access_key: Option<&AccessKey>,
        observer: &dyn Fn(&Event),
    ) -> Result<Vec<ReadCode>, StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        observer(&Event::Identified(token.clone()));
        token.expect(Some(&entry.identity.serial))?;
        let key = self.access_key(token.driver(), &token.info, access_key)?;
        let order = Asked { slot: &entry.identity.slot, params: entry.params, steps };
        Ok(order.of(transport, &token, key.as_ref(), observer)?)
    }

    /// Codes as the token on the other end of `transport` computes them, of a slot that the escrow need not know.
    pub fn codes_of_token(
        &self,
        transport: &mut dyn Transport,
        slot: &Slot,
        params: Params,
        steps: &[u64],
        access_key: Option<&AccessKey>,
        observer: &dyn Fn(&Event),
    ) -> Result<(Identified, Vec<ReadCode>), StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        let key = self.access_key(token.driver(), &token.info, access_key)?;
        let codes = Asked { slot, params, steps }.of(transport, &token, key.as_ref(), observer)?;
        Ok((token, codes))
    }
}

/// What is asked of a token.
struct Asked<'a> {
    slot: &'a Slot,
    params: Params,
    steps: &'a [u64],
}

impl Asked<'_> {
    fn of(
        &self,
        transport: &mut dyn Transport,
        token: &Identified,
        access_key: Option<&AccessKey>,
        observer: &dyn Fn(&Event),
    ) -> Result<Vec<ReadCode>, oathburn_token::TokenError> {
        let progress = |progress| observer(&Event::Token(progress));
        let order = CodesOrder {
            serial: &token.info.serial,
            slot: self.slot,
            params: self.params,
            steps: self.steps,
            access_key,
            progress: &progress,
        };
        token.driver().read_codes(transport, &order)
    }
}
