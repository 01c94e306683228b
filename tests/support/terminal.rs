//! A terminal with somebody before it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::Desk;

pub(crate) const CTRL_C: &str = "\x03";

/// A terminal, as seen by the person before it, and from inside.
pub(crate) struct Terminal {
    pub(crate) keyboard: File,
    inside: File,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let keyboard: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        // Kept open, so that the terminal stays as the program left it.
        let inside = OpenOptions::new().read(true).write(true).open(name).unwrap();
        Self { keyboard: keyboard.into(), inside }
    }

    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.inside).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Reads until this is on the screen, and the program waits for an answer without echo.
    pub(crate) fn wait_for(&mut self, question: &str) {
        let mut screen = Vec::new();
        while !String::from_utf8_lossy(&screen).contains(question) {
            let mut bytes = [0; 256];
            let len = self.keyboard.read(&mut bytes).unwrap();
            screen.extend(&bytes[..len]);
        }
        while self.echoes() {
            std::thread::yield_now();
        }
    }

    /// The program as the foreground of this terminal.
    pub(crate) fn command(&self, desk: &Desk, arguments: &[&str]) -> Command {
        let program = desk.command(arguments);
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(arguments).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let end = || Stdio::from(self.inside.try_clone().unwrap());
        command.env("PATH", "/usr/bin:/bin").stdin(end()).stdout(end()).stderr(end());
        command
    }

    /// Starts the program, answers its questions, and returns its exit code.
    pub(crate) fn run(&mut self, desk: &Desk, arguments: &[&str], answers: &[(&str, &str)]) -> Option<i32> {
        let mut program = self.command(desk, arguments).spawn().unwrap();
        for (question, answer) in answers {
            self.wait_for(question);
            self.keyboard.write_all(answer.as_bytes()).unwrap();
        }
        program.wait().unwrap().code()
    }
}
