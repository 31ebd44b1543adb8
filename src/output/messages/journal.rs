//! Messages as the systemd journal reads them (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use super::{FACILITY, Message, Source};

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A datagram. The text goes with its length, so that it may hold any bytes; the other fields hold none that need it:
/// a job's name has neither newlines nor `=`.
pub(super) fn encode(message: &Message<'_>) -> Vec<u8> {
    let run = &message.attempt.run;
    let mut bytes = Vec::with_capacity(message.text.len() + 256);
    bytes.extend_from_slice(b"MESSAGE\n");
    bytes.extend_from_slice(&(message.text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(message.text);
    let fields = format!(
        "\nPRIORITY={}\nSYSLOG_FACILITY={FACILITY}\nSYSLOG_IDENTIFIER={job}\nJOBSD_JOB={job}\nJOBSD_RUN={run}\n\
         JOBSD_ATTEMPT={}\n",
        message.source.priority(),
        message.attempt.attempt,
        job = run.job,
    );
    bytes.extend_from_slice(fields.as_bytes());
    if let Source::Printed(stream) = message.source {
        bytes.extend_from_slice(format!("JOBSD_STREAM={}\n", stream.name()).as_bytes());
    }
    bytes
}
