//! The chip's antenna: its field, the card in it, and what was agreed with that card.

use std::time::Duration;

use zeroize::Zeroizing;

use super::frame::MAX_DATA;
use crate::{Activation, Card, Reply};

/// Status bytes of the commands that talk to a card.
pub(super) mod status {
    pub(crate) const DONE: u8 = 0x00;
    /// The card has not answered in time.
    pub(crate) const TIMEOUT: u8 = 0x01;
    /// More data than the chip has room for.
    pub(crate) const OVERFLOW: u8 = 0x0e;
    /// A command that needs a target, and there is none.
    pub(crate) const NO_TARGET: u8 = 0x27;
    /// Beside a status: this is not all yet.
    pub(crate) const MORE: u8 = 0x40;
}

/// How long the chip waits for a card before it says that there was no answer: three times the 5 ms which our cards
/// ask for.
pub(super) const WAITING_TIME: Duration = Duration::from_millis(15);

/// The longest command in pieces: an extended APDU (ISO/IEC 7816-3, section 12.1.3).
const MAX_COMMAND: usize = 7 + 65_535 + 2;

/// The number of the first target, which is the only one: no two cards lie on one reader.
pub(super) const TARGET: u8 = 1;

/// What came of a piece of conversation with the card.
pub(super) enum Outcome {
    /// A status and data, so much later.
    Said(Duration, Vec<u8>),
    /// The status that there was no answer.
    Nothing,
}

#[derive(Default)]
pub(super) struct Antenna {
    card: Option<Box<dyn Card>>,
    is_on: bool,
    /// What the card said when it became the target. It stops to be one when it leaves, or when another lies there.
    target: Option<Activation>,
    /// Whether the target was activated for ISO/IEC 14443-4, and was not deselected since.
    is_active: bool,
    /// Pieces of a command that is not whole yet.
    command: Zeroizing<Vec<u8>>,
    /// What the host has not fetched yet of a long answer.
    answer: Vec<u8>,
}

impl Antenna {
    pub(super) fn has_card(&self) -> bool {
        self.card.is_some()
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn has_target(&self) -> bool {
        self.target.is_some()
    }

    /// Lays a card there, instead of the one before.
    pub(super) fn place(&mut self, mut card: Box<dyn Card>) {
        self.take_away();
        if self.is_on {
            card.power_on();
        }
        self.card = Some(card);
    }

    /// Takes the card away. The chip does not notice, it still has its target.
    pub(super) fn take_away(&mut self) {
        if let Some(mut card) = self.card.take() {
            card.power_off();
        }
        self.is_active = false;
    }

    pub(super) fn switch(&mut self, on: bool) {
        if on == self.is_on {
            return;
        }
        self.is_on = on;
        self.is_active = false;
        match &mut self.card {
            Some(card) if on => card.power_on(),
            Some(card) => card.power_off(),
            None => {}
        }
    }

    /// Looks for a card of type A and makes it the target, if it is the wanted one.
    pub(super) fn find(&mut self, wanted: &[u8], for_apdus: bool) -> Option<Activation> {
        self.release();
        self.switch(true);
        let card = self.card.as_mut()?;
        let found = card.activation();
        if !wanted.is_empty() && without_cascade_tags(wanted) != found.uid {
            return None;
        }
        card.reset();
        self.is_active = for_apdus;
        self.target = Some(found.clone());
        Some(found)
    }

    /// Ends the conversation with the target; it stays known.
    pub(super) fn deselect(&mut self) {
        if let Some(card) = self.active_card() {
            card.reset();
        }
        self.is_active = false;
        self.command.clear();
        self.answer.clear();
    }

    /// Ends the conversation with the target and forgets it.
    pub(super) fn release(&mut self) {
        self.deselect();
        self.target = None;
    }

    /// Takes up the conversation with the target anew; `false` when it does not answer.
    pub(super) fn select_again(&mut self) -> bool {
        let Some(target) = self.target.clone() else { return false };
        self.find(&target.uid, true).is_some()
    }

    /// Whether the target still answers.
    pub(super) fn is_present(&mut self) -> bool {
        self.active_card().is_some()
    }

    /// Sends a command to the target, or a piece of one, or fetches the next piece of the answer.
    pub(super) fn exchange(&mut self, data: &[u8], more: bool) -> Outcome {
        if self.target.is_none() {
            return said(status::NO_TARGET);
        }
        if data.is_empty() && !more && !self.answer.is_empty() {
            return Outcome::Said(Duration::ZERO, self.next_piece());
        }
        self.answer.clear();
        if self.command.len() + data.len() > MAX_COMMAND {
            self.command.clear();
            return said(status::OVERFLOW);
        }
        self.keep(data);
        if more {
            return if self.is_present() { said(status::DONE) } else { Outcome::Nothing };
        }
        let command = std::mem::take(&mut self.command);
        let Some(card) = self.active_card() else { return Outcome::Nothing };
        let (delay, answer) = match card.transmit(&command) {
            Reply::Answer(answer) => (Duration::ZERO, answer),
            Reply::Late(delay, answer) => (delay, answer),
            Reply::Silence => return Outcome::Nothing,
            Reply::Gone => {
                // It has lost its power already.
                self.card = None;
                self.is_active = false;
                return Outcome::Nothing;
            }
        };
        self.answer = answer;
        Outcome::Said(delay, self.next_piece())
    }

    /// Grows by copying, so that no piece stays behind in memory that was given back.
    fn keep(&mut self, data: &[u8]) {
        let mut whole = Zeroizing::new(Vec::with_capacity(self.command.len() + data.len()));
        whole.extend_from_slice(&self.command);
        whole.extend_from_slice(data);
        self.command = whole;
    }

    fn next_piece(&mut self) -> Vec<u8> {
        let rest = self.answer.split_off(self.answer.len().min(MAX_DATA));
        let piece = std::mem::replace(&mut self.answer, rest);
        let status = if self.answer.is_empty() { status::DONE } else { status::MORE };
        [vec![status], piece].concat()
    }

    /// The card, if it is the one that was activated.
    fn active_card(&mut self) -> Option<&mut dyn Card> {
        let target = self.target.as_ref()?;
        let card = self.card.as_mut().filter(|card| self.is_active && card.activation() == *target)?;
        Some(card.as_mut())
    }
}

fn said(status: u8) -> Outcome {
    Outcome::Said(Duration::ZERO, vec![status])
}

/// Identifiers of seven and ten bytes are asked for as they are sent over the air, with `88` before each part but the
/// last (ISO/IEC 14443-3, section 6.5.4).
fn without_cascade_tags(uid: &[u8]) -> Vec<u8> {
    match uid {
        [0x88, rest @ ..] if uid.len() == 8 => rest.to_vec(),
        [0x88, first @ .., _, _, _, _, _, _, _, _] if uid.len() == 12 && uid[4] == 0x88 => [first, &uid[5..]].concat(),
        _ => uid.to_vec(),
    }
}
