//! [`Gathered`]: the crontabs that were asked for, read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::User;

use super::crontab::CrontabArgs;
use crate::causes::causes;
use crate::cli::failure::plain;
use crate::cli::{Exit, Failure};
use crate::migrate::crontab::{CRONTAB_LIMIT_BYTES, Crontab, Form, Origin};
use crate::migrate::{Anacrontab, DIRECTORIES, Dispensable, Import, Machine, MachineError, System, Table};
use crate::surroundings::Surroundings;

/// Every table, and what is to become of it.
#[derive(Default)]
pub(super) struct Gathered {
    pub import: Import,
    pub tables: Vec<Table>,
    pub dispensable: Vec<Dispensable>,
    /// Files that cron passes over, too.
    pub passed_over: Vec<String>,
    /// Tables with lines that are comments now and were entries once.
    pub commented_out: Vec<(String, usize)>,
}

/// The name of a table that no file holds.
pub(super) const STANDARD_INPUT: &str = "standard input";
/// The caller's own crontab, as `crontab -l` prints it.
pub(super) const OWN_CRONTAB: &str = "crontab -l";

/// Who reads what the pipe or `crontab -l` gave: the owner alone, as the spool has it.
const PRIVATE: u32 = 0o600;

impl Gathered {
    /// Reads everything that the command line names.
    pub fn of(args: &CrontabArgs, around: &Surroundings) -> Result<Self, Failure> {
        let machine = Machine::at(&args.root);
        let mut gathered = Self::default();
        for file in &args.files {
            let table = of_file(file, args, around)?;
            gathered.add(table, around);
        }
        if args.system {
            gathered.add_system(&machine, args)?;
        }
        for user in &args.user {
            let name = if user.is_empty() { around.account.user.as_str() } else { user };
            let table = of_user(name, &machine, args, around)?;
            gathered.add(table, around);
        }
        if args.all_users {
            for table in machine.user_tables().map_err(unreadable)? {
                gathered.add(table, around);
            }
        }
        Ok(gathered)
    }

    /// A table of its own.
    fn add(&mut self, table: Table, around: &Surroundings) {
        let crontab = Crontab::read(&table.bytes, table.form);
        self.note_comments(&table.place, &crontab);
        // An ordinary user's daemon runs everything as that user: a job need not say it.
        let owner = table.owner.clone().filter(|_| around.is_root());
        let origin = Origin { place: table.place.clone(), form: table.form, owner, name: drop_in_name(&table.place) };
        self.import.crontab(&crontab, &origin);
        self.tables.push(table);
    }

    fn add_system(&mut self, machine: &Machine, args: &CrontabArgs) -> Result<(), Failure> {
        let (tables, passed_over) = machine.system_tables().map_err(unreadable)?;
        self.passed_over.extend(passed_over);
        let mut system = System::default();
        for table in tables {
            let crontab = Crontab::read(&table.bytes, table.form);
            self.note_comments(&table.place, &crontab);
            let (place, name) = (table.place.clone(), drop_in_name(&table.place));
            system.tables.push((Origin { place, form: table.form, owner: None, name }, crontab));
            self.tables.push(table);
        }
        if let Some(table) = machine.anacrontab().map_err(unreadable)?.filter(|_| machine.has_anacron()) {
            system.anacron = Some(Anacrontab::read(&String::from_utf8_lossy(&table.bytes)));
            self.tables.push(table);
        }
        if !args.whole_directories {
            system.scripts = self.scripts(machine)?;
        }
        self.dispensable.extend(self.import.system(&system));
        Ok(())
    }

    fn scripts(&mut self, machine: &Machine) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut all = BTreeMap::new();
        for (directory, _) in DIRECTORIES {
            let (scripts, passed_over) = machine.scripts(directory).map_err(unreadable)?;
            // RHEL's own script there starts anacron, whose table is read by itself.
            let scripts = scripts.into_iter().filter(|script| !script.ends_with("/0anacron")).collect();
            self.passed_over.extend(passed_over);
            all.insert(directory.to_owned(), scripts);
        }
        Ok(all)
    }

    fn note_comments(&mut self, place: &str, crontab: &Crontab) {
        if !crontab.commented_out.is_empty() {
            self.commented_out.push((place.to_owned(), crontab.commented_out.len()));
        }
    }

    /// The mode of the table that a place names; what has no table is as the directories of scripts are.
    pub fn mode(&self, place: &str) -> u32 {
        self.tables.iter().find(|table| table.place == place).map_or(0o644, |table| table.mode)
    }
}

