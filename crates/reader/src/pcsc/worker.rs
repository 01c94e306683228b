//! The thread that owns a connection to a token.

use std::ffi::CStr;

use oathburn_token::TransportError;
use pcsc::{Card, Context, Disposition, Error, Protocols, ShareMode};
use tracing::debug;
use zeroize::Zeroize;

use super::Service;
use super::meaning::{reader_error, transport_error};
use crate::conversation::Line;
use crate::{Activation, ReaderError};

/// Holds the token in one exclusive transaction until the conversation ends. An error means that it never began.
pub(super) fn converse(service: &Service, c_name: &CStr, name: &str, line: &Line) -> Result<(), ReaderError> {
    let mut card = connect(&service.0, c_name).map_err(|error| reader_error(error, name))?;
    let end = loop {
        match card.transaction2() {
            Ok(transaction) => {
                let (mut names, mut atr) = ([0; 256], [0; pcsc::MAX_ATR_SIZE]);
                let status = transaction.status2(&mut names, &mut atr).map_err(|error| reader_error(error, name))?;
                debug!(reader = name, protocol = ?status.protocol2(), "connected");
                let activation = Activation { atr: status.atr().to_vec(), ..Activation::default() };
                let end = if line.ready(Ok(activation)) {
                    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
                    line.serve(|c_apdu| transmit(&transaction, c_apdu, &mut buffer));
                    Disposition::ResetCard
                } else {
                    Disposition::LeaveCard
                };
                break transaction.end(end).map_err(|(_, error)| error);
            }
            // Whoever held the token before us reset it when it let go: acknowledge that and go on.
            Err((card, Error::ResetCard)) => {
                debug!(reader = name, "reconnecting after a reset");
                card.reconnect(ShareMode::Shared, Protocols::T0 | Protocols::T1, Disposition::LeaveCard)
                    .map_err(|error| reader_error(error, name))?;
            }
            Err((_, error)) => return Err(reader_error(error, name)),
        }
    };
    // Whatever fails from here on is a token or a service that has gone, and with it the log-in.
    let disconnected = card.disconnect(Disposition::LeaveCard).map_err(|(_, error)| error);
    debug!(reader = name, ?end, ?disconnected, "disconnected");
    Ok(())
}

/// Connects beside others; that nobody disturbs us is the transaction's work.
fn connect(context: &Context, name: &CStr) -> Result<Card, Error> {
    let shared = || context.connect(name, ShareMode::Shared, Protocols::T0 | Protocols::T1);
    match shared() {
        // Somebody used the token in raw mode: the service keeps that until the token has been without power. Alone
        // on the reader we may do so.
        Err(Error::ProtoMismatch) => {
            debug!("protocol mismatch, switching the token off and on");
            let alone = context.connect(name, ShareMode::Exclusive, Protocols::ANY | Protocols::RAW)?;
            alone.disconnect(Disposition::UnpowerCard).map_err(|(_, error)| error)?;
            shared()
        }
        connected => connected,
    }
}

fn transmit(card: &Card, c_apdu: &[u8], buffer: &mut [u8]) -> Result<Vec<u8>, TransportError> {
    let received = card.transmit(c_apdu, buffer).map_err(transport_error)?.len();
    let answer = buffer[..received].to_vec();
    buffer[..received].zeroize();
    Ok(answer)
}
