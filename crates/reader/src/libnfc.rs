//! Readers that libnfc drives, without a service.
//!
//! libnfc may abort the process it runs in: a chip that answers one question wrongly is enough. So it runs in a process
//! of its own, the worker, which is this program started once more. A worker that dies is a reader that failed.

mod client;
mod device;
mod message;
mod port;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oathburn_token::TransportError;
use tracing::debug;

use self::client::{Client, Trouble};
use self::message::{Fault, Target};
use crate::conversation::Line;
use crate::presence::Deadline;
use crate::{Activation, Conversation, Presence, ReaderError};

#[doc(hidden)]
pub use self::message::fuzz;

/// How long a chip may take over one command to a token, unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What the worker's own deadlines need beyond that, opening the reader included.
const MARGIN: Duration = Duration::from_secs(12);

/// How long to wait for another program to let go of the reader. Who lists or watches readers has each for less than
/// that.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often an empty reader is looked at. The chip has no way to tell by itself.
const PERIOD: Duration = Duration::from_millis(100);

/// Makes this program one that can run libnfc; in a worker it never returns.
pub(crate) fn host() {
    client::host();
}

/// The connection strings of the readers that libnfc knows of.
pub(crate) fn list() -> Result<Vec<String>, ReaderError> {
    Client::list().map_err(|trouble| trouble.at("libnfc"))
}

/// The file that a connection string names, if its driver has one.
pub(crate) fn path(connstring: &str) -> Result<Option<&str>, ReaderError> {
    port::path(connstring)
}

/// Whether this names one reader, and not several by a part of their names.
pub(crate) fn is_full_name(name: &str) -> bool {
    port::is_connstring(name)
}

/// One reader. It is opened when it is first needed, and closed when this is dropped.
pub(crate) struct Reader {
    connstring: String,
    /// How long to wait for another program to let go of it. Others look at a reader for a moment only.
    patience: Duration,
    /// `None` before it is opened, after it failed, and while a conversation has it.
    client: Arc<Mutex<Option<Client>>>,
}

impl Reader {
    /// The reader of this connection string, which may not be there.
    pub(crate) fn new(connstring: &str) -> Result<Self, ReaderError> {
        port::path(connstring)?;
        Ok(Self { connstring: connstring.to_owned(), patience: PATIENCE, client: Arc::default() })
    }

    /// The same reader, for a look that can wait until another program has done.
    pub(crate) fn hasty(self) -> Self {
        Self { patience: Duration::ZERO, ..self }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Client) -> Result<T, Trouble>) -> Result<T, ReaderError> {
        let mut client = take(&self.client, &self.connstring, self.patience)?;
        let result = act(&mut client).map_err(|trouble| trouble.at(&self.connstring))?;
        // After trouble the reader must be opened anew.
        put_back(&self.client, client);
        Ok(result)
    }

    /// What lies on it, with its identifier.
    pub(crate) fn look(&self) -> Result<(Presence, Option<Vec<u8>>), ReaderError> {
        self.with(|client| {
            let (target, _) = client.look()?;
            Ok((presence(target), target.map(|target| target.uid.clone())))
        })
    }

    pub(crate) fn presence(&self) -> Result<Presence, ReaderError> {
        self.look().map(|(presence, _)| presence)
    }

    pub(crate) fn wait_for_token(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), ReaderError> {
        let found = self.wait(wait, interrupted, |presence, _| presence != Presence::Empty)?;
        if found { Ok(()) } else { Err(ReaderError::NoToken { reader: self.connstring.clone() }) }
    }

    pub(crate) fn wait_for_removal(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), ReaderError> {
        let gone = self.wait(wait, interrupted, |presence, exchanged| presence == Presence::Empty || exchanged)?;
        if gone { Ok(()) } else { Err(ReaderError::TokenStays { reader: self.connstring.clone() }) }
    }

    /// Waits until `enough`, told what lies there and whether it was exchanged since the wait began; `false` when the
    /// time is over.
    fn wait(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
        enough: impl Fn(Presence, bool) -> bool,
    ) -> Result<bool, ReaderError> {
        let deadline = Deadline::after(wait);
        let mut first = true;
        loop {
            let (presence, changed) = self.with(|client| {
                let (target, changed) = client.look()?;
                Ok((presence(target), changed))
            })?;
            if enough(presence, changed && !first) {
                return Ok(true);
            }
            first = false;
            if interrupted() {
                return Err(ReaderError::Interrupted);
            }
            let Some(piece) = deadline.piece() else { return Ok(false) };
            std::thread::sleep(piece.min(PERIOD));
        }
    }

    /// Takes the reader along into a conversation, which gives it back.
    pub(crate) fn connect(&self, timeout: Option<Duration>) -> Result<Conversation, ReaderError> {
        let (slot, name) = (Arc::clone(&self.client), self.connstring.clone());
        let timeout = timeout.unwrap_or(TIMEOUT);
        let busy = self.patience;
        let silent = ReaderError::ReaderSilent { reader: name.clone() };
        let patience = timeout.saturating_add(MARGIN);
        Ok(Conversation::begin(patience, silent, move |line| match begin(&slot, &name, busy) {
            Ok((mut client, target)) => {
                debug!(reader = name, "connected");
                if line.ready(Ok(activation(&target))) {
                    line.serve(|c_apdu| transmit(&mut client, c_apdu, timeout));
                }
                // Its end is the end of the token's session.
                let end = client.release();
                debug!(reader = name, ?end, "disconnected");
                if end.is_ok() {
                    put_back(&slot, client);
                }
            }
            Err(error) => drop(Line::ready(&line, Err(error))),
        })?
        .carrying(message::MAX_COMMAND))
    }
}

