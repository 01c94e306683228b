//! `t2otp SECRET`: the current code of a seed, nothing else.
fn main() {}
