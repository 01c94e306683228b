//! Where the lines of a run come from.

use oathburn_escrow::BatchId;
use oathburn_oath::{Seed, SerialNumber};
use oathburn_token::TokenInfo;

use super::{BatchOptions, Prescribed};

/// The batches of a run: one that is known, or more and more of them, as whoever gives them out goes on.
pub trait Supply: Sync {
    /// The batches whose lines may be begun now, in the order in which they are to be. It is asked for every token.
    fn batches(&self) -> Vec<OpenBatch>;

    /// The seed that is prescribed for a line, if it is at hand.
    fn seed(&self, batch: BatchId, line: u32) -> Option<Seed>;

    /// Whether lines are burned with these seeds only, and none is ever made here.
    fn prescribes_all(&self) -> bool {
        false
    }

    /// Whether a batch is or was one of these: what was done for it is not done once more.
    fn knows(&self, batch: BatchId) -> bool;

    /// Whether more batches may come. As long as they may, a run does not end for lack of lines.
    fn may_grow(&self) -> bool;

    /// Something happened to a line or its batch: whoever counts lines counts them again.
    fn changed(&self, batch: BatchId);

    /// Whether a token of which the escrow here knows nothing is known to be in use elsewhere. It is asked while the
    /// token waits.
    fn is_in_use(&self, token: &TokenInfo) -> bool;

    /// A token came for which there is no line: more may be wanted, or one for this very token. Whether some may have come
    /// meanwhile; the token waits for the answer.
    fn wanted(&self, serial: &SerialNumber) -> bool;

    /// Whether nobody has said whether there is a line elsewhere for a token that is refused: whoever gives lines out does not
    /// answer.
    fn is_unanswered(&self, _: &SerialNumber) -> bool {
        false
    }
}

/// A batch whose lines may be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// Which batch.
    pub id: BatchId,
    /// How its lines are burned.
    pub options: BatchOptions,
}

/// One batch, and nothing else.
#[derive(Debug)]
pub struct OneBatch<'a> {
    /// What is burned, and how.
    pub batch: OpenBatch,
    /// Seeds of lines that prescribe one, as far as they are at hand.
    pub prescribed: &'a Prescribed,
}

impl Supply for OneBatch<'_> {
    fn batches(&self) -> Vec<OpenBatch> {
        vec![self.batch.clone()]
    }

    fn seed(&self, _: BatchId, line: u32) -> Option<Seed> {
        self.prescribed.get(&line).cloned()
    }

    fn knows(&self, batch: BatchId) -> bool {
        batch == self.batch.id
    }

    fn may_grow(&self) -> bool {
        false
    }

    fn changed(&self, _: BatchId) {}

    fn is_in_use(&self, _: &TokenInfo) -> bool {
        false
    }

    fn wanted(&self, _: &SerialNumber) -> bool {
        false
    }
}
