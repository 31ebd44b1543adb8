//! `jobctl logs`

use super::moment::Zone;
use super::session::Session;
use super::target::{Target, job_path, run_path};
use super::{Exit, Failure, complete, ending};
use crate::api::client::{ClientError, Streaming};
use crate::api::types::{JobDetail, OutputChunk, OutputLine, OutputMark, RunState, Stream};
use crate::units::format_size;

#[derive(Clone, Debug, clap::Args)]
pub struct LogsArgs {
    /// A run, as in `backup/42`, or a job: its newest run
    #[arg(value_name = "JOB[/NUMBER]", add = complete::target())]
    target: Target,
    /// Go on until the run is over
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long = "lines", value_name = "NUMBER")]
    lines: Option<u64>,
    /// Only what was printed there
    #[arg(long, value_name = "STREAM", value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
    /// Only what this attempt printed; otherwise all of them, in order
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Put the local time in front of every line
    #[arg(short, long, conflicts_with = "output")]
    timestamps: bool,
}

/// What is to be shown of a run's output, and how.
pub struct Follow {
    job: String,
    number: u64,
    follow: bool,
    lines: Option<u64>,
    stream: Option<String>,
    attempt: Option<u32>,
    timestamps: bool,
    /// What the run printed to standard error goes to ours.
    split: bool,
    /// The last place that was shown: an attempt, and an offset in what it printed.
    shown: Option<(u32, u64)>,
}

impl Follow {
    /// Everything that a run prints, to its end, each stream to its own.
    pub fn whole(job: &str, number: u64) -> Self {
        Self {
            job: job.to_owned(),
            number,
            follow: true,
            lines: None,
            stream: None,
            attempt: None,
            timestamps: false,
            split: true,
            shown: None,
        }
    }

    fn path(&self) -> String {
        let mut path = format!("{}/output?format=json&follow={}", run_path(&self.job, self.number), self.follow);
        let mut add = |name: &str, value: Option<String>| {
            path.extend(value.map(|value| format!("&{name}={value}")));
        };
        add("stream", self.stream.clone());
        add("attempt", self.attempt.map(|attempt| attempt.to_string()));
        match self.shown {
            Some((attempt, offset)) => add("after", Some(format!("{attempt}:{offset}"))),
            None => add("tail", self.lines.map(|lines| lines.to_string())),
        }
        path
    }
}

/// Prints what a run printed.
pub async fn run(session: &mut Session, args: LogsArgs) -> Result<Exit, Failure> {
    let number = match args.target {
        Target::Run { number, .. } => number,
        Target::Job(ref job) => newest(session, job).await?,
    };
    let what = Follow {
        job: args.target.job().to_owned(),
        number,
        follow: args.follow,
        lines: args.lines,
        stream: args.stream,
        attempt: args.attempt,
        timestamps: args.timestamps,
        split: false,
        shown: None,
    };
    tokio::select! {
        done = follow(session, what) => done.map(|()| Exit::Done),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// The newest run that has printed something, or may have.
async fn newest(session: &mut Session, job: &str) -> Result<u64, Failure> {
    let detail: JobDetail = session.client().await?.get(&job_path(job)).await?;
    let live = detail.job.live.iter().rev().find(|run| run.state != RunState::Queued).map(|run| &run.run);
    let run = live.or(detail.job.last.as_ref().map(|last| &last.run));
    let number = run.and_then(|run| run.rsplit_once('/')).and_then(|(_, number)| number.parse().ok());
    number.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("{job} has not run yet")).hint(format!("`jobctl run {job}` starts it now"))
    })
}

/// Shows output until its end, through restarts of the daemon.
pub async fn follow(session: &mut Session, mut what: Follow) -> Result<(), Failure> {
    let mut losses = 0;
    loop {
        let before = what.shown;
        let shown = match session.client().await?.stream(&what.path()).await {
            Ok(stream) => show(session, &mut what, stream).await,
            Err(fault) => Err(Interrupted::Connection(fault)),
        };
        session.terminal.flush()?;
        match shown {
            Ok(()) => return Ok(()),
            Err(Interrupted::Connection(fault))
                if what.follow && losses < ending::LOSSES_LIMIT && Failure::is_lost_connection(&fault) =>
            {
                losses = if what.shown == before { losses + 1 } else { 0 };
                ending::reconnect(session, fault).await?;
            }
            Err(Interrupted::Connection(fault)) => return Err(fault.into()),
            Err(Interrupted::Output(failure)) => return Err(failure),
        }
    }
}

/// Why output stopped before its end.
enum Interrupted {
    Connection(ClientError),
    Output(Failure),
}

impl<T: Into<Failure>> From<T> for Interrupted {
    fn from(fault: T) -> Self {
        Self::Output(fault.into())
    }
}

async fn show(session: &mut Session, what: &mut Follow, mut stream: Streaming) -> Result<(), Interrupted> {
    let mut pending = Vec::new();
    let mut lines = Lines::default();
    while let Some(piece) = stream.next().await.map_err(Interrupted::Connection)? {
        pending.extend_from_slice(&piece);
        let Some(end) = pending.iter().rposition(|&byte| byte == b'\n') else { continue };
        let complete: Vec<u8> = pending.drain(..=end).collect();
        for line in complete.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            show_line(session, what, &mut lines, line)?;
        }
        session.terminal.flush()?;
    }
    Ok(())
}

