//! What somebody does on a page: fields are found by their labels, and buttons and links by what stands on them.

use std::time::{Duration, Instant};

use fantoccini::Locator;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use serde_json::{Value, json};

use crate::chrome::Browser;

/// How long anything may take before the walk has failed.
const PATIENCE: Duration = Duration::from_secs(40);

impl Browser {
    /// Waits for something. Each look takes the time of a question to the browser.
    pub(crate) fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = probe() {
                return found;
            }
            assert!(Instant::now() < end, "waited in vain for {what}");
            let _ = self.runtime.block_on(self.client.title());
        }
    }

    /// Opens a page of the desk by its address.
    pub(crate) fn go(&mut self, path: &str, title: &str) {
        self.runtime.block_on(self.client.goto(&format!("{}{path}", self.origin))).unwrap();
        self.landed(title);
    }

    /// Presses a button, or follows a link, and comes to a page.
    pub(crate) fn press(&mut self, name: &str, title: &str) {
        self.press_in("body", name, title);
    }

    /// The same within a part of the page.
    pub(crate) fn press_in(&mut self, part: &str, name: &str, title: &str) {
        let control = self.control(part, name);
        self.leaving(title, |browser| browser.runtime.block_on(control.click()).unwrap());
    }

    /// Presses what only opens a part of the page.
    pub(crate) fn press_and_stay(&self, name: &str) {
        self.runtime.block_on(self.control("main", name).click()).unwrap();
    }

    /// Does something that leads to another page.
    pub(crate) fn leaving(&mut self, title: &str, leave: impl FnOnce(&Self)) {
        let before = self.find(Locator::Css("html"));
        leave(self);
        self.until("another page", || self.runtime.block_on(before.tag_name()).is_err().then_some(()));
        self.landed(title);
    }

    /// Presses what brings a file, and stays on the page.
    pub(crate) fn download(&self, name: &str, file: &str) -> Vec<u8> {
        self.runtime.block_on(self.control("main", name).click()).unwrap();
        self.downloaded(file)
    }

    fn landed(&mut self, title: &str) {
        let heading = self.until("a page", || self.try_find(Locator::Css("h1")));
        assert_eq!(self.runtime.block_on(heading.text()).unwrap(), title);
        let name = self.runtime.block_on(self.client.title()).unwrap();
        assert_eq!(name, format!("{title} · oathburn"));
        if self.judges {
            self.judge();
        }
    }

    /// A button or a link.
    pub(crate) fn control(&self, part: &str, name: &str) -> Element {
        let part = self.find(Locator::Css(part));
        let path = format!(".//*[self::button or self::a or self::summary][normalize-space()={}]", quoted(name));
        let found = self.runtime.block_on(part.find(Locator::XPath(&path)));
        found.unwrap_or_else(|error| panic!("there is no {name}: {error}"))
    }

    /// A field, by its label.
    pub(crate) fn field(&self, label: &str) -> Element {
        let label = quoted(label);
        let path = format!(
            "//*[@aria-label={label}] | //*[@id=//label[normalize-space()={label}]/@for] | //label[normalize-space()={label}]//input"
        );
        self.find(Locator::XPath(&path))
    }

    /// Types into a field, instead of what stands there.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let field = self.field(label);
        self.runtime.block_on(async {
            field.clear().await.unwrap();
            field.send_keys(text).await.unwrap();
        });
    }

    /// Chooses a file.
    pub(crate) fn attach(&self, label: &str, file: &str) {
        self.runtime.block_on(self.field(label).send_keys(file)).unwrap();
    }

    /// Ticks a box, or lifts a tick.
    pub(crate) fn tick(&self, label: &str) {
        self.runtime.block_on(self.field(label).click()).unwrap();
    }

    /// Chooses in a list.
    pub(crate) fn choose(&self, label: &str, option: &str) {
        self.runtime.block_on(self.field(label).select_by_label(option)).unwrap();
    }

    pub(crate) fn find(&self, what: Locator<'_>) -> Element {
        let found = self.runtime.block_on(self.client.find(what));
        found.unwrap_or_else(|error| panic!("there is no {what:?}: {error}"))
    }

    /// An element that may not be there, also while another page comes.
    pub(crate) fn try_find(&self, what: Locator<'_>) -> Option<Element> {
        self.runtime.block_on(self.client.find(what)).ok()
    }

    /// What a part of the page says.
    pub(crate) fn text(&self, part: &str) -> String {
        self.runtime.block_on(self.find(Locator::Css(part)).text()).unwrap()
    }

    /// What the parts of the page say.
    pub(crate) fn texts(&self, parts: &str) -> Vec<String> {
        let found = self.runtime.block_on(self.client.find_all(Locator::Css(parts))).unwrap();
        found.iter().map(|one| self.runtime.block_on(one.text()).unwrap()).collect()
    }

    /// The page says this.
    pub(crate) fn says(&self, text: &str) {
        let all = self.text("body");
        assert!(all.contains(text), "{text:?} is not on the page:\n{all}");
    }

    /// The error on the page has this code.
    pub(crate) fn refused(&self, code: &str) {
        assert_eq!(self.text(".problem code"), code);
    }

    /// Runs a script in the page, whose rules do not hold for it.
    pub(crate) fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.runtime
            .block_on(self.client.execute(script, arguments))
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same, which ends when it calls its last argument.
    pub(crate) fn script_to_end(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.runtime.block_on(self.client.execute_async(script, arguments)).unwrap()
    }

    pub(crate) fn source(&self) -> String {
        self.runtime.block_on(self.client.source()).unwrap()
    }

    pub(crate) fn address(&self) -> String {
        self.runtime.block_on(self.client.current_url()).unwrap().to_string()
    }

    /// Back and forward.
    pub(crate) fn back(&self) {
        self.moved(self.runtime.block_on(self.client.back()));
    }

    pub(crate) fn forward(&self) {
        self.moved(self.runtime.block_on(self.client.forward()));
    }

    fn moved(&self, result: Result<(), CmdError>) {
        result.unwrap();
        self.until("a page", || self.try_find(Locator::Css("body")));
    }

    /// A picture for the README, where one was asked for: `cargo xtask screenshots`.
    pub(crate) fn picture(&self, name: &str, height: u32) {
        if std::env::var_os("OATHBURN_PICTURES").is_none() {
            return;
        }
        let size = json!({ "width": 1100, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
        self.script("window.scrollTo(0, 0); document.activeElement.blur();", Vec::new());
        let png = self.runtime.block_on(self.client.screenshot()).unwrap();
        self.cdp("Emulation.clearDeviceMetricsOverride", &json!({}));
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

/// A text within `XPath`.
fn quoted(text: &str) -> String {
    assert!(!text.contains('"'), "{text}");
    format!("\"{text}\"")
}
