//! Records: what the payloads of values mean. Each version of the disk types is frozen once released; a change is a new
//! module beside it, and a record of an older version is converted when it is read.

mod v1;

use super::frame::Kind;
use crate::run::{Notice, Run, Skip};
use crate::scheduler::JobState;
use crate::spec::{JobName, Revision, Source};

/// The version that is written.
pub(super) const VERSION: u8 = 1;

/// One record, as the rest of the program knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The store itself.
    Meta(Meta),
    /// A job's state.
    Job(JobName, Box<JobState>),
    /// The text of a job's revision.
    Source(Revision, JobName, Box<Source>),
    /// A run.
    Run(Box<Run>),
    /// Skips.
    Skip(Skip),
    /// A message in the outbox.
    Notice(Box<Notice>),
}

/// What the store knows of itself, written with every commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// The version of the program that wrote last.
    pub writer: String,
    /// Counts commits.
    pub sequence: u64,
    /// What lies in the store beside this record.
    pub digest: Digest,
}

/// A fingerprint of all keys and values: equal for equal content, whatever the order in which it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// Keys.
    pub keys: u64,
    /// Sum of the checksums of keys and values.
    pub sum: u64,
}

impl Digest {
    /// Takes one key and its value in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.keys = self.keys.wrapping_add(1);
        self.sum = self.sum.wrapping_add(contribution(key, value));
    }

    /// Takes one key and its value out again.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.keys = self.keys.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(contribution(key, value));
    }
}

fn contribution(key: &[u8], value: &[u8]) -> u64 {
    u64::from(crc32fast::hash(key)) << 32 | u64::from(crc32fast::hash(value))
}

/// Why a payload is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// A newer program wrote it.
    #[error("it is of version {found}, and this program knows versions up to {VERSION}")]
    Newer {
        /// Its version.
        found: u8,
    },
    /// Its text is not what the version says.
    #[error("it does not read: {0}")]
    Unreadable(String),
}

impl Record {
    /// What kind of record it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Meta(_) => Kind::Meta,
            Self::Job(..) => Kind::Job,
            Self::Source(..) => Kind::Source,
            Self::Run(_) => Kind::Run,
            Self::Skip(_) => Kind::Skip,
            Self::Notice(_) => Kind::Notice,
        }
    }

    /// Its payload, in the newest version.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Meta(meta) => v1::encode(&v1::Meta::from(meta)),
            Self::Job(job, state) => v1::encode(&v1::Job::new(job, state)),
            Self::Source(revision, job, source) => v1::encode(&v1::Source::new(revision, job, source)),
            Self::Run(run) => v1::encode(&v1::Run::from(&**run)),
            Self::Skip(skip) => v1::encode(&v1::Skip::from(skip)),
            Self::Notice(notice) => v1::encode(&v1::Notice::from(&**notice)),
        }
    }

    /// Reads a payload of any known version.
    ///
    /// # Errors
    /// When its version is newer, or it is not what its version says.
    pub fn decode(kind: Kind, version: u8, payload: &[u8]) -> Result<Self, RecordError> {
        match version {
            0 => Err(RecordError::Unreadable("there is no version 0".to_owned())),
            1 => decode_v1(kind, payload).map_err(RecordError::Unreadable),
            found => Err(RecordError::Newer { found }),
        }
    }
}

fn decode_v1(kind: Kind, payload: &[u8]) -> Result<Record, String> {
    match kind {
        Kind::Meta => v1::decode::<v1::Meta>(payload).map(|meta| Record::Meta(meta.into())),
        Kind::Job => {
            v1::decode::<v1::Job>(payload)?.into_domain().map(|(job, state)| Record::Job(job, Box::new(state)))
        }
        Kind::Source => {
            let (revision, job, source) = v1::decode::<v1::Source>(payload)?.into_domain()?;
            Ok(Record::Source(revision, job, Box::new(source)))
        }
        Kind::Run => v1::decode::<v1::Run>(payload)?.into_domain().map(|run| Record::Run(Box::new(run))),
        Kind::Skip => v1::decode::<v1::Skip>(payload)?.into_domain().map(Record::Skip),
        Kind::Notice => v1::decode::<v1::Notice>(payload)?.into_domain().map(|notice| Record::Notice(Box::new(notice))),
        Kind::Part => Err("a part alone is no record".to_owned()),
    }
}
