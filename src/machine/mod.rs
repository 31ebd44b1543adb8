//! What this machine lets the daemon do for its jobs, found out by trying.
//!
//! Each feature is tried in a child that ends right after, as the daemon's own user and in the way in which jobs get it:
//! for an ordinary user inside of a user namespace. The answer is kept: it does not change while the process lives.

mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::sched::CloneFlags;
use nix::unistd::{AccessFlags, geteuid};
use serde::{Deserialize, Serialize};

use crate::spec::{Controller, Feature, Machine, Rlimit};
use trial::{attempt, filters, mounts, processes};

/// What this machine can do. The first call forks, so that it has to come while the process has one thread; one that comes
/// later finds nothing out and trusts in everything, which the launch then proves wrong.
pub fn of_this_process() -> Machine {
    found_out().unwrap_or_default()
}

/// The same, but nothing when nothing can be found out.
pub fn found_out() -> Option<Machine> {
    static FOUND: OnceLock<Option<Machine>> = OnceLock::new();
    let found = FOUND.get_or_init(|| is_single_threaded().then(find_out)).clone();
    found.map(|found| Machine { processors: processors(), ..found })
}

/// What the supervisor of a state directory found out when it started; a machine that can do everything when there is no
/// telling, which the launch then proves wrong.
pub fn of_supervisor(state_dir: &Path) -> Machine {
    told(state_dir).map(Option::unwrap_or_default).unwrap_or_else(|fault| {
        tracing::warn!(directory = %state_dir.display(), %fault, "cannot read what the supervisor found out");
        Machine::default()
    })
}

