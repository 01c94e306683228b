//! The inner process, in namespaces if there is a service: the service, the readers and the cards.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use oathburn_emulator::{Bench, EmulatorError, Pn532Port, PrivatePcscd};
use serde_json::json;

use crate::cli::Cli;
use crate::{say, serve};

pub(crate) fn run(cli: &Cli, folder: &Path) -> Result<ExitCode, EmulatorError> {
    let result = serve_bench(cli, folder);
    if cli.remove {
        // The one who would miss it removes it too, if this fails.
        let _ = fs::remove_dir_all(folder);
    }
    result
}

fn serve_bench(cli: &Cli, folder: &Path) -> Result<ExitCode, EmulatorError> {
    let service = if cli.slots() > 0 { Some(service(cli, folder)?) } else { None };
    let socket = service.as_ref().map(PrivatePcscd::socket);
    let port = |number| Pn532Port::new(&folder.join(format!("nfc{number}")));
    let bench = Bench::new(service, (0..cli.nfc).map(port).collect::<Result<_, _>>()?);
    let control = folder.join("control.sock");
    let listener = serve::listen(&control)?;
    let nfc: Vec<_> = bench.connstrings().iter().map(|connstring| json!({ "connstring": connstring })).collect();
    say(&json!({
        "ready": true, "socket": socket, "control": control, "readers": bench.reader_names(), "nfc": nfc,
    }));
    serve::until_the_end(bench, Some(listener));
    Ok(ExitCode::SUCCESS)
}

fn service(cli: &Cli, folder: &Path) -> Result<PrivatePcscd, EmulatorError> {
    let driver = cli.driver.as_deref().ok_or_else(|| EmulatorError::DriverMissing { path: "--driver".into() })?;
    let mut service = PrivatePcscd::new(folder, driver, cli.slots())?;
    service.start()?;
    Ok(service)
}
