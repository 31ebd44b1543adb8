//! [`Stamp`]: times in front of lines.

use super::Stream;

/// Puts a prefix in front of lines and not of pieces, where two streams share a screen.
#[derive(Debug, Default)]
pub struct Stamp {
    /// Whose line was begun last.
    begun: Option<Stream>,
}

impl Stamp {
    /// Ends a line that was begun and will not go on: something is missing here. Gives the bytes that do it.
    pub fn break_line(&mut self) -> &'static [u8] {
        if self.begun.take().is_some() { b"\n" } else { b"" }
    }

    /// The bytes of one piece with `prefix` in front of each line that begins in it. A line into which the other stream
    /// broke is ended, and goes on with a prefix of its own.
    pub fn stamp(&mut self, stream: Stream, bytes: &[u8], prefix: &str) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(bytes.len() + prefix.len());
        if self.begun.is_some_and(|begun| begun != stream) {
            stamped.push(b'\n');
            self.begun = None;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.begun.is_none() {
                stamped.extend_from_slice(prefix.as_bytes());
            }
            stamped.extend_from_slice(line);
            self.begun = (!line.ends_with(b"\n")).then_some(stream);
        }
        stamped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_stand_in_front_of_lines_and_not_of_pieces() {
        let mut stamp = Stamp::default();
        let mut text = Vec::new();
        for (stream, piece) in [
            (Stream::Stdout, "one\ntw"),
            (Stream::Stdout, "o\nthr"),
            (Stream::Stderr, "oops\n"),
            (Stream::Stdout, "ee\n"),
        ] {
            text.extend(stamp.stamp(stream, piece.as_bytes(), "> "));
        }
        assert_eq!(String::from_utf8(text).unwrap(), "> one\n> two\n> thr\n> oops\n> ee\n");
        assert_eq!(stamp.break_line(), b"");
        stamp.stamp(Stream::Stdout, b"half", "> ");
        assert_eq!(stamp.break_line(), b"\n");
        assert_eq!(stamp.stamp(Stream::Stdout, b"rest\n", "> "), b"> rest\n");
    }
}
