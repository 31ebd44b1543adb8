//! Messages as a local syslog daemon reads them (RFC 3164, as the C library writes them).

use chrono::Local;

use super::{FACILITY, Message};

/// Where it listens.
pub(super) const SOCKET: &str = "/dev/log";

/// A datagram: `<priority>time job[number]: text`. The run's number stands where other programs have their process id.
/// Control characters are written as rsyslog does, `#` and three octal digits: some daemons end a message at a NUL.
pub(super) fn encode(message: &Message<'_>) -> Vec<u8> {
    let run = &message.attempt.run;
    let priority = u16::from(FACILITY) * 8 + u16::from(message.source.priority());
    // The form has no zone: the receiver takes it for its own.
    let time = message.at.with_timezone(&Local).format("%b %e %H:%M:%S");
    let mut bytes = format!("<{priority}>{time} {}[{}]: ", run.job, run.number).into_bytes();
    for &byte in message.text {
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            bytes.extend_from_slice(format!("#{byte:03o}").as_bytes());
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::{Source, Stream};
    use super::*;
    use crate::clock::Timestamp;
    use crate::run::AttemptId;

    #[test]
    fn control_characters_are_written_out() {
        let attempt = AttemptId { run: "a.b-c/7".parse().unwrap(), attempt: 2 };
        let at = Timestamp::from_timestamp_micros(1_793_536_496_789_012).unwrap();
        let message =
            Message { attempt: &attempt, source: Source::Printed(Stream::Stdout), text: b"a\0\tb\xff\x1b", at };
        let bytes = encode(&message);
        assert!(bytes.starts_with(b"<78>"));
        assert!(bytes.ends_with(b" a.b-c[7]: a#000\tb\xff#033"), "{}", String::from_utf8_lossy(&bytes));
    }
}
