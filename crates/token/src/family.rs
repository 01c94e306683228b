//! Families: one wire protocol each, in a static table.

use oathburn_oath::{FamilyId, Params, Slot};

use crate::{
    AccessKey, ActionOrder, Capabilities, ClockOrder, CodesOrder, Done, Model, Order, ReadCode, SlotInfo, Slots,
    TokenError, TokenInfo, Transport,
};

/// What a slot is to be called, where slots have names.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// What was asked for by name.
    pub slot: Option<&'a Slot>,
    /// The service.
    pub issuer: Option<&'a str>,
    /// The user.
    pub account: Option<&'a str>,
    /// How the codes are made.
    pub params: Params,
    /// What is on the token; empty where that was not asked.
    pub slots: &'a [SlotInfo],
}

/// A driver. Stateless: every call is one whole conversation. Only the family may interpret a status word.
pub trait TokenFamily: Sync {
    /// The stable name; it is stored in escrows and never changes.
    fn id(&self) -> FamilyId;

    /// Under whose name its tokens are sold, where it is one: other systems' lists ask for it.
    fn manufacturer(&self) -> Option<&'static str> {
        None
    }

    /// What its tokens can do.
    fn capabilities(&self) -> &'static Capabilities;

    /// The products known to speak this protocol.
    fn models(&self) -> Vec<Model>;

    /// Who is there? Read-only, spends no try. `None`: something that does not speak this protocol.
    fn identify(&self, transport: &mut dyn Transport) -> Result<Option<TokenInfo>, TokenError>;

    /// Whether `order` can be carried out by any token of this family, without talking to one.
    fn validate(&self, order: &Order<'_>) -> Result<(), TokenError>;

    /// Writes parameters, clock and seed, reads back what can be read, and returns what the token then says.
    fn program(&self, transport: &mut dyn Transport, order: &Order<'_>) -> Result<TokenInfo, TokenError>;

    /// Sets the clock and returns what the token then says.
    fn sync_clock(&self, transport: &mut dyn Transport, order: &ClockOrder<'_>) -> Result<TokenInfo, TokenError>;

    /// The slot for a new seed: the one that is named, or the one that the family gives to such a user. Refuses what
    /// would be read as something else.
    fn choose_slot(&self, naming: &Naming<'_>) -> Result<Slot, TokenError> {
        match (self.capabilities().slots, naming.slot) {
            (Slots::Single, None | Some(&Slot::SINGLE)) => Ok(Slot::SINGLE),
            (_, Some(slot)) => Err(TokenError::NoSuchSlot { slot: slot.clone() }),
            (_, None) => Err(TokenError::SlotNeeded),
        }
    }

    /// What is in the token's slots. Read-only; nothing for a family with a single one.
    fn slots(&self, _: &mut dyn Transport, _: Option<&AccessKey>) -> Result<Vec<SlotInfo>, TokenError> {
        Ok(Vec::new())
    }

    /// Codes that the token computes itself.
    fn read_codes(&self, _: &mut dyn Transport, _: &CodesOrder<'_>) -> Result<Vec<ReadCode>, TokenError> {
        Err(TokenError::Unable { what: "tell its codes" })
    }

    /// Changes the token in another way than by programming it.
    fn act(&self, _: &mut dyn Transport, order: &ActionOrder<'_>) -> Result<Done, TokenError> {
        Err(TokenError::Unable { what: order.action.kind().describe() })
    }
}

/// Every family there is.
pub static FAMILIES: &[&dyn TokenFamily] = &[&crate::Token2Single, &crate::Molto2, &crate::YkOath];

/// The family of this name.
pub fn family(id: &FamilyId) -> Option<&'static dyn TokenFamily> {
    FAMILIES.iter().copied().find(|family| family.id() == *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_names_of_their_own() {
        for (index, one) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[index + 1..].iter().all(|other| other.id() != one.id()));
            assert!(family(&one.id()).is_some_and(|found| found.id() == one.id()));
        }
        assert!(family(&FamilyId::new("nothing").unwrap()).is_none());
    }
}
