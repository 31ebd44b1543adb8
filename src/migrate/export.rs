//! Jobs become lines of a crontab, with comments for what no crontab can say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::crontab::{Form, Times};
use super::losses::losses;
use super::text::{comment_line, shell_word};
use crate::spec::{Channel, Command, DEFAULT_PATH, JobSpec, NoticeEvent, Stdin, Target};
use crate::units::parse_duration;

/// A job, with the text of its file, which knows how the schedules were written.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The job.
    pub spec: &'a JobSpec,
    /// Its file.
    pub text: &'a str,
    /// The daemon's `[defaults]`, which may name the zone.
    pub defaults: &'a str,
}

/// A crontab, and what was lost on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The crontab.
    pub text: String,
    /// Lines in it that run something.
    pub lines: usize,
    /// Schedules and jobs that are in it as comments only.
    pub unsaid: usize,
    /// Everything that a job says and its line does not.
    pub losses: usize,
}

/// Variables of one line: only what differs from the line before is written.
type Variables = BTreeMap<String, String>;

/// What a job means that leaves something out.
#[derive(Clone, Copy, Debug)]
pub struct Usual<'a> {
    /// As whom it runs: the daemon's user.
    pub user: &'a str,
    /// The machine's zone.
    pub zone: &'a str,
}

/// Writes a crontab in either form. Lines of a user's form leave the user out, whoever that is.
pub fn crontab(jobs: &[Job<'_>], form: Form, usual: Usual<'_>) -> Exported {
    let mut exported = Exported::default();
    exported.put("# Written by `jobctl export crontab`. What a crontab cannot say stands beside each line.");
    let mut in_force = Variables::new();
    // cron has no way to take a variable back: jobs with few of them come first.
    let mut jobs = jobs.to_vec();
    jobs.sort_by_key(|job| {
        let said = schedules(job.text).into_iter().find_map(Result::ok);
        (variables(job, said.as_ref()).len(), job.spec.name.clone())
    });
    for job in jobs {
        exported.job(&job, form, usual, &mut in_force);
    }
    exported
}

impl Exported {
    fn put(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.put(&format!("# {}", comment_line(text)));
    }

    fn job(&mut self, job: &Job<'_>, form: Form, usual: Usual<'_>, in_force: &mut Variables) {
        self.put("");
        let spec = job.spec;
        self.comment(&format!(
            "{}{}",
            spec.name,
            spec.description.as_ref().map(|it| format!(": {it}")).unwrap_or_default()
        ));
        let losses = losses(spec);
        self.losses += losses.len();
        for loss in losses {
            self.comment(&format!("  not said: {loss}"));
        }
        let command = match command(spec) {
            Ok(command) => command,
            Err(reason) => return self.cannot_say(&reason),
        };
        let schedules = schedules(job.text);
        if schedules.is_empty() {
            return self.cannot_say("it has no schedule: it runs by hand alone");
        }
        for schedule in schedules {
            let said = match schedule {
                Ok(said) => said,
                Err(reason) => {
                    self.cannot_say(&reason);
                    continue;
                }
            };
            let user = spec.identity.user.as_deref().unwrap_or(usual.user);
            let line = match form {
                Form::User => format!("{} {command}", said.times),
                Form::System => format!("{} {user} {command}", said.times),
            };
            if let Some(loss) = &said.loss {
                self.losses += 1;
                self.comment(&format!("  not said: {loss}"));
            }
            if spec.enabled {
                self.variables(variables(job, Some(&said)), usual, in_force);
                self.put(&line);
                self.lines += 1;
            } else {
                self.comment(&format!("  not enabled: {line}"));
            }
        }
    }

    fn cannot_say(&mut self, reason: &str) {
        self.unsaid += 1;
        self.comment(&format!("  cannot be said in a crontab: {reason}"));
    }

    fn variables(&mut self, mut wanted: Variables, usual: Usual<'_>, in_force: &mut Variables) {
        // An empty CRON_TZ would mean UTC.
        if in_force.contains_key("CRON_TZ") {
            wanted.entry("CRON_TZ".to_owned()).or_insert_with(|| usual.zone.to_owned());
        }
        for name in in_force.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect::<Vec<_>>() {
            // The nearest thing to none.
            self.put(&format!("{}=\"\"", variable_name(&name)));
            in_force.insert(name, String::new());
        }
        for (name, value) in wanted {
            if in_force.get(&name) != Some(&value) {
                self.put(&format!("{}={}", variable_name(&name), variable_value(&value)));
                in_force.insert(name, value);
            }
        }
    }
}

/// One schedule as cron has it.
struct Said {
    times: String,
    zone: Option<String>,
    jitter: Duration,
    /// What the five fields do not say of it.
    loss: Option<String>,
}

/// The schedules as the file has them, those that cron cannot say with the reason.
fn schedules(text: &str) -> Vec<Result<Said, String>> {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let zone = table.get("timezone").and_then(toml::Value::as_str).map(str::to_owned);
    let entries = match table.get("schedule") {
        None => Vec::new(),
        Some(toml::Value::Array(entries)) => entries.clone(),
        Some(one) => vec![one.clone()],
    };
    entries.iter().map(|entry| said(entry, zone.as_deref())).collect()
}

fn said(entry: &toml::Value, zone: Option<&str>) -> Result<Said, String> {
    let zone = zone.map(str::to_owned);
    let table = match entry {
        toml::Value::String(short) => {
            return Ok(Said { times: times(short)?, zone, jitter: Duration::ZERO, loss: elapsed(short) });
        }
        toml::Value::Table(table) => table,
        other => return Err(other.to_string()),
    };
    const SAYABLE: [&str; 5] = ["cron", "every", "boot", "timezone", "jitter"];
    if let Some(key) = table.keys().find(|key| !SAYABLE.contains(&key.as_str())) {
        return Err(format!("`{key}` of a schedule"));
    }
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str);
    let times = match (text("cron"), text("every"), text("boot")) {
        (Some(cron), ..) => times(cron)?,
        (None, Some(every), _) => times(&format!("every {every}"))?,
        (None, None, Some(delay)) if parse_duration(delay).is_ok_and(|delay| delay.is_zero()) => "@reboot".to_owned(),
        (None, None, boot) => return Err(format!("a run {} after the boot", boot.unwrap_or("some time"))),
    };
    let jitter = text("jitter").and_then(|jitter| parse_duration(jitter).ok()).unwrap_or_default();
    let loss = text("every").and_then(|every| elapsed(&format!("every {every}")));
    Ok(Said { times, zone: text("timezone").map(str::to_owned).or(zone), jitter, loss })
}

