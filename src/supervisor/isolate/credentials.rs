//! Secrets: fetched by the supervisor's user, found by the job alone at `$CREDENTIALS_DIRECTORY`.
//!
//! Where the job has mounts of its own, they lie in a file system in memory that exists in the job's mount namespace
//! alone and goes with its last process. Where there is no mount to be had (a daemon of an ordinary user, for a job that
//! asks for no other mounts), they lie in a directory beside the supervisor's socket that only the job's user may enter;
//! the supervisor removes it when the attempt has ended. The environment holds the directory's name and no secret.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, chown};

use super::mount::{HARMLESS, forbid_writing, mount};
use super::{Obstacle, errno_of, path};
use crate::run::signal_name;
use crate::spec::Credential;

/// Bytes of one credential: a key or a certificate with its chain; what is larger is no secret but data.
const CREDENTIAL_LIMIT: u64 = 1 << 20;

/// The file system in memory; room for every credential that a job may have.
const OPTIONS: &str = "mode=0700,size=128m";

/// Where the place lies of a supervisor of root, when not everybody may pass the directory of its socket, as when that is in
/// the state directory.
const PASSABLE: &str = "/run/jobsd-credentials";

/// The directory in which mounts for credentials are: beside the socket, if whoever runs as a job may come there. It is made
/// by the supervisor, and nothing lies in it: each job sees its own mount.
pub(in crate::supervisor) fn base(socket_dir: &Path, is_root: bool) -> PathBuf {
    let everybody_passes = |dir: &Path| fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let reached = !is_root || socket_dir.ancestors().all(everybody_passes);
    if reached { socket_dir.to_owned() } else { PASSABLE.into() }
}

/// Where they lie in a job with mounts of its own: one place for all, since each job sees its own there.
pub(in crate::supervisor) fn mount_point(base: &Path) -> PathBuf {
    base.join("credentials")
}

/// A place without mounts, for one attempt.
pub(in crate::supervisor) fn plain_directory(base: &Path, invocation: &str) -> PathBuf {
    mount_point(base).join(invocation)
}

/// One secret, fetched.
pub(in crate::supervisor) struct Fetched {
    name: String,
    content: Vec<u8>,
}

/// Fetches one from its source.
pub(in crate::supervisor) fn fetch(name: &str, source: &Credential) -> Result<Fetched, Obstacle> {
    let content = match source {
        Credential::File(path) => read(path),
        Credential::Command(argv) => ask(name, argv),
        Credential::Systemd(id) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(directory) => read(&Path::new(&directory).join(id)),
            None => Err(Obstacle::at(name)(Errno::ENOENT).because(
                "systemd gave the supervisor no credentials: LoadCredential= in jobsd-supervisor.service names them",
            )),
        },
    }?;
    Ok(Fetched { name: name.to_owned(), content })
}

fn read(path: &Path) -> Result<Vec<u8>, Obstacle> {
    let file = path::open_file(path)?;
    read_bounded(file).map_err(|fault| Obstacle::at(path)(errno_of(&fault)))
}

fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(CREDENTIAL_LIMIT + 1).read_to_end(&mut content)?;
    if content.len() as u64 > CREDENTIAL_LIMIT {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(content)
}

/// Runs a program; what it says on standard error is part of the job's output.
fn ask(name: &str, argv: &[String]) -> Result<Vec<u8>, Obstacle> {
    let Some((program, arguments)) = argv.split_first() else { return Err(Errno::EINVAL.into()) };
    let failed = |fault: &io::Error| {
        let errno = errno_of(fault);
        Obstacle::at(name)(errno).because(format!("its command {program}: {}", errno.desc()))
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", super::super::environment::DEFAULT_PATH);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
    // SAFETY: only async-signal-safe work: the signals that the supervisor blocks are none of this program's business.
    unsafe { command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?)) };
    let mut child = command.spawn().map_err(|fault| failed(&fault))?;
    let said = child.stdout.take().map_or_else(|| Ok(Vec::new()), read_bounded);
    let status = child.wait().map_err(|fault| failed(&fault))?;
    match said {
        Ok(content) if status.success() => Ok(content),
        Err(fault) => Err(failed(&fault)),
        // It said on standard error why it failed.
        Ok(_) => Err(Obstacle::at(name)(Errno::EIO).because(format!("its command {program} {}", ended(status)))),
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by {}", signal_name(signal)),
        (None, None) => "ended".to_owned(),
    }
}

/// Mounts the file system and puts the secrets into it.
pub(in crate::supervisor) fn place_in_mount(
    point: &Path,
    fetched: &[Fetched],
    uid: Uid,
    gid: Gid,
) -> Result<(), Obstacle> {
    // A private directory may lie over the place that the supervisor made.
    fs::create_dir_all(point).map_err(|fault| Obstacle::at(point)(errno_of(&fault)))?;
    mount("tmpfs", point, HARMLESS, OPTIONS)?;
    write_all(point, fetched, uid, gid)?;
    forbid_writing(point, false)
}

/// Makes the directory and puts the secrets into it.
pub(in crate::supervisor) fn place_in_directory(
    directory: &Path,
    fetched: &[Fetched],
    uid: Uid,
    gid: Gid,
) -> Result<(), Obstacle> {
    let make = || DirBuilder::new().mode(0o700).create(directory);
    make().map_err(|fault| Obstacle::at(directory)(errno_of(&fault)))?;
    write_all(directory, fetched, uid, gid)
}

fn write_all(directory: &Path, fetched: &[Fetched], uid: Uid, gid: Gid) -> Result<(), Obstacle> {
    let about = |path: &Path| {
        let path = path.to_owned();
        move |fault: io::Error| Obstacle::at(path)(errno_of(&fault))
    };
    for Fetched { name, content } in fetched {
        let path = directory.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path).map_err(about(&path))?;
        file.write_all(content).map_err(about(&path))?;
        chown(&path, Some(uid), Some(gid)).map_err(Obstacle::at(&path))?;
    }
    chown(directory, Some(uid), Some(gid)).map_err(Obstacle::at(directory))?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o500)).map_err(about(directory))
}

/// Removes the directory of an attempt; that it is gone is no error.
///
/// # Errors
/// When something in it cannot be removed.
pub(in crate::supervisor) fn remove_directory(directory: &Path) -> io::Result<()> {
    // Its own user may not write to it either.
    let opened = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    match opened.and_then(|()| fs::remove_dir_all(directory)) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes the place that all attempts' credentials share, for who has to reach his own.
///
/// # Errors
/// When it cannot be made.
pub(in crate::supervisor) fn make_mount_point(base: &Path) -> io::Result<()> {
    let path = mount_point(base);
    DirBuilder::new().recursive(true).mode(0o755).create(base)?;
    match DirBuilder::new().mode(0o711).create(&path) {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o711))
}
