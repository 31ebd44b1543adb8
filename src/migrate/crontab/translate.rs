//! One entry of a crontab becomes a [`Draft`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Entry, Form, Times};
use crate::migrate::name::Candidates;
use crate::migrate::text::toml_string;
use crate::migrate::{Change, Draft, DraftCommand, DraftSchedule, Setting};
use crate::schedule::Zone;
use crate::spec::{NOTICE_TARGETS_LIMIT, is_mailbox};

/// The search path that cron gives a job, unless the table says another ([crontab(5)]).
///
/// [crontab(5)]: https://man7.org/linux/man-pages/man5/crontab.5.html
const CRON_PATH: &str = "/usr/bin:/bin";
const CRON_SHELL: &str = "/bin/sh";

/// Variables by which a table speaks to cron. They are in the environment of its commands too, but mean nothing there.
const FOR_CRON: [&str; 6] =
    ["MAILTO", "MAILFROM", "CRON_TZ", "RANDOM_DELAY", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"];

/// Set by cron itself, whatever the table says.
const SET_BY_CRON: [&str; 2] = ["LOGNAME", "USER"];

/// Where an entry stands, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, or words for what has none.
    pub place: String,
    /// Its form.
    pub form: Form,
    /// Whose table it is: the user that a job names. `None` in a system crontab, and for whoever imports their own.
    pub owner: Option<String>,
    /// A name for the job when the file holds one line only, as in `/etc/cron.d`.
    pub name: Option<String>,
}

/// Why an entry cannot become a job, though cron runs it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// `CRON_TZ` names no zone of the database.
    #[error("CRON_TZ={0} is no time zone of the IANA database")]
    Zone(String),
    /// `RANDOM_DELAY` is no number of minutes.
    #[error("RANDOM_DELAY={0} is no number of minutes")]
    RandomDelay(String),
}

/// A job in the making, with what changed and what it may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::migrate) struct Translated {
    pub draft: Draft,
    pub names: Candidates,
    pub zone: Option<Zone>,
    pub changes: Vec<Change>,
}

/// Makes a job of an entry. It runs when the line ran, as the same user, in the same directory, with the same shell,
/// search path and input; [`Change`] says what is different all the same.
pub(in crate::migrate) fn translate(entry: &Entry, origin: &Origin) -> Result<Translated, TranslateError> {
    let mut changes = Vec::new();
    let variable = |name: &str| entry.variables.get(name).map(String::as_str);
    let shell = variable("SHELL").unwrap_or(CRON_SHELL);
    let zone = zone(variable("CRON_TZ"), &mut changes)?;
    let schedule = schedule(entry, &mut changes)?;
    let mail = variable("MAILTO").and_then(|said| mail(said, &mut changes));
    if let Some(user) = user_word(entry, origin) {
        changes.push(Change::UserWord { user: user.to_owned() });
    }
    if entry.carriage_return {
        changes.push(Change::CarriageReturn);
    }
    let draft = Draft {
        heading: vec![format!("Imported from {}, line {}:", origin.place, entry.line), format!("  {}", entry.text)],
        description: description(entry),
        command: DraftCommand::Line(entry.command.clone()),
        stdin: entry.stdin.clone(),
        schedules: vec![schedule],
        timezone: zone.map(|zone| zone.name().to_owned()),
        user: entry.user.clone().or_else(|| origin.owner.clone()),
        shell: (shell != CRON_SHELL).then(|| shell.to_owned()),
        // cron enters HOME, whoever said where that is.
        working_directory: variable("HOME").filter(|home| home.starts_with('/')).map(str::to_owned),
        settings: settings(&entry.times, &entry.command),
        mail,
        environment: environment(entry, shell, &mut changes),
        ..Draft::default()
    };
    let names = match &origin.name {
        Some(name) => Candidates::of_name(name),
        None => Candidates::of_command(&entry.command),
    };
    let user = draft.user.as_deref().filter(|&user| user != "root");
    let names = user.map_or_else(|| names.clone(), |user| names.clone().or_with(user));
    Ok(Translated { draft, names, zone, changes })
}

/// The first word of a command in a user's crontab, when it is a user: somebody pasted a line of a system crontab.
fn user_word<'a>(entry: &'a Entry, origin: &Origin) -> Option<&'a str> {
    let (word, _) = entry.command.split_once(char::is_whitespace)?;
    let is_user = word == "root" || Some(word) == origin.owner.as_deref();
    (origin.form == Form::User && is_user).then_some(word)
}

