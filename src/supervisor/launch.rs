//! Launching: from a plan to a child on its way, on the supervisor's side.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::stat::fstat;
use nix::unistd::{Pid, pipe2};
use sha2::{Digest, Sha256};

use super::attempt::{Attempt, Main, News, Phase, Stop};
use super::cgroup::{Cgroup, Entry, Hierarchy};
use super::child::{self, CredentialsPlace, Hands, Launch};
use super::clock;
use super::directory::{Claim, attempt_dir, claim};
use super::fork::{Fork, fork_apart, fork_into};
use super::isolate::{credentials, namespaces};
use super::limits;
use super::record::{self, Facts};
use super::serve::{OnDisk, Supervisor};
use super::streams::{PIPE_EVENTS, Streams};
use super::token::Token;
use super::tree::{Tree, Walk};
use crate::clock::Now;
use crate::output::{Capture, Stream};
use crate::run::{AttemptEnd, AttemptId, Ending, LaunchPlan, Leftovers, OutputSummary, SetupFailure, Usage};

/// The supervisor's end of what it shares with a child.
struct Ends {
    streams: [OwnedFd; 2],
    status: File,
    first: Option<File>,
}

/// A step on the supervisor's side that failed.
fn failure(step: &str, path: Option<&Path>) -> impl FnOnce(io::Error) -> SetupFailure {
    let (step, path) = (step.to_owned(), path.map(Path::to_owned));
    move |fault| SetupFailure { step, path, errno: fault.raw_os_error().unwrap_or(0), user: None, detail: None }
}

impl Supervisor {
    /// Launches an attempt, unless it ever was; then says what is known of it.
    pub fn launch(&mut self, plan: &LaunchPlan) {
        let id = &plan.attempt;
        if !self.takes_launches() {
            // It leaves no trace, and the engine finds out when it asks the next supervisor.
            return tracing::info!(attempt = %id, "not launched, because the supervisor is going down");
        }
        if self.by_id.contains_key(id) || self.ends.contains_key(id) {
            return self.find(id);
        }
        self.journal.begin(id);
        let dir = attempt_dir(&self.host.runs, id);
        match claim(&dir) {
            Ok(Claim::New) => match self.start(plan, &dir) {
                Ok(()) => {}
                Err(failed) => self.fail_launch(id, OnDisk::NotYet, failed),
            },
            Ok(Claim::Taken) => self.find(id),
            Err(fault) => {
                let failed = failure("create attempt directory", Some(&dir))(fault);
                self.fail_launch(id, OnDisk::Nowhere, failed);
            }
        }
    }

    fn fail_launch(&mut self, id: &AttemptId, on_disk: OnDisk, failed: SetupFailure) {
        let end = AttemptEnd {
            ending: Ending::SetupFailed(failed),
            stopped: None,
            out_of_memory: None,
            leftovers: Leftovers::default(),
            started_at: None,
            ended_at: clock::now().wall,
            usage: Usage::default(),
            output: OutputSummary::default(),
        };
        self.keep_end(id.clone(), end, on_disk);
    }

