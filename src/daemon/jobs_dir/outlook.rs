//! [`Outlook`]: what a good job file names and this machine does not have, as far as that is to be told before a run.
//!
//! A run would end as `setup_failed`, perhaps at night. It is a warning and no fault: a directory may be mounted, a user become
//! known and a program be installed until then, and the job stays in force. What is warned of is what would be wrong in nearly
//! every case, and no more:
//!
//! - only what is not there counts, never what may not be looked at;
//! - nothing below `/tmp`, `/var/tmp`, `/dev`, `/proc`, `/sys` and `/run`, which come and go and which the engine's unit has of
//!   its own; nor what the job itself hides or finds elsewhere;
//! - a program is looked for only where nothing but the file says where it is.
//!
//! The user database and the file system may be on the network: call it where it may block.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

use crate::spec::{
    Bind, Command, Credential, DEFAULT_PATH, Diagnostic, Faults, Identity, JobSpec, LoadedSpec, closest, locate,
};

/// What cannot be told of before it is there.
const FLEETING: [&str; 6] = ["/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run"];

/// A look at the machine, which asks for each user and group once.
#[derive(Debug, Default)]
pub struct Outlook {
    users: BTreeMap<String, Standing>,
    groups: BTreeMap<String, Standing>,
}

/// What the user database says of a name or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is somebody, or the database cannot be asked.
    Known,
    /// A number that is nobody's: it will do where a group stands beside it.
    Number,
    /// Nobody.
    Unknown,
}

/// Who is not known to this machine, for who has to be told at once. Blocks as the user database does.
pub fn unknown_account(identity: &Identity) -> Option<(String, Option<String>)> {
    let mut outlook = Outlook::default();
    outlook.accounts(identity).into_iter().next().map(|(_, message, hint)| (message, hint))
}

impl Outlook {
    /// All that a job names and that is not there; `None` when nothing is missing. Blocking.
    pub fn warnings(&mut self, loaded: &LoadedSpec) -> Option<Faults> {
        let list = self.missing(loaded);
        (!list.is_empty()).then(|| Faults::warnings(&loaded.path, &loaded.source.text, list))
    }

    /// The same, one by one.
    pub(super) fn missing(&mut self, loaded: &LoadedSpec) -> Vec<Diagnostic> {
        let spec = &loaded.spec;
        let mut list = Vec::new();
        for (key, message, hint) in self.accounts(&spec.identity) {
            list.push(diagnostic(loaded, &[key], None, message, hint));
        }
        let mut missing = |key: &[&str], element: Option<&str>, message: String, hint: &str| {
            list.push(diagnostic(loaded, key, element, message, Some(hint.to_owned())));
        };
        working_directory(spec, &mut missing);
        isolated_paths(spec, &mut missing);
        inputs(spec, &mut missing);
        program(spec, &mut missing);
        list
    }

    /// The key, what is wrong with it, and what may be meant.
    fn accounts(&mut self, identity: &Identity) -> Vec<(&'static str, String, Option<String>)> {
        let mut wrong = Vec::new();
        let nearest = |name: &str, file: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let names = text.lines().filter_map(|line| line.split(':').next());
            closest(name, names).map(|near| format!("did you mean {near:?}?"))
        };
        if let Some(user) = &identity.user {
            match (self.user(user), &identity.group) {
                (Standing::Known, _) | (Standing::Number, Some(_)) => {}
                (Standing::Number, None) => {
                    let hint = "name a group, too: with one a number will do that is nobody's".to_owned();
                    wrong.push(("user", format!("this machine has no user with the number {user}"), Some(hint)));
                }
                (Standing::Unknown, _) => {
                    wrong.push(("user", format!("this machine has no user {user:?}"), nearest(user, "/etc/passwd")));
                }
            }
        }
        if let Some(group) = &identity.group
            && self.group(group) == Standing::Unknown
        {
            wrong.push(("group", format!("this machine has no group {group:?}"), nearest(group, "/etc/group")));
        }
        wrong
    }

    fn user(&mut self, name: &str) -> Standing {
        let ask = || match (User::from_name(name), name.parse().map(Uid::from_raw)) {
            (Ok(None), Ok(uid)) => match User::from_uid(uid) {
                Ok(None) => Standing::Number,
                Ok(Some(_)) | Err(_) => Standing::Known,
            },
            (Ok(None), Err(_)) => Standing::Unknown,
            (Ok(Some(_)) | Err(_), _) => Standing::Known,
        };
        *self.users.entry(name.to_owned()).or_insert_with(ask)
    }

    fn group(&mut self, name: &str) -> Standing {
        let ask = || match (Group::from_name(name), name.parse().map(Gid::from_raw)) {
            // A group needs no name.
            (Ok(None), Ok(_)) => Standing::Number,
            (Ok(None), Err(_)) => Standing::Unknown,
            (Ok(Some(_)) | Err(_), _) => Standing::Known,
        };
        *self.groups.entry(name.to_owned()).or_insert_with(ask)
    }
}

/// Takes a warning: the key, the element of its list, what is missing, what to do.
type Missing<'a> = dyn FnMut(&[&str], Option<&str>, String, &str) + 'a;

fn diagnostic(
    loaded: &LoadedSpec,
    key: &[&str],
    element: Option<&str>,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    let span = locate(&loaded.source.text, key, element);
    let message = if span.is_some() { message } else { format!("[defaults] in jobsd.toml: {message}") };
    Diagnostic { span, message, expected: None, hint }
}

