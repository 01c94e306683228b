//! How programmable OATH tokens speak: one driver per family, bytes in, bytes out.
