//! `oathburn station run`: what the desk's admins have ordered, on the readers here.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use oathburn_desk::client::{OwnStation, WorkDesk};
use oathburn_desk::remote::{
    DeskTrouble, MachineClocks, OrderObserver, RemoteDesk as _, RemoteError, RemoteEvent, RemoteHome, RemoteParts,
    RemoteWork,
};
use oathburn_desk::work::wire::LeaseRequest;
use oathburn_escrow::Escrow;
use oathburn_oath::{SerialNumber, SystemClock};
use oathburn_station::{BatchEnd, BatchEvent, BatchObserver, BatchRun, Place, Station};
use serde_json::json;

use super::{home, work_folder};
use crate::commands::Result;
use crate::commands::batch::place::{ReaderPlace, places};
use crate::commands::batch::screen::{Screen, Task};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host_clock;
use crate::output::{Outcome, printable};

/// Burn what the desk has ordered, token after token, on all readers
///
/// Lay a token on a reader, see it done, take it off, next. Lines come from the desk with their seeds, sealed to this
/// station; what becomes of them is told to the desk. Without a network it goes on with the lines at hand, as long as
/// their leases last, and tells later. Whatever ends it, the next run goes on where it ended. Whoever works here sees whom
/// and which token, never a seed. Ctrl-C gives back what was not begun. Exit code 5 when lines failed, 8 when the desk
/// does not let this station work, or when this machine's clock, which tokens are set by, is more than 10 s from the desk's.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// How many lines to have at hand, for as long as the desk is away: one for each reader at least
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=500))]
    ahead: u16,
    /// Wait for further orders when none is left
    #[arg(long)]
    stay: bool,
    /// At the end keep what was not begun for the next run, instead of giving it back
    #[arg(long)]
    keep: bool,
    /// Stop when no token was laid on for so long [default: wait for ever]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Run this command for each line that is done, with JSON on its stdin; it has 30 seconds
    #[arg(long, value_name = "CMD")]
    on_done: Option<String>,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> Result {
        let desk = WorkDesk::new(OwnStation::open(home(context))?);
        let folder = RemoteHome::open(&work_folder(context))?;
        let escrow = escrow(context, &folder, &desk)?;
        let readers = places(context)?;
        let names = readers.iter().map(ReaderPlace::name).collect();
        let station = desk.station().provisioned();
        let said = format!("station {} at {}", station.mac, printable(&station.location));
        let task = Task { event: json!({ "event": "station", "mac": station.mac }), said, lines: 0, done: 0 };
        let screen = Screen::new(context, &task, names, self.on_done.clone());
        let told = |event: &RemoteEvent<'_>| tell(&screen, event);
        let work = RemoteWork::open(RemoteParts {
            home: &folder,
            escrow: &escrow,
            key: desk.station().key(),
            desk: &desk,
            clocks: &MachineClocks,
            // A token on each reader finds a line.
            ahead: usize::from(self.ahead).max(readers.len()),
            stay: self.stay,
            told: &told,
        })?;
        match work.sync(true) {
            // What is at hand is burned without the desk.
            Err(RemoteError::Desk(trouble)) if trouble.passes && work.lines_at_hand()? > 0 => {}
            Err(RemoteError::Desk(trouble)) if trouble.passes && self.stay => {}
            Err(error @ RemoteError::ClockOff { .. }) => {
                // The desk may have given lines; where it cannot be told now, their lease ends.
                let _ = work.end(!self.keep);
                return Err(error.into());
            }
            other => other?,
        }
        host_clock::warn_unless_synchronised(context.talk);
        let counting = Counting { screen: &screen, done: AtomicU64::new(0), failed: AtomicU64::new(0) };
        let places = readers.into_iter().map(|place| Box::new(place) as Box<dyn Place>).collect();
        let (end, kept) = self.burn(context, (&escrow, &work), places, &counting);
        let told = work.end(!self.keep);
        let Counting { done, failed, .. } = counting;
        let (done, failed) = (done.into_inner(), failed.into_inner());
        let left = work.orders().iter().map(|order| order.left).sum::<u64>();
        let (untold, stopped) = (told.is_err() && !work.is_idle(), work.stopped());
        drop(work);
        let hook_failures = screen.end();
        kept?;
        Summary { end, done, failed, left, untold, hook_failures, stopped }.outcome(told)
    }

    /// The readers in threads of their own, the desk in another.
    fn burn(
        &self,
        context: &Context,
        (escrow, work): (&Escrow, &RemoteWork<'_>),
        places: Vec<Box<dyn Place>>,
        observer: &dyn BatchObserver,
    ) -> (BatchEnd, std::result::Result<(), RemoteError>) {
        let (over, broken) = (AtomicBool::new(false), Mutex::new(Ok(())));
        let failed = AtomicBool::new(false);
        let deferred = context.defer_interrupts();
        let end = thread::scope(|scope| {
            scope.spawn(|| {
                if let Err(error) = work.keep_in_step(&|| over.load(Ordering::SeqCst)) {
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    failed.store(true, Ordering::SeqCst);
                }
            });
            let run = BatchRun {
                station: Station { escrow, officer: None, models: &context.models, clock: &SystemClock },
                supply: work,
                interrupted: &|| deferred.is_interrupted() || failed.load(Ordering::SeqCst),
                patience: self.wait.map(Duration::from_secs),
            };
            let end = run.run(places, &OrderObserver { work, observer });
            over.store(true, Ordering::SeqCst);
            end
        });
        drop(deferred);
        (end, broken.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The station's own escrow. What is at hand can be burned without the desk; without it there is nothing to begin with.
fn escrow(context: &Context, folder: &RemoteHome, desk: &WorkDesk) -> std::result::Result<Escrow, Failure> {
    let who = context.writer();
    if folder.has_work()?
        && let Some(escrow) = folder.escrow(&who)?
    {
        return Ok(escrow);
    }
    let answer = desk.lease(&LeaseRequest::default()).map_err(RemoteError::Desk)?;
    Ok(folder.escrow_for(&answer.officers, &who)?)
}

fn tell(screen: &Screen, event: &RemoteEvent<'_>) {
    let trouble = |trouble: &DeskTrouble| {
        let remedy = trouble.remedy.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
        format!("{trouble}{remedy}")
    };
    let error = |trouble: &DeskTrouble| json!({ "code": trouble.code, "message": trouble.message });
    let (json, text) = match event {
        RemoteEvent::Leased { order, lines } => {
            let text = match lines {
                1 => format!("1 line of {order} has come"),
                _ => format!("{lines} lines of {order} have come"),
            };
            (json!({ "event": "lines", "order": order, "lines": lines }), text)
        }
        RemoteEvent::Closed { order, why } => (
            json!({ "event": "lines-closed", "order": order, "why": why }),
            format!("lines of {order} are closed: {why}"),
        ),
        RemoteEvent::Away(why) => {
            let text = format!("! {}; what is at hand is burned all the same, and told later", trouble(why));
            (json!({ "event": "desk-away", "error": error(why) }), text)
        }
        RemoteEvent::Back => (json!({ "event": "desk-back" }), "the desk is back".to_owned()),
        RemoteEvent::Conflict { line, serial, why } => {
            let token = serial.unwrap_or("the token");
            let text = format!("! line {line}, {token}: {why}; put the token aside and tell the admin");
            (json!({ "event": "conflict", "line": line, "serial": serial, "why": why }), text)
        }
        RemoteEvent::Stopped(why) => {
            (json!({ "event": "desk-stops", "error": error(why) }), format!("! {}", trouble(why)))
        }
    };
    screen.tell(&json, &printable(&text));
}

/// Counts what goes by.
struct Counting<'a> {
    screen: &'a Screen,
    done: AtomicU64,
    failed: AtomicU64,
}

impl BatchObserver for Counting<'_> {
    fn event(&self, reader: usize, event: &BatchEvent<'_>) {
        match event {
            BatchEvent::Done(_) => drop(self.done.fetch_add(1, Ordering::SeqCst)),
            BatchEvent::LineFailed { .. } => drop(self.failed.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        self.screen.event(reader, event);
    }

    fn ask_code(&self, reader: usize, serial: &SerialNumber, try_number: u32) -> Option<String> {
        self.screen.ask_code(reader, serial, try_number)
    }
}

/// How a run ended.
struct Summary {
    end: BatchEnd,
    done: u64,
    failed: u64,
    left: u64,
    untold: bool,
    hook_failures: u64,
    /// Why the desk does not let this station work.
    stopped: Option<DeskTrouble>,
}

impl Summary {
    fn outcome(self, told: std::result::Result<(), RemoteError>) -> Result {
        let Self { end, done, failed, left, untold, hook_failures, stopped } = self;
        let (name, how, exit) = match &end {
            BatchEnd::Finished | BatchEnd::Cancelled if failed > 0 => ("finished", "finished", Exit::LinesFailed),
            BatchEnd::Finished | BatchEnd::Cancelled => ("finished", "finished", Exit::Done),
            BatchEnd::Idle => ("idle", "stopped, no token came", Exit::NoToken),
            BatchEnd::Interrupted | BatchEnd::Stopped(_) => ("interrupted", "interrupted", Exit::Interrupted),
        };
        let json = json!({
            "event": "summary",
            "end": name,
            "done": done,
            "failed": failed,
            "left": left,
            "untold": untold,
            "hook_failures": hook_failures,
        });
        if let BatchEnd::Stopped(error) = end {
            return Err(Failure::from(*error).beside(&json));
        }
        if let Some(trouble) = stopped {
            return Err(Failure::from(RemoteError::Desk(trouble)).beside(&json));
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{how}: {done} done, {failed} failed; {left} left in the orders for this station");
        if hook_failures > 0 {
            let _ = writeln!(text, "the command of --on-done failed {hook_failures} times");
        }
        match told {
            Ok(()) => {}
            Err(RemoteError::Desk(trouble)) if trouble.passes => {
                let what = "the desk was not told of everything; run it again when it can be reached";
                let _ = writeln!(text, "{what} ({})", printable(&trouble.message));
            }
            Err(error) => return Err(Failure::from(error).beside(&json)),
        }
        Ok(Outcome::new(json, text).ending(exit))
    }
}
