//! A look at a database of doubtful content, by a process of its own: on damage sled may panic, but also ask for more
//! memory than there is, or never come to an end, and only a process can be taken down for it.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::check::Check;
use super::database::DatabaseError;
use super::open::Options;
use super::read::ReadError;
use super::safeguard::{is_of_content, open_database};
use crate::causes::chain;
use crate::clock::Timestamp;

/// The program that looks: it is called with the directory of the database as its last argument and is expected to
/// call [`inspect`] and to end with [`Finding::exit_code`], having printed the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspector {
    /// The program.
    pub program: PathBuf,
    /// What comes before the directory.
    pub arguments: Vec<String>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All of it can be read.
    Readable,
    /// It is damaged.
    Damaged(String),
    /// It could not be told, for a reason that lies outside of the database.
    Untold(String),
}

impl Finding {
    /// How the program ends that found this.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Readable => 0,
            Self::Damaged(_) => DAMAGED,
            Self::Untold(_) => UNTOLD,
        }
    }
}

const DAMAGED: u8 = 3;
const UNTOLD: u8 = 4;

/// How long a look at an empty database may take, and how much longer for each MiB. A slow disk reads 10 MiB a second.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_PER_MIB: Duration = Duration::from_millis(200);

/// Bytes of the reason that are read.
const REASON_LIMIT: u64 = 4096;

/// Opens a database and reads all of it. To be called in a process of its own.
pub fn inspect(database: &Path, now: Timestamp) -> Finding {
    let opened = match open_database(database, &Options::at(now)) {
        Ok(opened) => opened,
        Err(fault @ DatabaseError::Broken { .. }) => return Finding::Damaged(fault.to_string()),
        Err(DatabaseError::Io { step, source }) if is_of_content(&source) => {
            return Finding::Damaged(chain(&DatabaseError::Io { step, source }));
        }
        Err(fault @ (DatabaseError::Locked(_) | DatabaseError::Io { .. })) => {
            return Finding::Untold(chain(&fault));
        }
    };
    match Check::of(&opened) {
        Ok(check) => check.faults.into_iter().next().map_or(Finding::Readable, Finding::Damaged),
        // The daemon says the same, with more words.
        Err(fault @ ReadError::Newer { .. }) => Finding::Untold(fault.to_string()),
        Err(fault @ (ReadError::Closed | ReadError::Store(_) | ReadError::Damaged { .. })) => {
            Finding::Damaged(fault.to_string())
        }
    }
}

impl Inspector {
    /// Has a database of so many bytes looked at, and waits.
    pub(super) fn look(&self, database: &Path, bytes: u64) -> Finding {
        let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        let patience = PATIENCE.saturating_add(PATIENCE_PER_MIB.saturating_mul(mebibytes));
        self.look_within(database, patience)
    }

    fn look_within(&self, database: &Path, patience: Duration) -> Finding {
        let started = Command::new(&self.program)
            .args(&self.arguments)
            .arg(database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => judge(child, patience).unwrap_or_else(|fault| Finding::Untold(fault.to_string())),
            Err(fault) => Finding::Untold(fault.to_string()),
        }
    }
}

fn judge(mut child: Child, patience: Duration) -> io::Result<Finding> {
    let stdout = child.stdout.take().expect("it was asked for above");
    // The pipe closes, or gets its line, when the look is over.
    let answered = wait_for(&stdout, patience)?;
    if !answered {
        child.kill()?;
        child.wait()?;
        return Ok(Finding::Damaged(format!("reading it did not end within {} seconds", patience.as_secs())));
    }
    let mut reason = String::new();
    stdout.take(REASON_LIMIT).read_to_string(&mut reason)?;
    Ok(finding(child.wait()?, reason.trim().to_owned()))
}

fn wait_for(pipe: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, timeout) {
            Ok(ready) => return Ok(ready > 0),
            // A signal is rare here; waiting anew at worst doubles the patience.
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn finding(status: ExitStatus, reason: String) -> Finding {
    let signal = status.signal().and_then(|signal| Signal::try_from(signal).ok());
    match (status.code(), signal) {
        (Some(0), _) => Finding::Readable,
        (Some(code), _) if code == i32::from(DAMAGED) => Finding::Damaged(reason),
        // These come from the program's own doing; any other from somebody else's.
        (
            None,
            Some(signal @ (Signal::SIGABRT | Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE)),
        ) => Finding::Damaged(format!("reading it ended by {signal}")),
        (_, _) if reason.is_empty() => Finding::Untold(status.to_string()),
        (_, _) => Finding::Untold(reason),
    }
}

/// Whether the database may be opened in this process.
///
/// # Errors
/// When it is damaged, in words.
pub(super) fn ask(options: &Options, database: &Path, bytes: u64) -> Result<(), String> {
    let Some(inspector) = &options.inspector else { return Ok(()) };
    match inspector.look(database, bytes) {
        Finding::Readable => Ok(()),
        Finding::Damaged(reason) => Err(reason),
        Finding::Untold(reason) => {
            tracing::debug!(reason, "the database could not be looked at by a process of its own");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Inspector {
        Inspector { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
    }

    #[test]
    fn every_way_to_end_is_understood() {
        let told = |script: &str| shell(script).look(Path::new("/nowhere"), 0);
        assert_eq!(told("exit 0"), Finding::Readable);
        assert_eq!(told("echo bad page; exit 3"), Finding::Damaged("bad page".to_owned()));
        assert_eq!(told("kill -ABRT $$"), Finding::Damaged("reading it ended by SIGABRT".to_owned()));
        assert_eq!(told("kill -SEGV $$"), Finding::Damaged("reading it ended by SIGSEGV".to_owned()));
        assert_eq!(told("echo locked; exit 4"), Finding::Untold("locked".to_owned()));
        assert!(matches!(told("kill -KILL $$"), Finding::Untold(_)), "somebody else's doing");
        let missing = Inspector { program: "/nonexistent/jobsd".into(), arguments: Vec::new() };
        assert!(matches!(missing.look(Path::new("/nowhere"), 0), Finding::Untold(_)));
    }

    #[test]
    fn one_that_never_ends_is_taken_down() {
        let finding = shell("exec sleep 1000").look_within(Path::new("/nowhere"), Duration::from_millis(50));
        assert_eq!(finding, Finding::Damaged("reading it did not end within 0 seconds".to_owned()));
    }
}
