//! [`ProcessFile`]: the keys about processes, as a file says them, and what they mean together.

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::{self, CpuScheduling, IoPriority, Rlimit, RlimitValue};
use super::inputs::{self, Credential, EnvironmentFile, Stdin};
use super::isolation_keys::IsolationTable;
use super::limits::{self, Limits};
use super::machine::{Feature, Machine};
use super::{Attributes, Inputs, OnLeftover, ProcessSpec};
use crate::spec::findings::{Findings, Problem, Said};
use crate::spec::tree::Table;
use crate::spec::{Authority, values};

/// What a file says; nothing completed yet.
#[derive(Default)]
pub(in crate::spec) struct ProcessFile {
    umask: Option<Said<u32>>,
    nice: Option<Said<i32>>,
    io_class: Option<Said<IoPriority>>,
    cpu_affinity: Option<Said<BTreeSet<u32>>>,
    cpu_scheduling: Option<Said<CpuScheduling>>,
    oom_score_adjust: Option<Said<i32>>,
    rlimits: Option<Said<BTreeMap<Rlimit, RlimitValue>>>,
    create_working_directory: Option<Said<bool>>,
    stdin: Option<Said<Stdin>>,
    environment_files: Option<Said<Vec<EnvironmentFile>>>,
    pass_environment: Option<Said<BTreeSet<String>>>,
    credentials: Option<Said<BTreeMap<String, Credential>>>,
    on_leftover: Option<Said<OnLeftover>>,
    isolation: IsolationTable,
    limits: Option<Said<Limits>>,
}

impl ProcessFile {
    /// Reads the keys that a job file and `[defaults]` share.
    pub fn read(table: &mut Table<'_, '_>, findings: &mut Findings) -> Self {
        let leftover = [OnLeftover::Kill, OnLeftover::Wait, OnLeftover::Leave].map(|choice| (choice.name(), choice));
        Self {
            umask: table.read("umask", findings, attributes::umask),
            nice: table.read("nice", findings, |field, f| attributes::signed(field, f, -20, 19)),
            io_class: table.read("io_class", findings, attributes::io_class),
            cpu_affinity: table.read("cpu_affinity", findings, attributes::cpus),
            cpu_scheduling: table.read("cpu_scheduling", findings, attributes::cpu_scheduling),
            oom_score_adjust: table
                .read("oom_score_adjust", findings, |field, f| attributes::signed(field, f, -1000, 1000)),
            rlimits: table.read("rlimits", findings, attributes::rlimits),
            create_working_directory: table.read("create_working_directory", findings, values::flag),
            stdin: table.read("stdin", findings, inputs::stdin),
            environment_files: table.read("environment_files", findings, inputs::environment_files),
            pass_environment: table.read("pass_environment", findings, inputs::pass_environment),
            credentials: table.read("credentials", findings, inputs::credentials),
            on_leftover: table.read("on_leftover", findings, |field, f| values::choice(field, f, &leftover)),
            isolation: table
                .read("isolation", findings, IsolationTable::read)
                .map(|said| said.value)
                .unwrap_or_default(),
            limits: table.read("limits", findings, limits::limits),
        }
    }

    /// This file, with `defaults` for what it does not say.
    pub fn over(self, defaults: Self) -> Self {
        Self {
            umask: self.umask.or(defaults.umask),
            nice: self.nice.or(defaults.nice),
            io_class: self.io_class.or(defaults.io_class),
            cpu_affinity: self.cpu_affinity.or(defaults.cpu_affinity),
            cpu_scheduling: self.cpu_scheduling.or(defaults.cpu_scheduling),
            oom_score_adjust: self.oom_score_adjust.or(defaults.oom_score_adjust),
            rlimits: merge(self.rlimits, defaults.rlimits),
            create_working_directory: self.create_working_directory.or(defaults.create_working_directory),
            stdin: self.stdin.or(defaults.stdin),
            environment_files: self.environment_files.or(defaults.environment_files),
            pass_environment: self.pass_environment.or(defaults.pass_environment),
            credentials: merge(self.credentials, defaults.credentials),
            on_leftover: self.on_leftover.or(defaults.on_leftover),
            isolation: self.isolation.over(defaults.isolation),
            limits: self.limits.or(defaults.limits),
        }
    }

    /// What the keys mean, checked against what the daemon and the machine may do.
    pub fn complete(self, authority: &Authority, machine: &Machine, findings: &mut Findings) -> ProcessSpec {
        let isolation = self.isolation.complete(findings);
        for (key, span, feature) in self.isolation.needs(&isolation) {
            demand(&format!("isolation.{key}"), span, feature, machine, findings);
        }
        if let Some(said) = &self.on_leftover
            && said.value == OnLeftover::Leave
            && !isolation.processes_visible
        {
            let problem = Problem::new("`on_leftover` cannot be \"leave\" for a job that sees no other processes");
            let hint = "its processes end with the first of them; add processes_visible = true to [isolation]";
            findings.add_at(said.span.clone(), problem.hint(hint));
        }
        if let Authority::Only(_) = authority {
            self.check_rights(machine, findings);
        }
        self.check_limits(machine, findings);
        self.check_processors(machine, findings);
        ProcessSpec {
            attributes: Attributes {
                umask: value(self.umask),
                nice: value(self.nice),
                io: value(self.io_class),
                cpu_affinity: value(self.cpu_affinity),
                cpu_scheduling: value(self.cpu_scheduling),
                oom_score_adjust: value(self.oom_score_adjust),
                rlimits: value(self.rlimits).unwrap_or_default(),
            },
            inputs: Inputs {
                stdin: value(self.stdin).unwrap_or_default(),
                environment_files: value(self.environment_files).unwrap_or_default(),
                pass_environment: value(self.pass_environment).unwrap_or_default(),
                credentials: value(self.credentials).unwrap_or_default(),
            },
            isolation,
            limits: value(self.limits).unwrap_or_default(),
            create_working_directory: value(self.create_working_directory).unwrap_or(false),
            on_leftover: value(self.on_leftover).unwrap_or_default(),
        }
    }