fn presence(target: Option<&Target>) -> Presence {
    if target.is_some() { Presence::Token } else { Presence::Empty }
}

fn take(slot: &Mutex<Option<Client>>, connstring: &str, patience: Duration) -> Result<Client, ReaderError> {
    // Whoever panicked had taken it out.
    let client = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    client.map_or_else(|| Client::open(connstring, patience), Ok)
}

fn put_back(slot: &Mutex<Option<Client>>, client: Client) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
}

/// The reader, and the token on it in a new session.
fn begin(slot: &Mutex<Option<Client>>, name: &str, patience: Duration) -> Result<(Client, Target), ReaderError> {
    let mut client = take(slot, name, patience)?;
    let reader = name.to_owned();
    match client.find().map_err(|trouble| trouble.at(name))?.cloned() {
        Some(target) if target.speaks_apdus() => Ok((client, target)),
        found => {
            put_back(slot, client);
            // A command would be something else to a memory card, perhaps a write.
            Err(if found.is_some() { ReaderError::TokenProtocol { reader } } else { ReaderError::NoToken { reader } })
        }
    }
}

fn transmit(client: &mut Client, c_apdu: &[u8], timeout: Duration) -> Result<Vec<u8>, TransportError> {
    let elapsed = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
    client.transmit(c_apdu, timeout).map_err(|trouble| match trouble {
        Trouble::Vanished => TransportError::ReaderLost,
        Trouble::Silent | Trouble::Libnfc(Fault::Timeout, _) => TransportError::Timeout { seconds: elapsed(timeout) },
        // The chip does not wait as long as we would; whether the token lies there still is another question.
        Trouble::Libnfc(Fault::TokenGone, _) => match client.is_present() {
            Ok(true) => TransportError::Timeout { seconds: 1 },
            Err(Trouble::Vanished) => TransportError::ReaderLost,
            _ => TransportError::Removed,
        },
        Trouble::Libnfc(_, detail) => TransportError::Failed { detail: format!("libnfc: {detail}") },
        Trouble::Died(detail) => TransportError::Failed { detail },
    })
}

impl Target {
    /// Whether it speaks ISO/IEC 14443-4, which carries commands (ISO/IEC 14443-3, table 9: bit 6 of SAK).
    fn speaks_apdus(&self) -> bool {
        self.sak & 0x20 != 0
    }
}

fn activation(target: &Target) -> Activation {
    Activation {
        atr: atr(&target.ats),
        uid: Some(target.uid.clone()),
        atqa: Some(target.atqa),
        sak: Some(target.sak),
        ats: Some(target.ats.clone()),
    }
}

/// The answer to reset that a PC/SC reader would make of an answer to select (PC/SC part 3, section 3.1.3.2.3.1).
fn atr(ats: &[u8]) -> Vec<u8> {
    // Bits 5 to 7 of the format byte announce one byte each (ISO/IEC 14443-4, section 5.2.3).
    let interface = ats.first().map_or(0, |format| (format & 0x70).count_ones() as usize);
    let historical = ats.get(1 + interface..).unwrap_or_default();
    let historical = &historical[..historical.len().min(15)];
    let mut atr = vec![0x3b, 0x80 | u8::try_from(historical.len()).unwrap_or_default(), 0x80, 0x01];
    atr.extend_from_slice(historical);
    atr.push(atr[1..].iter().fold(0, |sum, byte| sum ^ byte));
    atr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_reset_is_made_of_the_answer_to_select() {
        assert_eq!(atr(&[0x78, 0x77, 0x41, 0x02]), [0x3b, 0x80, 0x80, 0x01, 0x01]);
        assert_eq!(atr(&[]), [0x3b, 0x80, 0x80, 0x01, 0x01]);
        assert_eq!(atr(&[0x78]), [0x3b, 0x80, 0x80, 0x01, 0x01]);
        // A JCOP card: PC/SC readers show it so.
        let ats = [0x78, 0x77, 0xb1, 0x02, 0x4a, 0x43, 0x4f, 0x50, 0x76, 0x32, 0x34, 0x31];
        let expected = [0x3b, 0x88, 0x80, 0x01, 0x4a, 0x43, 0x4f, 0x50, 0x76, 0x32, 0x34, 0x31, 0x5e];
        assert_eq!(atr(&ats), expected);
        assert_eq!(atr(&[&[0x00][..], &[7; 40]].concat()).len(), 4 + 15 + 1);
    }
}
