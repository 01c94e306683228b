//! The wires to a token: PC/SC readers.
