//! What an attempt used.

use super::Facts;
use crate::api::types::{Attempt, MemoryMeasure};
use crate::cli::moment::{seconds, span};
use crate::units::format_size;

/// What the last attempt used; what nobody measured is left out.
pub(super) fn show(attempt: &Attempt, facts: &mut Facts<'_>) {
    let pair = |one: Option<u64>, other: Option<u64>| one.zip(other);
    let cpu = attempt.cpu_user_seconds.zip(attempt.cpu_system_seconds);
    facts.say(
        "cpu",
        cpu.map(|(user, system)| format!("{} user, {} system", span(seconds(user)), span(seconds(system)))),
    );
    facts.say("peak memory", memory(attempt));
    let io = pair(attempt.io_read_bytes, attempt.io_written_bytes);
    facts
        .say("disk", io.map(|(read, written)| format!("{} read, {} written", format_size(read), format_size(written))));
    let switches = pair(attempt.voluntary_context_switches, attempt.involuntary_context_switches);
    facts.say("switches", switches.map(|(waited, made_room)| format!("{waited} voluntary, {made_room} involuntary")));
    facts.say("processes", attempt.peak_processes.map(|count| format!("{count} at once")));
    let killed = attempt.leftovers.as_ref();
    facts.say(
        "left behind",
        killed.map(|killed| format!("{}, killed at the end: {}", killed.count, killed.names.join(", "))),
    );
}

/// The most memory, in short.
pub(super) fn peak_memory(attempt: &Attempt) -> Option<String> {
    attempt.peak_memory_bytes.map(|bytes| match attempt.peak_memory_of {
        Some(MemoryMeasure::AtMost) => format!("<{}", format_size(bytes)),
        Some(MemoryMeasure::Tree | MemoryMeasure::Process | MemoryMeasure::Other) | None => format_size(bytes),
    })
}

fn memory(attempt: &Attempt) -> Option<String> {
    attempt.peak_memory_bytes.map(format_size).map(|size| match attempt.peak_memory_of {
        Some(MemoryMeasure::Tree) => format!("{size}, of all its processes and their page cache"),
        Some(MemoryMeasure::Process) => format!("{size}, of its largest process"),
        Some(MemoryMeasure::AtMost) => format!("less than {size}"),
        Some(MemoryMeasure::Other) | None => size,
    })
}
