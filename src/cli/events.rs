//! `jobctl events`

use super::ending;
use super::history;
use super::session::Session;
use super::style::Tone;
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::client::{ClientError, Streaming, encode};
use crate::api::types::{Entry, Event, Job};

#[derive(Clone, Debug, clap::Args)]
pub struct EventsArgs {
    /// Only events of these jobs; of every job unless said
    #[arg(add = complete::job())]
    jobs: Vec<String>,
    /// Begin after this event; otherwise with what happens from now on. With -o json, `id` is an event's
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// An event on its way: the lines of one message of the stream (WHATWG, server-sent events).
#[derive(Default)]
struct Message {
    id: Option<String>,
    data: String,
}

/// Prints every change as it happens, until Ctrl-C, through restarts of the daemon.
pub async fn run(session: &mut Session, args: EventsArgs) -> Result<Exit, Failure> {
    tokio::select! {
        done = follow(session, args) => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn follow(session: &mut Session, args: EventsArgs) -> Result<Exit, Failure> {
    let mut last = args.after;
    loop {
        let path = match &last {
            Some(id) => format!("/v1/events?after={}", encode(id)),
            None => "/v1/events".to_owned(),
        };
        let stream = session.client().await?.stream(&path).await;
        let lost = match stream {
            Ok(stream) => listen(session, &args.jobs, &mut last, stream).await?,
            Err(fault) => fault,
        };
        if !Failure::is_lost_connection(&lost) {
            return Err(lost.into());
        }
        ending::reconnect(session, lost).await?;
        if last.is_none() {
            session
                .terminal
                .say("what happened while the daemon was away is not told; the lists tell how things stand");
        }
    }
}

/// Why the stream ended. A server that ends it in good order goes down.
async fn listen(
    session: &mut Session,
    jobs: &[String],
    last: &mut Option<String>,
    mut stream: Streaming,
) -> Result<ClientError, Failure> {
    let mut pending = Vec::new();
    let mut message = Message::default();
    loop {
        let piece = match stream.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(ClientError::Ended),
            Err(fault) => return Ok(fault),
        };
        pending.extend_from_slice(&piece);
        while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            match line.split_once(':').map_or((line.as_str(), ""), |(field, value)| (field, value.trim_start())) {
                ("", "") => {
                    let message = std::mem::take(&mut message);
                    show(session, jobs, &message)?;
                    *last = message.id.or(last.take());
                }
                ("id", id) => message.id = Some(id.to_owned()),
                ("data", data) => message.data.push_str(data),
                // The kind is in the data too; comments keep the connection open.
                _ => {}
            }
        }
        session.terminal.flush()?;
    }
}

fn show(session: &mut Session, jobs: &[String], message: &Message) -> Result<(), Failure> {
    if message.data.is_empty() {
        return Ok(());
    }
    let event: Event = serde_json::from_str(&message.data).map_err(|fault| ClientError::NotUnderstood {
        request: "GET /v1/events".to_owned(),
        reason: fault.to_string(),
    })?;
    let job = match &event {
        Event::Run { run } => Some(&run.job),
        Event::Skip { skip } => Some(&skip.job),
        Event::Job { name, .. } => Some(name),
        Event::Delivery { delivery } => Some(&delivery.job),
        Event::Gap => None,
    };
    if !jobs.is_empty() && job.is_some_and(|job| !jobs.contains(job)) {
        return Ok(());
    }
    if session.is_json() {
        let id = serde_json::to_string(&message.id).expect("plain data");
        // The daemon's own words, with the place in the stream beside them.
        let rest = message.data.strip_prefix('{').unwrap_or(&message.data);
        session.terminal.line(format!("{{\"id\":{id},{rest}"))?;
    } else {
        let line = line(&event, &session.terminal);
        session.terminal.line(line)?;
    }
    Ok(())
}

fn line(event: &Event, terminal: &Terminal) -> String {
    let at = |entry: &Entry| entry.ended_at.or(entry.started_at).unwrap_or(entry.created_at).0;
    match event {
        Event::Run { run } => {
            let (word, tone) = match run.outcome {
                Some(outcome) => (outcome.name(), Tone::of_outcome(outcome)),
                None => (run.state.name(), Tone::of_run(run.state)),
            };
            let name = run.run.as_deref().unwrap_or_default();
            entry_line(at(run), name, word, tone, &history::detail(run, terminal), terminal)
        }
        Event::Skip { skip } => {
            entry_line(skip.created_at.0, &skip.job, "skipped", Tone::Faint, &history::detail(skip, terminal), terminal)
        }
        Event::Job { name, job } => {
            let (word, tone) =
                job.as_deref().map_or(("gone", Tone::Faint), |job: &Job| (job.state.name(), Tone::of_job(job.state)));
            let fault =
                job.as_deref().and_then(|job| job.fault.as_ref()).map(|fault| format!("faulty: {}", fault.summary));
            entry_line(terminal.now(), name, word, tone, &fault.unwrap_or_default(), terminal)
        }
        Event::Delivery { delivery } => {
            let tone = Tone::of_outcome(delivery.outcome);
            let detail = format!("on_{} to {}: {}", delivery.on, delivery.target, delivery.fate.replace('_', " "));
            entry_line(terminal.now(), &delivery.job, "message", tone, &detail, terminal)
        }
        Event::Gap => "some events were missed; the lists tell how things stand".to_owned(),
    }
}

fn entry_line(
    at: crate::clock::Timestamp,
    what: &str,
    word: &str,
    tone: Tone,
    detail: &str,
    terminal: &Terminal,
) -> String {
    let word = tone.paint(&format!("{word:10}"), terminal.colour);
    format!("{}  {word}  {what}  {detail}", terminal.zone.full(at)).trim_end().to_owned()
}
