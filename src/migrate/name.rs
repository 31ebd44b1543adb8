//! Names for jobs that had none: from what they run.

use std::collections::{BTreeMap, BTreeSet};

use super::words::words_of_interest;
use crate::spec::JobName;

/// Characters of a made-up name, before anything that makes it unique: what is longer is not read.
const STEM_LIMIT: usize = 50;

/// What says little without the word behind it.
const GENERAL: &[&str] = &[
    "find",
    "rm",
    "cp",
    "mv",
    "tar",
    "rsync",
    "curl",
    "wget",
    "ssh",
    "scp",
    "docker",
    "podman",
    "git",
    "systemctl",
    "service",
    "apt",
    "apt-get",
    "artisan",
    "console",
    "manage",
    "occ",
    "wp",
    "drush",
    "rake",
    "npm",
    "yarn",
    "kubectl",
    "aws",
    "gcloud",
    "restic",
    "borg",
    "rclone",
    "certbot",
    "mail",
    "psql",
    "mysql",
    "make",
    "jobctl",
    "zfs",
    "btrfs",
    "composer",
    "invoke-rc",
    "cat",
    "chown",
    "chmod",
    "ping",
    "logger",
];

/// Names that a job could have, the best first; each says more than the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidates(Vec<String>);

impl Candidates {
    /// For a shell's command line.
    pub fn of_command(command: &str) -> Self {
        let words = words_of_interest(command);
        let mut words = words.iter().map(String::as_str);
        let Some(program) = words.next().map(stem) else { return Self(Vec::new()) };
        // A number would read as a run's.
        let program = if program.parse::<u64>().is_ok() { format!("job-{program}") } else { program };
        let argument = words.find_map(telling);
        let both = argument.map(|argument| format!("{program}-{argument}"));
        if GENERAL.contains(&program.as_str()) {
            return Self(both.into_iter().chain([program]).collect());
        }
        Self([program].into_iter().chain(both).collect())
    }

    /// For a name that is there, as a file's.
    pub fn of_name(name: &str) -> Self {
        Self(vec![stem(name)])
    }

    /// The same, with a word that tells it from others of the name: as a prefix, the last resort but a number.
    pub fn or_within(mut self, place: &str) -> Self {
        let place = stem(place);
        let within = match self.0.first() {
            Some(first) if *first == place => None,
            Some(first) => Some(format!("{place}-{first}")),
            None => Some(place),
        };
        self.0.extend(within);
        self
    }

    /// The same, with a text in front of each.
    pub fn prefixed(self, prefix: &str) -> Self {
        let names = if self.0.is_empty() { vec!["job".to_owned()] } else { self.0 };
        Self(names.into_iter().map(|name| format!("{prefix}{name}")).collect())
    }

    /// The same, with a word behind it as the next choice.
    pub fn or_with(mut self, word: &str) -> Self {
        let longer = self.0.first().map(|first| format!("{first}-{}", stem(word)));
        self.0.extend(longer);
        self
    }
}

/// A name for each, none twice. Where two want the same, both take the one that says more.
pub(super) fn assign(candidates: &[Candidates]) -> Vec<JobName> {
    let mut names: Vec<Option<JobName>> = vec![None; candidates.len()];
    let mut used = BTreeSet::new();
    let deepest = candidates.iter().map(|names| names.0.len()).max().unwrap_or_default();
    for level in 0..deepest {
        let mut wanted: BTreeMap<JobName, Vec<usize>> = BTreeMap::new();
        for (index, all) in candidates.iter().enumerate().filter(|(index, _)| names[*index].is_none()) {
            if let Some(name) = all.0.get(level).map(|name| fit(name)) {
                wanted.entry(name).or_default().push(index);
            }
        }
        for (name, who) in wanted {
            if let [only] = who.as_slice()
                && used.insert(name.clone())
            {
                names[*only] = Some(name);
            }
        }
    }
    let mut numbered = |all: &Candidates| {
        let base = fit(all.0.first().map_or("job", String::as_str));
        let others = (2..).map(|number: usize| fit(&format!("{base}-{number}")));
        let name = std::iter::once(base.clone()).chain(others).find(|name| !used.contains(name));
        let name = name.expect("numbers never end");
        used.insert(name.clone());
        name
    };
    names.into_iter().zip(candidates).map(|(name, all)| name.unwrap_or_else(|| numbered(all))).collect()
}

