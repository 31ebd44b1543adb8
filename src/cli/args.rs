//! The command line of `jobctl`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::session::Format;
use super::terminal::Colour;
use super::{
    EXIT_CODES, cancel, check, create, delete, diff, doctor, edit, events, exec, explain, export, health, history,
    import, list, logs, new, next, notify, pause, reload, resume, run_verb, schema, show, shutdown, simulate, state,
    statistics, version, wait, why,
};

/// Drive the job scheduler jobsd: see jobs and runs, start, cancel and pause them, read what they printed
#[derive(Clone, Debug, Parser)]
#[command(name = "jobctl", version, after_long_help = EXIT_CODES, propagate_version = true)]
#[command(subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Heads the options that every verb takes.
const GLOBAL: &str = "Options of every verb";

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The daemon's socket; otherwise the user's own daemon is asked, then the system's
    #[arg(long, global = true, help_heading = GLOBAL, env = "JOBCTL_SOCKET", value_name = "PATH", hide_env_values = true)]
    pub(super) socket: Option<PathBuf>,
    /// How data is shown
    #[arg(short, long, global = true, help_heading = GLOBAL, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Format,
    /// When to use colour
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Colour,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// List jobs: where they stand, when they run next, how they ended last
    List(list::ListArgs),
    /// Show a job with its definition, or a run with its attempts
    Show(show::ShowArgs),
    /// Start a job now
    Run(run_verb::RunArgs),
    /// Run a command once, now or later, without a job file
    ///
    /// What at(1), batch(1) and systemd-run(1) are used for: an ad-hoc job of its own, with output, history and limits as any
    /// other. It runs as whoever asks, in the directory it is asked from, with none of the variables there unless they are
    /// named. Its record goes after a week, or when there are a thousand newer ones of the same user.
    Exec(exec::ExecArgs),
    /// Print what a run printed
    Logs(logs::LogsArgs),
    /// List the runs of a job and the occurrences that did not run, newest first
    History(history::HistoryArgs),
    /// Stop a run, or every live run of a job
    Cancel(cancel::CancelArgs),
    /// Suspend the schedule of jobs
    Pause(pause::PauseArgs),
    /// End a pause
    Resume(resume::ResumeArgs),
    /// Show when jobs run next
    Next(next::NextArgs),
    /// Wait until runs are over, and exit as the first of them that did not succeed
    Wait(wait::WaitArgs),
    /// Show what the history of jobs adds up to: outcomes, durations, lateness
    Statistics(statistics::StatisticsArgs),
    /// Print every change as it happens
    Events(events::EventsArgs),
    /// Show what a directory of jobs would do, before it is deployed
    Simulate(simulate::SimulateArgs),
    /// Explain jobs' schedules, or an expression, in plain English, with what changes of the clock do to them
    Explain(explain::ExplainArgs),
    /// Explain where a job stands, or what became of a time, and what to do about it
    Why(why::WhyArgs),
    /// Check job files, without a daemon
    ///
    /// Shows everything that is wrong, with line and column, and exits with 1 when anything is. Files of the daemon's own
    /// jobs directory are checked as the daemon reads them: owner and mode count too, and as whom their jobs may run. Of
    /// other files only the text counts. The configuration is checked with them.
    Check(check::CheckArgs),
    /// Tell what this machine can do for jobs, without a daemon
    ///
    /// Isolation and limits need things of the kernel that not every machine has, or not for every user. Shows which can
    /// be had and, for each that cannot, why not and which keys of job files need it.
    Doctor(doctor::DoctorArgs),
    /// Print the JSON Schema of a job file, for editors
    Schema(schema::SchemaArgs),
    /// Show what a reload would change
    ///
    /// Compares the jobs that are in force with the jobs directory as it is now, or with another directory that is to be
    /// put in its place. Faulty files make it exit with 1.
    Diff(diff::DiffArgs),
    /// Read jobsd.toml and the jobs directory now, and show what changed
    Reload(reload::ReloadArgs),
    /// Write a commented job file to begin with
    New(new::NewArgs),
    /// Create a job through the daemon, from a job file or in an editor
    ///
    /// The daemon checks the text as `jobctl check` does, writes it into its jobs directory, readable for its own user alone,
    /// and reads the directory. For admins: who defines jobs of a daemon that runs as root is root.
    Create(create::CreateArgs),
    /// Change a job's file in an editor, through the daemon
    ///
    /// Opens $VISUAL, $EDITOR, else the machine's editor. A faulty text is shown with its faults, and can be edited again. What
    /// somebody else changed meanwhile is not overwritten. The text is kept where it was not taken. For admins.
    Edit(edit::EditArgs),
    /// Delete a job's file, through the daemon; its history stays
    Delete(delete::DeleteArgs),
    /// Make job files of crontabs and systemd timers
    Import(import::ImportArgs),
    /// Write jobs in the form of other schedulers
    Export(export::ExportArgs),
    /// Tell whether the daemon and its jobs are well
    Health(health::HealthArgs),
    /// Try whether messages about jobs arrive
    Notify(notify::NotifyArgs),
    /// Back up, export or compact the state, or acknowledge what was found wrong with it
    State(state::StateArgs),
    /// Shut the daemon down; live runs go on unless told otherwise
    Shutdown(shutdown::ShutdownArgs),
    /// Show the versions of jobctl and of the daemon
    Version(version::VersionArgs),
}

impl Verb {
    /// Whether it asks no daemon.
    pub(super) fn is_offline(&self) -> bool {
        match self {
            Self::Next(args) => args.is_offline(),
            Self::Explain(args) => args.is_offline(),
            Self::Doctor(_) => true,
            Self::List(_)
            | Self::Show(_)
            | Self::Run(_)
            | Self::Exec(_)
            | Self::Logs(_)
            | Self::History(_)
            | Self::Cancel(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Wait(_)
            | Self::Statistics(_)
            | Self::Events(_)
            | Self::Why(_)
            | Self::Diff(_)
            | Self::Reload(_)
            | Self::New(_)
            | Self::Create(_)
            | Self::Edit(_)
            | Self::Delete(_)
            | Self::Import(_)
            | Self::Export(_)
            | Self::Health(_)
            | Self::Notify(_)
            | Self::State(_)
            | Self::Schema(_)
            | Self::Shutdown(_)
            | Self::Simulate(_)
            | Self::Check(_)
            | Self::Version(_) => false,
        }
    }
}