    /// Makes everything that the child needs, forks, and watches.
    fn start(&mut self, plan: &LaunchPlan, dir: &Path) -> Result<(), SetupFailure> {
        let now = clock::now();
        let cgroup = self.host.cgroups.as_ref().map(|cgroups| cgroups.cgroup(&plan.attempt));
        if let Some(cgroup) = &cgroup {
            cgroup.create().map_err(failure("create cgroup", Some(cgroup.path())))?;
        }
        let none = BTreeSet::new();
        let controllers = self.host.cgroups.as_ref().map_or(&none, Hierarchy::controllers);
        let limited = limits::apply(&plan.process.limits, cgroup.as_ref().map(Cgroup::path), controllers);
        let started = limited.and_then(|()| self.start_in(plan, dir, now, cgroup.as_ref()));
        match started {
            Ok((facts, main, ends)) => {
                let walk = Walk::new(main, &facts.invocation, true);
                let tree = match cgroup {
                    Some(cgroup) => Tree::Cgroup(cgroup, walk),
                    None => Tree::Walk(walk),
                };
                let capture = Capture::new(dir, &plan.attempt, &facts.output, now.monotonic);
                self.keep(Attempt {
                    id: plan.attempt.clone(),
                    dir: dir.to_owned(),
                    facts,
                    main: Main::Child(main),
                    tree,
                    streams: Streams::new(ends.streams.map(Some), capture),
                    first: ends.first,
                    phase: Phase::SettingUp(News::Pipe { pipe: ends.status, heard: Vec::new() }),
                    stop: Stop::None,
                    armed: None,
                });
                Ok(())
            }
            Err(failed) => {
                if let Some(cgroup) = cgroup
                    && !cgroup.remove()
                {
                    tracing::warn!(path = %cgroup.path().display(), "a cgroup could not be removed");
                }
                Err(failed)
            }
        }
    }

