//! Beginning a supervisor: in the foreground for a service manager, or detached by the engine.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::cgroup;
use super::fork::{Fork, exit_now, fork};
use super::serve::{Config, FoundRuns, ServeError, serve};
use crate::causes::chain;

/// Bytes of the supervisor's own log, after which it begins anew; the one before is kept beside it.
const LOG_BYTES: u64 = 1 << 20;

/// What the program `jobsd supervise` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The daemon's state directory.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// The socket for the engine.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Stay when there are no runs and no engine, as a service manager wants it.
    #[arg(long)]
    pub stay: bool,
    /// Go on in the background and return when the socket answers; the log goes to supervisor.log in the state
    /// directory.
    #[arg(long)]
    pub detach: bool,
    /// What happens to runs that outlived the supervisor before: they go on, watched to their end, or are stopped as when the
    /// machine goes down. A daemon that starts its supervisor itself passes the variable on
    #[arg(long, value_name = "WHAT", env = "JOBSD_FOUND_RUNS", default_value = "adopt")]
    pub found_runs: FoundRuns,
    /// Make the cgroup of a supervisor that died fit for the next one, and end; for the service manager.
    #[arg(long, conflicts_with = "detach")]
    pub after_death: bool,
}

/// Why no supervisor could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program could not be executed.
    #[error("cannot execute {}", program.display())]
    Execute {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended with an error.
    #[error("the supervisor does not start: {reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
}

/// Starts a supervisor that outlives this process, and returns once its socket answers. That another one is already
/// there is no error.
///
/// Blocks until the supervisor is ready, usually for some milliseconds.
///
/// # Errors
/// When `program` cannot be executed, or the supervisor says why it cannot work.
pub fn start_detached(program: &Path, state_dir: &Path, socket: &Path) -> Result<(), StartError> {
    let mut command = Command::new(program);
    command.arg("supervise").arg("--detach").arg("--state-dir").arg(state_dir).arg("--socket").arg(socket);
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|source| StartError::Execute { program: program.to_owned(), source })?;
    if output.status.success() || UnixStream::connect(socket).is_ok() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("error: ");
    let reason = if said.is_empty() { output.status.to_string() } else { said.to_owned() };
    Err(StartError::Failed { reason })
}

/// The program `jobsd supervise`. Call it first of all, while the process has one thread.
pub fn main(arguments: &Arguments) -> ExitCode {
    let config = Config {
        state_dir: arguments.state_dir.clone(),
        socket: arguments.socket.clone(),
        stay: arguments.stay,
        found_runs: arguments.found_runs,
    };
    if arguments.after_death {
        return match cgroup::after_death(&arguments.state_dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                complain(&format!("the cgroup stays as the supervisor left it: {fault}"));
                ExitCode::FAILURE
            }
        };
    }
    if arguments.detach {
        return detach(&config);
    }
    log_to(io::stderr);
    conclude(serve(&config, || Ok(())))
}

/// Goes on in a child; the parent stays until the child says that it is ready, or why not.
fn detach(config: &Config) -> ExitCode {
    let forked = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(io::Error::from).and_then(|pipe| Ok((pipe, fork()?)));
    match forked {
        Err(fault) => conclude(Err(ServeError::Kernel { doing: "go into the background", source: fault })),
        Ok(((from_child, to_parent), Fork::Parent(_))) => {
            drop(to_parent);
            await_child(from_child)
        }
        Ok(((from_child, to_parent), Fork::Child)) => {
            drop(from_child);
            let done = go_on_detached(config, to_parent);
            exit_now(i32::from(done != ExitCode::SUCCESS));
        }
    }
}

/// An empty message says that the supervisor is ready, and the end without one that it died.
fn await_child(from_child: OwnedFd) -> ExitCode {
    let mut said = String::new();
    let heard = File::from(from_child).read_to_string(&mut said);
    match (heard, said.strip_suffix('\n')) {
        (Ok(_), Some("")) => return ExitCode::SUCCESS,
        (Ok(_), Some(reason)) => complain(reason),
        (Ok(_), None) => complain("the supervisor died while it started"),
        (Err(fault), _) => complain(&format!("the supervisor cannot be heard: {fault}")),
    }
    ExitCode::FAILURE
}

fn go_on_detached(config: &Config, to_parent: OwnedFd) -> ExitCode {
    let mut to_parent = Some(File::from(to_parent));
    let mut say = |text: &str| match to_parent.take() {
        Some(mut pipe) => pipe.write_all(format!("{text}\n").as_bytes()),
        None => Ok(()),
    };
    let served =
        leave_terminal().map_err(|source| ServeError::Kernel { doing: "leave the terminal", source }).and_then(|()| {
            log_to_file(&config.state_dir);
            serve(config, || say(""))
        });
    if let Err(fault) = &served {
        let text = chain(fault);
        tracing::error!("{text}");
        if let Err(fault) = say(&text) {
            tracing::error!(%fault, "cannot say so");
        }
    }
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A session of its own, and no standard stream that belongs to somebody.
fn leave_terminal() -> io::Result<()> {
    setsid()?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(null.as_fd())?;
    dup2_stdout(null.as_fd())?;
    Ok(dup2_stderr(null.as_fd())?)
}

fn conclude(served: Result<(), ServeError>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&chain(&fault));
            ExitCode::FAILURE
        }
    }
}

fn complain(reason: &str) {
    if writeln!(io::stderr(), "error: {reason}").is_err() {
        // There is nobody to tell; the exit code remains.
    }
}

fn log_to<W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static>(writer: W) {
    let logged = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_target(false).try_init();
    if logged.is_err() {
        tracing::debug!("somebody else takes the log");
    }
}

/// Without a file there is no log; the supervisor works all the same.
fn log_to_file(state_dir: &Path) {
    // On a first start it is not there yet. Should this fail, the supervisor will say why.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
    if let (Ok(()), Ok(log)) = (made, BoundedLog::open(state_dir.join("supervisor.log"))) {
        log_to(Mutex::new(log));
    }
}

/// A log file that does not grow beyond [`LOG_BYTES`].
struct BoundedLog {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl BoundedLog {
    fn open(path: PathBuf) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }
}

impl Write for BoundedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes + line.len() as u64 > LOG_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("log.old"))?;
            *self = Self::open(self.path.clone())?;
        }
        let count = self.file.write(line)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
