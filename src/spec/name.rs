//! [`JobName`] and [`Revision`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A job's name: its file's stem, `[a-z0-9][a-z0-9._-]{0,99}`.
///
/// The alphabet keeps names safe as path components, URL segments, cgroup names and shell words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(Arc<str>);

/// Characters in a job's name at the most.
pub const NAME_LIMIT: usize = 100;

/// A name that no job can have: the daemon delivers its messages under it.
pub const RESERVED_NAME: &str = "jobsd.notices";

/// Why a text is no job name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a job name cannot be empty")]
    Empty,
    /// More than [`NAME_LIMIT`] characters.
    #[error("a job name has at most {NAME_LIMIT} characters, this one has {0}")]
    TooLong(usize),
    /// The first character is not a lower-case letter or a digit.
    #[error("a job name begins with a lower-case letter or a digit, not with {0:?}")]
    Start(char),
    /// A character outside the alphabet.
    #[error("a job name consists of lower-case letters, digits, '.', '_' and '-'; {0:?} is none of them")]
    Character(char),
}

impl JobName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When the text is empty, too long, or has a character outside the alphabet.
    ///
    /// ```
    /// use jobsd::spec::JobName;
    /// assert!(JobName::new("backup").is_ok());
    /// assert!(JobName::new("Back up").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, NameError> {
        let first = text.chars().next().ok_or(NameError::Empty)?;
        let length = text.chars().count();
        if length > NAME_LIMIT {
            return Err(NameError::TooLong(length));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !plain(first) {
            return Err(NameError::Start(first));
        }
        match text.chars().find(|&c| !plain(c) && !matches!(c, '.' | '_' | '-')) {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JobName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl std::str::FromStr for JobName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Content hash of a job's definition: the first 128 bits of SHA-256 over its name, file and defaults, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(Arc<str>);

impl Revision {
    /// The revision of a job's text, read with the given `[defaults]`. The name counts, so that two jobs never share one.
    pub fn of(name: &JobName, source: &Source) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update((name.as_str().len() as u64).to_le_bytes());
        hash.update(name.as_str());
        hash.update((source.defaults.len() as u64).to_le_bytes());
        hash.update(&source.defaults);
        hash.update(&source.text);
        let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(hex.into())
    }

    /// The revision of the same text where schedules depend on calendars: another one as soon as a calendar changes.
    #[must_use]
    pub fn with_calendars(self, fingerprints: &std::collections::BTreeSet<u64>) -> Self {
        use sha2::{Digest, Sha256};
        if fingerprints.is_empty() {
            return self;
        }
        let mut hash = Sha256::new();
        hash.update(self.as_str());
        fingerprints.iter().for_each(|fingerprint| hash.update(fingerprint.to_le_bytes()));
        let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(hex.into())
    }

    /// A revision read back from where it was written.
    pub fn from_hex(hex: &str) -> Self {
        Self(hex.into())
    }

    /// All 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// What a revision was read from: enough to read it again after a restart. `Debug` shows sizes only, since the
/// text may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The job file, as it was.
    pub text: String,
    /// The `[defaults]` table in force, as TOML.
    pub defaults: String,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes, defaults {} bytes)", self.text.len(), self.defaults.len())
    }
}