/// Whom cron mails what a job prints, one mailbox each; nobody, when none is named.
fn mail(said: &str, changes: &mut Vec<Change>) -> Option<Vec<String>> {
    let mailboxes: Vec<String> = said.split(',').map(|to| to.trim().to_owned()).filter(|to| !to.is_empty()).collect();
    if mailboxes.is_empty() {
        return Some(mailboxes);
    }
    if mailboxes.len() > NOTICE_TARGETS_LIMIT || !mailboxes.iter().all(|to| is_mailbox(to)) {
        changes.push(Change::NoMailbox { to: said.to_owned() });
        return None;
    }
    changes.push(Change::Mail { to: said.to_owned() });
    Some(mailboxes)
}

/// The comment above the line, cut to what a description may have.
fn description(entry: &Entry) -> Option<String> {
    let comment = entry.comment.as_deref()?;
    let text: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(text.chars().take(crate::spec::DESCRIPTION_LIMIT).collect())
}

fn zone(said: Option<&str>, changes: &mut Vec<Change>) -> Result<Option<Zone>, TranslateError> {
    let Some(name) = said.filter(|name| !name.is_empty()) else { return Ok(None) };
    let zone = Zone::parse(name.trim_start_matches(':')).map_err(|_| TranslateError::Zone(name.to_owned()))?;
    changes.push(Change::Zone { zone: name.to_owned() });
    Ok(Some(zone))
}

fn schedule(entry: &Entry, changes: &mut Vec<Change>) -> Result<DraftSchedule, TranslateError> {
    if let Times::Fields(fields) = &entry.times
        && fields.has_picks()
    {
        changes.push(Change::RandomTime);
    }
    let mut schedule = DraftSchedule::cron(&entry.schedule);
    if let Some(said) = entry.variables.get("RANDOM_DELAY") {
        let minutes: u32 = said.trim().parse().map_err(|_| TranslateError::RandomDelay(said.clone()))?;
        schedule.jitter = Duration::from_secs(u64::from(minutes) * 60);
        if minutes > 0 {
            changes.push(Change::RandomDelay { most: schedule.jitter });
        }
    }
    Ok(schedule)
}

/// Whether a shell line puts something into the background: an `&` that is neither `&&` nor part of a redirection. One
/// inside of quotes counts too, which does no harm.
fn goes_to_the_background(command: &str) -> bool {
    let rest = command.replace("&&", "").replace(">&", "").replace("<&", "").replace("&>", "");
    rest.contains('&') || ["nohup ", "setsid "].iter().any(|program| command.contains(program))
}

/// What cron does by itself, and jobsd only when asked.
fn settings(times: &Times, command: &str) -> Vec<Setting> {
    let overlap = Setting {
        comment: "As cron does. \"skip\" leaves a run out while the one before it still runs.".to_owned(),
        key: "overlap",
        value: toml_string("allow"),
    };
    let catch_up = Setting {
        comment: "As cron does. \"latest\" makes up for what was missed while the machine was down.".to_owned(),
        key: "catch_up",
        value: toml_string("none"),
    };
    let on_leftover = Setting {
        comment: "As cron does. \"kill\" ends what the command leaves behind in the background.".to_owned(),
        key: "on_leftover",
        value: toml_string("leave"),
    };
    // At a boot people start what is to stay.
    let stays = matches!(times, Times::Boot) || goes_to_the_background(command);
    let leftover = stays.then_some(on_leftover);
    match times {
        // Once a boot: it neither overlaps itself nor can it be missed.
        Times::Boot => leftover.into_iter().collect(),
        Times::Fields(_) => [overlap, catch_up].into_iter().chain(leftover).collect(),
    }
}

fn environment(entry: &Entry, shell: &str, changes: &mut Vec<Change>) -> BTreeMap<String, String> {
    // cron says both even when the table does not, and jobsd's own differ: a longer path, and the user's login shell.
    let own = [("PATH", CRON_PATH), ("SHELL", shell)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut environment = BTreeMap::from(own);
    for (name, value) in &entry.variables {
        let for_cron = FOR_CRON.contains(&name.as_str()) && !entry.command.contains(name.as_str());
        let unfit = name.contains(|c: char| c.is_whitespace() || c.is_control()) || name.starts_with("JOBSD_");
        if SET_BY_CRON.contains(&name.as_str()) || unfit {
            changes.push(Change::Variable { name: name.clone() });
        } else if !for_cron {
            environment.insert(name.clone(), value.clone());
        }
    }
    environment
}
