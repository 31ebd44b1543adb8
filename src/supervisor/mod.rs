//! The other process: the parent of every run, and the only one that has rights over jobs.
//!
//! It decides nothing about *what* runs. It carries each [launch plan](crate::run::LaunchPlan) to its end, engine or no engine:
//! launch, deadline and stop ladder, output, exit status and usage. One thread around one epoll (`serve`), so that a fork
//! is cheap and what follows it may be ordinary code. This page is about who is trusted with what; the messages are described
//! in [`protocol`], the launch order, step by step with reasons, in `child`.
//!
//! # Who is trusted with what
//!
//! | who | is trusted with | and not with |
//! |---|---|---|
//! | whoever writes job files and jobsd.toml | everything that the daemon's user may do: they name command, user and isolation. Whose files are believed is looked at in [`daemon`](crate::daemon) | |
//! | the engine | which plan is launched, stopped and acknowledged, and so with the rights of this process | a second launch of an attempt, the order of steps, a path outside of `runs/` (names are parsed again here) |
//! | the supervisor | becoming any user, and signalling its runs | |
//! | a job before `execute` | nothing: none of its code runs | |
//! | a job | what its plan leaves it | this process, the engine (unless its isolation says so), other runs and their output, its own record |
//! | somebody who asks over the API | no plan at all: what is asked becomes one only in the scheduler, with the rights that the API's `access` gives | |
//!
//! # What it may do
//!
//! As root: fork, become any user, mount and unshare in its children, write its own subtree of cgroups, signal what belongs to
//! its runs, and write below the state directory. Its unit takes nothing away from it, since every run inherits what is taken
//! away; the engine's unit keeps three capabilities and starts nothing. As an ordinary user it has that user's rights and
//! reaches the rest through user namespaces. It never lends a right for longer than a step: everything that a job names is
//! opened by the child, after it has become the job's user; only credentials are read before, as they are meant to be.
//!
//! # What reaches it, from whom, and what each boundary rests on
//!
//! - **Its socket.** Mode 0600, in a directory of the daemon's. Who connects must be root or its own user (`SO_PEERCRED`), and
//!   must not come from a run ([`Origin`]): a job of root, or of the daemon's own user, has the right user. A frame has a
//!   bounded length, a message that is not understood whole is refused, and a restriction that is not known refuses the plan.
//!   An engine older than the newest seen is refused. A connection that says nothing, does not read, or floods is closed; none
//!   makes the others wait.
//! - **The pipes of a run.** Bytes from whoever runs as the job: they are counted, bounded and written, never understood. A job
//!   that prints without end meets its limits and takes turns with the others.
//! - **The status pipe and the record** of an attempt. Written by the child before `execute`, closed by it; with processes of
//!   its own the first of them goes on writing, as the supervisor's user and out of the job's sight: one line, into the record and
//!   a pipe of its own, once the program has ended. When that says that nobody is left, the attempt is over, and this process
//!   need not wait for the kernel. Mode 0600 in a directory of mode 0700. A torn or foreign line says nothing.
//! - **Process numbers.** A child's number is its own until it is reaped here. Every other is used through a handle (pidfd) that
//!   was taken before looking again, or with the time of its birth, so that a number which changed hands is not hit.
//! - **Which processes are a run's**: its cgroup, where there is one; otherwise kinship, session, process group and a
//!   variable, as far as `tree` says. The engine lets processes in by the same knowledge ([`Origins`]).
//! - **The state directory and its lock.** One supervisor for each (flock). `mkdir` of the attempt's directory comes before the
//!   fork and fails if it exists: so nothing is launched twice, whoever died in between.
//! - **Its environment and standard streams**: none of them reaches a job, but for variables that the job's file names.
//!
//! What isolates a job is made by the kernel in the child's own steps, and rests on no promise of this process afterwards:
//! namespaces, mounts, capabilities, seccomp and Landlock hold also while no supervisor lives. What does rest on it: the
//! deadline, and the end of what a job leaves behind. Both wait, then, for the next supervisor.
//!
//! # What is not defended
//!
//! - A job that runs as root without `strict`, or as the daemon's own user without it, may do to this process what that user may
//!   do to any: trace it, kill it, change its records. That is what profiles are for.
//! - What others do for a job: a container engine, systemd, cron, a shell that somebody left open. A connection that a
//!   process outside makes and hands over.
//! - The kernel's own faults: all runs share it.
//! - A root that can write cgroups above its own leaves them; what of it is still found, and how, `tree` and `cgroup` say.
//! - Resources for which nothing was asked: a run without limits may take the machine's memory, processes and disk.

mod account;
mod adopt;
mod attempt;
mod cgroup;
mod child;
mod client;
mod clock;
mod connection;
mod detach;
mod directory;
mod ending;
mod ends;
mod engines;
mod environment;
mod environment_file;
mod fork;
#[doc(hidden)]
pub mod fuzzing;
mod hear;
mod host;
mod instance;
mod isolate;
mod journal;
mod launch;
mod limits;
mod line;
mod origin;
mod process;
mod program;
pub mod protocol;
mod record;
mod requests;
mod serve;
mod streams;
mod token;
mod tree;
mod usage;
mod withdraw;

pub use attempt::{GIVE_UP, SETUP_DEADLINE};
pub use client::{Incoming, Link, LinkError, Request, Supervisor};
pub use detach::{Arguments, StartError, main, start_detached};
pub use directory::{attempt_dir, remove_run, run_dir};
pub use environment::{DEFAULT_LANG, DEFAULT_PATH};
pub use instance::InstanceError;
pub use origin::{Origin, Origins, Unclear};
pub use serve::{Config, FoundRuns, LINGER, ServeError, default_socket, serve};
