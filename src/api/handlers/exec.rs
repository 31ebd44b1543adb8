//! Ad-hoc runs: a request becomes a job that no file defines.
//!
//! The request is written as the text of a job file, which is read and stored as any other, so that everything that holds for
//! jobs holds for these: output, history, limits, and that they survive the daemon. `[defaults]` do not apply: they may hold
//! what is no business of whoever asks.
//!
//! An ad-hoc run is executed as the caller, by the credentials that the kernel tells. So a caller who is not root may say only
//! what that user may do anyway, and no key that has the daemon read a file or change mounts on the caller's word.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use chrono::{SecondsFormat, SubsecRound, TimeDelta};
use nix::unistd::{Gid, Group, Uid, User};

use super::runs::unexpected;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::extract::BodyOf;
use crate::api::state::Api;
use crate::api::types::{ErrorCode, ExecRequest, Executed, Time};
use crate::clock::Timestamp;
use crate::daemon::jobs_dir::{Reading, unknown_account};
use crate::scheduler::{Answer, Named};
use crate::spec::{Account, Authority, Diagnostic, Faults, Identity, JobName, LoadedSpec};

/// Keys that the request says by fields of its own, or that mean nothing for one run.
const NOT_HERE: [&str; 10] = [
    "command",
    "schedule",
    "environment",
    "working_directory",
    "user",
    "enabled",
    "overlap",
    "max_concurrent",
    "calendar",
    "notify",
];

/// Keys that every caller may say.
const FOR_ALL: [&str; 21] = [
    "catch_up",
    "catch_up_window",
    "cpu_affinity",
    "description",
    "io_class",
    "isolation",
    "limits",
    "nice",
    "on_leftover",
    "output",
    "owner",
    "retention",
    "retry",
    "rlimits",
    "shell",
    "start_deadline",
    "stop_grace",
    "stop_signal",
    "success_exit_codes",
    "tags",
    "timeout",
];

/// Keys of `isolation` that every caller may say: those that name no path.
const ISOLATION_FOR_ALL: [&str; 9] = [
    "control_socket",
    "lock_personality",
    "network",
    "no_new_privileges",
    "private_tmp",
    "profile",
    "restrict_address_families",
    "restrict_namespaces",
    "syscalls",
];

/// Names that are tried when none is said: so many requests may come in one second.
const NAMES_LIMIT: u32 = 1000;

/// A time that is past by no more than this was meant as now: somebody typed for a while.
const PAST: TimeDelta = TimeDelta::minutes(1);

/// How long the record of an ad-hoc run is kept, unless said.
const RETENTION_AGE: &str = "7d";

/// `POST /v1/exec`
pub async fn exec(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    BodyOf(request): BodyOf<ExecRequest>,
) -> Result<impl IntoResponse, ApiError> {
    check(&request, &caller)?;
    let now = api.now();
    if let Some(at) = request.at.filter(|at| now - at.0 > PAST) {
        return Err(ApiError::new(
            ErrorCode::UntilPassed,
            format!("the time at which to run, {at}, has already passed"),
        )
        .hint("leave it out to run now"));
    }
    let at = request.at.map(|at| up_to_second(at.0)).filter(|at| *at > now);
    let reading = api.handle().reading();
    let text = text(&request, at, &caller, &reading.authority)?;
    let authority = authority(&caller, &reading.authority).await?;
    known(&request).await?;
    let named = if request.name.is_some() { Named::ByCaller } else { Named::ByDaemon };
    for attempt in 1..=NAMES_LIMIT {
        let name = name(&request, now, attempt)?;
        let job = read(&reading, &authority, &name, &text)?;
        match api.handle().define(job, caller.uid, named).await.map_err(ApiError::from) {
            Ok(Answer::Defined { job, run }) => {
                let place = format!("/v1/jobs/{job}");
                let number = run.as_ref().map(|run| run.number);
                let run = run.map(|run| run.to_string());
                let body = Executed { job: job.to_string(), run, number, at: at.map(Time) };
                return Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(body)));
            }
            Ok(other) => return Err(unexpected(&other)),
            Err(error) if error.code == ErrorCode::NameTaken && request.name.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::new(ErrorCode::Busy, "too many ad-hoc runs begin in this second").hint("try again in a moment"))
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, message)
}

fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, message)
}

/// What the caller may not say, whatever it means.
fn check(request: &ExecRequest, caller: &Caller) -> Result<(), ApiError> {
    if request.argv.is_empty() == request.line.is_none() {
        return Err(bad("expected a command, either as argv or as line"));
    }
    if let Some(key) = request.properties.keys().find(|key| NOT_HERE.contains(&key.as_str())) {
        return Err(bad(format!("`{key}` is no property of an ad-hoc run")));
    }
    if caller.uid == 0 {
        return Ok(());
    }
    if let Some(user) = request.user.as_ref().filter(|user| **user != caller.uid.to_string()) {
        return Err(forbidden(format!("uid {} may not run anything as {user}", caller.uid))
            .hint("an ad-hoc run is executed as the caller; only root may choose"));
    }
    let isolation = request.properties.get("isolation").and_then(serde_json::Value::as_object);
    let keys = request.properties.keys().filter(|key| !FOR_ALL.contains(&key.as_str())).cloned();
    let paths = isolation.into_iter().flat_map(serde_json::Map::keys);
    let paths = paths.filter(|key| !ISOLATION_FOR_ALL.contains(&key.as_str())).map(|key| format!("isolation.{key}"));
    match keys.chain(paths).next() {
        Some(key) => Err(forbidden(format!("uid {} may not say `{key}` of an ad-hoc run", caller.uid))
            .hint("only root may: jobsd would do that with its own rights")),
        None => Ok(()),
    }
}

fn up_to_second(at: Timestamp) -> Timestamp {
    let whole = at.trunc_subsecs(0);
    if whole < at { whole + TimeDelta::seconds(1) } else { whole }
}

/// The request as the text of a job file.
fn text(
    request: &ExecRequest,
    at: Option<Timestamp>,
    caller: &Caller,
    authority: &Authority,
) -> Result<String, ApiError> {
    let mut file = toml::Table::try_from(&request.properties)
        .map_err(|fault| bad(format!("properties cannot be keys of a job file: {fault}")))?;
    let command = match &request.line {
        Some(line) => toml::Value::from(line.as_str()),
        None => toml::Value::from(request.argv.clone()),
    };
    file.insert("command".to_owned(), command);
    if let Some(directory) = &request.working_directory {
        file.insert("working_directory".to_owned(), directory.as_str().into());
    }
    if !request.environment.is_empty() {
        let variables = request.environment.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        file.insert("environment".to_owned(), toml::Value::Table(variables.collect()));
    }
    let user = match authority {
        // Root's daemon needs no word for root.
        Authority::Anybody if caller.uid == 0 => request.user.clone(),
        Authority::Anybody => Some(caller.uid.to_string()),
        Authority::Only(_) => request.user.clone(),
    };
    file.extend(user.map(|user| ("user".to_owned(), user.into())));
    if let Some(at) = at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let schedule: toml::Table = [("at".to_owned(), at.into())].into_iter().collect();
        file.insert("schedule".to_owned(), toml::Value::Array(vec![schedule.into()]));
    }
    let retention = file.entry("retention").or_insert_with(|| toml::Table::new().into());
    if let Some(retention) = retention.as_table_mut() {
        retention.entry("age").or_insert_with(|| RETENTION_AGE.into());
    }
    toml::to_string(&file).map_err(|fault| bad(format!("the request cannot be written as a job file: {fault}")))
}

/// With whose rights the text is checked: a caller who is not root may ask for no more than its own.
async fn authority(caller: &Caller, of_daemon: &Authority) -> Result<Authority, ApiError> {
    match of_daemon {
        Authority::Anybody if caller.uid == 0 => Ok(Authority::Anybody),
        Authority::Anybody => account(caller.uid).await.map(Authority::Only),
        Authority::Only(account) if account.uid == caller.uid => Ok(of_daemon.clone()),
        Authority::Only(account) => Err(forbidden(format!(
            "this jobsd runs everything as {}, and uid {} is somebody else",
            account.user, caller.uid
        ))
        .hint("ask the jobsd of root, or your own")),
    }
}

