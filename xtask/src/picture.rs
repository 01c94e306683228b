//! `cargo xtask picture`: the picture of a terminal in the README, from a real run.

use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use anstyle::RgbColor;
use anstyle_svg::{Term, WIN10_CONSOLE};

use crate::demo::Stage;
use crate::failure::{Failure, While as _};
use crate::paint::Paint;
use crate::{place, setup};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::usage("picture takes no arguments"));
    }
    setup::ensure()?;
    let canvas = Canvas::default();
    let mut stage = Stage::set(Box::new(canvas.clone()), Paint::ON)?;
    stage.prepare(&["escrow", "init", "--plain-identity"])?;
    stage.play(&["readers"])?;
    stage.play(&["burn", "--generate", "--upn", "ada@example.org"])?;
    let code = stage.compare()?;
    stage.play(&["verify", "--code", &code])?;
    let file = place::root().join("docs/demo.svg");
    fs::write(&file, svg(canvas.text().trim())).while_doing(format_args!("write {}", file.display()))?;
    println!("{} is new", file.display());
    Ok(())
}

/// Dark in both themes of a web page.
fn svg(text: &str) -> String {
    let paper = RgbColor(0x1e, 0x1e, 0x2a).into();
    let ink = RgbColor(0xdc, 0xdc, 0xe4).into();
    Term::new().palette(WIN10_CONSOLE).bg_color(paper).fg_color(ink).min_width_px(0).render_svg(text)
}

/// A screen that somebody looks at afterwards.
#[derive(Clone, Default)]
struct Canvas(Arc<Mutex<Vec<u8>>>);

impl Canvas {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panics while drawing")).into_owned()
    }
}

impl Write for Canvas {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while drawing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_gives_the_same_picture() {
        let picture = svg("\u{1b}[1m$ oathburn\u{1b}[0m <readers> & more");
        assert_eq!(picture, svg("\u{1b}[1m$ oathburn\u{1b}[0m <readers> & more"));
        assert!(picture.contains("&lt;readers&gt; &amp; more") && picture.contains("bold"), "{picture}");
    }
}
