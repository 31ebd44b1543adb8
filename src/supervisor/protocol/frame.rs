//! Frames: a length, then a message.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of one message at the most. A launch plan is the largest one: its arguments and environment are bounded by the
/// kernel at 128 KiB a string and a quarter of the stack in all, usually 2 MiB; a job that needs a mebibyte of them
/// wants a file. A longer plan is not sent, and its attempt ends as `SetupFailed` (`E2BIG`); a peer that announces a
/// longer frame is cut off.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Bytes of the length in front of a message.
const PREFIX: usize = size_of::<u32>();

/// Why a frame could not be written or read. It never shows the content, which may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is longer than [`FRAME_LIMIT`].
    #[error("a message of {bytes} bytes is longer than the {FRAME_LIMIT} that a frame may have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Its content is no message of the version spoken.
    #[error("a frame of {bytes} bytes holds no message of this version (at column {column})")]
    Malformed {
        /// Its length.
        bytes: usize,
        /// Where reading stopped.
        column: usize,
    },
}

/// Writes a message as a frame.
///
/// # Errors
/// When it is longer than [`FRAME_LIMIT`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX];
    serde_json::to_writer(&mut frame, message).expect("messages have text keys and are written to memory");
    let bytes = frame.len() - PREFIX;
    if bytes > FRAME_LIMIT {
        return Err(FrameError::TooLong { bytes });
    }
    let length = u32::try_from(bytes).expect("FRAME_LIMIT fits into 32 bits");
    frame[..PREFIX].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Cuts a stream of bytes into messages.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    consumed: usize,
}

impl FrameBuffer {
    /// Takes bytes as they came from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.consumed);
        self.consumed = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, when there is one.
    ///
    /// # Errors
    /// When the frame is too long or its content is no such message; the stream cannot be used after it.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let waiting = &self.bytes[self.consumed..];
        let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let bytes = u32::from_le_bytes(*prefix) as usize;
        if bytes > FRAME_LIMIT {
            return Err(FrameError::TooLong { bytes });
        }
        let Some(content) = rest.get(..bytes) else { return Ok(None) };
        // serde's own text may quote the content, so only the place is kept.
        let message =
            serde_json::from_slice(content).map_err(|fault| FrameError::Malformed { bytes, column: fault.column() })?;
        self.consumed += PREFIX + bytes;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let messages = ["", "one", "two and a half"];
        let stream: Vec<u8> = messages.iter().flat_map(|text| encode(text).unwrap()).collect();
        for step in 1..stream.len() {
            let mut buffer = FrameBuffer::default();
            let mut seen: Vec<String> = Vec::new();
            for piece in stream.chunks(step) {
                buffer.push(piece);
                while let Some(text) = buffer.message().unwrap() {
                    seen.push(text);
                }
            }
            assert_eq!(seen, messages, "in pieces of {step}");
        }
    }

    #[test]
    fn too_long_is_refused_on_both_sides() {
        let text = "x".repeat(FRAME_LIMIT);
        assert_eq!(encode(&text), Err(FrameError::TooLong { bytes: FRAME_LIMIT + 2 }));
        assert!(encode(&&text[2..]).is_ok());
        let mut buffer = FrameBuffer::default();
        buffer.push(&u32::MAX.to_le_bytes());
        assert_eq!(buffer.message::<String>(), Err(FrameError::TooLong { bytes: u32::MAX as usize }));
    }

    #[test]
    fn a_malformed_frame_does_not_show_its_content() {
        let mut buffer = FrameBuffer::default();
        buffer.push(&encode(&"hunter2").unwrap());
        let fault = buffer.message::<u32>().unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("hunter2"));
    }
}
