//! Whether people can use a page: axe-core's rules, colours in the light and in the dark, and a narrow screen.

use serde_json::{Value, json};

use crate::chrome::{Browser, axe};

/// The width of a small telephone.
const NARROW: u32 = 360;

/// Which parts a page has, one beside the other: pages of one shape are judged once.
const SHAPE: &str = r"
    const parts = new Set();
    for (const one of document.body.querySelectorAll('*')) {
        if (one.closest('.qr') && !one.matches('.qr')) continue;
        parts.add([one.parentElement.tagName, one.tagName, one.className, one.id, one.type || '', one.name || ''].join(' '));
    }
    return document.querySelector('h1').textContent.replace(/[0-9]+/g, '0') + Array.from(parts).sort().join();";

const RUN: &str = r"
    const [rules, done] = arguments;
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const only = rules.length ? { type: 'rule', values: rules } : { type: 'tag', values: tags };
    const why = (node) => node.any.concat(node.all, node.none).map((check) => (check.data && check.data.messageKey) || check.id);
    axe.run(document, { runOnly: only, resultTypes: ['violations', 'incomplete'], preload: false }).then(
        (result) => done({ rules: result.passes.length, found: result.violations.map((one) =>
            one.id + ': ' + one.help + '\n' + one.nodes.map((node) => '  ' + node.html + '\n  ' + node.failureSummary).join('\n')),
            unsure: result.incomplete.flatMap((one) => one.nodes.map((node) => ({ rule: one.id, why: why(node), html: node.html }))) }),
        (error) => done({ rules: 0, found: [String(error)], unsure: [] }));";

/// What of a page changes with its colours alone.
const OF_COLOURS: &[&str] = &["color-contrast", "link-in-text-block"];
/// What changes with its width.
const OF_WIDTH: &[&str] = &["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"];

/// What axe-core leaves to people to judge, with what they found: the rule, and why it is not sure.
const JUDGED_BY_EYE: &[(&str, &str)] = &[];

/// What does not fit on a narrow screen, or cannot be reached there.
const TOO_WIDE: &str = r"
    const found = [], width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) found.push('the page is ' + document.documentElement.scrollWidth + ' wide');
    for (const one of document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary, h1, p, dd')) {
        const box = one.getBoundingClientRect();
        if (box.width === 0 || one.matches('.skip')) continue;
        if (box.left < -0.5 || box.right > width + 0.5) {
            found.push(one.outerHTML.slice(0, 120) + ' from ' + box.left + ' to ' + box.right);
        }
    }
    return found;";

impl Browser {
    /// Judges the page, unless one of the same shape was judged before.
    pub(crate) fn judge(&mut self) {
        let shape = self.script(SHAPE, Vec::new());
        if !self.judged.insert(shape.as_str().unwrap().to_owned()) {
            return;
        }
        self.obeys("in the light", &[]);
        self.colours("dark");
        self.obeys("in the dark", OF_COLOURS);
        self.narrow();
        for wide in self.script(TOO_WIDE, Vec::new()).as_array().unwrap() {
            self.findings.push(format!("{} on a narrow screen: {wide}", self.address()));
        }
        self.obeys("in the dark, on a narrow screen", &[]);
        self.colours("light");
        self.obeys("in the light, on a narrow screen", OF_WIDTH);
        self.wide();
    }

    /// axe-core finds nothing: by all of its rules, or by some.
    fn obeys(&mut self, how: &str, rules: &[&str]) {
        if self.script("return typeof axe", Vec::new()) == "undefined" {
            let axe = std::fs::read_to_string(axe()).unwrap();
            self.script(&axe, Vec::new());
        }
        let result = self.script_to_end(RUN, vec![json!(rules)]);
        let page = format!("{} {how}", self.address());
        let found = result["found"].as_array().unwrap().iter();
        self.findings.extend(found.map(|one| format!("{page}: {}", one.as_str().unwrap())));
        for unsure in result["unsure"].as_array().unwrap() {
            let known = |why: &Value| JUDGED_BY_EYE.iter().any(|(rule, known)| unsure["rule"] == *rule && why == known);
            if !unsure["why"].as_array().unwrap().iter().any(known) {
                self.findings.push(format!("{page}: nobody has judged {unsure}"));
            }
        }
        // A judge that looks at nothing finds nothing.
        assert!(!rules.is_empty() || result["rules"].as_u64().unwrap() > 10, "{result}");
    }

    /// Which colours the browser's user likes.
    pub(crate) fn colours(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", &features);
    }

    /// The screen of a telephone.
    pub(crate) fn narrow(&self) {
        let size = json!({ "width": NARROW, "height": 740, "deviceScaleFactor": 1, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn wide(&self) {
        self.cdp("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    /// Nothing was found on any page that was judged.
    pub(crate) fn has_no_finding(&self) {
        assert!(
            self.findings.is_empty(),
            "{} things on {} pages:\n{}",
            self.findings.len(),
            self.judged.len(),
            self.findings.join("\n\n")
        );
    }

    /// What the browser complained of, but for pages that say what was refused.
    pub(crate) fn has_no_complaint(&self) {
        let refused = |complaint: &Value| {
            let text = complaint["message"].as_str().unwrap_or_default();
            complaint["source"] == "network" && text.contains("the server responded with a status of 4")
        };
        let complaints: Vec<_> = self.complaints().into_iter().filter(|one| !refused(one)).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
