//! The work: burn one token, escrow first, and prove that it worked.
