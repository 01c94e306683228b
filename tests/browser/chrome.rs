//! A real Chromium without a screen, driven over `WebDriver` by Debian's chromedriver.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How large its window is.
pub(crate) const WIDTH: u32 = 1200;
const HEIGHT: u32 = 800;

/// A browser with a profile of its own. It is gone when this is dropped.
pub(crate) struct Browser {
    /// Browsers are large: there is one at a time.
    _alone: MutexGuard<'static, ()>,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    driver: Child,
    port: u16,
    session: String,
    /// Its profile, and what it downloads.
    folder: TempDir,
    /// Where the desk is.
    pub(crate) origin: String,
    /// Pages that were judged already, by their shape.
    pub(crate) judged: BTreeSet<String>,
    /// What was found on them.
    pub(crate) findings: Vec<String>,
    /// Whether every page that it comes to is judged.
    pub(crate) judges: bool,
}

/// Whether everything is there; what is missing is a failure in continuous integration.
pub(crate) fn there_is_one() -> bool {
    let found = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    let complete = found("chromium") && found("chromedriver") && found("pdftotext") && axe().is_file();
    assert!(
        complete || std::env::var_os("CI").is_none(),
        "no Chromium, no pdftotext or no axe-core: cargo xtask setup"
    );
    complete
}

/// Where `cargo xtask setup` puts axe-core.
pub(crate) fn axe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core/axe.min.js")
}

impl Browser {
    /// A browser for the desk at an address, with the settings that most people have.
    pub(crate) fn open(origin: &str) -> Self {
        Self::with(origin, &json!({}))
    }

    /// The same, in which no script runs.
    pub(crate) fn without_scripts(origin: &str) -> Self {
        Self::with(origin, &json!({ "profile.managed_default_content_settings.javascript": 2 }))
    }

    fn with(origin: &str, preferences: &Value) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        // Whoever failed before has left nothing behind.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("downloads")).unwrap();
        same_letters_everywhere(folder.path());
        let (driver, port) = start(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(folder.path(), preferences);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}"))).unwrap();
        let session = runtime.block_on(client.session_id()).unwrap().unwrap();
        let (origin, judged, findings) = (origin.to_owned(), BTreeSet::new(), Vec::new());
        Self { _alone: alone, runtime, client, driver, port, session, folder, origin, judged, findings, judges: false }
    }

    /// A command of the browser's own protocol (CDP).
    pub(crate) fn cdp(&self, name: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// What the browser has complained of since the last time.
    pub(crate) fn complaints(&self) -> Vec<Value> {
        self.command("se/log", &json!({ "type": "browser" })).as_array().unwrap().clone()
    }

    /// A command that is chromedriver's alone.
    fn command(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST /session/{}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.session,
            self.port,
            body.len()
        )
        .unwrap();
        // It does not close the connection: its answer is as long as it says.
        let (mut answer, mut length, mut line) = (BufReader::new(stream), 0, String::new());
        while answer.read_line(&mut line).unwrap() > 2 {
            let header = line.to_lowercase();
            length = header.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
            line.clear();
        }
        let json: Value = serde_json::from_reader(answer.take(length)).unwrap();
        assert!(json["value"]["error"].is_null(), "{path} {body}: {json}");
        json["value"].clone()
    }

    /// A file that was downloaded, once it is whole.
    pub(crate) fn downloaded(&self, name: &str) -> Vec<u8> {
        let file = self.folder.path().join("downloads").join(name);
        // It has another name until it is whole.
        self.until(&format!("{name} to be downloaded"), || file.is_file().then_some(()));
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        bytes
    }

    /// A file for somebody to choose.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Ends the browser, and says what its profile holds on the disk.
    pub(crate) fn quit(mut self) -> Vec<(PathBuf, Vec<u8>)> {
        self.runtime.block_on(self.client.clone().close()).unwrap();
        // It writes until it is gone; its driver waits for that.
        self.end();
        let profile = self.folder.path().join("profile");
        let files = crate::support::files(&profile).into_iter();
        let files: Vec<_> = files.filter_map(|file| Some((file.clone(), std::fs::read(file).ok()?))).collect();
        assert!(files.iter().any(|(file, _)| file.ends_with("History")), "that is no profile");
        files
    }

    fn end(&mut self) {
        let group = rustix::process::Pid::from_child(&self.driver);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    #[allow(clippy::print_stderr, reason = "a walk that failed says where it was")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let page = self.runtime.block_on(self.client.find(fantoccini::Locator::Css("body")));
            let text = page.and_then(|body| self.runtime.block_on(body.text())).unwrap_or_default();
            let address = self.runtime.block_on(self.client.current_url());
            eprintln!("the browser was at {address:?}:\n{text}\n");
        }
        self.end();
    }
}

/// The browser's letters, where the machine has them: pictures look the same wherever they are made.
fn same_letters_everywhere(home: &Path) {
    let alias = |name: &str, font: &str| {
        format!(
            "<match><test name=\"family\"><string>{name}</string></test><edit name=\"family\" mode=\"prepend\" binding=\"strong\"><string>{font}</string></edit></match>"
        )
    };
    let fonts =
        [("sans-serif", "Liberation Sans"), ("system-ui", "Liberation Sans"), ("monospace", "DejaVu Sans Mono")];
    let aliases: String = fonts.iter().map(|(name, font)| alias(name, font)).collect();
    let folder = home.join(".config/fontconfig");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("fonts.conf"), format!("<?xml version=\"1.0\"?><fontconfig>{aliases}</fontconfig>"))
        .unwrap();
}

/// Chromedriver, which takes a port that is free and says which.
fn start(home: &Path) -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    // The browser belongs to its group, and goes with it.
    command.args(["--port=0", "--log-level=WARNING"]).env("HOME", home).env_remove("XDG_CONFIG_HOME").process_group(0);
    let mut driver = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(driver.stdout.take().unwrap());
    let mut line = String::new();
    let port = loop {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "chromedriver does not start");
        if let Some((_, port)) = line.trim().trim_end_matches('.').split_once("successfully on port ") {
            break port.parse().unwrap();
        }
    };
    driver.stdout = Some(stdout.into_inner());
    (driver, port)
}

fn capabilities(folder: &Path, preferences: &Value) -> Value {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        format!("--user-data-dir={}", folder.join("profile").display()),
        format!("--window-size={WIDTH},{HEIGHT}"),
        // Nobody but the desk is asked.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-sync".into(),
        "--no-first-run".into(),
        // Shared memory is small in some containers.
        "--disable-dev-shm-usage".into(),
        "--force-color-profile=srgb".into(),
        "--hide-scrollbars".into(),
        "--lang=en-US".into(),
    ];
    if rustix::process::geteuid().is_root() {
        // Root has no sandbox.
        arguments.push("--no-sandbox".into());
    }
    let mut preferences = preferences.clone();
    preferences["download.default_directory"] = folder.join("downloads").to_str().unwrap().into();
    json!({
        // The desk's certificate is signed by nobody: the walk compares it.
        "acceptInsecureCerts": true,
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "args": arguments, "prefs": preferences },
    })
}
