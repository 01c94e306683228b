//! Holds a store's write lock until its input ends: `cargo run -p oathburn-escrow --example hold -- FILE`.
//!
//! Another program at work on the same store, for tests of what is said then. One line on stdout says that it holds it.
#![expect(clippy::print_stdout, reason = "whoever started it waits for the line")]

use std::error::Error;

use rusqlite::Connection;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("give the store's file")?;
    let connection = Connection::open(file)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    println!("held");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(connection.execute_batch("ROLLBACK")?)
}
