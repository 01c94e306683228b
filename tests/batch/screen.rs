//! What the operator sees on a terminal.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::Desk;
use crate::support::terminal::{CTRL_C, Terminal};

/// Whatever is to be seen is seen before that.
const PATIENCE: Duration = Duration::from_mins(1);

/// A batch on a terminal, and somebody who reads along.
struct Watched {
    terminal: Terminal,
    child: Child,
    shown: Receiver<Vec<u8>>,
    /// What was shown since the last thing that was waited for.
    text: String,
}

impl Watched {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let terminal = Terminal::new();
        let mut command = terminal.command(desk, &[&["batch"], arguments].concat());
        let child = command.env("TERM", "xterm").spawn().unwrap();
        let (sender, shown) = channel();
        let mut keyboard = terminal.keyboard.try_clone().unwrap();
        // Read on and on: a program whose terminal nobody reads stands still.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = keyboard.read(&mut bytes) {
                if sender.send(bytes[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { terminal, child, shown, text: String::new() }
    }

    /// Reads until this is on the screen; what was shown before it.
    fn see(&mut self, wanted: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.text.find(wanted) {
                let rest = self.text.split_off(at + wanted.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let Ok(bytes) = self.shown.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                panic!("{wanted:?} is not in {:?}", self.text)
            };
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.terminal.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Its exit code.
    fn end(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // After a failure it would wait for tokens for good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const BELL: &str = "\x07";

#[test]
fn the_screen_says_what_to_do_and_rings() {
    let desk = Desk::new(1);
    let mut screen = Watched::start(&desk, &["run", "--count", "3"]);
    screen.see("3 tokens, whichever come");
    screen.see("Burn 3 tokens? [y/N]");
    screen.press("y\n");
    screen.see("press the next token's button and lay it on");
    screen.see("0/3");
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    screen.see("1/3 for stock: 8659622000001 (OTPC-P2-i)");
    screen.see(BELL);
    screen.see("take the token off");
    desk.lab().insert(0, "fido").unwrap();
    screen.see("no programmable token");
    screen.see(BELL);
    screen.see("take the token off");
    // A burn that breaks is said with the line that waits for it.
    desk.lab().fault(0, "tear-after ins=C5").unwrap();
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    screen.see("8659622000002 is not finished, line 2 waits for it");
    screen.see(BELL);
    desk.lab().insert(0, "token 8659622000002").unwrap();
    screen.see("2/3 for stock: 8659622000002");
    screen.see("take the token off");
    desk.lab().insert(0, "token2-single serial=8659622000003").unwrap();
    screen.see("3/3 for stock: 8659622000003");
    screen.see("finished: 3 done, 0 failed, 0 left");
    assert_eq!(screen.end(), 0);
    assert!(screen.terminal.echoes(), "the terminal was left without echo");
}

#[test]
fn a_code_is_asked_for_and_ctrl_c_leaves_the_terminal_whole() {
    let desk = Desk::new(1);
    let mut screen = Watched::start(&desk, &["run", "--count", "2", "--yes", "--verify"]);
    screen.see("lay it on");
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    screen.see("type the code it shows");
    screen.press("12345\n");
    screen.see("That is not its code.");
    let code = desk.lab().display(0).unwrap();
    screen.press(&format!("{code}\n"));
    screen.see("the display shows the right code");
    screen.see("take the token off");
    screen.press(CTRL_C);
    screen.see("interrupted: 1 done, 0 failed, 1 left");
    assert_eq!(screen.end(), 130);
    assert!(screen.terminal.echoes(), "the terminal was left without echo");
}
