//! A wire whose answers are foreign bytes, and what went over it.

use oathburn_token::{Transport, TransportError};

/// An answer is a length and so many bytes; the length 255 stands for a wire that fails as the next byte says.
pub(crate) struct Wire<'a> {
    answers: &'a [u8],
    /// Every command, and its answer if one came.
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A command and the whole answer to it, joined as ISO/IEC 7816-3, section 12.2.1, has it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// `None`: no answer came.
    pub(crate) status: Option<u16>,
}

impl Step {
    /// The instruction.
    pub(crate) fn ins(&self) -> u8 {
        self.command[1]
    }

    /// Whether the token said that it was done.
    pub(crate) fn done(&self) -> bool {
        self.status == Some(0x9000)
    }
}

impl<'a> Wire<'a> {
    pub(crate) fn new(answers: &'a [u8]) -> Self {
        Self { answers, log: Vec::new() }
    }

    /// What happened, one step a command of the driver.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (command, answer) in &self.log {
            let (data, status) = match answer.as_deref().and_then(|answer| answer.split_last_chunk::<2>()) {
                Some((data, status)) => (data, Some(u16::from_be_bytes(*status))),
                None => (&[][..], None),
            };
            match steps.last_mut() {
                // GET RESPONSE, or the same command with another Le.
                Some(last) if command[1] == 0xc0 || last.status.is_some_and(|status| status >> 8 == 0x6c) => {
                    last.data.extend_from_slice(data);
                    last.status = status;
                }
                _ => steps.push(Step { command: command.clone(), data: data.to_vec(), status }),
            }
        }
        steps
    }

    fn answer(&mut self) -> Result<Vec<u8>, TransportError> {
        let (&length, rest) = self.answers.split_first().ok_or(TransportError::Removed)?;
        if length == 0xff {
            let (&how, rest) = rest.split_first().unwrap_or((&0, &[]));
            self.answers = rest;
            return Err(match how % 6 {
                0 => TransportError::Removed,
                1 => TransportError::Reset,
                2 => TransportError::Timeout { seconds: 5 },
                3 => TransportError::ReaderLost,
                4 => TransportError::TooLong { len: usize::from(how) },
                _ => TransportError::Failed { detail: "as the fuzzer wants".into() },
            });
        }
        let (answer, rest) = rest.split_at(usize::from(length).min(rest.len()));
        self.answers = rest;
        Ok(answer.to_vec())
    }
}

impl Transport for Wire<'_> {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(c_apdu.len() >= 4, "a command has four bytes at least");
        let answer = self.answer();
        self.log.push((c_apdu.to_vec(), answer.clone().ok()));
        answer
    }
}
