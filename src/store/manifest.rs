//! [`Manifest`] and [`Witness`]: what the store remembers of itself outside of the database, so that a database which lost
//! something, or all of it, cannot pass for a good one.
//!
//! The **manifest** is written when the store is opened (not clean) and when it is closed (clean), each time by rename and
//! fsync. The **witness** is overwritten in place after every acknowledged commit and never synced: it survives the end
//! of the process, and after a power cut it holds some earlier commit or nothing readable. Neither is ever ahead of the
//! database's durable state, so a database that is behind one of them has lost something.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::journal::replace_file;
use super::record::{Digest, Meta};

/// The layout of the state directory; another number means another program.
pub(super) const FORMAT: u32 = 1;

/// The manifest, as JSON in `manifest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub writer: String,
    /// Whether the store was closed in order.
    pub clean: bool,
    /// The newest commit.
    pub sequence: u64,
    /// Keys in the database.
    pub keys: u64,
    /// Their fingerprint.
    pub sum: u64,
    /// sled's file, as it was when the store was closed in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Imprint>,
}

/// By what sled's file is known again: nobody has changed a bit of it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Imprint {
    /// Its length.
    pub bytes: u64,
    /// The CRC-32 of all of it.
    pub crc32: u32,
}

impl Imprint {
    /// The imprint of a file. Reads all of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut checksum = crc32fast::Hasher::new();
        let mut buffer = vec![0; 1 << 18];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Self { bytes, crc32: checksum.finalize() }),
                Ok(count) => {
                    checksum.update(&buffer[..count]);
                    bytes += count as u64;
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// What can be read of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There is none: a new state directory.
    None,
    /// Its text is not a manifest's.
    Unreadable,
    /// A newer program wrote it.
    Newer(u32),
    /// It is good.
    Good(Manifest),
}

impl Manifest {
    /// A manifest of a database whose own record is `meta`; clean with the imprint of its file.
    pub fn new(meta: &Meta, database: Option<Imprint>) -> Self {
        Self {
            format: FORMAT,
            writer: env!("CARGO_PKG_VERSION").to_owned(),
            clean: database.is_some(),
            sequence: meta.sequence,
            keys: meta.digest.keys,
            sum: meta.digest.sum,
            database,
        }
    }

    /// Reads the manifest at `path`.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> io::Result<Reading> {
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Reading::None),
            Err(fault) => return Err(fault),
        };
        let Some(text) = unsealed(&bytes) else { return Ok(Reading::Unreadable) };
        Ok(match serde_json::from_slice::<FormatOnly>(text) {
            Ok(FormatOnly { format }) if format > FORMAT => Reading::Newer(format),
            Ok(_) => serde_json::from_slice(text).map_or(Reading::Unreadable, Reading::Good),
            Err(_) => Reading::Unreadable,
        })
    }

    /// Writes it, durably, in place of the one before.
    ///
    /// # Errors
    /// When it cannot be written; then the one before stands.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        replace_file(path, &sealed(text))
    }
}

/// Two lines: the text and its checksum. Every format keeps to this, so that damage is told from a newer format.
fn sealed(mut text: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&text);
    text.extend_from_slice(format!("\n{checksum:08x}\n").as_bytes());
    text
}

fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (text, checksum) = bytes.strip_suffix(b"\n")?.split_last_chunk::<8>()?;
    let text = text.strip_suffix(b"\n")?;
    (format!("{:08x}", crc32fast::hash(text)).as_bytes() == checksum).then_some(text)
}

/// The file of the newest acknowledged commit.
pub(super) struct Witness(File);

const WITNESS_MAGIC: &[u8; 4] = b"JOBW";
const WITNESS_LENGTH: usize = 32;

impl Witness {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// When that fails.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(Self)
    }

    /// The commit that it tells of; nothing when there is none, or what it holds is not whole.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<(u64, Digest)>> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(WITNESS_LENGTH as u64 + 1).read_to_end(&mut bytes)?,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        Ok(decode(&bytes))
    }

    /// Tells of a commit.
    ///
    /// # Errors
    /// When the file cannot be written. The commit is durable all the same.
    pub fn tell(&self, meta: &Meta) -> io::Result<()> {
        self.0.write_all_at(&encode(meta.sequence, meta.digest), 0)
    }
}

