//! `jobctl exec`

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::moment::parse_until;
use super::run_verb;
use super::session::Session;
use super::{Exit, Failure};
use crate::api::client::ClientError;
use crate::api::types::{ExecRequest, Executed, Time, Triggered};
use crate::units;

/// Bytes of a script on standard input; the daemon takes requests of 64 KiB.
const SCRIPT_LIMIT: u64 = 48 << 10;

#[derive(Clone, Debug, clap::Args)]
pub struct ExecArgs {
    /// Program and arguments, executed as they are; without them a script for /bin/sh is read from standard input
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Start then: a time as `18:00`, a date and time in the local zone, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "delay")]
    at: Option<String>,
    /// Start after so long, as `10m`
    #[arg(long = "in", value_name = "DURATION", value_parser = units::parse_duration)]
    delay: Option<Duration>,
    /// Name the job; `exec-` and the time unless said
    #[arg(long)]
    name: Option<String>,
    /// Run as this user; only root may
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Where it runs; here unless said
    #[arg(long, value_name = "DIRECTORY")]
    working_directory: Option<PathBuf>,
    /// Pass this variable on, or set it; none of the others is
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    environment: Vec<String>,
    /// Stop it after so long
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// Memory that it may use: `[limits] memory`
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// CPUs that it may use: `[limits] cpus`
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<f64>,
    /// Processes that it may have: `[limits] processes`
    #[arg(long, value_name = "NUMBER")]
    processes: Option<u32>,
    /// How little it insists on the CPU, to 19
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    nice: Option<i32>,
    /// One line for people
    #[arg(long)]
    description: Option<String>,
    /// Any other key of a job file, as `isolation.profile=strict` or `retry.attempts=3`
    #[arg(short, long = "property", value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Wait for the end, and exit as the run did
    #[arg(short, long, conflicts_with_all = ["at", "delay"])]
    wait: bool,
    /// Print what it prints while it runs, wait for the end, and exit as the run did
    #[arg(short, long, conflicts_with_all = ["at", "delay"])]
    follow: bool,
}

/// Runs a command once, now or later, as whoever asks.
pub async fn run(session: &mut Session, args: ExecArgs) -> Result<Exit, Failure> {
    let request = request(session, &args)?;
    let answer = session.client().await?.post_bytes("/v1/exec", &request).await?;
    let executed: Executed = serde_json::from_slice(&answer).map_err(|fault| ClientError::NotUnderstood {
        request: "POST /v1/exec".to_owned(),
        reason: fault.to_string(),
    })?;
    match (&executed.run, executed.number) {
        (Some(run), Some(number)) if args.wait || args.follow => {
            let triggered = Triggered { run: run.clone(), job: executed.job.clone(), number };
            run_verb::accompany(session, args.follow, &triggered).await
        }
        _ if session.is_json() => {
            session.json(&answer)?;
            Ok(Exit::Done)
        }
        (run, _) => {
            session.terminal.line(run.as_ref().unwrap_or(&executed.job))?;
            session.terminal.flush()?;
            if let Some(at) = executed.at {
                let at = session.terminal.zone.exact(at.0);
                session.terminal.say(format!("starts at {at}; `jobctl cancel {}` takes it back", executed.job));
            }
            Ok(Exit::Done)
        }
    }
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, message)
}

fn request(session: &Session, args: &ExecArgs) -> Result<ExecRequest, Failure> {
    let now = session.terminal.now();
    let at = match (&args.at, args.delay) {
        (Some(text), _) => Some(parse_until(text, now, session.terminal.zone).map_err(usage)?),
        (None, Some(delay)) => {
            let delay = TimeDelta::from_std(delay).ok().and_then(|delay| now.checked_add_signed(delay));
            Some(delay.ok_or_else(|| usage("--in is too long"))?)
        }
        (None, None) => None,
    };
    let line = if args.command.is_empty() { Some(script()?) } else { None };
    Ok(ExecRequest {
        argv: args.command.clone(),
        line,
        name: args.name.clone(),
        at: at.map(Time),
        environment: args.environment.iter().map(|text| variable(text)).collect::<Result<_, _>>()?,
        working_directory: Some(directory(args)?),
        user: args.user.clone(),
        properties: properties(args)?,
    })
}

