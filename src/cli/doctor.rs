//! `jobctl doctor`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::session::Session;
use super::style::Tone;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::api::types;
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::machine;
use crate::places::Places;
use crate::spec::{Feature, Machine};
use crate::surroundings::Surroundings;

#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Tell what the supervisor of this state directory found out [default: that of the daemon whose socket is named, otherwise
    /// the usual one]
    #[arg(long, value_name = "DIR", env = "JOBSD_STATE_DIR", hide_env_values = true)]
    state_dir: Option<PathBuf>,
}

/// What the machine can do for jobs, as far as somebody found out.
#[derive(Debug, Serialize)]
struct Report {
    /// Who found it out: `supervisor`, when it started, or `jobctl`, right now.
    found_by: &'static str,
    /// The supervisor's state directory.
    state_dir: Option<String>,
    features: Vec<Found>,
    /// How far limits of processes may be raised; a limit that is not here may be raised without bound.
    hard_limits: BTreeMap<&'static str, u64>,
    /// The least value of a key; a key that is not here may have any.
    least: BTreeMap<&'static str, i32>,
}

/// One feature.
#[derive(Debug, Serialize)]
struct Found {
    feature: &'static str,
    available: bool,
    /// Why not.
    reason: Option<String>,
    /// Keys of job files that need it.
    keys: &'static [&'static str],
    /// What is done without it, where no key needs it.
    instead: Option<&'static str>,
}

/// Who found out what the machine can do.
pub(super) enum Source {
    /// The supervisor of this state directory.
    Supervisor(PathBuf),
    /// This process: with the rights of whoever calls it, and in this shell's cgroup.
    Own,
}

/// Tells what the machine can do for jobs. That it cannot do everything is no failure.
pub async fn run(session: &mut Session, args: DoctorArgs) -> Result<Exit, Failure> {
    let state_dir = match args.state_dir {
        None if session.has_socket() => Some(state_dir_of_daemon(session).await?),
        said => said,
    };
    let (machine, source) = find_out(state_dir, &mut session.terminal)?;
    let report = Report::new(&machine, &source);
    if session.is_json() {
        session.json(&serde_json::to_vec(&report).expect("plain data"))?;
    } else {
        show(&report, &mut session.terminal)?;
    }
    Ok(Exit::Done)
}

/// Where the daemon whose socket was named has its state.
async fn state_dir_of_daemon(session: &mut Session) -> Result<PathBuf, Failure> {
    let config: types::Config = session.client().await?.get("/v1/config").await?;
    Ok(config.state_dir.into())
}

/// What the supervisor found counts for jobs; a trial of our own is what a jobsd started from here would find.
fn find_out(state_dir: Option<PathBuf>, terminal: &mut Terminal) -> Result<(Machine, Source), Failure> {
    find_out_for(state_dir.or_else(usual_state_dir).as_deref(), terminal).ok_or_else(|| {
        Failure::new(Exit::Failure, "it cannot be tried out in a process of several threads")
            .hint("name the state directory of a daemon: --state-dir DIR")
    })
}

/// The same for the daemon of a state directory; nothing where there is no telling.
pub(super) fn find_out_for(state_dir: Option<&Path>, terminal: &mut Terminal) -> Option<(Machine, Source)> {
    if let Some(state_dir) = state_dir {
        match machine::told(state_dir) {
            Ok(Some(machine)) => return Some((machine, Source::Supervisor(state_dir.to_owned()))),
            Ok(None) => {}
            Err(fault) => {
                terminal.say(format!("what the supervisor of {} found cannot be read: {fault}", state_dir.display()));
            }
        }
    }
    machine::found_out().map(|found| (found, Source::Own))
}

/// The daemon's own, by its configuration; a faulty one is what `jobctl check` is for.
fn usual_state_dir() -> Option<PathBuf> {
    let around = Surroundings::of_process();
    let configured = Config::load(&Flags::default(), &around).ok().map(|config| config.paths.state_dir);
    configured.or_else(|| Places::of(&around).ok().map(|places| places.state_dir))
}

impl Report {
    fn new(machine: &Machine, source: &Source) -> Self {
        let found = |feature: Feature| {
            let reason = machine.lacks.get(&feature).cloned();
            Found {
                feature: feature.name(),
                available: reason.is_none(),
                reason,
                keys: feature.keys(),
                instead: feature.instead(),
            }
        };
        let (found_by, state_dir): (_, Option<&Path>) = match source {
            Source::Supervisor(state_dir) => ("supervisor", Some(state_dir)),
            Source::Own => ("jobctl", None),
        };
        Self {
            found_by,
            state_dir: state_dir.map(|path| path.display().to_string()),
            features: Feature::ALL.into_iter().map(found).collect(),
            hard_limits: machine.hard_limits.iter().map(|(limit, bound)| (limit.name(), *bound)).collect(),
            least: [("nice", machine.least_nice), ("oom_score_adjust", machine.least_oom_score)]
                .into_iter()
                .filter_map(|(key, least)| Some((key, least?)))
                .collect(),
        }
    }
}

/// Room for `yes` and `no`.
const ANSWER_WIDTH: usize = 3;

fn show(report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.line(match &report.state_dir {
        Some(state_dir) => format!("What the supervisor of {state_dir} found when it started:"),
        None => "What a jobsd started here and now would find:".to_owned(),
    })?;
    for found in &report.features {
        let (answer, tone) = if found.available { ("yes", Tone::Good) } else { ("no", Tone::Odd) };
        let answer = tone.paint(&format!("{answer:ANSWER_WIDTH$}"), terminal.colour);
        terminal.line(format!("{answer}  {}", found.feature))?;
        if let Some(reason) = &found.reason {
            terminal.line(format!("{:ANSWER_WIDTH$}  {reason}", ""))?;
            let instead = found.instead.map(str::to_owned);
            let without = instead.unwrap_or_else(|| format!("not to be had: {}", found.keys.join(", ")));
            terminal.line(format!("{:ANSWER_WIDTH$}  {without}", ""))?;
        }
    }
    for (limit, bound) in &report.hard_limits {
        terminal.line(format!("{:ANSWER_WIDTH$}  rlimits.{limit} up to {bound}", ""))?;
    }
    for (key, least) in &report.least {
        terminal.line(format!("{:ANSWER_WIDTH$}  {key} from {least}", ""))?;
    }
    Ok(())
}
