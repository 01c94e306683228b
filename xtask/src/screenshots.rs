//! `cargo xtask screenshots`: the pictures of the desk's pages in the README, from the walk that the tests take.

use crate::failure::{Failure, While as _};
use crate::{place, setup};

/// The test that comes by all of them.
const WALK: &str = "a_day_at_headquarters";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::usage("screenshots takes no arguments"));
    }
    setup::ensure()?;
    let mut walk = place::cargo();
    walk.args(["test", "--quiet", "--workspace", "--test", "browser", "--", WALK]);
    let status = walk.env("OATHBURN_PICTURES", "1").env("CI", "true").status().while_doing("walk")?;
    if !status.success() {
        return Err(Failure::new(format!("the walk failed: {status}")));
    }
    println!("{} has new pictures", place::root().join("docs/pictures").display());
    Ok(())
}
