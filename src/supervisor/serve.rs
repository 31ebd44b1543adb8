//! [`serve`]: the supervisor's process, one thread around one epoll.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::attempt::{Attempt, Left, Phase};
use super::clock;
use super::engines::Engines;
use super::host::Host;
use super::instance::{Instance, InstanceError};
use super::isolate::syscalls::Filters;
use super::journal::Journal;
use super::origin::Origins;
use super::program::Program;
use super::streams::DRAIN_BYTES;
use super::token::{Key, Token};
use crate::clock::Monotonic;
use crate::machine;
use crate::run::{AttemptEnd, AttemptId, Report, StopReason};

/// Time for which a supervisor without runs, reports and engine waits for an engine: more than a restart of the engine
/// takes.
pub const LINGER: Duration = Duration::from_secs(10);

/// Events taken from the kernel at once; the others keep their turn.
const EVENTS: usize = 128;

/// Time after which writing an end to disk is tried again.
pub(super) const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// Where a supervisor works.
#[derive(Clone, Debug)]
pub struct Config {
    /// The daemon's state directory. Runs lie below `runs/` in it.
    pub state_dir: PathBuf,
    /// The socket for the engine.
    pub socket: PathBuf,
    /// Whether to stay when there is nothing to do and no engine; a service manager wants it to.
    pub stay: bool,
    /// What happens to runs that outlived the supervisor before.
    pub found_runs: FoundRuns,
}

/// What a supervisor does with the runs of one that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FoundRuns {
    /// They go on, watched to their end.
    #[default]
    Adopt,
    /// They are stopped, by their own signal and grace, as when the machine goes down.
    Stop,
}

/// Why the supervisor could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There can be one only.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The state directory cannot be used.
    #[error("cannot use the state directory {}", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused something that is always there.
    #[error("cannot {doing}")]
    Kernel {
        /// What was wanted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn kernel(doing: &'static str) -> impl Fn(Errno) -> ServeError {
    move |errno| ServeError::Kernel { doing, source: errno.into() }
}

/// The supervisor: all it has.
pub(super) struct Supervisor {
    pub host: Host,
    pub epoll: Epoll,
    pub journal: Journal,
    pub engines: Engines,
    pub attempts: BTreeMap<Key, Attempt>,
    pub by_id: HashMap<AttemptId, Key>,
    pub by_pid: HashMap<Pid, Key>,
    /// Attempts whose main process has ended.
    pub ending: BTreeSet<Key>,
    /// Those of them whose end was told and whose processes go on.
    pub left: BTreeSet<AttemptId>,
    /// Whether something happened that may have ended one of them.
    pub look_at_ending: bool,
    /// Ends that the engine has not acknowledged.
    pub ends: BTreeMap<AttemptId, End>,
    /// When to try again to write down the ends that the disk did not take.
    pub write_again_at: Monotonic,
    pub timers: BTreeSet<(Monotonic, Key)>,
    next_key: Key,
    /// Bytes on their way from a pipe to a file.
    pub buffer: Vec<u8>,
    /// What system calls of jobs go through, by what was asked for.
    pub filters: Filters,
    pub instance: Instance,
    pub origins: Origins,
    signals: SignalFd,
    mode: Mode,
    stay: bool,
    program: Program,
}

/// An end that waits for its acknowledgement.
pub(super) struct End {
    pub end: AttemptEnd,
    pub on_disk: OnDisk,
}

/// Whether an end would survive this supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDisk {
    /// It would.
    Yes,
    /// The disk did not take it.
    NotYet,
    /// The attempt has no directory, because the disk did not take that.
    Nowhere,
}

/// What the supervisor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Carrying plans to their end.
    Serving,
    /// Nothing to do since then.
    Idle {
        /// When it began.
        since: Monotonic,
    },
    /// The machine, or the unit, goes down.
    GoingDown,
}

/// Carries launch plans to their end until there is nothing to do any more, or a signal says so (SIGTERM, SIGINT).
/// `ready` is called once the socket answers.
///
/// The calling process must have one thread, and becomes the parent of every run: it changes its signal mask, its limit
/// of open files and its working directory.
///
/// # Errors
/// When another supervisor works on the state directory, or the directory or the socket cannot be used.
pub fn serve(config: &Config, ready: impl FnOnce() -> io::Result<()>) -> Result<(), ServeError> {
    let mut supervisor = Supervisor::begin(config)?;
    supervisor.take_over(config.found_runs);
    ready().map_err(|source| ServeError::Kernel { doing: "say that the supervisor is ready", source })?;
    supervisor.work()?;
    supervisor.leave();
    Ok(())
}

