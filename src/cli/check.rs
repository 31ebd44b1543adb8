//! `jobctl check`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::doctor::{Source, find_out_for};
use super::session::Session;
use super::style::Tone;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::api::convert;
use crate::api::types::FileFault;
use crate::causes::causes;
use crate::clock::Timestamp;
use crate::daemon::Config;
use crate::daemon::config::{ConfigError, Flags};
use crate::daemon::jobs_dir::{self, Checked, JobsDirError, Question, Reading, Trust};
use crate::places::calendars_beside;
use crate::schedule::Zone;
use crate::spec::{Authority, Faults, JobName, Machine};
use crate::surroundings::Surroundings;

#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Job files, or directories of them; otherwise the jobs directory that jobsd reads. A file that is called jobsd.toml is taken as
    /// --config
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// The configuration of the daemon; its [defaults] are those of the job files [default: the one that jobsd finds]
    #[arg(long, env = "JOBSD_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The daemon's own jobs directory [default: the one that jobsd finds]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR", hide_env_values = true)]
    jobs_dir: Option<PathBuf>,
    /// Believe job files of this user too, as `jobsd --trust-owner` does
    #[arg(long = "trust-owner", env = "JOBSD_TRUST_OWNER", value_name = "UID", value_delimiter = ',')]
    #[arg(hide_env_values = true)]
    trust_owners: Vec<u32>,
    /// Ask of files outside of the daemon's directory too whether this machine can do what they want
    ///
    /// The daemon's own files are always asked that, as the daemon does when it reads them: of limits, of isolation, and of
    /// how far rlimits may be raised; and they are warned of what is not there, as users, directories and programs: the daemon
    /// takes them all the same. What its supervisor found out when it started counts, as `jobctl doctor` shows it;
    /// where none has run, it is tried out from here. Other files may be for another machine: of them the text counts alone.
    #[arg(long)]
    machine: bool,
    /// Where the daemon's state lies, and with it what its supervisor found out [default: as the configuration says]
    #[arg(long, env = "JOBSD_STATE_DIR", value_name = "DIR", hide_env_values = true)]
    state_dir: Option<PathBuf>,
}

/// Checks files, and tells all that is wrong with them.
pub fn run(session: &mut Session, mut args: CheckArgs) -> Result<Exit, Failure> {
    let around = Surroundings::of_process();
    if args.config.is_none()
        && let Some(place) = args.paths.iter().position(|path| path.ends_with("jobsd.toml") && path.is_file())
    {
        args.config = Some(args.paths.remove(place));
    }
    let flags = Flags {
        config: args.config,
        jobs_dir: args.jobs_dir,
        state_dir: args.state_dir,
        trust_owners: args.trust_owners,
        ..Flags::default()
    };
    let mut checked = Vec::new();
    let mut ground = Ground::find(&flags, &around, &args.paths, &mut checked)?;
    let tried = ground.ask_machine(&args.paths, args.machine, &mut session.terminal);
    let now = session.terminal.now();
    if args.paths.is_empty() {
        checked.extend(ground.own_directory(now)?);
    }
    for path in &args.paths {
        checked.extend(ground.check(path, now)?);
    }
    if session.is_json() {
        let files: Vec<File> = checked.iter().map(File::of).collect();
        session.json(&serde_json::to_vec(&files).expect("plain data"))?;
    } else {
        show(session, &checked)?;
    }
    let faulty = checked.iter().any(|file| file.faults.is_some());
    if let Some(Tried::Here) = tried
        && checked.iter().any(blames_the_machine)
    {
        session.terminal.say(TRIED_HERE);
    }
    Ok(if faulty { Exit::Failure } else { Exit::Done })
}

/// Whether a fault says that the machine cannot do something: beside others its note would only be in the way.
fn blames_the_machine(checked: &Checked) -> bool {
    let faults = checked.faults.iter().flat_map(Faults::iter);
    faults.into_iter().any(|fault| MACHINE_WORDS.iter().any(|words| fault.message.contains(words)))
}

/// What the faults say that tell of the machine.
const MACHINE_WORDS: [&str; 2] = ["this machine has no", "above the limit that jobsd itself has"];

