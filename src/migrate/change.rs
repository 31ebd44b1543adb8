//! [`Change`]: where a job does not mean quite what the line meant that it came from.

use std::fmt;

use crate::units::format_duration;

/// One difference between a line and its job, or between cron's world and ours. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// A MAILTO that names no mailboxes that can be told.
    NoMailbox {
        /// As it was said.
        to: String,
    },
    /// cron mailed what every run printed.
    Mail {
        /// To whom.
        to: String,
    },
    /// `RANDOM_DELAY`: cron drew the delay anew at each start of its daemon.
    RandomDelay {
        /// The longest delay.
        most: std::time::Duration,
    },
    /// `~`: cron drew the time anew at each reading of the table.
    RandomTime,
    /// `CRON_TZ`: cronie obeys it, Debian's cron does not.
    Zone {
        /// The zone.
        zone: String,
    },
    /// A variable that a job file cannot set, or that cron ignores too.
    Variable {
        /// Its name.
        name: String,
    },
    /// The command of a line in a user's crontab begins with what is no program, but a user.
    UserWord {
        /// The word.
        user: String,
    },
    /// The line ended with a carriage return.
    CarriageReturn,
    /// cron does not run a last line without a newline.
    NoNewline,
    /// `run-parts`: scripts ran one after another, and what was added later ran too.
    Directory {
        /// The directory.
        directory: String,
    },
    /// Nothing on the machine runs the scripts of a directory.
    Unattended {
        /// The directory.
        directory: String,
    },
    /// anacron counts days from the last run.
    Anacron {
        /// How often.
        period: String,
    },
    /// Something of a unit that is not translated.
    UnitSetting {
        /// Section and key.
        key: String,
        /// The key of a job file that does the same or nearly so, for people to write.
        counterpart: Option<&'static str>,
    },
    /// A time that the clock jumps over: systemd leaves it out.
    Gap,
    /// systemd counts a period from the last run, jobsd from a fixed midnight.
    Period {
        /// The setting.
        key: String,
    },
    /// A variable of the environment that systemd expands in a command line.
    Expansion,
    /// `[defaults]` that jobs do not override.
    Defaults {
        /// Their keys.
        keys: Vec<String>,
    },
    /// What of cron is different for every line.
    Everywhere(Everywhere),
}

/// What is different for every imported line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Everywhere {
    /// Output is kept, not mailed.
    Output,
    /// `overlap = "allow"` has a bound.
    Overlap,
    /// The locale is always the same.
    Locale,
}

impl Everywhere {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Output, Self::Overlap, Self::Locale];
}

impl Change {
    /// The `[defaults]` of the daemon that imported jobs take on.
    pub fn of_defaults(defaults: &str) -> Option<Self> {
        let mut keys = super::import::default_keys(defaults);
        keys.retain(|key| !["timezone", "overlap", "catch_up", "shell"].contains(&key.as_str()));
        (!keys.is_empty()).then_some(Self::Defaults { keys })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail { to } => write!(
                f,
                "cron mailed all output to {to}; on_output mails its end, at most 48 KiB, and `jobctl logs` has all of it"
            ),
            Self::NoMailbox { to } => write!(
                f,
                "MAILTO={to} does not read as mailboxes with commas between; what the job prints is not mailed, `jobctl logs` \
                 has it"
            ),
            Self::RandomDelay { most } => write!(
                f,
                "cron drew one delay of up to {} at its own start; jobsd's jitter is as long, and differs from run to run",
                format_duration(*most)
            ),
            Self::RandomTime => {
                f.write_str("cron drew a new time whenever it read the table; jobsd keeps one, chosen by the job's name")
            }
            Self::Zone { zone } => write!(
                f,
                "CRON_TZ={zone} is obeyed, as cronie does; Debian's cron ignores it and ran the line by the machine's \
                 clock"
            ),
            Self::Variable { name } => {
                write!(f, "the variable {name} is left out: a job file cannot set it")
            }
            Self::UserWord { user } => write!(
                f,
                "the command begins with the word {user}, which looks like the user of a system crontab, but stands for a \
                 program here, as it does for cron; --form system reads it as the user"
            ),
            Self::CarriageReturn => {
                f.write_str("the line ended with a carriage return, which cron gave to the command; it is dropped")
            }
            Self::NoNewline => {
                f.write_str("the crontab has no newline at its end, so cron may never have run this last line")
            }
            Self::Directory { directory } => write!(
                f,
                "scripts of {directory} run beside each other, no longer one after another; those that are put there \
                 later need an import of their own"
            ),
            Self::Unattended { directory } => write!(
                f,
                "no line on this machine runs the scripts of {directory}; their times are those of Debian's crontab"
            ),
            Self::Anacron { period } => write!(
                f,
                "anacron counts {period} from the last run; this job has fixed days, and is caught up after downtime"
            ),
            Self::UnitSetting { key, counterpart: None } => {
                write!(f, "{key} has no counterpart in a job file and is left out")
            }
            Self::UnitSetting { key, counterpart: Some(ours) } => {
                write!(f, "{key} is left out: say it with {ours} in the job file")
            }
            Self::Gap => f.write_str(
                "a time that the clocks jump over in spring runs right after the jump; systemd leaves it out",
            ),
            Self::Period { key } => {
                write!(f, "{key} counts from the last run; `every` counts from a fixed midnight, whatever ran")
            }
            Self::Expansion => f.write_str(
                "systemd puts the values of variables into the words of a command; the command became a shell line \
                 that does so",
            ),
            Self::Defaults { keys } => {
                write!(f, "[defaults] of jobsd.toml say {}, which these jobs take on", keys.join(", "))
            }
            Self::Everywhere(Everywhere::Output) => f.write_str(
                "without MAILTO cron mails what a job prints to its user; jobsd keeps it for `jobctl logs`, and mails it when \
                 [notify] says so",
            ),
            Self::Everywhere(Everywhere::Overlap) => f.write_str(
                "cron starts a job again while it still runs, without end; these jobs say overlap = \"allow\", which \
                 starts at most 10 beside each other: consider overlap = \"skip\"",
            ),
            Self::Everywhere(Everywhere::Locale) => {
                f.write_str("LANG is C.UTF-8 unless a job sets it; with cron it came from the machine's settings")
            }
        }
    }
}
