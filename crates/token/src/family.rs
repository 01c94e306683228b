//! Families: one wire protocol each, in a static table.

use oathburn_oath::{Algorithm, Digits, FamilyId, TimeStep};

use crate::{ClockOrder, Model, Order, TokenError, TokenInfo, Transport};

/// What tokens of a family can be programmed to do.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// The longest seed in bytes that is written as it is.
    pub max_seed_len: usize,
    /// Hashes.
    pub algorithms: &'static [Algorithm],
    /// Lengths of a code.
    pub digits: &'static [Digits],
    /// Time steps; empty when any will do.
    pub time_steps: &'static [TimeStep],
    /// How many numbered slots; 1 for a single-profile token.
    pub slots: u8,
    /// Whether codes can be read back over the wire, so that a burn proves itself.
    pub reads_codes: bool,
    /// Whether the token has a clock that can be read and set.
    pub has_clock: bool,
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
}

/// Every family there is.
pub static FAMILIES: &[&dyn TokenFamily] = &[&crate::Token2Single];

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
