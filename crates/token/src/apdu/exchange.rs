//! One command and its whole answer.

use tracing::debug;

use super::{Body, Command, Response};
use crate::{TokenError, Transport, TransportError};

/// The most bytes a chained answer may have; no family answers with more than a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The most parts it may come in, for cards that send empty ones.
const MAX_PARTS: usize = 1024;

/// Sends `command` and joins what comes back: `61xx` is followed by GET RESPONSE, `6Cxx` by the command again with
/// the right Le (ISO/IEC 7816-3, section 12.2.1). A card that never ends its answer is cut off.
///
/// The trace names the command, the length of the answer and the status word: no data that a token sent, and
/// nothing of a secret body.
pub fn exchange(transport: &mut dyn Transport, command: &Command) -> Result<Response, TokenError> {
    let class = command.header[0] & 0x03;
    let next = |more| Command { name: "GET RESPONSE", header: [class, 0xc0, 0, 0], body: Body::Empty, ne: Some(more) };
    exchange_with(transport, command, &next)
}

/// [`exchange`] for protocols that have a command of their own for the rest of an answer.
pub(crate) fn exchange_with(
    transport: &mut dyn Transport,
    command: &Command,
    next: &dyn Fn(u8) -> Command,
) -> Result<Response, TokenError> {
    let mut bytes = command.encode();
    let mut data = Vec::new();
    let mut corrected = false;
    for _ in 0..MAX_PARTS {
        let answer = transport.transmit(&bytes).map_err(|source| TokenError::Wire { command: command.name, source })?;
        let answer = Response::parse(answer)
            .ok_or(TokenError::Wire { command: command.name, source: TransportError::Removed })?;
        data.extend_from_slice(&answer.data);
        debug!(?command, answered = answer.data.len(), status = %answer.status);
        if let (Some(length), false) = (answer.status.exact_length(), corrected) {
            corrected = true;
            if command.ne.is_some() {
                bytes.pop();
            }
            bytes.push(length);
        } else if let Some(more) = answer.status.more() {
            if data.len() >= MAX_ANSWER {
                break;
            }
            bytes = next(more).encode();
        } else {
            return Ok(Response { data, status: answer.status });
        }
    }
    Err(TokenError::Garbled { command: command.name, what: "an answer without end" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StatusWord;

    /// Answers in order, and keeps what was asked.
    struct Script(Vec<Vec<u8>>, Vec<Vec<u8>>);

    impl Transport for Script {
        fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
            self.1.push(c_apdu.to_vec());
            if self.0.is_empty() { Err(TransportError::Removed) } else { Ok(self.0.remove(0)) }
        }
    }

    fn command(ne: Option<u8>) -> Command {
        Command { name: "LIST", header: [0x80, 0xa1, 0, 0], body: Body::Plain(vec![7]), ne }
    }

    #[test]
    fn chained_answers_are_joined() {
        let mut script = Script(vec![vec![1, 0x61, 2], vec![2, 3, 0x61, 0], vec![4, 0x90, 0]], vec![]);
        let response = exchange(&mut script, &command(None)).unwrap();
        assert_eq!((response.data, response.status), (vec![1, 2, 3, 4], StatusWord::DONE));
        assert_eq!(script.1[1..], [vec![0, 0xc0, 0, 0, 2], vec![0, 0xc0, 0, 0, 0]]);
    }

    #[test]
    fn a_wrong_length_is_corrected_once() {
        let mut script = Script(vec![vec![0x6c, 8], vec![5, 0x90, 0]], vec![]);
        assert_eq!(exchange(&mut script, &command(Some(0))).unwrap().data, [5]);
        assert_eq!(script.1[1], [0x80, 0xa1, 0, 0, 1, 7, 8]);
        let mut script = Script(vec![vec![0x6c, 8], vec![0x6c, 8]], vec![]);
        assert_eq!(exchange(&mut script, &command(None)).unwrap().status, StatusWord(0x6c08));
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        struct Endless(usize);
        impl Transport for Endless {
            fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
                let mut answer = vec![0; self.0];
                answer.extend([0x61, 0]);
                Ok(answer)
            }
        }
        for size in [0, 1, 256] {
            assert!(matches!(exchange(&mut Endless(size), &command(None)), Err(TokenError::Garbled { .. })));
        }
    }

    #[test]
    fn short_and_missing_answers_are_the_wires_fault() {
        for answers in [vec![vec![]], vec![vec![0x90]], vec![]] {
            let error = exchange(&mut Script(answers, vec![]), &command(None)).unwrap_err();
            assert_eq!(error, TokenError::Wire { command: "LIST", source: TransportError::Removed });
        }
    }
}
