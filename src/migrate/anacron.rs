//! [`Anacrontab`]: jobs that anacron runs once in so many days.

use std::collections::BTreeMap;
use std::time::Duration;

use super::crontab::{Entry, Times};
use super::{Change, DraftSchedule};

/// What `/etc/anacrontab` says ([anacrontab(5)]).
///
/// [anacrontab(5)]: https://man7.org/linux/man-pages/man5/anacrontab.5.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anacrontab {
    /// Its jobs.
    pub jobs: Vec<AnacronJob>,
    /// Lines that are none: number and text.
    pub faults: Vec<(usize, String)>,
}

/// A job of anacron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnacronJob {
    /// Counted from 1.
    pub line: usize,
    /// As it was written.
    pub text: String,
    /// How often.
    pub period: Period,
    /// Minutes after anacron's start.
    pub delay_minutes: u32,
    /// Its name there.
    pub identifier: String,
    /// For the shell.
    pub command: String,
    /// In force at this line.
    pub variables: BTreeMap<String, String>,
}

/// How often a job of anacron runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Every so many days.
    Days(u32),
    /// `@monthly`.
    Monthly,
    /// `@yearly`.
    Yearly,
}

/// The longest delay that is taken: what is longer than a day was meant otherwise.
const DELAY_LIMIT_MINUTES: u32 = 24 * 60;

impl Anacrontab {
    /// Reads the table.
    pub fn read(text: &str) -> Self {
        let mut table = Self::default();
        let mut variables = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if let Some((name, value)) = trimmed.split_once('=').filter(|(name, _)| !name.trim().contains(' ')) {
                let value = value.trim().trim_matches('"');
                variables.insert(name.trim().to_owned(), value.to_owned());
                continue;
            }
            match job(trimmed) {
                Some(job) => {
                    table.jobs.push(AnacronJob {
                        line: index + 1,
                        text: line.to_owned(),
                        variables: variables.clone(),
                        ..job
                    });
                }
                None => table.faults.push((index + 1, line.to_owned())),
            }
        }
        table
    }
}

fn job(line: &str) -> Option<AnacronJob> {
    let mut words = line.split_whitespace();
    let period = match words.next()? {
        "@daily" => Period::Days(1),
        "@weekly" => Period::Days(7),
        "@monthly" => Period::Monthly,
        "@yearly" | "@annually" => Period::Yearly,
        days => Period::Days(days.parse().ok().filter(|&days| days > 0)?),
    };
    let delay_minutes = words.next()?.parse().ok().filter(|&minutes| minutes <= DELAY_LIMIT_MINUTES)?;
    let identifier = words.next()?.to_owned();
    let command = line[line.find(&identifier)? + identifier.len()..].trim().to_owned();
    let (text, variables) = (String::new(), BTreeMap::new());
    let job = AnacronJob { line: 0, text, period, delay_minutes, identifier, command, variables };
    (!job.command.is_empty()).then_some(job)
}

impl AnacronJob {
    /// A schedule on fixed days, at the hour at which anacron may begin.
    pub fn schedule(&self) -> DraftSchedule {
        let first_hour = self.variables.get("START_HOURS_RANGE").and_then(|range| range.split('-').next());
        let first_hour: u32 =
            first_hour.and_then(|hour| hour.trim().parse().ok()).filter(|&hour| hour < 24).unwrap_or(0);
        let minutes = (first_hour * 60 + self.delay_minutes) % (24 * 60);
        let (hour, minute) = (minutes / 60, minutes % 60);
        let mut schedule = match self.period {
            Period::Days(1) => DraftSchedule::cron(&format!("{minute} {hour} * * *")),
            Period::Days(7) => DraftSchedule::cron(&format!("{minute} {hour} * * 0")),
            Period::Days(28..=31) | Period::Monthly => DraftSchedule::cron(&format!("{minute} {hour} 1 * *")),
            Period::Days(365 | 366) | Period::Yearly => DraftSchedule::cron(&format!("{minute} {hour} 1 1 *")),
            Period::Days(days) => DraftSchedule { key: "every", rule: format!("{days}d"), ..DraftSchedule::default() },
        };
        let delay = self.variables.get("RANDOM_DELAY").and_then(|minutes| minutes.parse().ok()).unwrap_or(0);
        schedule.jitter = Duration::from_secs(60 * delay);
        schedule
    }

    /// How often, for people.
    pub fn period_text(&self) -> String {
        match self.period {
            Period::Days(1) => "a day".to_owned(),
            Period::Days(days) => format!("{days} days"),
            Period::Monthly => "a month".to_owned(),
            Period::Yearly => "a year".to_owned(),
        }
    }

    /// The same as a crontab's entry, so that one translation serves both.
    pub(super) fn as_entry(&self) -> Entry {
        let not_for_jobs = ["START_HOURS_RANGE", "RANDOM_DELAY", "PREFERRED_HOUR", "NO_MAIL_OUTPUT"];
        let mut variables = self.variables.clone();
        variables.retain(|name, _| !not_for_jobs.contains(&name.as_str()));
        Entry {
            line: self.line,
            text: self.text.clone(),
            schedule: String::new(),
            times: Times::Boot,
            user: Some("root".to_owned()),
            command: self.command.clone(),
            stdin: None,
            variables,
            comment: None,
            unlogged: false,
            carriage_return: false,
        }
    }

    /// What is different.
    pub(super) fn change(&self) -> Change {
        Change::Anacron { period: self.period_text() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_distribution() {
        let table = Anacrontab::read(
            "SHELL=/bin/sh\nRANDOM_DELAY=45\nSTART_HOURS_RANGE=3-22\n\n#period delay id command\n\
             1\t5\tcron.daily\t\tnice run-parts /etc/cron.daily\n@monthly 45 cron.monthly run-parts /etc/cron.monthly\n\
             10 70 ten date +%F\nnonsense\n",
        );
        let [daily, monthly, ten] = table.jobs.as_slice() else { panic!("three: {table:?}") };
        assert_eq!((daily.line, daily.command.as_str()), (6, "nice run-parts /etc/cron.daily"));
        assert_eq!((daily.schedule().rule.as_str(), daily.schedule().jitter.as_secs()), ("5 3 * * *", 2700));
        assert_eq!(monthly.schedule().rule, "45 3 1 * *");
        assert_eq!((ten.schedule().key, ten.schedule().rule.as_str()), ("every", "10d"));
        assert_eq!(ten.as_entry().command, "date +%F");
        assert_eq!(table.faults, [(9, "nonsense".to_owned())]);
    }
}
