//! [`Config`]: what the daemon goes by: defaults < `jobsd.toml` < environment < flags.

mod access;
mod error;
mod file;
mod flags;
#[doc(hidden)]
pub mod fuzzing;
mod paths;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};

use super::jobs_dir::{Reading, Trust};
use super::notices::NotifySettings;
use super::{LogFormat, OutputBounds};
use crate::places::Places;
use crate::schedule::Zone;
use crate::spec::{Authority, FILE_LIMIT};
use crate::surroundings::Surroundings;
pub use access::{AccessRules, Audience, Members, OwnJobs};
pub use error::ConfigError;
use file::ConfigFile;
pub use flags::{Flags, LogLevel};
pub use paths::Paths;
use paths::absolute;

/// Everything that is configured, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file that was read, when there is one.
    pub file: Option<PathBuf>,
    /// Where everything lies.
    pub paths: Paths,
    /// How much is said on standard error.
    pub log: LogLevel,
    /// How the log is written; by where it goes when nothing is said.
    pub log_format: Option<LogFormat>,
    /// Whose job files are believed.
    pub trust: Trust,
    /// Who may do what.
    pub access: AccessRules,
    /// How much output is kept, and in which form.
    pub output: OutputBounds,
    /// What job files are read with.
    pub reading: Reading,
    /// How messages are sent.
    pub notify: NotifySettings,
    /// What a person should know of how this came about, one sentence each; to be said at the start.
    pub notes: Vec<String>,
}

impl Config {
    /// Reads the configuration. May be called again at any time, to reload.
    ///
    /// Relative paths of flags and environment count from the working directory; those in the file must be absolute.
    ///
    /// # Errors
    /// When the file is faulty, unreadable, not safe to use or (if it was asked for) missing, when an ordinary user
    /// has no home, when a user or a group of `[access]` does not exist, or when a socket's path is too long.
    pub fn load(flags: &Flags, around: &Surroundings) -> Result<Self, ConfigError> {
        let mut notes = Vec::new();
        let reading = reading(around, &mut notes);
        let usual = Places::of(around);
        let trust = Trust::new(around.account.uid, &flags.trust_owners);
        let (file, said) = match (&flags.config, &usual) {
            (Some(path), _) => read_file(absolute(path)?, true, &trust, &reading)?,
            (None, Ok(usual)) => read_file(usual.config.clone(), false, &trust, &reading)?,
            (None, Err(_)) => (None, ConfigFile::default()),
        };
        let paths = Paths::choose(flags, &said, usual.as_ref(), &mut notes)?;
        let owners = [flags.trust_owners.as_slice(), &said.trust_owners].concat();
        let calendars_dir = paths.calendars_dir.clone();
        let access = said.access.look_up(file.as_deref())?;
        Ok(Self {
            paths,
            log: flags.log.or(said.log).unwrap_or_default(),
            log_format: flags.log_format.or(said.log_format),
            trust: Trust::new(around.account.uid, &owners),
            access,
            output: said.output,
            reading: Reading { defaults: said.defaults, calendars_dir, ..reading },
            notify: said.notify,
            file,
            notes,
        })
    }
}

/// What job files are read with, before `[defaults]` are known.
fn reading(around: &Surroundings, notes: &mut Vec<String>) -> Reading {
    let timezone = around.timezone.unwrap_or_else(|| {
        notes.push("the machine's time zone cannot be told; schedules that name none are in UTC".to_owned());
        Zone::utc()
    });
    let authority = if around.is_root() { Authority::Anybody } else { Authority::Only(around.account.clone()) };
    // The directory of calendars is chosen once flags and file have had their say.
    Reading {
        defaults: String::new(),
        authority,
        timezone,
        machine: around.machine.clone(),
        calendars_dir: PathBuf::new(),
    }
}

/// Reads the file at `path`; one that was not asked for need not exist.
fn read_file(
    path: PathBuf,
    asked_for: bool,
    trust: &Trust,
    reading: &Reading,
) -> Result<(Option<PathBuf>, ConfigFile), ConfigError> {
    // Not blocking, should it be a pipe.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let mut file = match File::options().read(true).custom_flags(flags).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !asked_for => {
            return Ok((None, ConfigFile::default()));
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let text = read_trusted(&mut file, &path, trust)?;
    // [defaults] only name calendars; each job looks for its own.
    let context = reading.context(path.clone(), &Arc::default());
    let said = ConfigFile::read(&path, &text, &context).map_err(ConfigError::Faulty)?;
    Ok((Some(path), said))
}

fn read_trusted(file: &mut File, path: &Path, trust: &Trust) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let stat = fstat(&*file).map_err(|errno| unreadable(errno.into()))?;
    if !SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()).contains(SFlag::S_IFREG) {
        return Err(unreadable(std::io::Error::other("it is not a regular file")));
    }
    let checked = trust.inspection().check(&stat);
    checked.map_err(|reason| ConfigError::Distrusted { path: path.to_owned(), reason })?;
    let mut text = String::new();
    file.take(FILE_LIMIT as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > FILE_LIMIT {
        return Err(unreadable(std::io::Error::other(format!("it is larger than {FILE_LIMIT} bytes"))));
    }
    Ok(text)
}
