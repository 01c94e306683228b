//! Emulated tokens and readers for tests, demo and training.
