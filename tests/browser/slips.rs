//! Slips with verification codes, on paper.

use std::process::Command;

use data_encoding::BASE64;
use serde_json::json;

use crate::chrome::{Browser, there_is_one};
use crate::office::{ADMIN, Colleague, Office};

/// More than fit on three sheets.
const SLIPS: usize = 17;

#[test]
fn slips_are_printed_whole_and_alone() {
    if !there_is_one() {
        return;
    }
    let office = Office::open(0);
    let mut browser = Browser::open(&office.url);
    Colleague::begin(&mut browser, ADMIN, &office.enrolment).finish(&mut browser, "Stations");
    // Some slips are longer than others.
    let place = |number: usize| "Hall with a name that goes on and on, ".repeat(number % 4);
    let row = |number: usize| format!("00-1A-2B-3C-4D-{number:02X},\"{}no. {number}\"\n", place(number));
    let rows = (1..=SLIPS).map(row).collect::<Vec<_>>().concat();
    browser.go("/stations/add", "Add stations");
    browser.attach("File", &browser.file("stations.csv", &format!("MAC ID,Location\n{rows}")));
    browser.press("Upload", "Stations");
    browser.tick(&format!("All {SLIPS} stations of this list"));
    browser.press("Make codes", "Verification codes");
    let codes = browser.texts("td.code");
    browser.press("Print slips", "Slips");
    let sheets: Vec<_> = ["A4", "Letter"].into_iter().flat_map(|paper| sheets(&browser, paper)).collect();
    let mut printed = Vec::new();
    for (place, sheet) in sheets.iter().enumerate() {
        let count = |text: &str| sheet.matches(text).count();
        let slips = count("Verification code");
        for part in ["Example AG", "Location", "MAC ID", "Good until", "oathburn station provision"] {
            assert_eq!(count(part), slips, "{part} of {slips} slips on one sheet:\n{sheet}");
        }
        let is_last = place + 1 == sheets.len() / 2 || place + 1 == sheets.len();
        assert!(slips > 2 || is_last, "paper is wasted:\n{sheet}");
        for of_the_screen in ["Back to all stations", "Print this page", "Skip to content", "Sign out"] {
            assert_eq!(count(of_the_screen), 0, "{sheet}");
        }
        printed.extend(codes.iter().filter(|code| sheet.contains(*code)));
    }
    assert_eq!(printed.len(), 2 * SLIPS);
    // Read at arm's length.
    let size = "return parseFloat(getComputedStyle(document.querySelector('.slip .code')).fontSize) / 96 * 72";
    browser.cdp("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    assert!(browser.script(size, Vec::new()).as_f64().unwrap() >= 20.0);
    browser.has_no_complaint();
}

/// The texts of the sheets that come out of a printer.
fn sheets(browser: &Browser, paper: &str) -> Vec<String> {
    // Inches.
    let (width, height) = if paper == "A4" { (8.27, 11.69) } else { (8.5, 11.0) };
    let pdf = browser.cdp("Page.printToPDF", &json!({ "paperWidth": width, "paperHeight": height }));
    let file = browser.file(&format!("{paper}.pdf"), "");
    std::fs::write(&file, BASE64.decode(pdf["data"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
    if let Some(folder) = std::env::var_os("OATHBURN_PAPER") {
        std::fs::copy(&file, std::path::Path::new(&folder).join(format!("{paper}.pdf"))).unwrap();
    }
    let text = Command::new("pdftotext").args(["-layout", &file, "-"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    text.split('\u{c}').filter(|sheet| !sheet.trim().is_empty()).map(ToOwned::to_owned).collect()
}