/// A period of more than an hour is elapsed time; cron's fields move with the clock.
fn elapsed(short: &str) -> Option<String> {
    let period = short.strip_prefix("every ").or_else(|| short.strip_prefix("@every "))?;
    let is_long = parse_duration(period).is_ok_and(|period| period > Duration::from_secs(3600));
    is_long.then(|| format!("{short} is elapsed time; this line moves with the clock in spring and autumn"))
}

/// A rule in its short form, as five fields or a nickname.
fn times(short: &str) -> Result<String, String> {
    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 60;
    let unsayable = || Err(format!("the schedule {short:?}"));
    if let Some(period) = short.strip_prefix("every ").or_else(|| short.strip_prefix("@every ")) {
        let seconds = parse_duration(period).map_or(0, |period| period.as_secs());
        // What divides an hour or a day: only then do the fields repeat as the period does.
        return match (seconds / MINUTE, seconds % MINUTE) {
            (1, 0) => Ok("* * * * *".to_owned()),
            (minutes @ 2..60, 0) if 60_u64.is_multiple_of(minutes) => Ok(format!("*/{minutes} * * * *")),
            (60, 0) => Ok("0 * * * *".to_owned()),
            (DAY, 0) => Ok("0 0 * * *".to_owned()),
            (minutes @ 61..DAY, 0) if minutes.is_multiple_of(60) && DAY.is_multiple_of(minutes) => {
                Ok(format!("0 */{} * * *", minutes / 60))
            }
            _ => unsayable(),
        };
    }
    let line = format!("{short} true\n");
    let read = super::crontab::Crontab::read(line.as_bytes(), Form::User);
    match read.entries.as_slice() {
        // A time that is drawn would be drawn anew by cron.
        [entry] if entry.command == "true" => match &entry.times {
            Times::Fields(fields) if fields.has_picks() => unsayable(),
            Times::Fields(_) | Times::Boot => Ok(entry.schedule.clone()),
        },
        _ => unsayable(),
    }
}