/// Magic, sequence, keys, sum, CRC-32 of all before it.
fn encode(sequence: u64, digest: Digest) -> [u8; WITNESS_LENGTH] {
    let mut bytes = [0; WITNESS_LENGTH];
    bytes[..4].copy_from_slice(WITNESS_MAGIC);
    bytes[4..12].copy_from_slice(&sequence.to_be_bytes());
    bytes[12..20].copy_from_slice(&digest.keys.to_be_bytes());
    bytes[20..28].copy_from_slice(&digest.sum.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Digest)> {
    let bytes: &[u8; WITNESS_LENGTH] = bytes.try_into().ok()?;
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body).to_be_bytes() != *checksum || !body.starts_with(WITNESS_MAGIC) {
        return None;
    }
    let number = |at: usize| Some(u64::from_be_bytes(body.get(at..at + 8)?.try_into().ok()?));
    Some((number(4)?, Digest { keys: number(12)?, sum: number(20)? }))
}

/// What the database must hold at least, by what was remembered outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// The database is at this commit or a later one.
    pub sequence: u64,
    /// What it holds if it is at exactly this commit; not known when both files were unreadable.
    pub digest: Option<Digest>,
    /// sled's file, when it was closed in order.
    pub database: Option<Imprint>,
}

impl Expectation {
    /// What both files tell together.
    pub fn of(manifest: Option<&Manifest>, witness: Option<(u64, Digest)>) -> Self {
        let told = manifest.map(|manifest| (manifest.sequence, Digest { keys: manifest.keys, sum: manifest.sum }));
        // The newer of the two; a store that never had a commit has no witness.
        let newest = told.into_iter().chain(witness).max_by_key(|(sequence, _)| *sequence);
        Self {
            sequence: newest.map_or(0, |(sequence, _)| sequence),
            digest: newest.map(|(_, digest)| digest),
            database: manifest.filter(|manifest| manifest.clean).and_then(|manifest| manifest.database),
        }
    }

    /// What is wrong with a database at commit `sequence` that holds `digest`, if something is.
    pub fn contradiction(&self, sequence: u64, digest: Digest) -> Option<String> {
        if sequence < self.sequence {
            return Some(format!("it is at commit {sequence}, and commit {} was acknowledged", self.sequence));
        }
        let expected = self.digest.filter(|_| sequence == self.sequence)?;
        (expected != digest)
            .then(|| format!("it holds {} keys where {} were written, or other ones", digest.keys, expected.keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(sequence: u64) -> Meta {
        Meta { writer: "0.1.0".to_owned(), sequence, digest: Digest { keys: 3, sum: 4 } }
    }

    #[test]
    fn a_manifest_reads_back_and_a_newer_one_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("manifest");
        assert_eq!(Manifest::read(&path).expect("readable"), Reading::None);
        let manifest = Manifest::new(&meta(7), Some(Imprint { bytes: 512, crc32: 7 }));
        manifest.write(&path).expect("written");
        assert_eq!(Manifest::read(&path).expect("readable"), Reading::Good(manifest));
        let good = std::fs::read(&path).expect("readable");
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(Manifest::read(&path).expect("readable"), Reading::Unreadable, "bit {bit}");
        }
        std::fs::write(&path, sealed(br#"{"format": 2, "anything": []}"#.to_vec())).expect("written");
        assert_eq!(Manifest::read(&path).expect("readable"), Reading::Newer(2));
        std::fs::write(&path, sealed(b"{".to_vec())).expect("written");
        assert_eq!(Manifest::read(&path).expect("readable"), Reading::Unreadable);
    }

    #[test]
    fn a_witness_is_whole_or_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("witness");
        assert_eq!(Witness::read(&path).expect("readable"), None);
        let witness = Witness::open(&path).expect("created");
        witness.tell(&meta(7)).expect("written");
        witness.tell(&meta(8)).expect("written");
        assert_eq!(Witness::read(&path).expect("readable"), Some((8, meta(8).digest)));
        let good = std::fs::read(&path).expect("readable");
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(Witness::read(&path).expect("readable"), None, "bit {bit}");
        }
    }

    #[test]
    fn a_database_behind_what_is_remembered_contradicts() {
        let digest = Digest { keys: 3, sum: 4 };
        let other = Digest { keys: 3, sum: 5 };
        let manifest = Manifest::new(&meta(7), None);
        let expected = Expectation::of(Some(&manifest), Some((9, digest)));
        assert!(expected.contradiction(8, digest).is_some());
        assert!(expected.contradiction(9, other).is_some());
        assert_eq!(expected.contradiction(9, digest), None);
        assert_eq!(expected.contradiction(10, other), None, "a commit that was not acknowledged may be there");
        assert_eq!(Expectation::of(None, None).contradiction(0, other), None);
    }
}
