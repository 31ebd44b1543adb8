//! The export format: all records as JSON lines. Backups are in it, and it is the way across a change of the storage engine.
//!
//! ```text
//! {"export":"jobsd","format":1,"writer":"0.1.0","sequence":4711,"taken_at":"2026-11-21T12:00:00Z"}
//! {"kind":"job","version":1,"sequence":17,"record":{"job":"backup","cursor":1767225600000000,…}}
//! {"kind":"source",…} {"kind":"run",…} {"kind":"skip",…}
//! {"end":3,"crc32":"8f1e02ab"}
//! ```
//!
//! `version` is that of the record's fields, `sequence` the commit that wrote it. The last line counts the records and
//! carries the CRC-32 of all bytes before it: a file without it, or with another, is not whole. Job files' texts are in
//! it, so it is as secret as they are.
//!
//! Messages of the outbox are left out: what waited when a backup was taken has been delivered long since when it is
//! restored.

use std::io::{self, BufRead, Write};

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::database::Database;
use super::frame::Kind;
use super::key::Key;
use super::read::{Payload, ReadError, load_meta, payload};
use super::record::{Record, RecordError};
use crate::clock::Timestamp;

/// The version of the lines around the records.
const FORMAT: u32 = 1;

/// Bytes of one line at the most: a job file of a megabyte, escaped.
const LINE_LIMIT: u64 = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Head {
    export: String,
    format: u32,
    writer: String,
    sequence: u64,
    taken_at: String,
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    kind: KindName,
    version: u8,
    sequence: u64,
    record: T,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Job,
    Source,
    Run,
    Skip,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: u64,
    crc32: String,
}

/// What an export holds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportSummary {
    /// The newest commit in it.
    pub sequence: u64,
    /// Records in it.
    pub records: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// Why an export could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error("cannot write the export")]
    Write(#[from] io::Error),
}

/// Why a file is no export that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("it is not an export of jobsd")]
    Foreign,
    /// A newer program wrote it.
    #[error("it was written by a newer jobsd")]
    Newer,
    /// It ends too early, or was changed.
    #[error("it is not whole: {0}")]
    Damaged(String),
}

/// Writes all records of a database.
///
/// # Errors
/// When the database cannot be read or the output not be written.
pub(super) fn write(database: &Database, out: &mut impl Write, now: Timestamp) -> Result<ExportSummary, ExportError> {
    let mut out = Summing { out, checksum: crc32fast::Hasher::new() };
    let meta = load_meta(database)?;
    let sequence = meta.as_ref().map_or(0, |meta| meta.sequence);
    let head = Head {
        export: "jobsd".to_owned(),
        format: FORMAT,
        writer: env!("CARGO_PKG_VERSION").to_owned(),
        sequence,
        taken_at: now.to_rfc3339_opts(SecondsFormat::Micros, true),
    };
    out.line(&head)?;
    let mut records = 0;
    for entry in database.all() {
        let (key, value) = entry.map_err(ReadError::from)?;
        let is_record = Key::decode(&key).is_ok_and(|key| match key {
            Key::Job(_) | Key::Source(..) | Key::History(..) => true,
            Key::Meta | Key::Live(_) | Key::Ended(..) | Key::Notice(_) | Key::Part(..) => false,
        });
        if is_record {
            out.line(&line(&key, &payload(database, &key, &value)?)?)?;
            records += 1;
        }
    }
    let crc32 = format!("{:08x}", out.checksum.clone().finalize());
    out.line(&End { end: records, crc32 })?;
    Ok(ExportSummary { sequence, records, taken_at: now })
}

fn line(key: &[u8], payload: &Payload) -> Result<Line<Box<RawValue>>, ReadError> {
    let damaged = |reason: &str| ReadError::Damaged { key: key.escape_ascii().to_string(), reason: reason.to_owned() };
    let kind = match payload.kind {
        Kind::Job => KindName::Job,
        Kind::Source => KindName::Source,
        Kind::Run => KindName::Run,
        Kind::Skip => KindName::Skip,
        Kind::Meta | Kind::Part | Kind::Notice => return Err(damaged("it is of a kind that does not belong there")),
    };
    let record = serde_json::from_slice(&payload.bytes).map_err(|_| damaged("it is no JSON"))?;
    Ok(Line { kind, version: payload.version, sequence: payload.sequence, record })
}

