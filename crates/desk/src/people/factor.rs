//! The second factor: a TOTP seed that lies in the escrow, as those of tokens do, and leaves it for a comparison only.

use oathburn_escrow::{Disclosure, Entry, EscrowError, Facts, Origin, Programmed, Purpose, Reservation};
use oathburn_formats::{FormatError, KeyUri, QrCode};
use oathburn_oath::{Seed, SerialNumber, TokenRecord, Totp, TotpParams, Window, find_code};
use zeroize::Zeroizing;

use super::Account;
use crate::{Desk, DeskError};

/// How many steps of 30 s a phone's clock may be off, either way.
const STEPS: u32 = 1;
/// The length of a seed, in bytes (RFC 4226, section 4: 160 bits).
const SEED: usize = 20;

/// A second factor that was just made: shown once, to whom it belongs.
pub(crate) struct NewFactor {
    /// The escrow's entry.
    pub(crate) entry: String,
    /// A drawing for an app's camera.
    pub(crate) qr: Zeroizing<String>,
    /// The same as text, in groups, for who types it.
    pub(crate) text: Zeroizing<String>,
}

/// Makes a seed and seals it. It counts when a code of it was seen.
pub(crate) fn make(desk: &Desk, account: &Account) -> Result<NewFactor, DeskError> {
    let seed = Seed::generate(SEED).map_err(|_| EscrowError::Random)?;
    let record = TokenRecord {
        identity: Entry::desk_login_of(&serial(account)),
        params: TotpParams::default().into(),
        seed: seed.clone(),
        manufacturer: None,
        model: None,
        upn: None,
        issuer: None,
    };
    let text = grouped(&seed.to_base32());
    let uri = KeyUri {
        issuer: Some(desk.settings().organisation.clone()),
        account: Some(account.name.clone()),
        seed,
        algorithm: None,
        digits: None,
        step: None,
        counter: None,
    };
    let qr = QrCode::new(&uri.to_uri()).map_err(|_: FormatError| DeskError::Broken)?.to_inline_svg();
    let reservation = Reservation { record: &record, origin: Origin::Generated, batch: None };
    let entry = desk.escrow.acting_for(&account.name).reserve(&reservation)?;
    Ok(NewFactor { entry: entry.to_string(), qr, text })
}

/// The time step of a code that holds now; the one after the last that was used, or a later one.
pub(crate) fn step_of(
    desk: &Desk,
    account: &Account,
    entry: &str,
    code: &str,
    what: &str,
) -> Result<Option<u64>, DeskError> {
    let entry = desk.escrow.entry(entry)?;
    if entry.identity != Entry::desk_login_of(&serial(account)) || !entry.state.is_live() {
        return Ok(None);
    }
    let disclosure = Disclosure { facts: Facts::new().with("deed", what), ..Disclosure::new(Purpose::CompareCode) };
    let record = desk.opener.acting_for(&account.name).open(&entry, &disclosure)?;
    let params = record.params.totp().map_err(|_| DeskError::Broken)?;
    let totp = Totp::new(&record.seed, params);
    let now = desk.now();
    let offsets = find_code(&totp, code, now, Window::around(STEPS));
    let steps = offsets.into_iter().filter_map(|offset| totp.step_at(now).checked_add_signed(offset));
    Ok(steps.filter(|step| *step > account.last_step).min())
}

/// Notes that somebody has it on their phone; what they had before is superseded.
pub(crate) fn keep(desk: &Desk, account: &Account, entry: &str) -> Result<(), DeskError> {
    let escrow = desk.escrow.acting_for(&account.name);
    let id = escrow.entry(entry)?.id;
    Ok(escrow.mark_programmed(id, &Programmed::default())?)
}

/// Takes out of use whatever there is of somebody's second factor.
pub(crate) fn retire(desk: &Desk, by: &str, account: &Account) -> Result<(), DeskError> {
    let escrow = desk.escrow.acting_for(by);
    for entry in escrow.find(&Entry::desk_login_of(&serial(account)))? {
        if entry.state.is_live() {
            escrow.retire(entry.id, None)?;
        }
    }
    Ok(())
}

fn serial(account: &Account) -> SerialNumber {
    SerialNumber::new(&account.number).expect("numbers are written in hexadecimal digits")
}

/// In groups of four, as people type it.
fn grouped(base32: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(base32.len() * 2));
    for (index, letter) in base32.trim_end_matches('=').chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}
