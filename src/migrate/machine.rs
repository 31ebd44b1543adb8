//! [`Machine`]: the crontabs of a machine, found where cron finds them.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::crontab::{CRONTAB_LIMIT_BYTES, Form};

/// Where a machine's files begin: `/`, or the directory where another machine's are.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// A crontab as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The file, as it is called on its machine.
    pub place: String,
    /// The file, as it can be opened.
    pub path: PathBuf,
    /// Everything in it.
    pub bytes: Vec<u8>,
    /// Its form.
    pub form: Form,
    /// Whose it is, when it is a user's.
    pub owner: Option<String>,
    /// Who may read it: the mode bits.
    pub mode: u32,
}

/// A file or a directory that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct MachineError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The directories of users' crontabs: Debian's, then those of other distributions.
const SPOOLS: [&str; 2] = ["var/spool/cron/crontabs", "var/spool/cron"];

impl Machine {
    /// The machine whose files begin at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `/etc/crontab` and the files of `/etc/cron.d`; the names of those there that cron passes over.
    ///
    /// # Errors
    /// When one of them exists and cannot be read.
    pub fn system_tables(&self) -> Result<(Vec<Table>, Vec<String>), MachineError> {
        let mut tables = Vec::from_iter(self.table("etc/crontab", Form::System, None)?);
        let mut passed_over = Vec::new();
        for name in self.names("etc/cron.d")? {
            if self.takes(&name) {
                tables.extend(self.table(&format!("etc/cron.d/{name}"), Form::System, None)?);
            } else if !name.starts_with('.') {
                passed_over.push(format!("/etc/cron.d/{name}"));
            }
        }
        Ok((tables, passed_over))
    }

    /// One user's crontab.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub fn user_table(&self, user: &str) -> Result<Option<Table>, MachineError> {
        for spool in SPOOLS {
            if let Some(table) = self.table(&format!("{spool}/{user}"), Form::User, Some(user))? {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }

    /// Every user's crontab.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn user_tables(&self) -> Result<Vec<Table>, MachineError> {
        let mut tables = Vec::new();
        for spool in SPOOLS {
            for user in self.names(spool)?.iter().filter(|name| !name.starts_with('.') && !name.ends_with('~')) {
                tables.extend(self.table(&format!("{spool}/{user}"), Form::User, Some(user))?);
            }
        }
        Ok(tables)
    }

    /// `/etc/anacrontab`.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub fn anacrontab(&self) -> Result<Option<Table>, MachineError> {
        self.table("etc/anacrontab", Form::System, None)
    }

    /// Whether anacron is there to read its table.
    pub fn has_anacron(&self) -> bool {
        ["usr/sbin/anacron", "sbin/anacron"].iter().any(|path| self.root.join(path).exists())
    }

    /// The scripts of a directory that `run-parts` would run, by their paths on the machine, in its order; and what it
    /// passes over.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn scripts(&self, directory: &str) -> Result<(Vec<String>, Vec<String>), MachineError> {
        let inside = directory.trim_start_matches('/');
        let (mut scripts, mut passed_over) = (Vec::new(), Vec::new());
        for name in self.names(inside)? {
            let path = self.root.join(inside).join(&name);
            let metadata = fs::metadata(&path).map_err(|source| MachineError { path: path.clone(), source })?;
            if metadata.is_dir() || name.starts_with('.') {
                continue;
            }
            let executable = metadata.permissions().mode() & 0o111 != 0;
            let list = if executable && self.takes(&name) { &mut scripts } else { &mut passed_over };
            list.push(format!("{directory}/{name}"));
        }
        Ok((scripts, passed_over))
    }

    /// Any file.
    ///
    /// # Errors
    /// When it cannot be read, or is too large to be a crontab.
    pub fn file(path: &Path) -> Result<(Vec<u8>, u32), MachineError> {
        let fault = |source| MachineError { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(fault)?;
        let metadata = file.metadata().map_err(fault)?;
        if metadata.is_dir() {
            return Err(fault(io::ErrorKind::IsADirectory.into()));
        }
        let mut bytes = Vec::new();
        file.take(CRONTAB_LIMIT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() > CRONTAB_LIMIT_BYTES {
            return Err(fault(io::ErrorKind::FileTooLarge.into()));
        }
        Ok((bytes, metadata.mode() & 0o777))
    }

    fn table(&self, inside: &str, form: Form, owner: Option<&str>) -> Result<Option<Table>, MachineError> {
        let path = self.root.join(inside);
        // Debian's spool lies inside the directory that is the spool elsewhere.
        if path.is_dir() {
            return Ok(None);
        }
        match Self::file(&path) {
            Ok((bytes, mode)) => {
                let owner = owner.map(str::to_owned);
                Ok(Some(Table { place: format!("/{inside}"), path, bytes, form, owner, mode }))
            }
            Err(fault) if fault.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The names in a directory, sorted as `run-parts` does; none when it does not exist.
    fn names(&self, inside: &str) -> Result<Vec<String>, MachineError> {
        let path = self.root.join(inside);
        let fault = |source| MachineError { path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(fault)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn is_debian(&self) -> bool {
        self.root.join("etc/debian_version").exists()
    }

    /// Debian's cron and run-parts take plain names alone (cron(8), run-parts(8)); others pass over what packages and
    /// editors leave behind.
    fn takes(&self, name: &str) -> bool {
        if self.is_debian() { is_plain(name) } else { is_no_leftover(name) }
    }
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_no_leftover(name: &str) -> bool {
    let endings = ["~", ",v", ".rpmsave", ".rpmorig", ".rpmnew", ".swp", ".cfsaved", ".bak"];
    !name.starts_with(['.', '#']) && !endings.iter().any(|ending| name.ends_with(ending))
}