impl Supervisor {
    fn begin(config: &Config) -> Result<Self, ServeError> {
        let state = |source| ServeError::State { path: config.state_dir.clone(), source };
        // The lock before everything: what follows belongs to one supervisor only.
        let instance = Instance::claim(&config.state_dir, &config.socket)?;
        // Files that jobs name are theirs to open; the supervisor itself stands in nobody's way.
        let state_dir = config.state_dir.canonicalize().map_err(state)?;
        let socket_dir = match config.socket.parent() {
            Some(dir) if dir != Path::new("") => dir.canonicalize(),
            Some(_) | None => std::env::current_dir(),
        };
        let socket_dir = socket_dir.map_err(state)?;
        nix::unistd::chdir("/").map_err(kernel("enter /"))?;
        if let Err(fault) = machine::tell(&state_dir, &machine::of_this_process()) {
            tracing::warn!(%fault, "cannot write down what this machine can do; the engine takes every job file");
        }
        let host = Host::prepare(&state_dir, &socket_dir).map_err(state)?;
        let journal = Journal::open(&state_dir).map_err(state)?;
        let signals = block_signals()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(kernel("make an epoll"))?;
        let watch = |fd: &dyn AsFd, token: Token| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token.encode());
            epoll.add(fd.as_fd(), event).map_err(kernel("watch a descriptor"))
        };
        watch(&signals, Token::Signals)?;
        watch(instance.listener(), Token::Listener)?;
        Ok(Self {
            host,
            epoll,
            journal,
            engines: Engines::default(),
            attempts: BTreeMap::new(),
            by_id: HashMap::new(),
            by_pid: HashMap::new(),
            ending: BTreeSet::new(),
            left: BTreeSet::new(),
            look_at_ending: false,
            write_again_at: Monotonic::from_duration(Duration::ZERO),
            ends: BTreeMap::new(),
            timers: BTreeSet::new(),
            next_key: Key::FIRST,
            buffer: vec![0; DRAIN_BYTES],
            filters: Filters::default(),
            instance,
            origins: Origins::new(&state_dir),
            signals,
            mode: Mode::Idle { since: clock::now().monotonic },
            stay: config.stay,
            program: Program::own().map_err(state)?,
        })
    }

    /// One turn after another: what happened, what is due, then what is to be said.
    fn work(&mut self) -> Result<(), ServeError> {
        let mut events = [EpollEvent::empty(); EVENTS];
        while !self.is_done() {
            let count = match self.epoll.wait(&mut events, self.patience()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(kernel("wait for events")(errno)),
            };
            for event in &events[..count] {
                self.handle(Token::decode(event.data()));
            }
            self.pass_time();
            self.engines.flush(&self.epoll);
        }
        Ok(())
    }

    fn handle(&mut self, token: Token) {
        match token {
            Token::Signals => self.hear_signals(),
            Token::Listener => self.accept(),
            Token::Engine(key) => self.hear_engine(key),
            Token::Status(key) => self.hear_child(key),
            Token::First(key) => self.hear_first(key),
            Token::Output(key, stream) => self.drain(key, stream),
            Token::Adopted(key) => self.hear_adopted(key),
        }
    }

    fn hear_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match Signal::try_from(signal.ssi_signo as i32) {
                Ok(Signal::SIGCHLD) => {}
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => self.go_down(signal),
                Ok(_) | Err(_) => {}
            }
        }
        self.reap();
    }

    /// Every run gets its stop signal and its grace; when all have ended, the supervisor leaves.
    fn go_down(&mut self, signal: Signal) {
        if self.mode != Mode::GoingDown {
            tracing::info!(%signal, runs = self.attempts.len(), "stopping all runs");
            self.mode = Mode::GoingDown;
            for key in self.attempts.keys().copied().collect::<Vec<_>>() {
                self.stop(key, StopReason::HostShutdown);
            }
        }
    }

    /// Whether new attempts may be launched.
    pub fn takes_launches(&self) -> bool {
        self.mode != Mode::GoingDown
    }

    fn pass_time(&mut self) {
        let now = clock::now().monotonic;
        // Each attempt once in a turn: one that arms its timer in the past must not keep the others waiting.
        let due: Vec<Key> = self.timers.iter().take_while(|(at, _)| *at <= now).map(|&(_, key)| key).collect();
        for key in due {
            self.on_time(key, now);
        }
        self.clear_all_away();
        self.engines.drop_silent(&self.epoll, now);
        self.write_ends(now);
        self.mode = self.next_mode(now);
    }

    fn next_mode(&self, now: Monotonic) -> Mode {
        let busy = !self.attempts.is_empty() || !self.ends.is_empty() || self.engines.any();
        match self.mode {
            Mode::GoingDown => Mode::GoingDown,
            Mode::Serving | Mode::Idle { .. } if busy => Mode::Serving,
            Mode::Serving => Mode::Idle { since: now },
            Mode::Idle { since } => Mode::Idle { since },
        }
    }

    fn is_done(&self) -> bool {
        let over = |attempt: &Attempt| match attempt.phase {
            Phase::SettingUp(_) | Phase::Running(_) | Phase::Ending(_) => false,
            Phase::Left { what: Left::Behind, .. } => true,
            Phase::Left { what: Left::Dying { give_up_at }, .. } => give_up_at <= clock::now().monotonic,
        };
        match self.mode {
            Mode::Serving => self.makes_room(),
            Mode::Idle { since } => !self.stay && clock::now().monotonic.saturating_since(since) >= LINGER,
            Mode::GoingDown => self.attempts.values().all(over),
        }
    }

    /// Whether a supervisor of the engine's own version can take this one's place: nothing would be lost. The engine, or the
    /// service manager, starts it.
    fn makes_room(&self) -> bool {
        let busy = !self.attempts.is_empty() || !self.ends.is_empty();
        !busy && self.engines.program().is_some_and(|engine| self.program.is_replaced_by(engine))
    }

    /// Time until something is due, rounded up so that it is due then.
    fn patience(&self) -> EpollTimeout {
        let now = clock::now().monotonic;
        let idle = match self.mode {
            Mode::Idle { since } if !self.stay => Some(since.saturating_add(LINGER)),
            Mode::Idle { .. } | Mode::Serving | Mode::GoingDown => None,
        };
        let retry = self.has_unwritten().then_some(self.write_again_at);
        let timer = self.timers.first().map(|&(at, _)| at);
        let due = [idle, retry, timer, self.engines.due()].into_iter().flatten().min();
        due.map_or(EpollTimeout::NONE, |due| {
            let wait = due.saturating_since(now) + Duration::from_micros(999);
            EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX)
        })
    }

    /// Whether an end is in memory only.
    pub fn has_unwritten(&self) -> bool {
        self.ends.values().any(|end| end.on_disk == OnDisk::NotYet)
    }

    /// A name that was never used.
    pub fn new_key(&mut self) -> Key {
        let key = self.next_key;
        self.next_key = key.next();
        key
    }

    /// Tells the engine, if there is one.
    pub fn report(&mut self, report: &Report) {
        self.engines.say(report);
    }

    /// What is left is on disk, for the next supervisor.
    fn leave(self) {
        if let Some(cgroups) = &self.host.cgroups {
            cgroups.leave();
        }
        let unwritten = self.ends.values().filter(|end| end.on_disk != OnDisk::Yes).count();
        tracing::info!(unacknowledged = self.ends.len(), unwritten, "leaving");
        self.instance.release();
    }
}

/// Signals come through a descriptor, one after another with everything else. SIGHUP of a closed terminal says nothing
/// to this process, and SIGXFSZ is an error of the write that caused it.
fn block_signals() -> Result<SignalFd, ServeError> {
    let heard = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    let mut blocked = heard;
    blocked.add(Signal::SIGXFSZ);
    blocked.thread_set_mask().map_err(kernel("block signals"))?;
    SignalFd::with_flags(&heard, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(kernel("make a signalfd"))
}

/// The socket of the supervisor for a state directory, when nothing else is said.
pub fn default_socket(state_dir: &Path) -> PathBuf {
    state_dir.join("supervisor.sock")
}
