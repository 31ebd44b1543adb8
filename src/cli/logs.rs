//! `jobctl logs`

use super::moment::{Zone, parse_past};
use super::session::Session;
use super::target::{Target, job_path, run_path};
use super::visible::Visible;
use super::{Exit, Failure, complete, ending};
use crate::api::client::{ClientError, Streaming, encode};
use crate::api::types::{JobDetail, OutputChunk, OutputLine, OutputMark, Stream, Time};
use crate::clock::Timestamp;
use crate::output::{self, Stamp};
use crate::units::format_size;

#[derive(Clone, Debug, clap::Args)]
pub struct LogsArgs {
    /// A run, as in `backup/42`, or a job: its newest run
    #[arg(value_name = "JOB[/NUMBER]", add = complete::target())]
    target: Target,
    /// Go on with what is printed: to the end of a run, or, of a job, from run to run
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long = "lines", visible_alias = "tail", value_name = "NUMBER")]
    lines: Option<u64>,
    /// Of a job: the run so many before its newest
    #[arg(short, long, value_name = "NUMBER")]
    previous: Option<u64>,
    /// Only what was printed since then: a duration (`10m`: that long ago), a time, a date or both in the local zone, or
    /// RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was printed until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only lines that match; as in Perl, without back-references and look-around, `(?i)` in front ignores case
    #[arg(short, long, value_name = "REGEX")]
    grep: Option<String>,
    /// Only what was printed there
    #[arg(long, value_name = "STREAM", value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
    /// Only standard output: --stream stdout
    #[arg(long, conflicts_with_all = ["stream", "stderr"])]
    stdout: bool,
    /// Only standard error: --stream stderr
    #[arg(long, conflicts_with = "stream")]
    stderr: bool,
    /// Only what this attempt printed; otherwise all of them, in order
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Put the local time in front of every line, and `!` before those of standard error
    #[arg(short, long, conflicts_with_all = ["output", "no_timestamps"])]
    timestamps: bool,
    /// Do not, also where the job's file says so
    #[arg(long)]
    no_timestamps: bool,
    /// Write the bytes as they are also to a terminal, which then obeys what is among them; otherwise it is shown
    /// control characters as `^[`
    #[arg(long, conflicts_with = "output")]
    raw: bool,
}

/// What is to be shown of output, and how.
pub struct Follow {
    job: String,
    run: Which,
    follow: bool,
    /// More of the query, each parameter with its `&`.
    query: String,
    lines: Option<u64>,
    stamp: Option<Stamp>,
    /// What the run printed to standard error goes to ours.
    split: bool,
    /// Whether terminals get the bytes as they are.
    raw: bool,
    /// Of standard output and standard error.
    visible: [Visible; 2],
    /// The last place that was shown.
    shown: Option<Place>,
    /// Whether what was shown last ended in the middle of a line, on standard output and on standard error.
    midline: (bool, bool),
}

/// Which run.
#[derive(Clone, Copy)]
enum Which {
    /// The one of this number.
    Number(u64),
    /// The newest of the job or so many before it; when it is followed, then those after it.
    Newest { previous: u64 },
}

/// A run, an attempt, and an offset in what it printed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    run: u64,
    attempt: u32,
    offset: u64,
}

impl Follow {
    /// Everything that a run prints, to its end, each stream to its own.
    pub fn whole(job: &str, number: u64) -> Self {
        Self {
            job: job.to_owned(),
            run: Which::Number(number),
            follow: true,
            query: String::new(),
            lines: None,
            stamp: None,
            split: true,
            raw: false,
            visible: Default::default(),
            shown: None,
            midline: (false, false),
        }
    }

    fn visible_of(&mut self, stream: output::Stream) -> &mut Visible {
        &mut self.visible[usize::from(stream == output::Stream::Stderr)]
    }

    /// Whether what was printed to a stream goes beside the data.
    fn goes_to_talk(&self, stream: output::Stream) -> bool {
        self.split && self.stamp.is_none() && stream == output::Stream::Stderr
    }

    fn path(&self) -> String {
        let (output, more) = match self.run {
            Which::Number(number) => (run_path(&self.job, number), String::new()),
            // A place names its run.
            Which::Newest { previous } if previous > 0 && self.shown.is_none() => {
                (job_path(&self.job), format!("&previous={previous}"))
            }
            Which::Newest { .. } => (job_path(&self.job), String::new()),
        };
        let place = match (self.shown, self.run) {
            (Some(Place { attempt, offset, .. }), Which::Number(_)) => format!("&after={attempt}:{offset}"),
            (Some(Place { run, attempt, offset }), Which::Newest { .. }) => format!("&after={run}:{attempt}:{offset}"),
            (None, _) => self.lines.map(|lines| format!("&tail={lines}")).unwrap_or_default(),
        };
        format!("{output}/output?format=json&follow={}{}{more}{place}", self.follow, self.query)
    }
}

