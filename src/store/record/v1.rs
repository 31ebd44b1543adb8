//! Version 1 of the records. Frozen: what was written with these types must read for ever, so nothing here changes.
//!
//! Payloads are JSON. Instants are microseconds since 1970 UTC, durations microseconds. Fields with an empty value are
//! left out. Unknown fields are errors: a record with more fields is a newer version.

mod attempt;
mod job;
mod notice;
mod run;
mod usage;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::spec::{JobName, Revision};

pub(super) use job::Job;
pub(super) use notice::Notice;
pub(super) use run::{Run, Skip};

/// The payload of a record.
pub(super) fn encode(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("no record has keys other than text, and writing to memory does not fail")
}

/// The record of a payload.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|fault| {
        // serde's text may quote values of the record, and a source may hold secrets: the place is enough.
        let what = match fault.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax => "it is no JSON",
            serde_json::error::Category::Data => "a field is missing, unknown or of another type",
        };
        format!("{what} (line {}, column {})", fault.line(), fault.column())
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    writer: String,
    sequence: u64,
    keys: u64,
    sum: u64,
}

impl From<&super::Meta> for Meta {
    fn from(meta: &super::Meta) -> Self {
        Self { writer: meta.writer.clone(), sequence: meta.sequence, keys: meta.digest.keys, sum: meta.digest.sum }
    }
}

impl From<Meta> for super::Meta {
    fn from(meta: Meta) -> Self {
        let digest = super::Digest { keys: meta.keys, sum: meta.sum };
        Self { writer: meta.writer, sequence: meta.sequence, digest }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    revision: String,
    job: String,
    text: String,
    defaults: String,
}

impl Source {
    pub(super) fn new(revision: &Revision, job: &JobName, source: &crate::spec::Source) -> Self {
        Self {
            revision: revision.as_str().to_owned(),
            job: job.as_str().to_owned(),
            text: source.text.clone(),
            defaults: source.defaults.clone(),
        }
    }

    pub(super) fn into_domain(self) -> Result<(Revision, JobName, crate::spec::Source), String> {
        let source = crate::spec::Source { text: self.text, defaults: self.defaults };
        Ok((Revision::from_hex(&self.revision), run::name(&self.job)?, source))
    }
}

/// An instant.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Micros(i64);

impl From<Timestamp> for Micros {
    fn from(at: Timestamp) -> Self {
        Self(at.timestamp_micros())
    }
}

impl Micros {
    fn local(local: NaiveDateTime) -> Self {
        Self(local.and_utc().timestamp_micros())
    }

    fn timestamp(self) -> Result<Timestamp, String> {
        DateTime::from_timestamp_micros(self.0).ok_or_else(|| format!("{} is no instant", self.0))
    }

    fn naive(self) -> Result<NaiveDateTime, String> {
        self.timestamp().map(|at| at.naive_utc())
    }
}

fn timestamp(at: Option<Micros>) -> Result<Option<Timestamp>, String> {
    at.map(Micros::timestamp).transpose()
}

/// A duration in microseconds. Half a million years are the longest.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Span(u64);

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_micros(span.0)
    }
}

/// A path: a text where it is one, else its bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FilePath {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<FilePath> for PathBuf {
    fn from(path: FilePath) -> Self {
        match path {
            FilePath::Text(text) => text.into(),
            FilePath::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