/// A job's name from any text.
fn fit(text: &str) -> JobName {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        let c = if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' };
        if !(c == '-' && name.ends_with('-')) {
            name.push(c);
        }
    }
    let name: String = name.trim_start_matches(['-', '_']).chars().take(STEM_LIMIT).collect();
    let name = name.trim_end_matches(['-', '_']);
    JobName::new(if name.is_empty() { "job" } else { name }).expect("made of the letters of names")
}

/// A file's name without directory and the endings of scripts.
pub(super) fn stem(path: &str) -> String {
    let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let ending = [".sh", ".bash", ".py", ".pl", ".rb", ".php", ".js", ".cron", ".d"];
    ending
        .iter()
        .find_map(|ending| file.strip_suffix(ending))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(file)
        .to_owned()
}

/// An argument that says what a command is about: a word, the last part of a path, the host of an address.
fn telling(word: &str) -> Option<String> {
    if word.starts_with('-') || word.contains(['$', '`', '=', '*', '>', '<', '|', '\n']) {
        return None;
    }
    let place = word.split_once("://").map_or(word, |(_, place)| place.split('/').next().unwrap_or(place));
    let last = stem(place);
    last.chars().any(|c| c.is_ascii_alphabetic()).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(commands: &[&str]) -> Vec<String> {
        let candidates: Vec<_> = commands.iter().map(|command| Candidates::of_command(command)).collect();
        assign(&candidates).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_tells_what_runs() {
        for (command, name) in [
            ("/usr/local/bin/backup.sh --full > /dev/null 2>&1", "backup"),
            ("cd /srv/app && /usr/bin/php artisan schedule:run >> /dev/null", "artisan-schedule-run"),
            (
                "[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/x ]; then /usr/lib/php/sessionclean; fi",
                "sessionclean",
            ),
            ("nice -n 19 ionice -c3 /opt/Report Weekly.py", "report"),
            ("flock -n /run/sync.lock rsync -a /srv/ host:/srv/", "rsync-srv"),
            ("sudo -u www-data python3 /srv/manage.py clearsessions", "manage-clearsessions"),
            ("LANG=C /bin/bash -c 'cd /x; ./nightly.sh'", "nightly"),
            ("find /var/tmp -mtime +7 -delete", "find-tmp"),
            ("nohup sleep 600 > /dev/null 2>&1 &", "nohup"),
            ("7 up", "job-7"),
            ("curl -fsS https://example.org/ping/abc > /dev/null", "curl-example-org"),
            ("docker exec app bin/console cache:clear", "docker-exec"),
            ("timeout 10m chronic make -C /srv report", "make-srv"),
            ("&&", "job"),
            ("date", "date"),
            ("python3", "python3"),
        ] {
            assert_eq!(names(&[command]), [name], "{command}");
        }
    }

    #[test]
    fn names_are_unique_and_say_what_tells_them_apart() {
        assert_eq!(names(&["backup.sh daily", "backup.sh weekly", "tidy"]), ["backup-daily", "backup-weekly", "tidy"]);
        assert_eq!(names(&["x", "x", "x"]), ["x", "x-2", "x-3"]);
        let shops = ["shop", "mall"].map(|place| Candidates::of_command("x").or_within(place).prefixed("Old "));
        assert_eq!(assign(&shops).iter().map(JobName::as_str).collect::<Vec<_>>(), ["old-shop-x", "old-mall-x"]);
    }
}
