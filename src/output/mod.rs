//! What a run printed: written by the supervisor, read by everybody else.
//!
//! # On disk
//!
//! The attempt's directory holds *segments*: pairs of files `K.out` and `K.idx`, `K` counting from 0. There are none
//! until the first byte was printed.
//!
//! - `K.out` is what the program printed, as it printed it, standard output and standard error in order of arrival.
//! - `K.idx` says what it is: a header of 16 bytes (`jobsdix1`, then the absolute offset at which the segment begins),
//!   then records of 24 bytes:
//!
//!   | bytes | content |
//!   |---|---|
//!   | 0–7 | absolute offset: bytes printed before it in this attempt |
//!   | 8–11 | length in bytes |
//!   | 12 | kind: 1 standard output, 2 standard error, 3 lost, 4 limited |
//!   | 13–15 | zero |
//!   | 16–23 | wall time of arrival, signed microseconds since 1970 |
//!
//!   All numbers are little endian. A record of kind 1 or 2 owns the next `length` bytes of `K.out`; one of kind 3 owns
//!   none: so many bytes were read from the program and could not be written, because the disk was full or failed; one of
//!   kind 4 likewise: they came faster than the job's `rate_limit`. What arrives on one stream within a few milliseconds is one record, which grows: readers go by absolute offsets.
//!
//! # The bound
//!
//! Both files of all segments together never exceed the job's limit. All segments have the same size, an eighth of the
//! limit (at most [`SEGMENT_LIMIT`]). The segments of the first quarter are kept; of those after it, the oldest is
//! deleted when a new one would exceed the limit. So the first and the last part of the output stay, and the cut
//! between them is a jump in the absolute offsets that no record of kind 3 or 4 explains.
//!
//! # Compression
//!
//! When an attempt is over and old, `K.out` becomes `K.out.zst` ([`compress`]), one zstd frame with a checksum; the index
//! stays. A segment is small enough to be unpacked as a whole by a reader.
//!
//! # Elsewhere
//!
//! A job whose output goes to the journal, to syslog or nowhere has no segments. [`Capture`] is what the supervisor
//! holds for each attempt, wherever its output goes.
//!
//! # Damage
//!
//! A record that is torn (the supervisor was killed, the power failed) or impossible ends its segment for readers; what
//! comes before it and the segments after it are read. Bytes of `K.out` that no record owns are not shown.

mod attic;
mod capture;
mod follow;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod index;
mod layout;
mod messages;
mod pack;
mod pieces;
mod reader;
mod segment;
mod sieve;
mod stamp;
#[cfg(test)]
mod tests;
mod writer;

pub use attic::{Attic, Stored, beyond};
pub use capture::Capture;
pub use follow::{Follow, Watcher};
pub use index::{ReadError, Stream};
pub use layout::SEGMENT_LIMIT;
pub use pack::compress;
pub use pieces::Pieces;
pub use reader::{Chunk, Filter, Missing, Output, Piece};
pub use sieve::{PATTERN_LIMIT, Pattern, PatternError, Sieve};
pub use stamp::Stamp;
pub use writer::Writer;