    fn start_in(
        &mut self,
        plan: &LaunchPlan,
        dir: &Path,
        now: Now,
        cgroup: Option<&Cgroup>,
    ) -> Result<(Facts, Pid, Ends), SetupFailure> {
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| failure("create pipes", None)(errno.into()));
        let (stdout, stderr, status) = (pipe()?, pipe()?, pipe()?);
        let own_processes = !plan.process.isolation.processes_visible;
        let first = if own_processes { Some(pipe()?) } else { None };
        for end in [&stdout.0, &stderr.0, &status.0].into_iter().chain(first.iter().map(|(end, _)| end)) {
            set_nonblocking(end).map_err(|errno| failure("create pipes", None)(errno.into()))?;
        }
        let inode = |end: &OwnedFd| fstat(end).map(|stat| stat.st_ino).map_err(io::Error::from);
        let inodes = inode(&stdout.0).and_then(|first| Ok([first, inode(&stderr.0)?]));
        let invocation = self.invocation(plan, now);
        let credentials = self.credentials_place(plan, &invocation)?;
        let facts = Facts {
            boot: self.host.boot.clone(),
            asked: now.monotonic,
            invocation,
            timeout: plan.timeout,
            stop: plan.stop,
            output: plan.output,
            cgroup: cgroup.map(|cgroup| cgroup.path().to_owned()),
            pipes: inodes.map_err(failure("create pipes", None))?,
            on_leftover: plan.process.on_leftover,
            own_processes,
            credentials: match &credentials {
                Some(CredentialsPlace::Directory(directory)) => Some(directory.clone()),
                Some(CredentialsPlace::Mount(_)) | None => None,
            },
            control_socket: plan.process.isolation.control_socket,
        };
        let record = record::begin(dir, &facts).map_err(failure("write record", Some(dir)))?;
        let procs = match (cgroup, self.entry()) {
            (Some(cgroup), Entry::Moves) => {
                Some(cgroup.open_procs().map_err(failure("open cgroup", Some(cgroup.path())))?)
            }
            (Some(_), Entry::Born) | (None, _) => None,
        };
        let (heard, said) = first.unzip();
        let (first, said) = (heard.map(File::from), said.map(File::from));
        let hands = Hands { record, status: status.1.into(), streams: [stdout.1, stderr.1], first: said, procs };
        let filter = self.filters.of(&plan.process.isolation);
        let launch =
            Launch { invocation: &facts.invocation, credentials: credentials.as_ref(), filter: filter.as_deref() };
        let main = self.fork(plan, launch, hands, cgroup)?;
        Ok((facts, main, Ends { streams: [stdout.0, stderr.0], status: status.0.into(), first }))
    }

    fn fork(
        &self,
        plan: &LaunchPlan,
        launch: Launch<'_>,
        hands: Hands,
        cgroup: Option<&Cgroup>,
    ) -> Result<Pid, SetupFailure> {
        let apart = namespaces::at_birth(&plan.process.isolation, self.host.is_root());
        let forked = match (cgroup, self.entry()) {
            (Some(cgroup), Entry::Born) => cgroup.open().and_then(|fd| fork_into(fd.as_fd(), apart)),
            (Some(_), Entry::Moves) | (None, _) => fork_apart(apart),
        };
        let step = if apart.is_empty() { "fork" } else { "fork into namespaces" };
        match forked.map_err(failure(step, None))? {
            Fork::Child => child::run(&self.host, plan, launch, hands),
            Fork::Parent(main) => Ok(main),
        }
    }

    /// Where the attempt's credentials will lie, when it has any.
    fn credentials_place(&self, plan: &LaunchPlan, invocation: &str) -> Result<Option<CredentialsPlace>, SetupFailure> {
        if plan.process.inputs.credentials.is_empty() {
            return Ok(None);
        }
        let dir = &self.host.credentials_base;
        let point = credentials::mount_point(dir);
        credentials::make_mount_point(dir).map_err(failure("make place for credentials", Some(&point)))?;
        let mounts = self.host.is_root() || plan.process.isolation.needs_namespace();
        Ok(Some(match mounts {
            true => CredentialsPlace::Mount(point),
            false => CredentialsPlace::Directory(credentials::plain_directory(dir, invocation)),
        }))
    }

    fn entry(&self) -> Entry {
        self.host.cgroups.as_ref().map_or(Entry::Moves, Hierarchy::entry)
    }

    /// A value that no other attempt on this machine has: the directory names the attempt, boot and time the launch.
    fn invocation(&self, plan: &LaunchPlan, now: Now) -> String {
        let mut hash = Sha256::new();
        hash.update(self.host.runs.as_os_str().as_bytes());
        hash.update(plan.attempt.to_string());
        hash.update(self.host.boot.as_str());
        hash.update(now.monotonic.as_duration().as_nanos().to_le_bytes());
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Takes an attempt into care: watches its descriptors and its time.
    pub fn keep(&mut self, attempt: Attempt) {
        let key = self.new_key();
        if let Phase::SettingUp(News::Pipe { pipe, .. }) = &attempt.phase {
            self.watch(pipe, Token::Status(key));
        }
        if let Some(pipe) = &attempt.first {
            self.watch(pipe, Token::First(key));
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(pipe) = attempt.streams.pipe(stream) {
                self.watch_for(pipe, PIPE_EVENTS, Token::Output(key, stream));
            }
        }
        match &attempt.main {
            Main::Child(pid) => drop(self.by_pid.insert(*pid, key)),
            Main::Adopted(_, handle) => self.watch(handle, Token::Adopted(key)),
            Main::Gone => {}
        }
        match attempt.phase {
            Phase::SettingUp(_) | Phase::Running(_) => drop(self.by_id.insert(attempt.id.clone(), key)),
            Phase::Ending(_) => {
                self.ending.insert(key);
                self.by_id.insert(attempt.id.clone(), key);
            }
            // Its end was told: requests about it are answered with that.
            Phase::Left { .. } => drop(self.ending.insert(key)),
        }
        self.attempts.insert(key, attempt);
        self.arm(key);
    }

    fn watch(&self, fd: impl AsFd, token: Token) {
        self.watch_for(fd, EpollFlags::EPOLLIN, token);
    }

    fn watch_for(&self, fd: impl AsFd, events: EpollFlags, token: Token) {
        if let Err(errno) = self.epoll.add(fd, EpollEvent::new(events, token.encode())) {
            // Kernel memory or fs.epoll.max_user_watches: the attempt's deadlines still look after it.
            tracing::error!(%errno, ?token, "cannot watch a descriptor");
        }
    }
}

fn set_nonblocking(end: &OwnedFd) -> Result<(), Errno> {
    fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}
