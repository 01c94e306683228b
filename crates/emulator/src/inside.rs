//! The process inside the namespaces: the service, the readers and the cards.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use oathburn_emulator::{Bench, EmulatorError, PrivatePcscd};
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
    let driver = cli.driver.as_deref().ok_or_else(|| EmulatorError::DriverMissing { path: "--driver".into() })?;
    let mut service = PrivatePcscd::new(folder, driver, cli.readers)?;
    service.start()?;
    let socket = service.socket();
    let bench = Bench::with_service(service, cli.readers);
    let control = folder.join("control.sock");
    let listener = serve::listen(&control)?;
    say(&json!({ "ready": true, "socket": socket, "control": control, "readers": bench.reader_names() }));
    serve::until_the_end(bench, Some(listener));
    Ok(ExitCode::SUCCESS)
}
