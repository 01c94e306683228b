//! A conversation, and the watchdog over it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use oathburn_token::{Transport, TransportError};
use zeroize::Zeroizing;

use crate::{Activation, ReaderError};

/// An exclusive conversation with the token on a reader; dropping it ends it and resets the token.
///
/// A failure ends it for good: every later command fails at once with the same error, because the token that answers
/// then might be another one.
pub struct Conversation {
    /// `None` when it is being dropped, which ends the worker.
    requests: Option<Sender<Zeroizing<Vec<u8>>>>,
    answers: Receiver<Result<Vec<u8>, TransportError>>,
    timeout: Duration,
    activation: Activation,
    max_command: usize,
    failed: Option<TransportError>,
}

/// The other end of a conversation, in the thread that owns the wire.
pub(crate) struct Line {
    ready: Sender<Result<Activation, ReaderError>>,
    requests: Receiver<Zeroizing<Vec<u8>>>,
    answers: Sender<Result<Vec<u8>, TransportError>>,
}

impl Line {
    /// Reports who the token is, or why there is no conversation. `false` when nobody waits any more.
    pub(crate) fn ready(&self, activation: Result<Activation, ReaderError>) -> bool {
        self.ready.send(activation).is_ok()
    }

    /// Answers every command until the conversation is dropped.
    pub(crate) fn serve(&self, mut transmit: impl FnMut(&[u8]) -> Result<Vec<u8>, TransportError>) {
        for c_apdu in &self.requests {
            let answer = transmit(&c_apdu);
            drop(c_apdu);
            if self.answers.send(answer).is_err() {
                break;
            }
        }
    }
}

impl Conversation {
    /// Runs `worker` in a thread of its own and waits until it is ready. The wire's calls cannot be interrupted, so
    /// a worker that does not answer in `timeout` is left to itself; `silent` is the error when that happens already
    /// at the beginning.
    pub(crate) fn begin(
        timeout: Duration,
        silent: ReaderError,
        worker: impl FnOnce(Line) + Send + 'static,
    ) -> Result<Self, ReaderError> {
        let (ready, readiness) = channel();
        let (requests, inbox) = channel();
        let (outbox, answers) = channel();
        let line = Line { ready, requests: inbox, answers: outbox };
        thread::Builder::new()
            .name("reader".into())
            .spawn(move || worker(line))
            .map_err(|error| ReaderError::Failed { detail: format!("no thread for the reader: {error}") })?;
        let activation = match readiness.recv_timeout(timeout) {
            Ok(ready) => ready?,
            Err(RecvTimeoutError::Timeout) => return Err(silent),
            Err(RecvTimeoutError::Disconnected) => return Err(ReaderError::Failed { detail: ENDED.into() }),
        };
        let max_command = MAX_COMMAND;
        Ok(Self { requests: Some(requests), answers, timeout, activation, max_command, failed: None })
    }

    /// The same conversation, over a wire that carries no longer commands than this.
    #[cfg(feature = "libnfc")]
    pub(crate) fn carrying(mut self, max_command: usize) -> Self {
        self.max_command = max_command;
        self
    }

    /// What the token said when it was powered (ISO/IEC 7816-3, section 8). A contactless reader makes it up from
    /// the token's ATS (PC/SC part 3, section 3.1.3.2.3).
    pub fn atr(&self) -> &[u8] {
        &self.activation.atr
    }

    /// How the token introduced itself over the air. A PC/SC reader is asked for it with the commands of PC/SC part 3,
    /// section 3.2.2.1.3, which go to the reader; one that does not know them, or no contactless one, leaves it open.
    pub fn activation(&mut self) -> Result<&Activation, TransportError> {
        if self.activation.uid.is_none() {
            self.activation.uid = self.ask_reader(0x00)?.filter(|uid| matches!(uid.len(), 4 | 7 | 10));
        }
        if self.activation.uid.is_some() && self.activation.ats.is_none() {
            self.activation.ats = self.ask_reader(0x01)?;
        }
        Ok(&self.activation)
    }

    /// GET DATA of PC/SC part 3.
    fn ask_reader(&mut self, what: u8) -> Result<Option<Vec<u8>>, TransportError> {
        let mut r_apdu = self.transmit(&[0xff, 0xca, what, 0x00, 0x00])?;
        let done = r_apdu.ends_with(&[0x90, 0x00]) && r_apdu.len() > 2;
        r_apdu.truncate(r_apdu.len() - 2);
        Ok(done.then_some(r_apdu))
    }

