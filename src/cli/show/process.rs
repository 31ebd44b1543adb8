//! How a job's processes are made, as far as its file says so.

use super::{Facts, some_joined};
use crate::api::types::{Bandwidth, Isolation, Limits, Process, Rlimit};
use crate::units::format_size;

/// The lines of what is said; nothing for what is not.
pub(super) fn show(process: &Process, job: &str, facts: &mut Facts<'_>) {
    facts.say("stdin", process.stdin_file.clone().or_else(|| process.stdin_bytes.map(text_of)));
    facts.say("variable files", some_joined(process.environment_files.iter().cloned()));
    facts.say("passed on", some_joined(process.pass_environment.iter().cloned()));
    facts.say("credentials", some_joined(process.credentials.iter().cloned()));
    facts.say("umask", process.umask.clone());
    facts.say("nice", process.nice.map(|nice| nice.to_string()));
    facts.say("io class", process.io_class.clone());
    facts.say("processors", some_joined(process.cpu_affinity.iter().map(u32::to_string)));
    facts.say("scheduling", process.cpu_scheduling.clone());
    facts.say("oom score", process.oom_score_adjust.map(|score| score.to_string()));
    facts.say("rlimits", some_joined(process.rlimits.iter().map(rlimit)));
    facts.say("limits", some_joined(limits(&process.limits).into_iter()));
    facts.say("leftovers", (process.on_leftover != "kill").then(|| process.on_leftover.clone()));
    let told = || format!("restricted; `jobctl show {job} --isolation` tells how");
    facts.say("isolation", restricts(&process.isolation).then(told));
}

fn text_of(bytes: u64) -> String {
    format!("a text of {}", format_size(bytes))
}

/// As a job file says it.
pub(super) fn rlimit(limit: &Rlimit) -> String {
    let bound = |bound: Option<u64>| bound.map_or_else(|| "unlimited".to_owned(), |bound| bound.to_string());
    let (soft, hard) = (bound(limit.soft), bound(limit.hard));
    if soft == hard { format!("{} {soft}", limit.limit) } else { format!("{} {soft}:{hard}", limit.limit) }
}

/// Each limit with its measure.
pub(super) fn limits(limits: &Limits) -> Vec<String> {
    let mut said = Vec::new();
    said.extend(limits.memory_bytes.map(|bytes| format!("{} of memory", format_size(bytes))));
    said.extend(limits.memory_swap_bytes.map(|bytes| format!("{} of swap", format_size(bytes))));
    said.extend(limits.cpus.map(|cpus| format!("{cpus} processors")));
    said.extend(limits.processes.map(|processes| format!("{processes} processes")));
    said.extend(limits.io_weight.map(|weight| format!("disk weight {weight}")));
    let rate = |verb: &'static str| {
        move |rate: &Bandwidth| format!("{verb} {} a second at {}", format_size(rate.bytes_per_second), rate.path)
    };
    said.extend(limits.io_read.iter().map(rate("reads")));
    said.extend(limits.io_write.iter().map(rate("writes")));
    if limits.best_effort && !said.is_empty() {
        said.push("as far as the machine can enforce them (`jobctl doctor`)".to_owned());
    }
    said
}

fn restricts(isolation: &Isolation) -> bool {
    let lists = [&isolation.writable, &isolation.read_only, &isolation.hidden, &isolation.bind];
    isolation.network != "host"
        || isolation.filesystem != "writable"
        || isolation.capabilities != "all"
        || lists.iter().any(|list| !list.is_empty())
        || isolation.private_tmp
        || isolation.private_devices
        || isolation.private_users
        || !isolation.processes_visible
        || isolation.hostname.is_some()
        || isolation.no_new_privileges
        || !isolation.syscalls_allowed.is_empty()
        || !isolation.syscalls_denied.is_empty()
        || isolation.lock_personality
        || isolation.restrict_namespaces
        || isolation.restrict_address_families.is_some()
        || !isolation.control_socket
}