/// Prints what a run printed.
pub async fn run(session: &mut Session, args: LogsArgs) -> Result<Exit, Failure> {
    let run = match (&args.target, args.previous) {
        (Target::Run { .. }, Some(_)) => {
            return Err(Failure::new(Exit::Usage, "--previous counts from a job's newest run, and a run is named")
                .hint(format!("`jobctl logs {} --previous 1`", args.target.job())));
        }
        (Target::Run { number, .. }, None) => Which::Number(*number),
        (Target::Job(_), previous) => Which::Newest { previous: previous.unwrap_or(0) },
    };
    let stamped = args.timestamps || !(session.is_json() || args.no_timestamps) && wants_times(session, &args).await?;
    let what = Follow {
        job: args.target.job().to_owned(),
        run,
        follow: args.follow,
        query: query(&args, session)?,
        lines: args.lines,
        stamp: stamped.then(Stamp::default),
        split: false,
        raw: args.raw,
        visible: Default::default(),
        shown: None,
        midline: (false, false),
    };
    tokio::select! {
        done = follow(session, what) => done.map(|()| Exit::Done),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// Whether the job's file wants the time of every line to be shown.
async fn wants_times(session: &mut Session, args: &LogsArgs) -> Result<bool, Failure> {
    let detail: JobDetail = session.client().await?.get(&job_path(args.target.job())).await?;
    Ok(detail.definition.is_some_and(|definition| definition.output_timestamps))
}

fn query(args: &LogsArgs, session: &Session) -> Result<String, Failure> {
    let (now, zone) = (session.terminal.now(), session.terminal.zone);
    let time = |text: &Option<String>| -> Result<_, Failure> {
        let at = text.as_ref().map(|text| parse_past(text, now, zone)).transpose();
        at.map_err(|fault| Failure::new(Exit::Usage, fault))
    };
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    if since.zip(until).is_some_and(|(since, until)| until < since) {
        let failure = Failure::new(Exit::Usage, "--until lies before --since, and nothing between them");
        return Err(failure.hint("durations count back from now: `--since 2h --until 1h`"));
    }
    let encoded = |at: Option<Timestamp>| at.map(|at| encode(&Time(at).to_string()));
    let stream = match (args.stdout, args.stderr) {
        (true, _) => Some("stdout".to_owned()),
        (false, true) => Some("stderr".to_owned()),
        (false, false) => args.stream.clone(),
    };
    let parameters = [
        ("stream", stream),
        ("attempt", args.attempt.map(|attempt| attempt.to_string())),
        ("since", encoded(since)),
        ("until", encoded(until)),
        ("grep", args.grep.as_deref().map(encode)),
    ];
    let said = parameters.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", value?)));
    Ok(said.collect())
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
            Ok(()) => return Ok(show_rest(session, &mut what)?),
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
    while let Some(piece) = stream.next().await.map_err(Interrupted::Connection)? {
        pending.extend_from_slice(&piece);
        let Some(end) = pending.iter().rposition(|&byte| byte == b'\n') else { continue };
        let complete: Vec<u8> = pending.drain(..=end).collect();
        for line in complete.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            show_line(session, what, line)?;
        }
        session.terminal.flush()?;
    }
    Ok(())
}

fn show_line(session: &mut Session, what: &mut Follow, line: &[u8]) -> Result<(), Failure> {
    let not_understood =
        |reason: String| ClientError::NotUnderstood { request: format!("GET {}", what.path()), reason };
    let parsed = serde_json::from_slice(line).map_err(|fault| not_understood(fault.to_string()))?;
    let place = match &parsed {
        OutputLine::Chunk(chunk) => {
            let bytes = chunk.bytes().ok_or_else(|| not_understood("a piece of output without bytes".to_owned()))?;
            if !session.is_json() {
                show_chunk(session, what, chunk, &bytes)?;
            }
            Place { run: chunk.run, attempt: chunk.attempt, offset: chunk.offset + bytes.len() as u64 }
        }
        OutputLine::Mark(mark) => {
            if let (false, Some(words)) = (session.is_json(), words_of(mark)) {
                // What follows is not the rest of the line that was cut.
                break_line(session, what)?;
                session.terminal.flush()?;
                session.terminal.say(format!("[{} {words}]", format_size(mark.bytes)));
            }
            Place { run: mark.run, attempt: mark.attempt, offset: mark.offset + mark.bytes }
        }
    };
    if session.is_json() {
        session.json(line)?;
    }
    what.shown = Some(place);
    Ok(())
}

fn show_chunk(session: &mut Session, what: &mut Follow, chunk: &OutputChunk, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(news) = heading(what.shown, chunk, &what.job) {
        break_line(session, what)?;
        session.terminal.flush()?;
        session.terminal.say(news);
    }
    let stream = stream_of(chunk);
    let to_talk = what.goes_to_talk(stream);
    let seen = if to_talk { session.terminal.talk_is_seen } else { session.terminal.data_is_seen };
    let text;
    let bytes = if seen && !what.raw {
        text = what.visible_of(stream).show(bytes);
        text.as_bytes()
    } else {
        bytes
    };
    if let Some(stamp) = &mut what.stamp {
        let stamped = stamp.stamp(stream, bytes, &prefix(chunk, session.terminal.zone));
        session.terminal.data(stamped)?;
    } else if to_talk {
        session.terminal.flush()?;
        session.terminal.job_stderr(bytes)?;
        what.midline.1 = !bytes.ends_with(b"\n");
    } else {
        session.terminal.data(bytes)?;
        what.midline.0 = !bytes.ends_with(b"\n");
    }
    Ok(())
}

/// Shows the beginnings of characters that were held back for their ends.
fn show_rest(session: &mut Session, what: &mut Follow) -> std::io::Result<()> {
    for stream in [output::Stream::Stdout, output::Stream::Stderr] {
        let rest = what.visible_of(stream).rest();
        if what.goes_to_talk(stream) {
            session.terminal.job_stderr(rest.as_bytes())?;
        } else {
            session.terminal.data(rest)?;
        }
    }
    session.terminal.flush()
}

/// Ends a line that will not go on.
fn break_line(session: &mut Session, what: &mut Follow) -> Result<(), Failure> {
    show_rest(session, what)?;
    if let Some(stamp) = &mut what.stamp {
        session.terminal.data(stamp.break_line())?;
    }
    let (out, err) = std::mem::take(&mut what.midline);
    if out {
        session.terminal.data("\n")?;
    }
    if err {
        session.terminal.job_stderr(b"\n")?;
    }
    Ok(())
}

/// What is to be said where another run or attempt begins.
fn heading(shown: Option<Place>, chunk: &OutputChunk, job: &str) -> Option<String> {
    let shown = shown?;
    match (shown.run == chunk.run, shown.attempt == chunk.attempt) {
        (true, true) => None,
        (true, false) => Some(format!("attempt {}", chunk.attempt)),
        (false, _) => Some(format!("{job}/{}", chunk.run)),
    }
}

fn stream_of(chunk: &OutputChunk) -> output::Stream {
    match chunk.stream {
        Stream::Stderr => output::Stream::Stderr,
        Stream::Stdout | Stream::Other => output::Stream::Stdout,
    }
}

fn prefix(chunk: &OutputChunk, zone: Zone) -> String {
    let mark = if chunk.stream == Stream::Stderr { "!" } else { " " };
    format!("{} {mark} ", zone.local(chunk.at.0).format("%Y-%m-%d %H:%M:%S%.3f"))
}

/// Why something is missing here; `None` where nothing is.
fn words_of(mark: &OutputMark) -> Option<&'static str> {
    match mark.mark.as_str() {
        "cut" => Some("are not kept: the job's output is larger than its limit"),
        "limited" => Some("are not kept: they came faster than the job's rate limit"),
        "lost" => Some("could not be written and are lost"),
        "damaged" => Some("were damaged on the disk and are lost"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::at;

    #[test]
    fn a_prefix_tells_time_and_stream() {
        let chunk = |stream| OutputChunk::new(at("2026-11-21T12:00:00.25Z").into(), stream, 42, 1, 0, b"x");
        let zone = Zone::Named(chrono_tz::UTC);
        assert_eq!(prefix(&chunk(Stream::Stdout), zone), "2026-11-21 12:00:00.250   ");
        assert_eq!(prefix(&chunk(Stream::Stderr), zone), "2026-11-21 12:00:00.250 ! ");
    }

    #[test]
    fn a_reconnection_asks_for_what_follows() {
        let mut follow = Follow { lines: Some(5), ..Follow::whole("backup", 42) };
        assert_eq!(follow.path(), "/v1/jobs/backup/runs/42/output?format=json&follow=true&tail=5");
        follow.shown = Some(Place { run: 42, attempt: 2, offset: 1234 });
        assert_eq!(follow.path(), "/v1/jobs/backup/runs/42/output?format=json&follow=true&after=2:1234");
        follow.run = Which::Newest { previous: 3 };
        assert_eq!(follow.path(), "/v1/jobs/backup/output?format=json&follow=true&after=42:2:1234");
        follow.shown = None;
        assert_eq!(follow.path(), "/v1/jobs/backup/output?format=json&follow=true&previous=3&tail=5");
    }
}
