//! Files in, files out: what a seed file is, and what it says.