/// The user database may be slow: it is asked where that harms nobody.
async fn account(uid: u32) -> Result<Account, ApiError> {
    let look = move || -> nix::Result<Option<Account>> {
        let Some(user) = User::from_uid(Uid::from_raw(uid))? else { return Ok(None) };
        let group = Group::from_gid(Gid::from_raw(user.gid.as_raw()))?;
        let group = group.map_or_else(|| user.gid.to_string(), |group| group.name);
        Ok(Some(Account { uid, user: user.name, gid: user.gid.as_raw(), group }))
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(Some(account))) => Ok(account),
        Ok(Ok(None)) => Err(forbidden(format!("uid {uid} has no account on this machine"))),
        Ok(Err(fault)) => Err(ApiError::internal("the user database cannot be read", &fault)),
        Err(fault) => Err(ApiError::internal("the user database cannot be read", &fault)),
    }
}

/// Whom it is to run as, when it says so, must be there now: nobody waits for the run of a name that was misspelt.
async fn known(request: &ExecRequest) -> Result<(), ApiError> {
    let group = request.properties.get("group").and_then(|group| match group {
        serde_json::Value::String(name) => Some(name.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        // What is wrong with it is told with its place.
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    });
    let identity = Identity { user: request.user.clone(), group };
    if identity == Identity::default() {
        return Ok(());
    }
    match tokio::task::spawn_blocking(move || unknown_account(&identity)).await {
        Ok(None) => Ok(()),
        Ok(Some((message, hint))) => Err(ApiError { hint, ..bad(message) }),
        Err(fault) => Err(ApiError::internal("the user database cannot be read", &fault)),
    }
}

fn name(request: &ExecRequest, now: Timestamp, attempt: u32) -> Result<JobName, ApiError> {
    let text = match (&request.name, attempt) {
        (Some(name), _) => name.clone(),
        (None, 1) => now.format("exec-%Y%m%d-%H%M%S").to_string(),
        (None, attempt) => format!("{}-{attempt}", now.format("exec-%Y%m%d-%H%M%S")),
    };
    JobName::new(&text).map_err(|fault| bad(format!("name: {fault}")))
}

/// Reads the text twice: with the caller's rights, and as the daemon will read it again after a restart.
fn read(reading: &Reading, authority: &Authority, name: &JobName, text: &str) -> Result<LoadedSpec, ApiError> {
    let calendars = std::sync::Arc::default();
    let path = std::path::PathBuf::from("the request");
    let with = |authority: &Authority| {
        let reading = Reading { defaults: String::new(), authority: authority.clone(), ..reading.clone() };
        reading.read(name, text.to_owned(), path.clone(), &calendars).map_err(|faults| misread(&faults))
    };
    with(authority)?;
    with(&reading.authority)
}

/// What is wrong with the keys. Nobody has seen the text in which they stand, so that its lines say nothing.
fn misread(faults: &Faults) -> ApiError {
    let told = |fault: &Diagnostic| match &fault.expected {
        Some(expected) => format!("{}: {expected}", fault.message),
        None => fault.message.clone(),
    };
    let message = faults.iter().map(told).collect::<Vec<_>>().join("; ");
    ApiError { hint: faults.iter().find_map(|fault| fault.hint.clone()), ..bad(message) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::testing::at;

    fn request(value: serde_json::Value) -> ExecRequest {
        serde_json::from_value(value).expect("a request")
    }

    fn caller(uid: u32) -> Caller {
        Caller { uid, gid: uid, groups: Vec::new(), name: None }
    }

    fn reading(authority: &Authority) -> Reading {
        Reading { authority: authority.clone(), ..Reading::of_text(crate::schedule::Zone::utc()) }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_without_the_lines_of_a_text_that_nobody_saw() {
        let message = |key: &str, value: serde_json::Value| {
            defined(json!({"argv": ["true"], "properties": {key: value}}), 0).unwrap_err().message
        };
        assert_eq!(message("nice", json!(-21)), "`nice` is out of range: expected a whole number from -20 to 19");
        let umask = message("umask", json!(27));
        assert_eq!(umask, "`umask` cannot be an integer: expected octal digits in quotes, as in \"0027\"");
    }

    fn alice() -> Authority {
        Authority::Only(Account { uid: 1000, user: "alice".into(), gid: 1000, group: "alice".into() })
    }

    fn defined(value: serde_json::Value, uid: u32) -> Result<LoadedSpec, ApiError> {
        let (request, caller) = (request(value), caller(uid));
        check(&request, &caller)?;
        let at = request.at.map(|at| up_to_second(at.0));
        let text = text(&request, at, &caller, &Authority::Anybody)?;
        let authority = if uid == 0 { Authority::Anybody } else { alice() };
        read(&reading(&Authority::Anybody), &authority, &JobName::new("exec-1").unwrap(), &text)
    }

    #[test]
    fn a_request_becomes_a_job_of_the_caller() {
        let job = defined(
            json!({
                "argv": ["sleep", "a b"],
                "at": "2026-11-21T12:00:00.25Z",
                "environment": {"WORD": "it's \"x\""},
                "working_directory": "/srv",
                "properties": {"timeout": "5s", "limits": {"processes": 10}, "nice": 5},
            }),
            1000,
        )
        .unwrap();
        let spec = &job.spec;
        assert_eq!(spec.identity.user.as_deref(), Some("1000"));
        assert_eq!(spec.command.argv(), ["sleep", "a b"]);
        assert_eq!(spec.environment.0["WORD"], "it's \"x\"");
        assert_eq!(spec.timeout, Some(std::time::Duration::from_secs(5)));
        assert_eq!(spec.retention.age, std::time::Duration::from_secs(7 * 86_400));
        let context = crate::schedule::Context {
            first_seen: at("2026-01-01T00:00:00Z"),
            boot: crate::schedule::Boot {
                id: crate::clock::BootId::new("b"),
                at: at("2026-01-01T00:00:00Z"),
                seen_at: at("2026-01-01T00:00:00Z"),
            },
        };
        let next = spec.schedules.next(at("2026-11-21T11:00:00Z"), &context).unwrap();
        assert_eq!(next.at, at("2026-11-21T12:00:01Z"), "never too early");
        assert_eq!(defined(json!({"line": "true"}), 0).unwrap().spec.identity.user, None);
        assert_eq!(
            defined(json!({"line": "true", "user": "daemon"}), 0).unwrap().spec.identity.user.as_deref(),
            Some("daemon")
        );
    }

    #[test]
    fn a_caller_gains_nothing_by_it() {
        let refused = |more: serde_json::Value| {
            let mut body = json!({"argv": ["id"]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = defined(body, 1000).map(|_| ()).expect_err("it is refused");
            assert!(matches!(error.code, ErrorCode::Forbidden | ErrorCode::BadRequest), "{more}: {}", error.message);
        };
        refused(json!({"user": "root"}));
        refused(json!({"user": "0"}));
        for properties in [
            json!({"group": "shadow"}),
            json!({"user": "root"}),
            json!({"environment": {"A": "b"}}),
            json!({"credentials": {"shadow": "/etc/shadow"}}),
            json!({"pass_environment": ["PATH"]}),
            json!({"environment_files": ["/root/env"]}),
            json!({"nice": -5}),
            json!({"io_class": "realtime"}),
            json!({"cpu_scheduling": "fifo:10"}),
            json!({"oom_score_adjust": -1000}),
            json!({"isolation": {"capabilities": ["sys_admin"]}}),
            json!({"isolation": {"bind": ["/root:/mnt"]}}),
            json!({"isolation": {"writable": ["/etc"]}}),
            json!({"schedule": "@daily"}),
            json!({"command": "id"}),
        ] {
            refused(json!({ "properties": properties }));
        }
        assert!(defined(json!({"argv": ["id"], "properties": {"isolation": {"profile": "strict"}}}), 1000).is_ok());
    }

    #[test]
    fn a_command_is_said_once() {
        for body in [json!({}), json!({"argv": ["a"], "line": "b"}), json!({"argv": [""]}), json!({"line": " "})] {
            assert!(defined(body, 0).is_err());
        }
    }
}
