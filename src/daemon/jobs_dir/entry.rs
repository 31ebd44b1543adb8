//! One file of the directory: opened by its name, judged by what was opened.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::Inspection;
use super::stamp::Stamp;
use crate::spec::{FILE_LIMIT, Faults};
use crate::units;

/// A file that may be read, and what is in it.
pub(super) struct Opened {
    pub stamp: Stamp,
    pub text: String,
}

/// Why there is nothing to read.
pub(super) enum Unreadable {
    /// It was deleted after the directory was listed.
    Gone,
    /// It is as it was.
    Unchanged,
    /// It must not or cannot be read.
    Fault { stamp: Stamp, fault: FileFault },
}

/// What is wrong with a file as a whole.
pub(super) struct FileFault {
    message: String,
    hint: Hint,
}

enum Hint {
    None,
    Text(String),
    /// It needs the file's path.
    Of(super::Distrust),
}

impl FileFault {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Hint::None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Hint::Text(hint.into()), ..self }
    }

    /// The fault of the file at `path`.
    pub fn at(self, path: &Path) -> Faults {
        let hint = match self.hint {
            Hint::None => None,
            Hint::Text(text) => Some(text),
            Hint::Of(distrust) => Some(distrust.hint(path)),
        };
        Faults::whole_file(path, self.message, hint)
    }
}

/// Opens and reads the file `name`, unless it still has the stamp `known`.
///
/// A symlink is followed when it names a file of the same directory: what lies elsewhere is guarded by other owners
/// and modes than those of this directory. Everything is judged by the opened file, so that nothing can be exchanged
/// in between.
pub(super) fn open(
    directory: &Dir,
    name: &OsStr,
    known: Option<Stamp>,
    inspection: &mut Inspection<'_>,
) -> Result<Opened, Unreadable> {
    let named =
        fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|errno| failed(None, "look at", errno))?;
    let stamp = Stamp::of(&named);
    let target = match kind(&named) {
        SFlag::S_IFREG if known.is_some_and(|known| known.is_still(stamp)) => return Err(Unreadable::Unchanged),
        SFlag::S_IFREG => name.to_owned(),
        SFlag::S_IFLNK => link_target(directory, name, stamp)?,
        // Opening a pipe or a device could block or do something.
        _ => return Err(fault(stamp, FileFault::new("it is not a regular file"))),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = openat(directory, target.as_os_str(), flags, Mode::empty()).map_err(|errno| match errno {
        Errno::ELOOP => fault(stamp, FileFault::new("it is a symlink to a symlink")),
        // A link that leads nowhere is no deletion.
        Errno::ENOENT if target != name => {
            fault(stamp, FileFault::new(format!("it is a symlink to {}, which does not exist", target.display())))
        }
        errno => failed(Some(stamp), "open", errno),
    })?;
    let stat = fstat(&file).map_err(|errno| failed(Some(stamp), "look at", errno))?;
    let stamp = Stamp::of(&stat);
    if known.is_some_and(|known| known.is_still(stamp)) {
        return Err(Unreadable::Unchanged);
    }
    if kind(&stat) != SFlag::S_IFREG {
        return Err(fault(stamp, FileFault::new("it is not a regular file")));
    }
    inspection.check(&stat).map_err(|distrust| {
        let message = format!("the file is not safe to use: {distrust}");
        fault(stamp, FileFault { message, hint: Hint::Of(distrust) })
    })?;
    let text = read_text(File::from(file)).map_err(|problem| fault(stamp, problem))?;
    Ok(Opened { stamp, text })
}

/// The name that a symlink leads to, when it stays in the directory.
fn link_target(directory: &Dir, name: &OsStr, stamp: Stamp) -> Result<OsString, Unreadable> {
    let target = readlinkat(directory, name).map_err(|errno| failed(Some(stamp), "read the symlink", errno))?;
    if target.as_bytes().contains(&b'/') {
        let message = format!("it is a symlink out of the directory, to {}", target.display());
        return Err(fault(stamp, FileFault::new(message).hint("put a copy here instead, or move the file here")));
    }
    Ok(target)
}

fn read_text(file: File) -> Result<String, FileFault> {
    let mut bytes = Vec::new();
    // One byte more than may be, so that too much is noticed.
    file.take(FILE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileFault::new(format!("the file cannot be read: {error}")))?;
    if bytes.len() > FILE_LIMIT {
        let limit = units::format_size(FILE_LIMIT as u64);
        return Err(FileFault::new(format!("the file is larger than {limit}")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        FileFault::new(format!("line {line} is not UTF-8 text"))
    })
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn fault(stamp: Stamp, fault: FileFault) -> Unreadable {
    Unreadable::Fault { stamp, fault }
}

fn failed(stamp: Option<Stamp>, what: &str, errno: Errno) -> Unreadable {
    match (errno, stamp) {
        (Errno::ENOENT, _) => Unreadable::Gone,
        (errno, stamp) => {
            let fault = FileFault::new(format!("cannot {what} the file: {}", errno.desc()));
            Unreadable::Fault { stamp: stamp.unwrap_or_default(), fault }
        }
    }
}