/// What the supervisor of a state directory wrote down; nothing when none did.
///
/// # Errors
/// When it cannot be read, or makes no sense.
pub fn told(state_dir: &Path) -> io::Result<Option<Machine>> {
    match fs::read(state_dir.join(FILE)) {
        Ok(text) => {
            let found = Machine::from(serde_json::from_slice::<Findings>(&text)?);
            Ok(Some(Machine { processors: processors(), ..found }))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Writes down what this process can do, for [`of_supervisor`].
///
/// # Errors
/// When the file cannot be written.
pub fn tell(state_dir: &Path, machine: &Machine) -> io::Result<()> {
    let new = state_dir.join(format!("{FILE}.new"));
    fs::write(&new, serde_json::to_vec(&Findings::from(machine))?)?;
    fs::rename(new, state_dir.join(FILE))
}

/// The files of a cgroup that hold its share of the disks, one for each policy.
pub(crate) const WEIGHTS: [&str; 2] = ["io.weight", "io.bfq.weight"];

/// The file in the state directory.
const FILE: &str = "supervisor.machine";

/// A [`Machine`] as it lies on disk: by names, of which unknown ones are passed over.
#[derive(Serialize, Deserialize)]
struct Findings {
    lacks: BTreeMap<String, String>,
    hard_limits: BTreeMap<String, u64>,
    #[serde(default)]
    least_nice: Option<i32>,
    #[serde(default)]
    least_oom_score: Option<i32>,
}

impl From<&Machine> for Findings {
    fn from(machine: &Machine) -> Self {
        let lacks = machine.lacks.iter().map(|(feature, reason)| (feature.name().to_owned(), reason.clone()));
        let limits = machine.hard_limits.iter().map(|(limit, value)| (limit.name().to_owned(), *value));
        Self {
            lacks: lacks.collect(),
            hard_limits: limits.collect(),
            least_nice: machine.least_nice,
            least_oom_score: machine.least_oom_score,
        }
    }
}

impl From<Findings> for Machine {
    fn from(findings: Findings) -> Self {
        let feature = |name: &str| Feature::ALL.into_iter().find(|feature| feature.name() == name);
        let lacks = findings.lacks.into_iter().filter_map(|(name, reason)| Some((feature(&name)?, reason)));
        let limits =
            findings.hard_limits.into_iter().filter_map(|(name, value)| Some((Rlimit::from_name(&name)?, value)));
        Self {
            lacks: lacks.collect(),
            hard_limits: limits.collect(),
            least_nice: findings.least_nice,
            least_oom_score: findings.least_oom_score,
            processors: None,
        }
    }
}

fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

fn find_out() -> Machine {
    let mut lacks = BTreeMap::new();
    for feature in Feature::ALL {
        let tried = match feature {
            Feature::Mounts => attempt(CloneFlags::CLONE_NEWNS, mounts),
            Feature::Processes => attempt(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID, processes),
            Feature::Network => attempt(CloneFlags::CLONE_NEWNET, || Ok(())),
            Feature::Hostname => attempt(CloneFlags::CLONE_NEWUTS, || Ok(())),
            Feature::Users => attempt(CloneFlags::CLONE_NEWUSER, || Ok(())),
            Feature::SystemCalls => attempt(CloneFlags::empty(), filters),
            Feature::Controller(controller) => has_controller(controller).map(drop),
            Feature::DiskWeights => has_disk_weights(),
            Feature::Cgroups => has_cgroups(),
            Feature::Landlock => has_landlock(),
        };
        if let Err(reason) = tried {
            lacks.insert(feature, reason);
        }
    }
    let (hard_limits, is_root) = (hard_limits(), geteuid().is_root());
    let (least_nice, least_oom_score) = if is_root { (None, None) } else { (least_nice(), least_oom_score()) };
    Machine { lacks, hard_limits, least_nice, least_oom_score, processors: None }
}

/// The processors that are there now. They can be added and taken away while the machine runs, so that they are asked for
/// anew each time. The *possible* ones would be those that could ever be added, which in virtual machines are hundreds; the
/// ones that are *online* can be switched on and off by anybody with the right to it
/// ([cputopology](https://docs.kernel.org/admin-guide/cputopology.html)).
fn processors() -> Option<BTreeSet<u32>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/present").ok()?;
    numbers(text.trim())
}

/// The kernel's lists of numbers, as in `0-3,8`.
fn numbers(list: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        numbers.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

/// Whether the cgroup of this process has a controller of the unified hierarchy. That the supervisor can hand it down is
/// seen when it does.
fn has_controller(controller: Controller) -> Result<PathBuf, String> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").map_err(|fault| format!("/proc cannot be read: {fault}"))?;
    let old = cgroups.lines().any(|line| {
        let names = line.split(':').nth(1).unwrap_or_default();
        let old_name = if controller == Controller::Io { "blkio" } else { controller.name() };
        names.split(',').any(|name| name == old_name)
    });
    if old {
        return Err(format!("the {} controller is on the old hierarchy, cgroup v1", controller.name()));
    }
    let own = own_cgroup(&cgroups)?;
    let path = own.join("cgroup.controllers");
    match fs::read_to_string(&path) {
        Ok(text) if text.split_whitespace().any(|word| word == controller.name()) => Ok(own),
        Ok(_) => Err(format!("the {} controller is not handed down to this cgroup (Delegate=yes)", controller.name())),
        Err(fault) => Err(format!("{} cannot be read: {fault}", path.display())),
    }
}

/// Whether cgroups can be made below that of this process. That a process gets into one is seen when the supervisor tries.
fn has_cgroups() -> Result<(), String> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").map_err(|fault| format!("/proc cannot be read: {fault}"))?;
    let own = own_cgroup(&cgroups)?;
    nix::unistd::access(&own, AccessFlags::W_OK)
        .map_err(|errno| format!("cgroups cannot be made in {}: {}", own.display(), errno.desc().to_lowercase()))
}

/// Landlock's interface before this version (before Linux 5.19) leaves no renaming between directories possible.
pub(crate) const LANDLOCK_OLDEST: i64 = 2;

/// `LANDLOCK_CREATE_RULESET_VERSION` of linux/landlock.h.
const ASK_VERSION: u32 = 1;

/// The version of the kernel's interface; `None` where it has none, or it is switched off. It is asked once, which the
/// supervisor does at its start.
pub(crate) fn landlock_version() -> Option<i64> {
    static VERSION: OnceLock<Option<i64>> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let none: *const libc::c_void = std::ptr::null();
        // SAFETY: with this flag the kernel looks at no memory.
        let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, ASK_VERSION) };
        (version > 0).then_some(version)
    })
}

fn has_landlock() -> Result<(), String> {
    match landlock_version() {
        Some(version) if version >= LANDLOCK_OLDEST => Ok(()),
        Some(version) => Err(format!("the kernel has version {version} of it, and {LANDLOCK_OLDEST} is needed")),
        None => Err("the kernel was built without, or it is switched off (lsm=)".to_owned()),
    }
}

