//! `oathburn escrow compact`

use clap::Args;
use oathburn_escrow::Depth;
use serde_json::json;

use super::members;
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// Merge the small sessions that many burns leave, so that all seeds are searched fast
///
/// Each burn begins a sealing session of its own, whose key has to be unwrapped before its seeds are searched. An officer
/// seals them anew under one session, each one opened and verified before. What an interrupted change of the roster left
/// is finished, too. Others can burn meanwhile; it can be interrupted at any moment.
#[derive(Args, Debug)]
pub(crate) struct Compact {}

impl Compact {
    pub(crate) fn run(self, context: &Context) -> Result {
        let Self {} = self;
        let custodian = context.escrow()?.custodian(context.officer()?)?;
        let renewed = members::renew(context, &custodian, Depth::Merge)?;
        let (mut json, mut text) = (json!({}), String::new());
        members::put_renewed(&mut json, &mut text, &renewed);
        Ok(Outcome::new(json, text).ending(members::exit(&renewed)))
    }
}
