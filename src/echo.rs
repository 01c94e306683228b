//! A question without echo: whatever ends it, the terminal gets its echo back.

use std::fs::OpenOptions;
use std::io;
use std::process;
use std::thread::{self, JoinHandle};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::{Handle, Signals};

use crate::exit::Exit;

/// From here until it is dropped, SIGTERM gives the terminal its settings back before it ends the program.
pub(crate) struct Echo {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn keep() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut signals = Signals::new([SIGTERM])?;
        let handle = signals.handle();
        let thread = thread::spawn(move || {
            if signals.forever().next().is_some() {
                // Whether it worked can be told to nobody.
                let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
                process::exit(i32::from(Exit::Interrupted as u8));
            }
        });
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do, and cannot have panicked.
            let _ = thread.join();
        }
    }
}
