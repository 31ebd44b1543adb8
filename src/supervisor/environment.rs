//! The environment that a program gets: a clean base, the job's variables, the facts of the attempt.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use super::account::Account;
use crate::run::LaunchPlan;

/// Where programs are looked for, unless the job sets PATH.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The locale, unless the job sets LANG: the same on every machine, and it knows UTF-8.
pub const DEFAULT_LANG: &str = "C.UTF-8";

/// The variable by which a process of an attempt is recognised. Its value is new for each attempt.
pub(super) const INVOCATION: &str = "JOBSD_INVOCATION";

/// The variables of an attempt, ready for exec, or the name of one that holds a NUL.
///
/// Nothing of the supervisor's own environment is in it. The facts (`JOBSD_JOB`, `JOBSD_RUN`, `JOBSD_ATTEMPT`,
/// `JOBSD_INVOCATION`) cannot be overridden: the supervisor recognises its processes by them.
pub(super) fn build(account: &Account, plan: &LaunchPlan, invocation: &str) -> Result<Vec<CString>, String> {
    let id = &plan.attempt;
    let mut variables: BTreeMap<&str, OsString> = BTreeMap::from([
        ("PATH", DEFAULT_PATH.into()),
        ("LANG", DEFAULT_LANG.into()),
        ("HOME", account.home.clone().into_os_string()),
        ("SHELL", account.shell.clone().into_os_string()),
    ]);
    if let Some(name) = &account.name {
        variables.extend([("USER", name.into()), ("LOGNAME", name.into())]);
    }
    variables.extend(plan.environment.0.iter().map(|(name, value)| (name.as_str(), value.into())));
    variables.extend([
        ("JOBSD_JOB", id.run.job.as_str().into()),
        ("JOBSD_RUN", id.run.to_string().into()),
        ("JOBSD_ATTEMPT", id.attempt.to_string().into()),
        (INVOCATION, invocation.into()),
    ]);
    variables
        .into_iter()
        .map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", &value.into_vec()].concat()).map_err(|_| name.replace('\0', "\\0"))
        })
        .collect()
}

/// The search path in an environment.
pub(super) fn path(environment: &[CString]) -> &[u8] {
    environment.iter().find_map(|entry| entry.as_bytes().strip_prefix(b"PATH=")).unwrap_or_default()
}
