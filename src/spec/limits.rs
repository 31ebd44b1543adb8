//! Bounds of what a job file may say, and why each is where it is.

use std::time::Duration;

/// Bytes of a job file. A job is a page of text; what is larger was put there by mistake, and would be read again
/// with every change. Beyond it the file is a fault.
pub const FILE_LIMIT: usize = 1024 * 1024;

/// Faults that are told of one file; a file that is no TOML at all would give one for every line.
pub const DIAGNOSTICS_LIMIT: usize = 50;

/// Bytes of one argument or one `NAME=value` pair, with its closing NUL: the kernel's `MAX_ARG_STRLEN`, 32 pages
/// ([execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html)). Beyond it execve fails with E2BIG.
pub const ARGUMENT_LIMIT: usize = 32 * 4096;

/// Bytes of all arguments and variables of a job. The kernel takes a quarter of the stack limit, 2 MiB where it is the
/// usual 8 MiB; half of that leaves room for the base environment and for smaller stacks.
pub const ARGUMENTS_LIMIT: usize = 1024 * 1024;

/// Bytes of a `stdin` text: it becomes part of the launch plan, which is bounded.
pub const STDIN_LIMIT: usize = 64 * 1024;

/// Credentials of a job.
pub const CREDENTIALS_LIMIT: usize = 100;

/// Paths in one list of a job: each costs a mount or more at every launch.
pub const PATHS_LIMIT: usize = 200;

/// Variables of a job.
pub const VARIABLES_LIMIT: usize = 1000;

/// The longest duration that a job file may say, 10 years: what is longer is a slip of the pen, and deadlines stay far
/// from the end of every clock.
pub const DURATION_LIMIT: Duration = Duration::from_secs(3650 * 86_400);

/// The shortest `start_deadline`: a start takes some milliseconds, and a busy machine some hundred.
pub const START_DEADLINE_LEAST: Duration = Duration::from_secs(1);

/// Targets of one event of a job: each is a message of its own.
pub const NOTICE_TARGETS_LIMIT: usize = 10;

/// Bytes of the command of a target: it is kept with every message until that is delivered.
pub const NOTICE_COMMAND_LIMIT: usize = 8 * 1024;

/// The most that `notify.per_hour` may say: more is a stream, for which `jobctl events` is made.
pub const NOTICES_PER_HOUR_LIMIT: u32 = 1000;

/// Characters of a description: one line of a wide terminal, with reserve.
pub const DESCRIPTION_LIMIT: usize = 500;

/// Characters of an owner, a user, a group or a tag.
pub const WORD_LIMIT: usize = 100;

/// Tags of a job.
pub const TAGS_LIMIT: usize = 50;

/// Runs of a job that may be live at once with `overlap = "allow"`.
pub const CONCURRENT_LIMIT: u32 = 1000;

/// Finished runs of one job that may be kept.
pub const RETENTION_LIMIT: u32 = 100_000;

/// The least that may be kept of a run's output, in bytes: enough for a first and a last part that can be read.
pub const OUTPUT_LEAST: u64 = 64 * 1024;

/// The most that a rate of output may name, in lines or bytes: more than any pipe carries in an hour.
pub const RATE_LIMIT: u64 = 1 << 50;

/// The most that may be kept of output, in bytes, of a run, a job or all jobs.
pub const OUTPUT_LIMIT: u64 = 1 << 40;
