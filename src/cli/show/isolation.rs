//! What a job can and cannot do, in words.

use serde::Serialize;

use super::process::{limits, rlimit};
use super::{Facts, Session};
use crate::api::types::{Definition, Isolation, JobDetail, Process};
use crate::cli::style::Tone;
use crate::cli::{Exit, Failure};

/// The same for programs.
#[derive(Serialize)]
struct Confinement<'a> {
    job: &'a str,
    user: Option<&'a str>,
    group: Option<&'a str>,
    process: &'a Process,
}

/// Shows it for a job.
pub(super) fn show(detail: &JobDetail, session: &mut Session) -> Result<Exit, Failure> {
    let job = detail.job.name.as_str();
    let Some(definition) = &detail.definition else {
        return Err(Failure::new(Exit::Failure, format!("no definition of {job} is in force")));
    };
    let Some(process) = &definition.process else {
        return Err(Failure::new(Exit::Failure, "this daemon does not tell what its jobs can do")
            .hint("it is older than this jobctl: restart it with the version that is installed"));
    };
    if session.is_json() {
        let (user, group) = (definition.user.as_deref(), definition.group.as_deref());
        let confinement = Confinement { job, user, group, process };
        session.json(&serde_json::to_vec(&confinement).expect("plain data"))?;
        return Ok(Exit::Done);
    }
    let mut facts = Facts::of(&mut session.terminal);
    facts.toned("job", job.to_owned(), Tone::Strong);
    for (about, says) in tell(definition, process) {
        facts.say(about, says.join("\n"));
    }
    facts.failed?;
    Ok(Exit::Done)
}

/// Sentences, by what they are about.
fn tell(definition: &Definition, process: &Process) -> [(&'static str, Vec<String>); 8] {
    let isolation = &process.isolation;
    [
        ("identity", identity(definition, isolation)),
        ("capabilities", vec![capabilities(isolation)]),
        ("files", files(process)),
        ("network", network(isolation)),
        ("processes", processes(process)),
        ("system calls", system_calls(isolation)),
        ("jobsd", vec![control_socket(isolation)]),
        ("limits", all_limits(process)),
    ]
}

fn identity(definition: &Definition, isolation: &Isolation) -> Vec<String> {
    let user =
        definition.user.as_ref().map_or_else(|| "the daemon's own user".to_owned(), |user| format!("user {user}"));
    let group = definition.group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
    let mut says = vec![format!("runs as {user}{group}")];
    says.push(if isolation.no_new_privileges {
        "no program that it executes gains rights, as by a setuid bit".to_owned()
    } else {
        "programs that it executes may gain rights, as sudo does".to_owned()
    });
    if isolation.private_users {
        says.push("every other user, root included, is nobody to it".to_owned());
    }
    says
}

fn capabilities(isolation: &Isolation) -> String {
    let list = isolation.capability_list.join(", ");
    match (isolation.capabilities.as_str(), list.is_empty()) {
        ("all", _) => "those of its user: all of them for root, none for anybody else".to_owned(),
        (_, true) => "none, not even as root".to_owned(),
        ("within", false) => format!("as root: {list}; none as anybody else"),
        (_, false) => format!("{list}, whoever its user is"),
    }
}

fn files(process: &Process) -> Vec<String> {
    let isolation = &process.isolation;
    let mut says = vec![match isolation.filesystem.as_str() {
        "writable" => "may write to whatever its user may write to".to_owned(),
        "system-read-only" => {
            "may write to whatever its user may write to, but not to /usr, /boot, /efi and /etc".to_owned()
        }
        "read-only" => {
            "may write only to what is named here, and to /dev and its own part of /proc as its user may".to_owned()
        }
        other => format!("the file system is {other}"),
    }];
    let mut list = |what: &str, paths: &[String]| {
        if !paths.is_empty() {
            says.push(format!("{what} {}", paths.join(", ")));
        }
    };
    list("may write to", &isolation.writable);
    list("may only read", &isolation.read_only);
    list("finds empty:", &isolation.hidden);
    list("finds elsewhere:", &isolation.bind);
    list("finds secrets in $CREDENTIALS_DIRECTORY:", &process.credentials);
    if isolation.private_tmp {
        says.push("has a /tmp and a /var/tmp of its own: in memory, empty at the start, gone at the end".to_owned());
    }
    if isolation.private_devices {
        says.push("finds in /dev only what every program needs, as null and urandom".to_owned());
    }
    says
}

fn network(isolation: &Isolation) -> Vec<String> {
    let mut says = vec![match isolation.network.as_str() {
        "host" => "has the machine's network".to_owned(),
        "loopback" => "has a network of its own, with only 127.0.0.1 and ::1".to_owned(),
        "none" => "has no network".to_owned(),
        other => format!("the network is {other}"),
    }];
    says.extend(isolation.restrict_address_families.as_ref().map(|families| match families.is_empty() {
        true => "may make no sockets".to_owned(),
        false => format!("may make sockets of these families alone: {}", families.join(", ")),
    }));
    says.extend(isolation.hostname.as_ref().map(|name| format!("the machine is called {name} to it")));
    says
}

fn processes(process: &Process) -> Vec<String> {
    let sees = match process.isolation.processes_visible {
        true => "sees every process of the machine, and may signal those of its user",
        false => "sees and signals its own processes alone",
    };
    let outlive = match process.on_leftover.as_str() {
        "kill" => "what outlives its main process is killed".to_owned(),
        "wait" => "the attempt goes on until the last of its processes has ended".to_owned(),
        "leave" => "what outlives its main process goes on without it".to_owned(),
        other => format!("what outlives its main process: {other}"),
    };
    vec![sees.to_owned(), outlive]
}

fn system_calls(isolation: &Isolation) -> Vec<String> {
    let mut says = vec![match isolation.syscalls_allowed.is_empty() {
        true => "may use all system calls".to_owned(),
        false => format!("may use the system calls of {} alone", isolation.syscalls_allowed.join(", ")),
    }];
    if !isolation.syscalls_denied.is_empty() {
        says.push(format!("may use none of {}", isolation.syscalls_denied.join(", ")));
    }
    if isolation.restrict_namespaces {
        says.push("may neither make nor enter namespaces".to_owned());
    }
    if isolation.lock_personality {
        says.push("may not pretend to be on another kind of system".to_owned());
    }
    says
}

fn control_socket(isolation: &Isolation) -> String {
    match isolation.control_socket {
        true => "may use jobctl and the daemon's socket, as its user may: what it has run so is not isolated as it is",
        false => "may not use jobctl or the daemon's socket, whoever its user is",
    }
    .to_owned()
}

fn all_limits(process: &Process) -> Vec<String> {
    let mut says = match limits(&process.limits) {
        none if none.is_empty() => vec!["all its processes together: as much as there is".to_owned()],
        some => vec![format!("all its processes together: {}", some.join(", "))],
    };
    if !process.rlimits.is_empty() {
        let each: Vec<String> = process.rlimits.iter().map(rlimit).collect();
        says.push(format!("each process: {}", each.join(", ")));
    }
    says
}
