//! What the fuzz targets do with what the supervisor reads. It lies here so that an ordinary test replays their corpora.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::environment_file;
use super::protocol::wire::{self, Attempt, End, Plan, ToEngine, ToSupervisor};
use super::protocol::{FrameBuffer, encode, timestamp};
use crate::run::{AttemptEnd, AttemptId, LaunchPlan, StopReason};

/// Reads a stream of bytes as each of both sides does. The first byte says in pieces of which size the others come.
///
/// # Panics
/// When a promise is broken: it depends on the pieces what is read, or what was read is written and reads as something
/// else.
pub fn frames(bytes: &[u8]) {
    let Some((&first, stream)) = bytes.split_first() else { return };
    for read in [hear::<ToSupervisor>, hear::<ToEngine>] {
        let whole = read(stream, stream.len().max(1));
        assert_eq!(read(stream, usize::from(first).max(1)), whole, "pieces of {first}");
    }
    let mut buffer = FrameBuffer::default();
    buffer.push(stream);
    while let Ok(Some(message)) = buffer.message::<ToSupervisor>() {
        obey(message);
    }
    let mut buffer = FrameBuffer::default();
    buffer.push(stream);
    while let Ok(Some(message)) = buffer.message::<ToEngine>() {
        believe(message);
    }
}

/// Every message, written again, and whether the stream ended by a fault.
fn hear<T: Serialize + DeserializeOwned>(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut buffer = FrameBuffer::default();
    let mut heard = Vec::new();
    for piece in stream.chunks(piece) {
        buffer.push(piece);
        loop {
            match buffer.message::<T>() {
                Ok(Some(message)) => heard.push(settled(&message)),
                Ok(None) => break,
                Err(fault) => {
                    assert!(!fault.to_string().is_empty());
                    return (heard, true);
                }
            }
        }
    }
    (heard, false)
}

/// A message as it is written; written, read and written again it is the same.
fn settled<T: Serialize + DeserializeOwned>(message: &T) -> Vec<u8> {
    let frame = encode(message).expect("what came in a frame fits into one");
    let mut buffer = FrameBuffer::default();
    buffer.push(&frame);
    let again = buffer.message::<T>().expect("what was written is read").expect("it is whole");
    assert_eq!(encode(&again).as_deref(), Ok(&frame[..]));
    frame
}

/// What the supervisor makes of a message.
fn obey(message: ToSupervisor) {
    match message {
        ToSupervisor::Hello { .. } => {}
        ToSupervisor::Launch { plan } | ToSupervisor::Find { plan } => {
            if let Ok(plan) = LaunchPlan::try_from(*plan) {
                let again = LaunchPlan::try_from(Plan::from(&plan));
                assert_eq!(again, Ok(plan), "a plan means the same when it is sent on");
            }
        }
        ToSupervisor::Stop { attempt, reason } => {
            name(attempt);
            assert_eq!(wire::StopReason::from(StopReason::from(reason)), reason);
        }
        ToSupervisor::Acknowledge { attempt } => name(attempt),
    }
}

/// What the engine makes of a message.
fn believe(message: ToEngine) {
    match message {
        ToEngine::Hello { .. } | ToEngine::Refused { .. } => {}
        ToEngine::Started { attempt, at_unix_micros, .. } => {
            name(attempt);
            if let Ok(at) = timestamp(at_unix_micros) {
                assert_eq!(at.timestamp_micros(), at_unix_micros);
            }
        }
        ToEngine::Ended { attempt, end } => {
            name(attempt);
            if let Ok(end) = AttemptEnd::try_from(*end) {
                assert_eq!(AttemptEnd::try_from(End::from(&end)), Ok(end), "an end means the same when it is sent on");
            }
        }
        ToEngine::NoTrace { attempt } => name(attempt),
    }
}

fn name(attempt: Attempt) {
    let written = attempt.clone();
    if let Ok(id) = AttemptId::try_from(attempt) {
        assert_eq!(Attempt::from(&id), written);
    }
}

/// Reads a file of variables.
///
/// # Panics
/// When a variable comes out that no process can be given.
pub fn environment_file(text: &str) {
    for (name, value) in environment_file::parse(text) {
        assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
        assert!(!value.contains('\0'), "{name}");
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::{replay, replay_text};

    #[test]
    fn the_corpus_breaks_nothing() {
        replay("supervisor_frames", 8, super::frames);
        replay_text("environment_file", 10, super::environment_file);
    }
}