/// The command as the sixth field: for the shell of the line, on one line, with `%` escaped.
fn command(spec: &JobSpec) -> Result<String, String> {
    let words = |words: &[String]| words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
    let line = match &spec.command {
        Command::Argv(argv) => words(argv),
        Command::Shell { shell, line } if line_shell(shell).is_some() && spec.working_directory.is_none() => {
            line.trim_end().to_owned()
        }
        Command::Shell { shell, line } => format!("{} {}", words(shell), shell_word(line)),
    };
    let line = match &spec.working_directory {
        Some(directory) => format!("cd {} && {line}", shell_word(&directory.display().to_string())),
        None => line,
    };
    if line.contains('\n') {
        return Err("its command has several lines; put them into a script".to_owned());
    }
    if line.contains("\\%") {
        return Err("its command has a backslash before a percent sign; put it into a script".to_owned());
    }
    let input = match &spec.process.inputs.stdin {
        Stdin::Nothing => String::new(),
        // cron adds a newline at the end; one that is there already would be a second.
        Stdin::Text(text) if text.ends_with('\n') && !text.contains("\\%") => {
            let lines: Vec<String> = text.trim_end_matches('\n').lines().map(|line| line.replace('%', "\\%")).collect();
            format!("%{}{}", lines.join("%"), "%".repeat(text.len() - text.trim_end_matches('\n').len() - 1))
        }
        Stdin::Text(_) => {
            return Err("its stdin does not end with a newline, or has a backslash before a percent sign".to_owned());
        }
        Stdin::File(path) => return Err(format!("stdin from {}", path.display())),
    };
    Ok(line.replace('%', "\\%") + &input)
}

/// The shell that a crontab can name by `SHELL`.
fn line_shell(shell: &[String]) -> Option<&str> {
    match shell {
        [program, option] if option == "-c" => Some(program),
        _ => None,
    }
}

fn variables(job: &Job<'_>, said: Option<&Said>) -> Variables {
    let mut variables: Variables = job.spec.environment.0.clone();
    let shell = match &job.spec.command {
        Command::Shell { shell, .. } => line_shell(shell).unwrap_or("/bin/sh"),
        Command::Argv(_) => "/bin/sh",
    };
    variables.insert("SHELL".to_owned(), shell.to_owned());
    variables.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    let mail: Vec<&str> =
        job.spec.notify.targets.get(&NoticeEvent::Output).into_iter().flatten().filter_map(mailbox).collect();
    if !mail.is_empty() {
        variables.insert("MAILTO".to_owned(), mail.join(","));
    }
    if let Some(said) = said {
        let defaults = job.defaults.parse::<toml::Table>().unwrap_or_default();
        let usual = || defaults.get("timezone").and_then(toml::Value::as_str).map(str::to_owned);
        if let Some(zone) = said.zone.clone().or_else(usual) {
            variables.insert("CRON_TZ".to_owned(), zone);
        }
        let minutes = said.jitter.as_secs() / 60;
        if minutes > 0 {
            variables.insert("RANDOM_DELAY".to_owned(), minutes.to_string());
        }
    }
    variables
}

fn mailbox(target: &Target) -> Option<&str> {
    match &target.channel {
        Channel::Mail { to } => Some(to),
        Channel::Command(_) => None,
    }
}

fn variable_name(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') { name.to_owned() } else { format!("\"{name}\"") }
}

fn variable_value(value: &str) -> String {
    let plain = !value.is_empty() && value.trim() == value && !value.starts_with(['"', '\'']);
    match value {
        value if plain => value.to_owned(),
        value if value.contains('"') => format!("'{value}'"),
        value => format!("\"{value}\""),
    }
}
