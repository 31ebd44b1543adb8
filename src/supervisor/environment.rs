//! The environment that a program gets: a clean base, the job's variables, the facts of the attempt.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::account::Account;
use crate::run::{LaunchPlan, NOTICES};
pub use crate::spec::DEFAULT_PATH;

/// The locale, unless the job sets LANG: the same on every machine, and it knows UTF-8.
pub const DEFAULT_LANG: &str = "C.UTF-8";

/// The variable by which a process of an attempt is recognised. Its value is new for each attempt.
pub(super) const INVOCATION: &str = "JOBSD_INVOCATION";

/// What the environment of an attempt is made of.
pub(super) struct Sources<'a> {
    pub account: &'a Account,
    pub plan: &'a LaunchPlan,
    pub invocation: &'a str,
    /// Variables of files, in their order.
    pub files: &'a [(String, String)],
    /// Where the credentials lie.
    pub credentials: Option<&'a Path>,
}

/// The variables of an attempt, ready for exec, or the name of one that holds a NUL. Later ones win: the base, what is
/// passed on from the supervisor's own environment, files, the job's variables, the facts.
///
/// Nothing else of the supervisor's own environment is in it. The facts (`JOBSD_JOB`, `JOBSD_RUN`, `JOBSD_ATTEMPT`,
/// `JOBSD_INVOCATION`, `CREDENTIALS_DIRECTORY` when there are credentials) cannot be overridden: the supervisor recognises
/// its processes by them. What a file says of `JOBSD_…` is passed over.
pub(super) fn build(sources: &Sources<'_>) -> Result<Vec<CString>, String> {
    let Sources { account, plan, invocation, files, credentials } = sources;
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
    let passed = plan.process.inputs.pass_environment.iter();
    variables.extend(passed.filter_map(|name| Some((name.as_str(), std::env::var_os(name)?))));
    let from_files = files.iter().filter(|(name, _)| !name.starts_with("JOBSD_"));
    variables.extend(from_files.map(|(name, value)| (name.as_str(), value.into())));
    variables.extend(plan.environment.0.iter().map(|(name, value)| (name.as_str(), value.into())));
    // A message's program is told of the job and the run that it is about, not of its delivery.
    if id.run.job.as_str() != NOTICES {
        variables.extend([
            ("JOBSD_JOB", id.run.job.as_str().into()),
            ("JOBSD_RUN", id.run.to_string().into()),
            ("JOBSD_ATTEMPT", id.attempt.to_string().into()),
        ]);
    }
    variables.insert(INVOCATION, (*invocation).into());
    variables.extend(credentials.map(|path| ("CREDENTIALS_DIRECTORY", path.into())));
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
