//! Readers as places where tokens are laid.

use std::time::Duration;

use oathburn_oath::Remedy;
use oathburn_reader::{Reader, ReaderError, ReaderSelector};
use oathburn_station::{Place, Trouble, TroubleKind};
use oathburn_token::Transport;

use crate::context::Context;
use crate::failure::Failure;

/// A reader that is opened again when it, or its service, was away.
pub(in crate::commands) struct ReaderPlace {
    selector: ReaderSelector,
    timeout: Option<Duration>,
    reader: Option<Reader>,
}

/// The readers that are named, or else all that are connected.
pub(in crate::commands) fn places(context: &Context) -> Result<Vec<ReaderPlace>, Failure> {
    let named = context.globals.reader.iter().map(|text| text.parse()).collect::<Result<Vec<ReaderSelector>, _>>()?;
    let selectors = if named.is_empty() {
        let selectors: Vec<_> = oathburn_reader::readers()?.into_iter().map(|info| info.selector).collect();
        if selectors.is_empty() {
            return Err(ReaderError::NoReader.into());
        }
        selectors
    } else {
        named
    };
    let mut places: Vec<ReaderPlace> = Vec::with_capacity(selectors.len());
    for selector in selectors {
        let mut place = ReaderPlace { selector, timeout: context.globals.timeout, reader: None };
        place.selector = place.open()?.selector().clone();
        if places.iter().any(|other| other.selector == place.selector) {
            let message = format!("the reader {} is named twice", place.selector);
            return Err(Failure::usage(message, "name each reader once with --reader"));
        }
        places.push(place);
    }
    Ok(places)
}

impl ReaderPlace {
    /// What the reader is called.
    pub(in crate::commands) fn name(&self) -> String {
        self.selector.to_string()
    }

    fn open(&mut self) -> Result<&Reader, ReaderError> {
        let reader = if let Some(reader) = self.reader.take() {
            reader
        } else {
            let reader = oathburn_reader::open(Some(&self.selector))?;
            match self.timeout {
                Some(timeout) => reader.with_timeout(timeout),
                None => reader,
            }
        };
        Ok(self.reader.insert(reader))
    }

    /// Does something with the reader; a reader that fails is opened anew the next time.
    fn with<T>(&mut self, job: impl FnOnce(&Reader) -> Result<T, ReaderError>) -> Result<T, Trouble> {
        let result = self.open().and_then(job);
        result.map_err(|error| {
            let trouble = trouble(&error);
            if trouble.kind == TroubleKind::Away {
                self.reader = None;
            }
            trouble
        })
    }
}

impl Place for ReaderPlace {
    fn wait_for_token(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Trouble> {
        self.with(|reader| reader.wait_for_token(None, interrupted))
    }

    fn wait_for_removal(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Trouble> {
        self.with(|reader| reader.wait_for_removal(None, interrupted))
    }

    fn connect(&mut self) -> Result<Box<dyn Transport>, Trouble> {
        self.with(|reader| Ok(Box::new(reader.connect()?) as Box<dyn Transport>))
    }
}

fn trouble(error: &ReaderError) -> Trouble {
    let kind = match error {
        // The token left before the conversation began: there is nothing to be done but wait for the next.
        ReaderError::Interrupted | ReaderError::NoToken { .. } | ReaderError::TokenStays { .. } => {
            TroubleKind::Interrupted
        }
        ReaderError::TokenMute { .. } | ReaderError::TokenProtocol { .. } => TroubleKind::TakeOff,
        _ => TroubleKind::Away,
    };
    Trouble { kind, code: error.code(), message: error.to_string(), remedy: error.remedy() }
}