    fn ask(&self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        let ended = || TransportError::Failed { detail: ENDED.into() };
        let requests = self.requests.as_ref().expect("taken only by drop");
        requests.send(Zeroizing::new(c_apdu.to_vec())).map_err(|_| ended())?;
        match self.answers.recv_timeout(self.timeout) {
            // A token that left in the middle of a command leaves an answer without a status word.
            Ok(Ok(r_apdu)) if r_apdu.len() < 2 => Err(TransportError::Removed),
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = self.timeout.as_secs() + u64::from(self.timeout.subsec_nanos() > 0);
                Err(TransportError::Timeout { seconds })
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }
}

/// What is said when the thread is gone, which is a mistake of ours or of a library.
const ENDED: &str = "its thread ended unexpectedly";

/// The longest command that PC/SC carries: the long form of ISO/IEC 7816-4, section 5.1.
const MAX_COMMAND: usize = 4 + 3 + 65_535 + 2;

impl Transport for Conversation {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if c_apdu.len() > self.max_command {
            return Err(TransportError::TooLong { len: c_apdu.len() });
        }
        let answer = self.ask(c_apdu);
        if let Err(error) = &answer {
            tracing::debug!(%error, "the conversation failed");
            self.failed = Some(error.clone());
        }
        answer
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.requests = None;
        // The worker closes its side when the token is reset: whoever connects next finds it so.
        if !matches!(self.failed, Some(TransportError::Timeout { .. })) {
            let _closed = self.answers.recv_timeout(self.timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    fn begin(timeout: Duration, worker: impl FnOnce(Line) + Send + 'static) -> Result<Conversation, ReaderError> {
        Conversation::begin(timeout, ReaderError::ReaderBusy { reader: "A".into() }, worker)
    }

    fn conversation(
        timeout: Duration,
        transmit: impl FnMut(&[u8]) -> Result<Vec<u8>, TransportError> + Send + 'static,
    ) -> Conversation {
        begin(timeout, move |line| {
            assert!(line.ready(Ok(Activation { atr: vec![0x3b, 0x80], ..Activation::default() })));
            line.serve(transmit);
        })
        .unwrap()
    }

    #[test]
    fn commands_are_answered_in_order() {
        let mut conversation = conversation(LONG, |c_apdu| Ok([c_apdu, &[0x90, 0]].concat()));
        assert_eq!(conversation.atr(), [0x3b, 0x80]);
        for byte in 0..=255 {
            assert_eq!(conversation.transmit(&[byte]).unwrap(), [byte, 0x90, 0]);
        }
    }

    #[test]
    fn a_silent_token_costs_the_timeout_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (_never, silence) = channel::<()>();
        let mut conversation = conversation(LONG, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            silence.recv().ok();
            Ok(vec![0x90, 0])
        });
        conversation.timeout = Duration::from_millis(1);
        let timeout = Err(TransportError::Timeout { seconds: 1 });
        assert_eq!(conversation.transmit(&[1]), timeout);
        // Now it would wait for ever, if it asked again.
        conversation.timeout = Duration::MAX;
        assert_eq!(conversation.transmit(&[2]), timeout);
        drop(conversation);
        assert!(asked.load(Ordering::SeqCst) <= 1);
    }

    #[test]
    fn an_answer_without_a_status_word_is_a_removal() {
        for answer in [vec![], vec![0x90]] {
            let mut answers = vec![vec![0x90, 0], answer];
            let mut conversation = conversation(LONG, move |_| Ok(answers.pop().expect("not asked any more")));
            assert_eq!(conversation.transmit(&[1]), Err(TransportError::Removed));
            assert_eq!(conversation.transmit(&[1]), Err(TransportError::Removed));
        }
    }

    #[test]
    fn a_command_that_is_too_long_is_not_sent_and_ends_nothing() {
        let mut conversation = conversation(LONG, |_| Ok(vec![0x90, 0]));
        let len = MAX_COMMAND + 1;
        assert_eq!(conversation.transmit(&vec![0; len]), Err(TransportError::TooLong { len }));
        assert_eq!(conversation.transmit(&vec![0; MAX_COMMAND]).unwrap(), [0x90, 0]);
    }

    #[test]
    fn a_worker_that_ends_is_no_silence() {
        let failed = TransportError::Failed { detail: ENDED.into() };
        let mut conversation = begin(LONG, |line| assert!(line.ready(Ok(Activation::default())))).unwrap();
        assert_eq!(conversation.transmit(&[1]), Err(failed));
        let failed = ReaderError::Failed { detail: ENDED.into() };
        assert_eq!(begin(LONG, drop).err(), Some(failed));
        let error = ReaderError::NoToken { reader: "A".into() };
        let report = error.clone();
        assert_eq!(begin(LONG, move |line| assert!(line.ready(Err(report)))).err(), Some(error));
    }

    #[test]
    fn a_worker_that_is_ready_too_late_is_told_so() {
        let (go, wait) = channel::<()>();
        let (told, heard) = channel();
        let busy = begin(Duration::from_millis(1), move |line| {
            wait.recv().ok();
            told.send(line.ready(Ok(Activation::default()))).unwrap();
        });
        assert_eq!(busy.err(), Some(ReaderError::ReaderBusy { reader: "A".into() }));
        drop(go);
        assert!(!heard.recv().unwrap());
    }

    #[test]
    fn dropping_waits_for_the_end() {
        let ended = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&ended);
        let conversation = begin(LONG, move |line| {
            assert!(line.ready(Ok(Activation::default())));
            line.serve(|_| Ok(vec![]));
            mark.store(true, Ordering::SeqCst);
        });
        drop(conversation);
        assert!(ended.load(Ordering::SeqCst));
    }
}