struct Summing<'a, W> {
    out: &'a mut W,
    checksum: crc32fast::Hasher,
}

impl<W: Write> Summing<'_, W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::other)?;
        bytes.push(b'\n');
        self.checksum.update(&bytes);
        self.out.write_all(&bytes)
    }
}

/// Reads an export, and hands every record with its sequence to `take`. What was taken counts only if the whole is good:
/// damage may show at the end.
///
/// # Errors
/// When it cannot be read, is no export, is newer, or not whole; and when `take` fails.
pub(super) fn read<E: From<ImportError>>(
    input: &mut impl BufRead,
    mut take: impl FnMut(Record, u64) -> Result<(), E>,
) -> Result<ExportSummary, E> {
    let mut lines = Lines { input, checksum: crc32fast::Hasher::new(), buffer: Vec::new(), number: 0 };
    let head = read_head(&mut lines)?;
    let mut records = 0;
    loop {
        let checksum = format!("{:08x}", lines.checksum.clone().finalize());
        let Some(bytes) = lines.next()? else {
            return Err(ImportError::Damaged("its last line is missing".to_owned()).into());
        };
        if let Ok(end) = serde_json::from_slice::<End>(bytes) {
            check_end(&end, records, &checksum)?;
            break;
        }
        let number = lines.number;
        let (record, sequence) = read_record(&lines.buffer, number)?;
        take(record, sequence)?;
        records += 1;
    }
    if lines.next()?.is_some() {
        return Err(ImportError::Damaged("something follows its last line".to_owned()).into());
    }
    let taken_at = DateTime::parse_from_rfc3339(&head.taken_at)
        .map_err(|_| ImportError::Damaged(format!("{:?} is no time", head.taken_at)))?;
    Ok(ExportSummary { sequence: head.sequence, records, taken_at: taken_at.to_utc() })
}

fn read_head(lines: &mut Lines<'_, impl BufRead>) -> Result<Head, ImportError> {
    let bytes = lines.next()?.ok_or(ImportError::Foreign)?;
    let head: Head = serde_json::from_slice(bytes).map_err(|_| ImportError::Foreign)?;
    match (&head.export[..], head.format) {
        ("jobsd", FORMAT) => Ok(head),
        ("jobsd", newer) if newer > FORMAT => Err(ImportError::Newer),
        _ => Err(ImportError::Foreign),
    }
}

fn read_record(bytes: &[u8], number: u64) -> Result<(Record, u64), ImportError> {
    let damaged = |reason: String| ImportError::Damaged(format!("line {number}: {reason}"));
    let line: Line<Box<RawValue>> = serde_json::from_slice(bytes).map_err(|_| damaged("it is no record".to_owned()))?;
    let kind = match line.kind {
        KindName::Job => Kind::Job,
        KindName::Source => Kind::Source,
        KindName::Run => Kind::Run,
        KindName::Skip => Kind::Skip,
    };
    match Record::decode(kind, line.version, line.record.get().as_bytes()) {
        Ok(record) => Ok((record, line.sequence)),
        Err(RecordError::Newer { .. }) => Err(ImportError::Newer),
        Err(fault @ RecordError::Unreadable(_)) => Err(damaged(fault.to_string())),
    }
}

fn check_end(end: &End, records: u64, checksum: &str) -> Result<(), ImportError> {
    if end.crc32 != checksum {
        return Err(ImportError::Damaged("its checksum does not match".to_owned()));
    }
    if end.end != records {
        return Err(ImportError::Damaged(format!("it holds {records} records and says {}", end.end)));
    }
    Ok(())
}

struct Lines<'a, R> {
    input: &'a mut R,
    checksum: crc32fast::Hasher,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<'_, R> {
    /// The next line, with its end.
    fn next(&mut self) -> Result<Option<&[u8]>, ImportError> {
        self.buffer.clear();
        let mut bounded = io::Read::take(&mut *self.input, LINE_LIMIT);
        let length = bounded.read_until(b'\n', &mut self.buffer).map_err(ImportError::Read)?;
        self.number += 1;
        if length == 0 {
            return Ok(None);
        }
        if self.buffer.last() != Some(&b'\n') {
            return Err(ImportError::Damaged(format!("line {} has no end", self.number)));
        }
        self.checksum.update(&self.buffer);
        Ok(Some(&self.buffer))
    }
}
