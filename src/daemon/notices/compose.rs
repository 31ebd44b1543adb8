//! A message becomes the plan of an attempt: its program, what that reads, and as whom it runs.

use std::path::Path;
use std::time::Duration;

use super::NotifySettings;
use super::facts::Facts;
use super::mail;
use crate::clock::Timestamp;
use crate::output::{Filter, Output, Piece};
use crate::run::{AttemptId, LaunchPlan, Notice, Run, Sender};
use crate::spec::{Channel, Environment, Identity, OutputPolicy, ProcessSpec, STDIN_LIMIT, Stdin, StopPolicy};
use crate::store::Reader;
use crate::supervisor::attempt_dir;

/// Time between SIGTERM and SIGKILL when that is over.
const GRACE: Duration = Duration::from_secs(5);

/// Bytes that are kept of what the program of a message says.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Bytes of a run's output that a message carries: its end, which tells most. The plan's standard input is bounded, and
/// head, facts and folding of lines need room beside it.
pub const TAIL_LIMIT: usize = STDIN_LIMIT - 16 * 1024;

/// What a message is made from.
pub(super) struct Surroundings<'a> {
    pub store: &'a Reader,
    pub runs: &'a Path,
    pub host: &'a str,
    pub now: Timestamp,
}

/// The plan of the delivery that is due. It can always be made: what cannot be read is said in the message.
pub(super) fn plan(notice: &Notice, settings: &NotifySettings, around: &Surroundings<'_>) -> LaunchPlan {
    let run = notice.run().and_then(|id| match around.store.run(&id) {
        Ok(run) => run,
        Err(fault) => {
            tracing::warn!(run = %id, %fault, "a message is sent without the facts of its run");
            None
        }
    });
    let mut facts = Facts::of(notice, run.as_ref(), around.host);
    let delay = (around.now - notice.at).to_std().unwrap_or_default();
    facts.variables.insert("JOBSD_DELIVERY".to_owned(), (notice.failed_attempts + 1).to_string());
    facts.variables.insert("JOBSD_DELAY_SECONDS".to_owned(), delay.as_secs().to_string());
    let tail = run.as_ref().and_then(|run| tail(run, around.runs));
    let (argv, input) = match &notice.channel {
        Channel::Mail { to } => {
            let shown = tail.map(|tail| shown(&tail, notice));
            let text = mail::write(notice, to, &facts, shown.as_deref());
            (sendmail(settings), text)
        }
        Channel::Command(command) => (command.argv(), tail.map(|tail| tail.text).unwrap_or_default()),
    };
    let mut process = ProcessSpec::default();
    process.inputs.stdin = if input.is_empty() { Stdin::Nothing } else { Stdin::Text(input) };
    LaunchPlan {
        attempt: notice.attempt(),
        argv,
        environment: Environment(facts.variables),
        working_directory: Some("/".into()),
        identity: match &notice.sender {
            Sender::Job(identity) => identity.clone(),
            Sender::Daemon => Identity { user: settings.user.clone(), group: None },
        },
        process,
        timeout: Some(settings.timeout),
        stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: GRACE },
        output: OutputPolicy { limit_bytes: OUTPUT_LIMIT, ..OutputPolicy::default() },
    }
}

/// As cron calls it: a line with a single dot does not end the mail, and the head names the recipient.
fn sendmail(settings: &NotifySettings) -> Vec<String> {
    vec![settings.sendmail.display().to_string(), "-i".to_owned(), "-t".to_owned()]
}

/// The end of what a run printed.
struct Tail {
    text: String,
    /// Bytes in front of it.
    left_out: u64,
}

/// The end of the output of the newest attempt that printed something.
fn tail(run: &Run, runs: &Path) -> Option<Tail> {
    let printed = |number: u32| {
        let id = AttemptId { run: run.id.clone(), attempt: number };
        let attempt = run.attempts.iter().find(|attempt| attempt.number == number)?;
        let (end, _) = attempt.end.as_ref().filter(|(end, _)| end.output.bytes > 0)?;
        let from = end.output.bytes.saturating_sub(TAIL_LIMIT as u64);
        let pieces = Output::new(&attempt_dir(runs, &id)).read(from, Filter::default());
        let bytes: Vec<u8> = pieces
            .filter_map(|piece| match piece {
                Ok(Piece::Printed(chunk)) => Some(chunk.bytes),
                Ok(Piece::Missing { .. }) | Err(_) => None,
            })
            .flatten()
            .take(TAIL_LIMIT)
            .collect();
        Some(Tail { text: cut(&bytes, from > 0), left_out: from })
    };
    run.attempts.iter().rev().find_map(|attempt| printed(attempt.number))
}

/// Text of these bytes, from the beginning of a line when something is in front of them. What is no UTF-8 is replaced, by
/// no more bytes than are to be had.
fn cut(bytes: &[u8], is_end: bool) -> String {
    let begin = bytes.iter().position(|&byte| byte == b'\n').filter(|&at| is_end && at + 1 < bytes.len());
    let text = String::from_utf8_lossy(&bytes[begin.map_or(0, |at| at + 1)..]).replace('\0', "\u{fffd}");
    let mut from = text.len().saturating_sub(TAIL_LIMIT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

/// The output as a mail shows it.
fn shown(tail: &Tail, notice: &Notice) -> String {
    let run = notice.run().map(|run| run.to_string()).unwrap_or_default();
    match tail.left_out {
        0 => tail.text.clone(),
        bytes => format!("({bytes} bytes before this: jobctl logs {run})\n{}", tail.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_with_a_line_and_is_text_of_bounded_length() {
        assert_eq!(cut(b"one\ntwo\n", false), "one\ntwo\n");
        assert_eq!(cut(b"one\ntwo\n", true), "two\n");
        assert_eq!(cut(b"no end", true), "no end");
        assert_eq!(cut(b"a\0b\xff", false), "a\u{fffd}b\u{fffd}");
        let garbage = cut(&vec![0xff; TAIL_LIMIT], false);
        assert!(garbage.len() <= TAIL_LIMIT && garbage.len() > TAIL_LIMIT - 3, "{}", garbage.len());
    }
}
