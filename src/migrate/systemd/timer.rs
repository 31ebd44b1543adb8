//! A timer with its service becomes a job.

use std::time::Duration;

use super::calendar::{CalendarError, to_cron};
use super::exec::{self, Exec, ExecError};
use super::span;
use super::unit::Unit;
use crate::migrate::import::{ImportFault, LineOrigin, Proposal, Reading};
use crate::migrate::name::Candidates;
use crate::migrate::text::toml_string;
use crate::migrate::{Change, Draft, DraftCommand, DraftSchedule, Import, Setting};
use crate::units::format_duration;

/// A timer, and the service that it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerUnits {
    /// As `backup.timer`.
    pub timer_name: String,
    /// The timer.
    pub timer: Unit,
    /// As `backup.service`.
    pub service_name: String,
    /// The service.
    pub service: Unit,
    /// Whether it belongs to the system and not to a user.
    pub is_system: bool,
}

/// Why a timer cannot become a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// A calendar expression.
    #[error("OnCalendar={calendar}")]
    Calendar {
        /// The expression.
        calendar: String,
        /// Why.
        #[source]
        reason: CalendarError,
    },
    /// A command line.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A span of time.
    #[error("{key}={value} is no span of time")]
    Span {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
    /// No setting says when.
    #[error("no setting of the timer says when it runs")]
    NoTime,
    /// No command.
    #[error("{0} has no ExecStart=")]
    NoCommand(String),
}

/// The service that a timer starts: `Unit=`, else the one of its name.
pub fn service_of(timer_name: &str, timer: &Unit) -> String {
    let usual = || format!("{}.service", timer_name.strip_suffix(".timer").unwrap_or(timer_name));
    timer.one("Timer", "Unit").map_or_else(usual, str::to_owned)
}

/// Settings that are taken over, or that say nothing about what runs when.
const KNOWN: &[(&str, &[&str])] = &[
    ("Unit", &["Description", "Documentation", "After", "Before", "Wants", "DefaultDependencies", "SourcePath"]),
    (
        "Timer",
        &[
            "OnCalendar",
            "OnBootSec",
            "OnStartupSec",
            "OnUnitActiveSec",
            "OnUnitInactiveSec",
            "RandomizedDelaySec",
            "Persistent",
            "Unit",
            "AccuracySec",
        ],
    ),
    (
        "Service",
        &[
            "ExecStart",
            "ExecStartPre",
            "ExecStartPost",
            "User",
            "Group",
            "WorkingDirectory",
            "Environment",
            "TimeoutStartSec",
            "RuntimeMaxSec",
            "TimeoutSec",
            "TimeoutStopSec",
            "KillSignal",
            "SuccessExitStatus",
        ],
    ),
];

impl Import {
    /// Adds a timer.
    pub fn timer(&mut self, units: &TimerUnits) {
        let origin = LineOrigin { place: units.timer_name.clone(), line: None };
        match translate(units) {
            Ok((draft, changes)) => {
                let stem = units.timer_name.strip_suffix(".timer").unwrap_or(&units.timer_name);
                let names = Candidates::of_name(stem);
                self.propose(Proposal { draft, names, origin, reading: Reading::Inexact, changes });
            }
            Err(fault) => {
                let cause = std::error::Error::source(&fault).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.add_fault(ImportFault {
                    text: units.service_name.clone(),
                    origin,
                    reason: format!("{fault}{cause}"),
                });
            }
        }
    }
}

fn translate(units: &TimerUnits) -> Result<(Draft, Vec<Change>), TimerError> {
    let TimerUnits { timer, service, .. } = units;
    let mut changes = unknown_settings(units);
    let schedules = schedules(timer, &mut changes)?;
    let command = command(units, &mut changes)?;
    let of_service = |key: &str| service.one("Service", key).map(str::to_owned);
    let description = service.one("Unit", "Description").or_else(|| timer.one("Unit", "Description"));
    let draft = Draft {
        heading: vec![format!("Imported from {} and {} of systemd.", units.timer_name, units.service_name)],
        description: description.map(|text| text.chars().take(crate::spec::DESCRIPTION_LIMIT).collect()),
        command,
        schedules,
        user: of_service("User").or_else(|| units.is_system.then(|| "root".to_owned())),
        group: of_service("Group"),
        // systemd starts a system service in /, a user's in the home, which is where a job starts.
        working_directory: of_service("WorkingDirectory")
            .map(|path| path.trim_start_matches('-').to_owned())
            .or_else(|| units.is_system.then(|| "/".to_owned()))
            .filter(|path| path != "~"),
        settings: settings(units)?,
        environment: environment(service),
        ..Draft::default()
    };
    Ok((draft, changes))
}