fn show_line(session: &mut Session, what: &mut Follow, lines: &mut Lines, line: &[u8]) -> Result<(), Failure> {
    let not_understood =
        |reason: String| ClientError::NotUnderstood { request: format!("GET {}", what.path()), reason };
    let parsed = serde_json::from_slice(line).map_err(|fault| not_understood(fault.to_string()))?;
    let (attempt, place) = match &parsed {
        OutputLine::Chunk(chunk) => {
            let bytes = chunk.bytes().ok_or_else(|| not_understood("a piece of output without bytes".to_owned()))?;
            if !session.is_json() {
                show_chunk(session, what, lines, chunk, &bytes)?;
            }
            (chunk.attempt, chunk.offset + bytes.len() as u64)
        }
        OutputLine::Mark(mark) => {
            if !session.is_json() {
                session.terminal.flush()?;
                say_mark(session, mark);
            }
            (mark.attempt, mark.offset + mark.bytes)
        }
    };
    if session.is_json() {
        session.json(line)?;
    }
    what.shown = Some((attempt, place));
    Ok(())
}

fn show_chunk(
    session: &mut Session,
    what: &Follow,
    lines: &mut Lines,
    chunk: &OutputChunk,
    bytes: &[u8],
) -> Result<(), Failure> {
    let retried = what.shown.is_some_and(|(attempt, _)| attempt != chunk.attempt);
    if retried {
        session.terminal.flush()?;
        session.terminal.say(format!("attempt {}", chunk.attempt));
    }
    if what.timestamps {
        let stamped = lines.stamp(chunk, bytes, session.terminal.zone);
        session.terminal.data(stamped)?;
    } else if what.split && chunk.stream == Stream::Stderr {
        session.terminal.flush()?;
        session.terminal.job_stderr(bytes)?;
    } else {
        session.terminal.data(bytes)?;
    }
    Ok(())
}

fn say_mark(session: &mut Session, mark: &OutputMark) {
    let size = format_size(mark.bytes);
    match mark.mark.as_str() {
        "cut" => session.terminal.say(format!("[{size} are not kept: the job's output is larger than its limit]")),
        "limited" => session.terminal.say(format!("[{size} are not kept: they came faster than the job's rate limit]")),
        "lost" => session.terminal.say(format!("[{size} could not be written and are lost]")),
        _ => {}
    }
}

/// Which stream's line was begun last, so that a time is put in front of lines and not of pieces.
#[derive(Default)]
struct Lines {
    begun: Option<Stream>,
}

impl Lines {
    fn stamp(&mut self, chunk: &OutputChunk, bytes: &[u8], zone: Zone) -> Vec<u8> {
        let mark = if chunk.stream == Stream::Stderr { "!" } else { " " };
        let local = zone.local(chunk.at.0).format("%Y-%m-%d %H:%M:%S%.3f");
        let mut stamped = Vec::with_capacity(bytes.len() + 32);
        if self.begun.is_some_and(|begun| begun != chunk.stream) {
            // The other stream broke into the line.
            stamped.push(b'\n');
            self.begun = None;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.begun.is_none() {
                stamped.extend_from_slice(format!("{local} {mark} ").as_bytes());
            }
            stamped.extend_from_slice(line);
            self.begun = (!line.ends_with(b"\n")).then_some(chunk.stream);
        }
        stamped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::at;

    fn chunk(stream: Stream, text: &str) -> OutputChunk {
        OutputChunk::new(at("2026-11-21T12:00:00.25Z").into(), stream, 1, 0, text.as_bytes())
    }

    #[test]
    fn times_stand_in_front_of_lines_and_not_of_pieces() {
        let mut lines = Lines::default();
        let mut text = String::new();
        for (stream, piece) in [
            (Stream::Stdout, "one\ntw"),
            (Stream::Stdout, "o\nthr"),
            (Stream::Stderr, "oops\n"),
            (Stream::Stdout, "ee\n"),
        ] {
            let zone = Zone::Named(chrono_tz::UTC);
            text += std::str::from_utf8(&lines.stamp(&chunk(stream, piece), piece.as_bytes(), zone)).unwrap();
        }
        assert_eq!(
            text,
            "2026-11-21 12:00:00.250   one\n\
             2026-11-21 12:00:00.250   two\n\
             2026-11-21 12:00:00.250   thr\n\
             2026-11-21 12:00:00.250 ! oops\n\
             2026-11-21 12:00:00.250   ee\n"
        );
    }

    #[test]
    fn a_reconnection_asks_for_what_follows() {
        let mut follow = Follow { lines: Some(5), ..Follow::whole("backup", 42) };
        assert_eq!(follow.path(), "/v1/jobs/backup/runs/42/output?format=json&follow=true&tail=5");
        follow.shown = Some((2, 1234));
        assert_eq!(follow.path(), "/v1/jobs/backup/runs/42/output?format=json&follow=true&after=2:1234");
    }
}
