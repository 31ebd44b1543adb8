//! [`Keeper`]: sees to it that there is a supervisor, and a connection to it.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::mailbox::{Mailbox, Message};
use super::system_clock;
use crate::daemon::Input;
use crate::scheduler::Event;
use crate::supervisor::{Incoming, Link, start_detached};

/// First pause after a failed connection; it doubles up to [`PAUSE_LIMIT`].
const PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between two tries to reach or start a supervisor.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);

/// Runs beside the loop until the daemon goes down.
pub(super) struct Keeper {
    pub(super) mailbox: Mailbox,
    /// The supervisor's socket.
    pub(super) socket: PathBuf,
    pub(super) state_dir: PathBuf,
    /// Whether this daemon starts the supervisor itself; otherwise systemd does, and the keeper waits for it.
    pub(super) starts_supervisor: bool,
}

/// Ends the keeper when dropped or used.
pub(super) type Stop = mpsc::Sender<Wakeup>;

/// Why the keeper wakes up.
pub(super) enum Wakeup {
    /// The connection is gone.
    Closed(String),
    /// The daemon goes down.
    Stop,
}

impl Keeper {
    /// Begins to keep the connection.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(self) -> io::Result<(Stop, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel();
        let stop = sender.clone();
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || self.run(&sender, &receiver))?;
        Ok((stop, thread))
    }

    fn run(self, sender: &mpsc::Sender<Wakeup>, receiver: &mpsc::Receiver<Wakeup>) {
        let mut pause = PAUSE;
        let mut told = String::new();
        loop {
            let reason = match self.connect(sender) {
                Ok(link) => {
                    pause = PAUSE;
                    told.clear();
                    if !self.mailbox.send(Message::SupervisorConnected(Box::new(link))) {
                        return;
                    }
                    match receiver.recv() {
                        Ok(Wakeup::Closed(reason)) => reason,
                        Ok(Wakeup::Stop) | Err(_) => return,
                    }
                }
                Err(reason) => reason,
            };
            if reason != told && !self.mailbox.send(Message::SupervisorLost { reason: reason.clone() }) {
                return;
            }
            told = reason;
            match receiver.recv_timeout(pause) {
                Ok(Wakeup::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Ok(Wakeup::Closed(_)) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            pause = (pause * 2).min(PAUSE_LIMIT);
        }
    }

    /// Connects to the supervisor that there is, or starts one.
    fn connect(&self, sender: &mpsc::Sender<Wakeup>) -> Result<Link, String> {
        let first = match self.try_connect(sender) {
            Ok(link) => return Ok(link),
            Err(reason) => reason,
        };
        if !self.starts_supervisor {
            return Err(first);
        }
        let program = std::env::current_exe().map_err(|fault| format!("cannot find the jobsd program: {fault}"))?;
        start_detached(&program, &self.state_dir, &self.socket).map_err(in_words)?;
        self.try_connect(sender)
    }

    fn try_connect(&self, sender: &mpsc::Sender<Wakeup>) -> Result<Link, String> {
        // The monotonic clock orders engines of one boot, and a supervisor lives within one.
        let generation = u64::try_from(system_clock::now().monotonic.as_duration().as_nanos()).unwrap_or(u64::MAX);
        let mailbox = self.mailbox.clone();
        let closed = sender.clone();
        let deliver = move |incoming| match incoming {
            Incoming::Report(report) => {
                mailbox.send(Message::Input(Input::Event(Event::Report(report), None)));
            }
            // The keeper may be gone already: the daemon goes down.
            Incoming::Closed(fault) => drop(closed.send(Wakeup::Closed(in_words(fault)))),
        };
        Link::connect(&self.socket, generation, deliver).map_err(in_words)
    }
}

/// An error and its causes, in one line.
fn in_words(fault: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(fault))
}
