//! Set-up, demo, test and bench of oathburn.
fn main() {}