/// Settings that are not translated, since their values mean not quite the same, each with the key of a job file to look at.
pub(super) const COUNTERPARTS: &[(&str, &str)] = &[
    ("AmbientCapabilities", "isolation.capabilities"),
    ("BindPaths", "isolation.bind"),
    ("BindReadOnlyPaths", "isolation.bind"),
    ("CPUAffinity", "cpu_affinity"),
    ("CPUQuota", "limits.cpus"),
    ("CPUSchedulingPolicy", "cpu_scheduling"),
    ("CapabilityBoundingSet", "isolation.capabilities"),
    ("EnvironmentFile", "environment_files"),
    ("IOSchedulingClass", "io_class"),
    ("IOWeight", "limits.io_weight"),
    ("InaccessiblePaths", "isolation.hidden"),
    ("KillMode", "on_leftover"),
    ("LoadCredential", "credentials"),
    ("LockPersonality", "isolation.lock_personality"),
    ("MemoryMax", "limits.memory"),
    ("MemorySwapMax", "limits.memory_swap"),
    ("Nice", "nice"),
    ("NoNewPrivileges", "isolation.no_new_privileges"),
    ("OOMScoreAdjust", "oom_score_adjust"),
    ("OnFailure", "notify.on_failure"),
    ("OnSuccess", "notify.on_success"),
    ("PassEnvironment", "pass_environment"),
    ("PrivateDevices", "isolation.private_devices"),
    ("PrivateNetwork", "isolation.network"),
    ("PrivateTmp", "isolation.private_tmp"),
    ("PrivateUsers", "isolation.private_users"),
    ("ProtectHome", "isolation.hidden"),
    ("ProtectHostname", "isolation.hostname"),
    ("ProtectProc", "isolation.processes_visible"),
    ("ProtectSystem", "isolation.filesystem"),
    ("ReadOnlyPaths", "isolation.read_only"),
    ("ReadWritePaths", "isolation.writable"),
    ("Restart", "retry.attempts"),
    ("RestartSec", "retry.delay"),
    ("RestrictAddressFamilies", "isolation.restrict_address_families"),
    ("RestrictNamespaces", "isolation.restrict_namespaces"),
    ("StandardInput", "stdin"),
    ("StandardInputText", "stdin"),
    ("SystemCallFilter", "isolation.syscalls"),
    ("TasksMax", "limits.processes"),
];