/// What at(1) and batch(1) are used for: a script that comes through a pipe.
fn script() -> Result<String, Failure> {
    let input = std::io::stdin();
    let missing = || usage("there is no command").hint("`jobctl exec COMMAND…`, or a script on standard input");
    if input.is_terminal() {
        return Err(missing());
    }
    let mut script = String::new();
    let read = input.take(SCRIPT_LIMIT + 1).read_to_string(&mut script);
    read.map_err(|fault| usage(format!("the script on standard input cannot be read: {fault}")))?;
    if script.len() as u64 > SCRIPT_LIMIT {
        return Err(usage(format!("the script is larger than {}", units::format_size(SCRIPT_LIMIT)))
            .hint("put it into a file, and run that"));
    }
    if script.trim().is_empty() { Err(missing()) } else { Ok(script) }
}

fn variable(text: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let value = std::env::var(text).map_err(|fault| usage(format!("--environment {text}: {fault}")))?;
    Ok((text.to_owned(), value))
}

fn directory(args: &ExecArgs) -> Result<String, Failure> {
    let directory = args.working_directory.clone().unwrap_or_default();
    let here = std::env::current_dir().map_err(|fault| usage(format!("this directory has no name: {fault}")))?;
    let directory = here.join(directory).into_os_string().into_string();
    directory.map_err(|path| usage(format!("{} is no UTF-8, and job files are", path.display())))
}

fn properties(args: &ExecArgs) -> Result<Map<String, Value>, Failure> {
    let mut properties = Map::new();
    for text in &args.properties {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            usage(format!("--property {text:?} is no KEY=VALUE")).hint("as in --property isolation.profile=strict")
        })?;
        let (key, value) = (key.trim(), value.trim());
        // Octal digits are a text in job files; the quotes of a shell do not arrive here.
        let is_umask = key == "umask" && value.bytes().all(|byte| byte.is_ascii_digit());
        put(&mut properties, key, if is_umask { value.into() } else { value_of(value) })?;
    }
    let own = [
        ("timeout", args.timeout.as_deref().map(Value::from)),
        ("limits.memory", args.memory.as_deref().map(Value::from)),
        ("limits.cpus", args.cpus.map(Value::from)),
        ("limits.processes", args.processes.map(Value::from)),
        ("nice", args.nice.map(Value::from)),
        ("description", args.description.as_deref().map(Value::from)),
    ];
    for (key, value) in own.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        put(&mut properties, key, value)?;
    }
    Ok(properties)
}

/// A value as TOML has it, or a word that needs no quotes here.
fn value_of(text: &str) -> Value {
    let table = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let value = table.and_then(|mut table| table.remove("value"));
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_else(|| text.into())
}

/// Puts a value at its place, `table.key`.
fn put(properties: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Failure> {
    match key.split_once('.') {
        None => {
            properties.insert(key.to_owned(), value);
            Ok(())
        }
        Some((table, rest)) => {
            let inner = properties.entry(table).or_insert_with(|| Value::Object(Map::new()));
            let inner =
                inner.as_object_mut().ok_or_else(|| usage(format!("{table} is a value and a table at once")))?;
            put(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_keys_of_a_job_file() {
        let mut properties = Map::new();
        for (key, value) in
            [("retry.attempts", "3"), ("isolation.profile", "strict"), ("tags", "[\"a\"]"), ("limits.memory", "1GiB")]
        {
            put(&mut properties, key, value_of(value)).unwrap();
        }
        let expected = json!({
            "retry": {"attempts": 3}, "isolation": {"profile": "strict"}, "tags": ["a"], "limits": {"memory": "1GiB"},
        });
        assert_eq!(Value::Object(properties.clone()), expected);
        assert!(put(&mut properties, "tags.x", value_of("1")).is_err());
    }

    #[test]
    fn a_umask_is_digits_whatever_the_shell_did_to_its_quotes() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ExecArgs,
        }
        for said in ["umask=027", "umask=27", "umask=\"027\"", "umask='27'"] {
            let line = <Line as clap::Parser>::parse_from(["exec", "-p", said, "true"]);
            let umask = properties(&line.args).unwrap()["umask"].as_str().map(str::to_owned);
            assert!(matches!(umask.as_deref(), Some("027" | "27")), "{said}: {umask:?}");
        }
    }
}
