//! Hands that have a keyboard and nothing else.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::Value;

use crate::chrome::Browser;

/// Where the keyboard is: what the element is called, and what is wrong with it as a stop.
const STOP: &str = r"
    const one = document.activeElement, faults = [];
    if (one === document.body || one === document.documentElement) return { name: '', faults };
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) faults.push('nobody sees where the keyboard is');
    if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) faults.push('it is not on the screen');
    const last = window.lastStop;
    // After the last stop comes the first one.
    if (last && !one.matches('.skip') && last.isConnected && !(last.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING)) faults.push('it comes before the stop before');
    window.lastStop = one;
    const name = one.labels && one.labels.length ? one.labels[0].textContent : one.ariaLabel || one.textContent;
    return { name: name.trim(), faults };";

/// How many stops there ought to be: of radio buttons, one for each group.
const STOPS: &str = r"
    const groups = new Set();
    return Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary'))
        .filter((one) => one.type !== 'radio' || (!groups.has(one.name) && groups.add(one.name)))
        .filter((one) => one.matches('.skip') || one.checkVisibility()).length;";

/// The first stop of every page.
const FIRST: &str = "Skip to content";

impl Browser {
    /// Presses a key.
    pub(crate) fn key(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".into()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.runtime.block_on(self.client.perform_actions(keys)).unwrap();
    }

    /// Types a text where the keyboard is, over what stands there.
    pub(crate) fn type_text(&self, text: &str) {
        let mut keys = KeyActions::new("keyboard".into());
        let control = char::from(Key::Control);
        keys = keys.then(KeyAction::Down { value: control });
        keys = keys.then(KeyAction::Down { value: 'a' }).then(KeyAction::Up { value: 'a' });
        keys = keys.then(KeyAction::Up { value: control });
        for value in text.chars() {
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.runtime.block_on(self.client.perform_actions(keys)).unwrap();
    }

    /// The next stop of the Tab key.
    fn stop(&self) -> String {
        self.key(Key::Tab);
        let stop = self.script(STOP, Vec::new());
        let name = stop["name"].as_str().unwrap().to_owned();
        assert_eq!(stop["faults"], Value::Array(Vec::new()), "{name:?} on {}", self.address());
        name
    }

    /// Presses Tab until the keyboard is at a control. Whatever lies between is seen, on the screen, and in its order.
    pub(crate) fn tab_to(&self, name: &str) {
        let mut passed = Vec::new();
        loop {
            let stop = self.stop();
            if stop == name {
                return;
            }
            let rounds = passed.iter().filter(|name| **name == FIRST).count();
            assert!(rounds < 2, "{name:?} is not among {passed:?}");
            passed.push(stop);
        }
    }

    /// Goes once through the whole page: nothing is left out, and nothing holds the keyboard.
    pub(crate) fn goes_round(&self) {
        let count = self.script(STOPS, Vec::new()).as_u64().unwrap();
        // A page may put the keyboard into its most important field.
        let first = (0..=count + 1).map(|_| self.stop()).find(|name| name == FIRST);
        let passed: Vec<_> = first.into_iter().chain((1..count).map(|_| self.stop())).collect();
        assert_eq!(passed[0], FIRST, "{passed:?}");
        assert_eq!(passed.iter().filter(|name| **name == FIRST).count(), 1, "{passed:?}");
        // The page itself may be a stop between the last one and the first one.
        let next = Some(self.stop()).filter(|name| !name.is_empty()).unwrap_or_else(|| self.stop());
        assert_eq!(next, FIRST, "{passed:?}");
    }

    /// Goes to a control and presses Enter there, which leads to another page.
    pub(crate) fn enter(&mut self, name: &str, title: &str) {
        self.tab_to(name);
        self.leaving(title, |browser| browser.key(Key::Enter));
    }

    /// Goes to a field and types.
    pub(crate) fn tab_and_type(&self, label: &str, text: &str) {
        self.tab_to(label);
        self.type_text(text);
    }
}
