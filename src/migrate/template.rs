//! [`Template`]: job files to begin with.

use crate::spec::JobName;

/// A job file to begin with: commented, and not enabled until somebody has made it their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// A program with its arguments.
    Command,
    /// A shell script inside the job file.
    Script,
    /// A nightly copy with retries.
    Backup,
    /// Old files are removed.
    Cleanup,
    /// Output on every weekday.
    Report,
    /// A look at a service, each minute.
    HealthCheck,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Command, Self::Script, Self::Backup, Self::Cleanup, Self::Report, Self::HealthCheck];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Script => "script",
            Self::Backup => "backup",
            Self::Cleanup => "cleanup",
            Self::Report => "report",
            Self::HealthCheck => "health-check",
        }
    }

    /// The file for a job.
    pub fn text(self, job: &JobName) -> String {
        let text = match self {
            Self::Command => include_str!("templates/command.toml"),
            Self::Script => include_str!("templates/script.toml"),
            Self::Backup => include_str!("templates/backup.toml"),
            Self::Cleanup => include_str!("templates/cleanup.toml"),
            Self::Report => include_str!("templates/report.toml"),
            Self::HealthCheck => include_str!("templates/health-check.toml"),
        };
        text.replace("NAME", job.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Zone;
    use crate::spec::{Authority, Machine, ReadContext, Source, read};

    #[test]
    fn every_template_is_a_good_job_file_that_runs_nothing_by_itself() {
        let job = JobName::new("nightly").unwrap();
        let context = ReadContext {
            path: "nightly.toml".into(),
            authority: Authority::Anybody,
            timezone: Zone::utc(),
            machine: Machine::default(),
        };
        for template in Template::ALL {
            let text = template.text(&job);
            assert!(!text.contains("NAME") && text.contains("nightly"), "{}", template.name());
            let source = Source { text: text.clone(), defaults: String::new() };
            let spec = read(&job, &source, &context).unwrap_or_else(|faults| panic!("{}", faults.plain()));
            assert!(!spec.enabled && !spec.schedules.is_empty() && spec.timeout.is_some(), "{}", template.name());
            // Nothing but the one line stands between a template and a job in force.
            let ready = Source { text: text.replace("\nenabled = false\n", "\n"), defaults: String::new() };
            assert!(read(&job, &ready, &context).is_ok_and(|spec| spec.enabled), "{}", template.name());
        }
    }
}
