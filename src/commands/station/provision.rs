//! `oathburn station provision`

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use clap::Args;
use oathburn_desk::client::{
    ClientError, Connection, DeskUrl, Followed, LetIn, OwnStation, Pin, Progress, ProxyUrl, Trust, mac_id, provision,
};
use oathburn_desk::protocol::StationStatus;
use oathburn_desk::stations::{MacId, StationState};
use oathburn_oath::UnixTime;
use serde_json::json;
use zeroize::Zeroizing;

use super::{facts, home, is_forgotten, show, tell, text};
use crate::commands::Result;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};
use crate::prompt;

/// Make this machine a station of a desk
///
/// With a verification code from the admin the station is let in at once, and the organisation's name is shown. Without
/// one it shows a login code (--login-code), which the admin types at the desk within 15 minutes. The desk is recognised
/// by its certificate's fingerprint, which stands on the slip; without one, by who has signed the certificate. Running it
/// again does no harm: a station that its desk knows stays as it is, unless another code is given.
///
/// Exit code 7 when the code is refused, 6 when the desk cannot be reached or is not the one that was meant.
#[derive(Args, Debug)]
pub(crate) struct Provision {
    /// The desk's address, as it stands on the slip
    #[arg(long, value_name = "URL")]
    desk: String,
    /// The verification code [default: asked for]
    #[arg(long, value_name = "CODE", conflicts_with = "login_code")]
    code: Option<String>,
    /// Show a code that the admin types at the desk, and wait for it
    #[arg(long)]
    login_code: bool,
    /// The fingerprint of the desk's certificate (SHA-256): 32 to 64 hex digits
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    /// Ask the desk through this HTTP proxy, now and later: http://HOST:PORT, without a password
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// The MAC ID under which this machine is registered [default: its own]
    #[arg(long, value_name = "MAC")]
    mac: Option<String>,
    /// Stay until an admin has signed the station in
    #[arg(long)]
    wait: bool,
}

impl Provision {
    pub(crate) fn run(self, context: &Context) -> Result {
        let url: DeskUrl = self.desk.parse()?;
        let trust = match &self.fingerprint {
            Some(text) => Trust::Pinned(text.parse::<Pin>()?),
            None => Trust::System,
        };
        let proxy = self.proxy.as_deref().map(str::parse::<ProxyUrl>).transpose()?;
        let home = home(context);
        let known = home.provisioned()?;
        let own_mac = known.as_ref().map(|known| known.mac);
        let mac = match (&self.mac, own_mac) {
            (Some(text), _) => text.parse::<MacId>().map_err(ClientError::from)?,
            (None, Some(mac)) => mac,
            (None, None) => mac_id::own(Path::new("/"))?,
        };
        if let Some(known) = known.filter(|known| known.url == url && known.mac == mac) {
            if let Some(proxy) = proxy.clone() {
                // The office may have another one now.
                home.go_through(proxy)?;
            }
            let gave_code = self.code.is_some() || self.login_code;
            match OwnStation::open(home.clone()).and_then(|station| station.status(None, 0)) {
                Ok(status) if !gave_code => return self.end(context, status, known.url.as_str()),
                Err(error) if !gave_code && !is_forgotten(&error) => return Err(error.into()),
                _ => {}
            }
        }
        let how = self.how(context)?;
        let connection = Connection::through(url.clone(), trust, proxy)?;
        let status = provision(&home, &connection, mac, how, &mut |progress| match progress {
            Progress::Asking => context.talk.say(format_args!("asking {} as {mac}", url.as_str())),
            Progress::Show(shown) if context.globals.json => {
                let until = rfc3339(UnixTime::new(shown.expires_at));
                let line = json!({ "login_code": shown.code.to_string(), "expires_at": until });
                // Whoever reads this may be gone already.
                let _ = writeln!(anstream::stdout().lock(), "{line}");
            }
            Progress::Show(shown) => {
                show(context, &shown);
                context.talk.say("tell it to the admin; this station waits until it was typed");
            }
        })?;
        context.talk.step("provisioned");
        self.end(context, status, url.as_str())
    }

    /// What lets this machine in.
    fn how(&self, context: &Context) -> std::result::Result<LetIn, Failure> {
        match &self.code {
            Some(code) => Ok(LetIn::Code(Zeroizing::new(code.clone()))),
            None if self.login_code => Ok(LetIn::LoginCode),
            None if context.talk.can_ask() => {
                let typed = prompt::line("Verification code").map_err(|error| {
                    let message = format!("failed to read the verification code: {error}");
                    Failure::usage(message, "give it with --code")
                })?;
                Ok(LetIn::Code(typed))
            }
            None => Err(Failure::usage(
                "there is no verification code, and nobody to ask",
                "give it with --code, or show a login code with --login-code",
            )),
        }
    }

    fn end(&self, context: &Context, mut status: StationStatus, desk: &str) -> Result {
        if self.wait && status.state != StationState::SignedIn {
            context.talk.say(format_args!("{}", text(&status).trim_end()));
            let station = OwnStation::open(home(context))?;
            let last = station.wait_for_sign_in(&mut |followed: Followed<'_>| {
                tell(context, &followed);
                ControlFlow::Continue(())
            })?;
            status = last.unwrap_or(status);
        }
        Ok(Outcome::new(facts(&status, desk), text(&status)))
    }
}
