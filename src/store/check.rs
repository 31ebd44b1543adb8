//! [`Check`]: one pass over everything, in which no damage stays unseen.

use super::database::Database;
use super::frame::{Frame, Kind};
use super::key::Key;
use super::read::{Damage, ReadError, damaged};
use super::record::{Digest, RecordError, VERSION};

/// What one pass over all keys found. Every value's checksum was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// Fingerprint of what is there.
    pub digest: Digest,
    /// Jobs, tombstones included.
    pub jobs: u64,
    /// Runs, live and finished.
    pub runs: u64,
    /// Records of skips.
    pub skips: u64,
    /// Keys whose value is damaged, with the reason; at most [`FAULTS_LIMIT`] of them.
    pub faults: Vec<String>,
    /// How many values are damaged.
    pub damaged: u64,
}

/// Faults that are kept with their text; the others are only counted.
const FAULTS_LIMIT: usize = 20;

impl Check {
    /// Looks at every key and value. The values' contents are not read.
    ///
    /// # Errors
    /// When the database cannot be read to its end, or a newer program wrote to it.
    pub fn of(database: &Database) -> Result<Self, ReadError> {
        let mut check = Self::default();
        for entry in database.all() {
            let (key, value) = entry?;
            check.look_at(&key, &value)?;
        }
        Ok(check)
    }

    fn look_at(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let Ok(place) = Key::decode(key) else {
            self.digest.add(key, value);
            self.fault(format!("the key {} does not belong here", key.escape_ascii()));
            return Ok(());
        };
        match place {
            Key::Meta => return self.frame(key, value).map(|_kind| ()),
            Key::Live(_) | Key::Ended(..) => {}
            Key::Job(_) | Key::Source(..) | Key::History(..) | Key::Notice(_) | Key::Part(..) => {
                let kind = self.frame(key, value)?;
                self.count(kind);
            }
        }
        self.digest.add(key, value);
        Ok(())
    }

    fn frame(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Kind>, ReadError> {
        match Frame::decode(key, value) {
            Ok(frame) if frame.version > VERSION => {
                Err(damaged(key, Damage::Record(RecordError::Newer { found: frame.version })))
            }
            Ok(frame) => Ok(Some(frame.kind)),
            Err(fault) => {
                self.fault(damaged(key, fault.into()).to_string());
                Ok(None)
            }
        }
    }

    fn count(&mut self, kind: Option<Kind>) {
        match kind {
            Some(Kind::Job) => self.jobs += 1,
            Some(Kind::Run) => self.runs += 1,
            Some(Kind::Skip) => self.skips += 1,
            Some(Kind::Source | Kind::Notice | Kind::Part | Kind::Meta) | None => {}
        }
    }

    fn fault(&mut self, text: String) {
        self.damaged += 1;
        if self.faults.len() < FAULTS_LIMIT {
            self.faults.push(text);
        }
    }
}
