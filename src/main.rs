//! The oathburn command line.
fn main() {}