/// Who knows what the machine lacks, where it lacks anything.
enum Tried {
    /// The daemon's supervisor: what it told is what the daemon goes by.
    BySupervisor,
    /// This process, which is another user's or in another cgroup than the daemon will be.
    Here,
}

/// Said beside faults, some of which may be this shell's.
const TRIED_HERE: &str = "what this machine can do was tried out from here: a supervisor of another user or in another cgroup may find \
                          something else (see `jobctl doctor`)";

/// What files are checked with.
struct Ground {
    /// The daemon's configuration; absent where none can be found.
    config: Option<Config>,
    /// For files that are not the daemon's: whoever they belong to, and whoever their jobs run as.
    elsewhere: Reading,
    /// What those are checked for; the daemon's are for this machine.
    asked_of_others: Question,
}

impl Ground {
    /// Reads the configuration. What is wrong with it goes to `checked`, beside what is wrong with the job files.
    fn find(
        flags: &Flags,
        around: &Surroundings,
        paths: &[PathBuf],
        checked: &mut Vec<Checked>,
    ) -> Result<Self, Failure> {
        let timezone = around.timezone.unwrap_or_else(Zone::utc);
        let bare = Reading::of_text(timezone);
        let config = match Config::load(flags, around) {
            Ok(config) => config,
            Err(ConfigError::Faulty(faults)) => {
                let path = faults.path().to_owned();
                checked.push(Checked { path, faults: Some(faults), warnings: None });
                return Ok(Self { config: None, elsewhere: bare, asked_of_others: Question::Text });
            }
            // Files that were named can be checked without a home, as in a container.
            Err(ConfigError::NoHome(_)) if !paths.is_empty() => {
                return Ok(Self { config: None, elsewhere: bare, asked_of_others: Question::Text });
            }
            Err(fault) => return Err(not_configured(&fault)),
        };
        checked.extend(config.file.clone().map(|path| Checked { path, faults: None, warnings: None }));
        let elsewhere = Reading { authority: Authority::Anybody, ..config.reading.clone() };
        Ok(Self { config: Some(config), elsewhere, asked_of_others: Question::Text })
    }

    /// Takes up what the machine can do, where it matters: for the daemon's own files, and with `everywhere` for others.
    /// Where there is no telling, it can do everything, as for the daemon.
    fn ask_machine(&mut self, paths: &[PathBuf], everywhere: bool, terminal: &mut Terminal) -> Option<Tried> {
        let is_own = paths.is_empty() || paths.iter().any(|path| self.own(directory_of(path)).is_some());
        if !is_own && !everywhere {
            return None;
        }
        if everywhere {
            self.asked_of_others = Question::Machine;
        }
        let state_dir = self.config.as_ref().map(|config| config.paths.state_dir.as_path());
        let (machine, source) = find_out_for(state_dir, terminal)?;
        let lacks = machine != Machine::default();
        if everywhere {
            self.elsewhere.machine = machine.clone();
        }
        if let Some(config) = &mut self.config {
            config.reading.machine = machine;
        }
        lacks.then_some(match source {
            Source::Supervisor(_) => Tried::BySupervisor,
            Source::Own => Tried::Here,
        })
    }

    /// The configuration, when the directory is the daemon's.
    fn own(&self, directory: &Path) -> Option<&Config> {
        self.config.as_ref().filter(|config| same(&config.paths.jobs_dir, directory))
    }

    /// The files of the daemon's jobs directory; none when the configuration, which names it, is faulty.
    fn own_directory(&self, now: Timestamp) -> Result<Vec<Checked>, Failure> {
        match &self.config {
            Some(config) => {
                jobs_dir::check(&config.paths.jobs_dir, &config.trust, &config.reading, Question::Machine, now)
                    .map_err(|fault| unreadable(&fault))
            }
            None => Ok(Vec::new()),
        }
    }

