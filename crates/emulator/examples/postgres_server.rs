//! A PostgreSQL server of its own for `cargo xtask bench`, with an empty database for each name that is given: it prints a JSON
//! object with their addresses, and serves until its input ends.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::io::Read as _;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, SUPERUSER, Stop};

fn main() -> Result<(), Box<dyn Error>> {
    let server = PrivatePostgres::start_new(PostgresOptions::default())?;
    server.sql(SUPERUSER, "alter system set shared_buffers = '256MB'")?;
    server.stop(Stop::Fast)?;
    server.start()?;
    let mut addresses = serde_json::Map::new();
    for name in std::env::args().skip(1) {
        server.database(&name, SUPERUSER)?;
        let (socket, port) = (server.socket_folder().display(), server.port());
        addresses.insert(name.clone(), format!("postgres://{SUPERUSER}@/{name}?host={socket}&port={port}").into());
    }
    println!("{}", serde_json::Value::from(addresses));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
