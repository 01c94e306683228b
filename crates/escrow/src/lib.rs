//! Sealed custody of seeds in SQLite: whoever burns need not be able to read.