/// A file of `/etc/cron.d` is named for what it is about.
fn drop_in_name(place: &str) -> Option<String> {
    let (directory, name) = place.rsplit_once('/')?;
    directory.ends_with("cron.d").then(|| name.to_owned())
}

fn of_file(file: &Path, args: &CrontabArgs, around: &Surroundings) -> Result<Table, Failure> {
    let is_input = file == Path::new("-");
    let place = if is_input { STANDARD_INPUT.to_owned() } else { absolute(file).display().to_string() };
    let (bytes, mode) =
        if is_input { (standard_input()?, PRIVATE) } else { Machine::file(file).map_err(unreadable)? };
    let form = args.form.map_or_else(|| form_of(&place, &bytes), Form::from);
    let spool = place.contains("/var/spool/cron/").then(|| place.rsplit('/').next().unwrap_or_default().to_owned());
    let owner = match form {
        Form::System => None,
        Form::User => args.owner.clone().or(spool),
    };
    if form == Form::User && owner.is_none() && around.is_root() {
        return Err(Failure::usage(format!("whose crontab is {place}?")).hint(
            "name the user by --owner NAME: root's daemon would run every line as root otherwise; a crontab with a \
             user in each line is read by --form system",
        ));
    }
    Ok(Table { place, path: file.to_owned(), bytes, form, owner, mode })
}

/// The form of a file by its place, else by what its lines say: a system crontab names a user in each.
fn form_of(place: &str, bytes: &[u8]) -> Form {
    if place.ends_with("/etc/crontab") || drop_in_name(place).is_some() {
        return Form::System;
    }
    let read = Crontab::read(bytes, Form::System);
    let users: BTreeSet<&str> = read.entries.iter().filter_map(|entry| entry.user.as_deref()).collect();
    let are_users = users.iter().all(|user| matches!(User::from_name(user), Ok(Some(_))));
    let all = !users.is_empty() && are_users && read.faults.is_empty();
    if all && !place.contains("/var/spool/cron/") { Form::System } else { Form::User }
}

fn of_user(name: &str, machine: &Machine, args: &CrontabArgs, around: &Surroundings) -> Result<Table, Failure> {
    let missing = || {
        let failure = Failure::new(Exit::NotFound, format!("{name} has no crontab"));
        failure.hint("system crontabs are read by --system, a file by its name")
    };
    if around.is_root() || args.root != Path::new("/") {
        return machine.user_table(name).map_err(unreadable)?.ok_or_else(missing);
    }
    if name != around.account.user {
        return Err(Failure::new(Exit::Refused, format!("only root may read the crontab of {name}")));
    }
    // The spool belongs to cron; the program crontab is the way that everybody has.
    let output = Command::new("crontab").arg("-l").stdin(Stdio::null()).output();
    let output = output.map_err(|fault| {
        Failure::new(Exit::Failure, "cannot run crontab").causes([plain(&fault)]).hint("is cron installed?")
    })?;
    if !output.status.success() {
        return Err(missing());
    }
    let (place, owner) = (OWN_CRONTAB.to_owned(), Some(name.to_owned()));
    Ok(Table { path: place.clone().into(), place, bytes: output.stdout, form: Form::User, owner, mode: PRIVATE })
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(CRONTAB_LIMIT_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|fault| Failure::new(Exit::Failure, "cannot read standard input").causes([plain(&fault)]))?;
    if bytes.len() > CRONTAB_LIMIT_BYTES {
        return Err(Failure::usage("standard input is too large for a crontab"));
    }
    Ok(bytes)
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn unreadable(fault: MachineError) -> Failure {
    Failure::new(Exit::Failure, fault.to_string()).causes(causes(&fault))
}