/// The directory of this process's cgroup in the unified hierarchy, by its `/proc/self/cgroup`.
fn own_cgroup(cgroups: &str) -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|fault| format!("/proc cannot be read: {fault}"))?;
    let point = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let point = point.filter(|fields| fields.get(2) == Some(&"cgroup2")).find_map(|fields| fields.get(1).copied());
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
    let (Some(point), Some(own)) = (point, own) else { return Err("cgroup v2 is not mounted".to_owned()) };
    // That of the root is empty, and joined would end in a slash.
    Ok(if own.is_empty() { point.into() } else { Path::new(point).join(own) })
}

/// The kernel has them with the policy of iocost or that of BFQ, which not every kernel is built with, or has loaded. The root
/// of the hierarchy has no weight, and so does not tell.
fn has_disk_weights() -> Result<(), String> {
    let own = has_controller(Controller::Io)?;
    if !own.join("cgroup.type").exists() || WEIGHTS.iter().any(|file| own.join(file).exists()) {
        return Ok(());
    }
    Err("the kernel has no policy of shares of disks, as iocost (CONFIG_BLK_CGROUP_IOCOST) or BFQ".to_owned())
}

/// How far an ordinary user may raise each limit.
fn hard_limits() -> BTreeMap<Rlimit, u64> {
    if geteuid().is_root() {
        return BTreeMap::new();
    }
    let bound = |limit: Rlimit| {
        let (_, hard) = get_limit(limit.number())?;
        (hard != libc::RLIM_INFINITY).then_some((limit, hard))
    };
    Rlimit::all().filter_map(bound).collect()
}

/// The soft and the hard half of a limit.
fn get_limit(number: u32) -> Option<(u64, u64)> {
    let mut value = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value of the right type.
    let done = unsafe { libc::getrlimit(number, &raw mut value) };
    (done == 0).then_some((value.rlim_cur, value.rlim_max))
}

/// An ordinary user's process may become as nice as its limit says, and need not change what it is
/// ([getrlimit(2)](https://man7.org/linux/man-pages/man2/getrlimit.2.html), `RLIMIT_NICE`: 20 less what may be had).
fn least_nice() -> Option<i32> {
    // SAFETY: two integers; 0 is the calling process. -1 may also be a niceness: an error is not to be had here.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let (soft, _) = get_limit(libc::RLIMIT_NICE)?;
    let reach = i32::try_from(soft.min(40)).expect("it is at most 40");
    Some(own.min(20 - reach))
}

/// The kernel remembers the least value that somebody with the right to it gave, and shows it to nobody: so it is tried out.
/// Back up is always allowed ([proc_pid_oom_score_adj(5)]).
///
/// [proc_pid_oom_score_adj(5)]: https://man7.org/linux/man-pages/man5/proc_pid_oom_score_adj.5.html
fn least_oom_score() -> Option<i32> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let own: i32 = fs::read_to_string(FILE).ok()?.trim().parse().ok()?;
    let may = |score: i32| fs::write(FILE, score.to_string()).is_ok();
    let (mut refused, mut least) = (-1001, own);
    while least - refused > 1 {
        let between = i32::midpoint(refused, least);
        if may(between) { least = between } else { refused = between }
    }
    may(own).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(numbers("0-2,8,10-11"), Some([0, 1, 2, 8, 10, 11].into()));
        assert_eq!(numbers("0"), Some([0].into()));
        assert_eq!((numbers(""), numbers("0-x")), (None, None));
        let here = std::thread::available_parallelism().unwrap().get();
        assert!(processors().is_none_or(|present| present.len() >= here));
    }

    #[test]
    fn what_is_told_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of_supervisor(dir.path()), Machine::default());
        let machine = Machine {
            lacks: Feature::ALL.into_iter().map(|feature| (feature, format!("no {}", feature.name()))).collect(),
            hard_limits: Rlimit::all().map(|limit| (limit, 5)).collect(),
            least_nice: Some(-3),
            least_oom_score: Some(100),
            processors: processors(),
        };
        tell(dir.path(), &machine).unwrap();
        assert_eq!(of_supervisor(dir.path()), machine);
        fs::write(dir.path().join(FILE), "torn").unwrap();
        assert!(told(dir.path()).is_err());
        assert_eq!(of_supervisor(dir.path()), Machine::default());
    }
}