fn unknown_settings(units: &TimerUnits) -> Vec<Change> {
    let known = |section: &str, key: &str| {
        section == "Install" || KNOWN.iter().any(|(known, keys)| *known == section && keys.contains(&key))
    };
    let harmless = |key: &str| match key {
        "Type" => matches!(units.service.one("Service", "Type"), Some("simple" | "exec" | "oneshot" | "idle")),
        "StandardOutput" | "StandardError" | "SyslogIdentifier" => true,
        _ => false,
    };
    let mut changes = Vec::new();
    for (section, key) in units.timer.keys().chain(units.service.keys()) {
        let counterpart = COUNTERPARTS.iter().find(|(theirs, _)| *theirs == key).map(|(_, ours)| *ours);
        let change = Change::UnitSetting { key: format!("[{section}] {key}="), counterpart };
        if !known(section, key) && !harmless(key) && !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

fn schedules(timer: &Unit, changes: &mut Vec<Change>) -> Result<Vec<DraftSchedule>, TimerError> {
    let span = |key: &str, value: &str| {
        let fault = || TimerError::Span { key: key.to_owned(), value: value.to_owned() };
        span::parse(value).ok_or_else(fault)
    };
    let jitter = match timer.one("Timer", "RandomizedDelaySec") {
        Some(value) => whole_seconds(span("RandomizedDelaySec", value)?),
        None => Duration::ZERO,
    };
    let mut schedules = Vec::new();
    for calendar in timer.all("Timer", "OnCalendar") {
        let form =
            to_cron(calendar).map_err(|reason| TimerError::Calendar { calendar: calendar.to_owned(), reason })?;
        let timezone = form.zone.map(|zone| zone.name().to_owned());
        schedules.push(DraftSchedule { jitter, timezone, ..DraftSchedule::cron(&form.expression) });
        changes.push(Change::Gap);
    }
    changes.dedup();
    for key in ["OnBootSec", "OnStartupSec"] {
        for value in timer.all("Timer", key) {
            let rule = format_duration(whole_seconds(span(key, value)?));
            schedules.push(DraftSchedule { key: "boot", rule, jitter, ..DraftSchedule::default() });
        }
    }
    for key in ["OnUnitActiveSec", "OnUnitInactiveSec"] {
        for value in timer.all("Timer", key) {
            let rule = format_duration(whole_seconds(span(key, value)?));
            schedules.push(DraftSchedule { key: "every", rule, jitter, ..DraftSchedule::default() });
            changes.push(Change::Period { key: format!("{key}={value}") });
        }
    }
    if schedules.is_empty() { Err(TimerError::NoTime) } else { Ok(schedules) }
}

fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

/// One command as it is; several, or what a shell has to do, as a line that stops where systemd would.
fn command(units: &TimerUnits, changes: &mut Vec<Change>) -> Result<DraftCommand, TimerError> {
    let of = |key: &str| -> Result<Vec<Exec>, TimerError> {
        let lines = units.service.all("Service", key);
        Ok(lines.into_iter().map(|line| Exec::parse(line, &units.service_name)).collect::<Result<_, _>>()?)
    };
    let (before, main, after) = (of("ExecStartPre")?, of("ExecStart")?, of("ExecStartPost")?);
    if main.is_empty() {
        return Err(TimerError::NoCommand(units.service_name.clone()));
    }
    let all: Vec<Exec> = before.into_iter().chain(main).chain(after).collect();
    if let [only] = all.as_slice() {
        if let Some(words) = only.plain() {
            return Ok(DraftCommand::Words(words));
        }
        if !only.ignores_failure {
            changes.push(Change::Expansion);
        }
    }
    Ok(DraftCommand::Line(all.iter().map(Exec::shell_line).collect::<Vec<_>>().join(" &&\n")))
}

fn settings(units: &TimerUnits) -> Result<Vec<Setting>, TimerError> {
    let TimerUnits { timer, service, .. } = units;
    let mut settings = Vec::new();
    if !timer.is_on("Timer", "Persistent") {
        let comment = "As Persistent=false. \"latest\" makes up for what was missed while the machine was down.";
        let timed = !timer.all("Timer", "OnCalendar").is_empty();
        if timed {
            settings.push(Setting { comment: comment.to_owned(), key: "catch_up", value: toml_string("none") });
        }
    }
    for (key, ours) in [("RuntimeMaxSec", "timeout"), ("TimeoutStartSec", "timeout"), ("TimeoutStopSec", "stop_grace")]
    {
        let value = service.one("Service", key).or_else(|| service.one("Service", "TimeoutSec"));
        let is_said = settings.iter().any(|setting| setting.key == ours);
        if let Some(span) = value.and_then(span::parse).filter(|span| !span.is_zero() && !is_said) {
            settings.push(Setting {
                comment: String::new(),
                key: ours,
                value: toml_string(&format_duration(whole_seconds(span))),
            });
        }
    }
    if let Some(signal) = service.one("Service", "KillSignal") {
        settings.push(Setting { comment: String::new(), key: "stop_signal", value: toml_string(signal) });
    }
    let codes = service.all("Service", "SuccessExitStatus").join(" ");
    let codes: Vec<&str> = codes.split_whitespace().filter(|code| code.parse::<u8>().is_ok()).collect();
    if !codes.is_empty() {
        let value = format!("[0, {}]", codes.join(", "));
        settings.push(Setting { comment: String::new(), key: "success_exit_codes", value });
    }
    Ok(settings)
}

fn environment(service: &Unit) -> std::collections::BTreeMap<String, String> {
    let words = service.all("Service", "Environment").into_iter().filter_map(exec::split).flatten();
    let pairs = words.filter_map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    pairs.collect()
}