    fn check(&self, path: &Path, now: Timestamp) -> Result<Vec<Checked>, Failure> {
        if self.config.as_ref().and_then(|config| config.file.as_deref()).is_some_and(|file| same(file, path)) {
            return Ok(Vec::new());
        }
        let directory = directory_of(path);
        let (trust, reading, question) = match self.own(directory) {
            Some(config) => (config.trust.clone(), config.reading.clone(), Question::Machine),
            None => {
                let directory = if directory == Path::new("") { Path::new(".") } else { directory };
                let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
                let reading = Reading { calendars_dir: calendars_beside(&real), ..self.elsewhere.clone() };
                (Trust::anybody(), reading, self.asked_of_others)
            }
        };
        if path.is_dir() {
            return jobs_dir::check(path, &trust, &reading, question, now).map_err(|fault| unreadable(&fault));
        }
        match jobs_dir::check_file(path, &trust, &reading, question, now) {
            Ok(Some(checked)) => Ok(vec![checked]),
            Ok(None) | Err(JobsDirError::Missing { .. }) => {
                let failure = Failure::new(Exit::NotFound, format!("there is no file {}", path.display()));
                // A job's name, as all other verbs take it.
                Err(match path.to_str().filter(|name| !name.ends_with(".toml") && JobName::new(name).is_ok()) {
                    Some(name) => {
                        failure.hint(format!("files are checked; `jobctl show {name}` tells of that job's file"))
                    }
                    None => failure,
                })
            }
            Err(fault) => Err(unreadable(&fault)),
        }
    }
}

/// The directory that a path is, or that it lies in.
fn directory_of(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(path) }
}

/// Whether two paths lead to one place; an empty one is the working directory.
fn same(left: &Path, right: &Path) -> bool {
    let real = |path: &Path| if path == Path::new("") { Path::new(".") } else { path }.canonicalize().ok();
    real(left).is_some_and(|left| real(right) == Some(left))
}

fn not_configured(fault: &ConfigError) -> Failure {
    let failure = Failure::new(Exit::Failure, fault.to_string()).causes(causes(fault));
    match fault.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(super) fn unreadable(fault: &JobsDirError) -> Failure {
    let (exit, hint) = match fault {
        JobsDirError::Missing { .. } => {
            (Exit::NotFound, Some("name the files or the directory to check, as in `jobctl check jobs.d`".to_owned()))
        }
        JobsDirError::Unreadable { .. } | JobsDirError::Distrusted { .. } | JobsDirError::TooMany { .. } => {
            (Exit::Failure, fault.hint())
        }
    };
    let failure = Failure::new(exit, fault.to_string()).causes(causes(fault));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn show(session: &mut Session, checked: &[Checked]) -> Result<(), Failure> {
    let colour = session.terminal.colour;
    let faulty: Vec<&Faults> = checked.iter().filter_map(|file| file.faults.as_ref()).collect();
    let warned: Vec<&Faults> = checked.iter().filter_map(|file| file.warnings.as_ref()).collect();
    for faults in warned.iter().chain(&faulty) {
        let report = if colour { faults.styled() } else { faults.plain() };
        session.terminal.line(format!("{report}\n"))?;
    }
    session.terminal.flush()?;
    let files = super::counted(checked.len(), "file");
    let count = |told: &[&Faults]| told.iter().map(|faults| faults.iter().count() + faults.untold()).sum();
    let warnings = match count(&warned) {
        0 => String::new(),
        number => format!(", {}", super::counted(number, "warning")),
    };
    session.terminal.say(match faulty.len() {
        0 => format!("{files} checked: {}{warnings}", Tone::Good.paint("good", colour)),
        number => {
            let faults = super::counted(count(&faulty), "fault");
            format!("{files} checked: {number} faulty, {faults} in all{warnings}")
        }
    });
    Ok(())
}

/// A file that was checked, as JSON.
#[derive(Serialize)]
struct File {
    path: String,
    ok: bool,
    faults: Vec<FileFault>,
    /// Faults beyond those that are told.
    untold: usize,
    /// What a good file names and this machine does not have.
    warnings: Vec<FileFault>,
}

impl File {
    fn of(checked: &Checked) -> Self {
        let told = |faults: &Faults| faults.iter().map(|fault| convert::file_fault(fault, faults)).collect();
        let faults = checked.faults.as_ref();
        Self {
            path: checked.path.display().to_string(),
            ok: faults.is_none(),
            faults: faults.map(told).unwrap_or_default(),
            untold: faults.map_or(0, Faults::untold),
            warnings: checked.warnings.as_ref().map(told).unwrap_or_default(),
        }
    }
}
