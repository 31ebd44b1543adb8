//! The daemon: configuration and loads.

use crate::api::types;
use crate::daemon::config::{AccessRules, Members};
use crate::daemon::jobs_dir::Trust;
use crate::daemon::{About, ShutdownMode};
use crate::scheduler::LoadSummary;
use crate::spec::JobName;

/// Paths and rights in force.
pub fn config(about: &About, access: &AccessRules, trust: &Trust) -> types::Config {
    types::Config {
        jobs_dir: about.jobs_dir.display().to_string(),
        state_dir: about.state_dir.display().to_string(),
        socket: about.socket.display().to_string(),
        config: about.config.as_ref().map(|path| path.display().to_string()),
        access: types::AccessRules {
            admin: members(&access.admin),
            operator: members(&access.operator),
            viewer: members(&access.viewer),
            own_jobs: access.own_jobs.name().to_owned(),
        },
        trusted_owners: trust.owners().to_vec(),
    }
}

fn members(members: &Members) -> types::Members {
    types::Members { users: members.users.keys().copied().collect(), groups: members.groups.keys().copied().collect() }
}

/// What a load changed.
pub fn load_summary(summary: &LoadSummary) -> types::Reloaded {
    let names = |names: &[JobName]| names.iter().map(ToString::to_string).collect();
    types::Reloaded {
        added: names(&summary.added),
        changed: names(&summary.changed),
        removed: names(&summary.removed),
        faulty: names(&summary.faulty),
        unchanged: summary.unchanged,
    }
}

/// How to go down, from the wire to the daemon.
pub const fn shutdown_mode(mode: types::ShutdownMode) -> ShutdownMode {
    match mode {
        types::ShutdownMode::LeaveRuns => ShutdownMode::LeaveRuns,
        types::ShutdownMode::Drain => ShutdownMode::Drain,
        types::ShutdownMode::StopRuns => ShutdownMode::StopRuns,
    }
}