fn working_directory(spec: &JobSpec, missing: &mut Missing<'_>) {
    let Some(directory) = &spec.working_directory else { return };
    if spec.process.create_working_directory || !is_told(spec, directory) {
        return;
    }
    if is_absent(directory) {
        let message = format!("the directory {} does not exist", directory.display());
        missing(
            &["working_directory"],
            None,
            message,
            "make it, or let the job do so: create_working_directory = true",
        );
    } else if fs::metadata(directory).is_ok_and(|found| !found.is_dir()) {
        let message = format!("{} is no directory", directory.display());
        missing(&["working_directory"], None, message, "name the directory in which the job is to work");
    }
}

fn isolated_paths(spec: &JobSpec, missing: &mut Missing<'_>) {
    let isolation = &spec.process.isolation;
    let lists = [("writable", &isolation.writable), ("read_only", &isolation.read_only), ("hidden", &isolation.hidden)];
    for (key, paths) in lists {
        for path in paths.iter().filter(|path| !is_fleeting(path) && is_absent(path)) {
            let message = format!("`isolation.{key}`: {} does not exist", path.display());
            missing(&["isolation", key], path.to_str(), message, "make it, or take it out of the list");
        }
    }
    for bind in isolation.bind.iter().filter(|bind| !is_fleeting(&bind.source) && is_absent(&bind.source)) {
        let message = format!("`isolation.bind`: {} does not exist", bind.source.display());
        missing(&["isolation", "bind"], Some(&Bind::text(bind)), message, "make it, or take it out of the list");
    }
}

fn inputs(spec: &JobSpec, missing: &mut Missing<'_>) {
    let inputs = &spec.process.inputs;
    let files = inputs.environment_files.iter().filter(|file| !file.optional);
    for file in files.filter(|file| is_told(spec, &file.path) && is_absent(&file.path)) {
        let message = format!("the file of variables {} does not exist", file.path.display());
        let hint = "write it, or put - in front of its name if it may be missing";
        missing(&["environment_files"], Some(&file.text()), message, hint);
    }
    for (name, source) in &inputs.credentials {
        let path = match source {
            Credential::File(path) => Some(path.as_path()),
            // One without a slash is looked for by the supervisor, whose search path is its own.
            Credential::Command(argv) => argv.first().map(Path::new).filter(|program| program.is_absolute()),
            Credential::Systemd(_) => None,
        };
        if let Some(path) = path.filter(|path| !is_fleeting(path) && is_absent(path)) {
            let message = format!("`credentials.{name}`: {} does not exist", path.display());
            missing(&["credentials", name], None, message, "it is read by the daemon's user before the job starts");
        }
    }
}

/// The program of a list, or the shell of a line; what the line calls only the shell knows.
fn program(spec: &JobSpec, missing: &mut Missing<'_>) {
    let (key, program) = match &spec.command {
        Command::Argv(argv) => ("command", argv.first()),
        Command::Shell { shell, .. } => ("shell", shell.first()),
    };
    let Some(program) = program else { return };
    let Some(candidates) = candidates(spec, program) else { return };
    let hint = "install it, or write where it is";
    if candidates.iter().all(|path| is_absent(path)) {
        let message = match program.contains('/') {
            true => format!("the program {program} does not exist"),
            false => format!("no program {program:?} is in the job's PATH"),
        };
        missing(&[key], Some(program), message, hint);
    } else if candidates.iter().all(|path| is_absent(path) || is_no_program(path)) {
        missing(&[key], Some(program), format!("{program} cannot be executed"), "chmod +x makes a script a program");
    }
}

/// The files that may be the program; `None` when other things than the job file decide on that.
fn candidates(spec: &JobSpec, program: &str) -> Option<Vec<PathBuf>> {
    let inputs = &spec.process.inputs;
    let isolation = &spec.process.isolation;
    if !isolation.bind.is_empty() {
        return None;
    }
    let candidates = if program.contains('/') {
        let path = match &spec.working_directory {
            Some(directory) => directory.join(program),
            None => PathBuf::from(program),
        };
        vec![path]
    } else {
        if !inputs.environment_files.is_empty() || inputs.pass_environment.contains("PATH") {
            return None;
        }
        let search = spec.environment.0.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        search.split(':').map(|directory| Path::new(directory).join(program)).collect()
    };
    candidates.iter().all(|path| path.is_absolute() && is_told(spec, path)).then_some(candidates)
}

/// Whether what is there now is what the job would find.
fn is_told(spec: &JobSpec, path: &Path) -> bool {
    let isolation = &spec.process.isolation;
    let mut moved = isolation.hidden.iter().chain(isolation.bind.iter().map(|bind| &bind.target));
    !is_fleeting(path) && !moved.any(|other| path.starts_with(other))
}

fn is_fleeting(path: &Path) -> bool {
    FLEETING.iter().any(|place| path.starts_with(place))
}

/// Whether it is certainly not there.
fn is_absent(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|fault| matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Whether nobody may execute it.
fn is_no_program(path: &Path) -> bool {
    const EXECUTE: u32 = 0o111;
    fs::metadata(path).is_ok_and(|found| !found.is_file() || found.permissions().mode() & EXECUTE == 0)
}