    /// What only root may do is no key of an ordinary user's jobs.
    fn check_rights(&self, machine: &Machine, findings: &mut Findings) {
        let mut refuse = |said: Option<&dyn Spanned>, what: &str| {
            if let Some(said) = said {
                let problem =
                    Problem::new(format!("{what}: only root may do that, and this jobsd does not run as root"));
                findings.add_at(said.span(), problem);
            }
        };
        let real_time =
            |policy: &CpuScheduling| matches!(policy, CpuScheduling::Fifo { .. } | CpuScheduling::RoundRobin { .. });
        // A daemon that was itself started with less than usual cannot give its jobs more than it has.
        let (nice, score) = (machine.least_nice.unwrap_or(0), machine.least_oom_score.unwrap_or(0));
        refuse(
            self.nice.as_ref().filter(|said| said.value < nice).map(|said| said as _),
            &format!("`nice` below {nice}"),
        );
        refuse(
            self.io_class
                .as_ref()
                .filter(|said| matches!(said.value, IoPriority::Realtime { .. }))
                .map(|said| said as _),
            "`io_class` \"realtime\"",
        );
        refuse(
            self.cpu_scheduling.as_ref().filter(|said| real_time(&said.value)).map(|said| said as _),
            "real-time `cpu_scheduling`",
        );
        refuse(
            self.oom_score_adjust.as_ref().filter(|said| said.value < score).map(|said| said as _),
            &format!("`oom_score_adjust` below {score}"),
        );
        refuse(
            self.isolation.capabilities.as_ref().filter(|said| !said.value.is_empty()).map(|said| said as _),
            "`isolation.capabilities`",
        );
        let above = |(limit, value): (&Rlimit, &RlimitValue)| {
            machine.hard_limits.get(limit).is_some_and(|hard| value.hard > *hard).then_some(*limit)
        };
        let raised = self.rlimits.as_ref().and_then(|said| Some((said, said.value.iter().find_map(above)?)));
        if let Some((said, limit)) = raised {
            refuse(Some(said as _), &format!("`rlimits.{}` above the limit that jobsd itself has", limit.name()));
        }
    }

    fn check_processors(&self, machine: &Machine, findings: &mut Findings) {
        let (Some(said), Some(present)) = (&self.cpu_affinity, &machine.processors) else { return };
        if let Some(absent) = said.value.difference(present).next() {
            let problem =
                Problem::new(format!("`cpu_affinity` names processor {absent}, which this machine does not have"));
            let (first, last) = (present.first().copied().unwrap_or(0), present.last().copied().unwrap_or(0));
            let hint = format!("it has {first} to {last}; of one that is added later, `jobctl reload` knows");
            findings.add_at(said.span.clone(), problem.hint(hint));
        }
    }

    fn check_limits(&self, machine: &Machine, findings: &mut Findings) {
        let Some(said) = self.limits.as_ref().filter(|said| !said.value.best_effort) else { return };
        for (key, controller) in said.value.needs() {
            let feature = if key == "io_weight" { Feature::DiskWeights } else { Feature::Controller(controller) };
            demand(&format!("limits.{key}"), said.span.clone(), feature, machine, findings);
        }
    }
}

/// A value with a place, whatever it is.
trait Spanned {
    fn span(&self) -> Option<std::ops::Range<usize>>;
}

impl<T> Spanned for Said<T> {
    fn span(&self) -> Option<std::ops::Range<usize>> {
        self.span.clone()
    }
}

fn demand(
    key: &str,
    span: Option<std::ops::Range<usize>>,
    feature: Feature,
    machine: &Machine,
    findings: &mut Findings,
) {
    if let Some(reason) = machine.lacks.get(&feature) {
        let problem = Problem::new(format!("`{key}` cannot be had: this machine has no {} here", feature.name()));
        let hint = match feature {
            Feature::Controller(_) | Feature::DiskWeights => {
                format!("{reason}; [limits] best_effort = true runs the job without")
            }
            Feature::Mounts
            | Feature::Processes
            | Feature::Network
            | Feature::Hostname
            | Feature::Users
            | Feature::SystemCalls
            | Feature::Cgroups
            | Feature::Landlock => reason.clone(),
        };
        findings.add_at(span, problem.hint(hint));
    }
}

fn value<T>(said: Option<Said<T>>) -> Option<T> {
    said.map(|said| said.value)
}

/// Tables of names meet name by name; the place is that of the job's own, where it has one.
fn merge<K: Ord, V>(
    own: Option<Said<BTreeMap<K, V>>>,
    defaults: Option<Said<BTreeMap<K, V>>>,
) -> Option<Said<BTreeMap<K, V>>> {
    match (own, defaults) {
        (Some(own), Some(mut defaults)) => {
            defaults.value.extend(own.value);
            Some(Said { value: defaults.value, span: own.span })
        }
        (own, defaults) => own.or(defaults),
    }
}
