//! Who may do what: whether somebody is let in at all, by where the process comes from ([`admit`]); then from a caller to a
//! [`Role`], from role and [`Action`] to a [`Reach`], from a route's [`Need`] to yes or no. Everything else asks here.

use std::path::PathBuf;
use std::sync::Arc;

use super::caller::Caller;
use super::error::ApiError;
use super::types::ErrorCode;
use crate::daemon::config::{AccessRules, Members, OwnJobs};
use crate::run::AttemptId;
use crate::scheduler::{Job, Outbox, Snapshot};
use crate::spec::JobName;
use crate::supervisor::{Origin, Unclear};

/// Whether a process may use this daemon at all, whoever its user is and whatever it asks: one of a run may only if the run's
/// isolation leaves it that, which `may_use_jobsd` says of an attempt of which something is known. Asked once for a connection,
/// when it is made.
///
/// # Errors
/// The answer, when it may not.
pub fn admit(origin: &Origin, may_use_jobsd: impl FnOnce(&AttemptId) -> Option<bool>) -> Result<(), ApiError> {
    let refused = |message: String| ApiError::new(ErrorCode::IsolatedRun, message);
    match origin {
        Origin::Outside => Ok(()),
        Origin::Attempt(attempt) => match may_use_jobsd(attempt) {
            Some(true) => Ok(()),
            Some(false) => {
                let job = &attempt.run.job;
                let message = format!("a process of the job {job} may not use jobsd: isolation.control_socket = false");
                Err(refused(message).hint(
                    "ask from outside of runs, or let the job use jobsd: isolation.control_socket = true in its file",
                ))
            }
            None => {
                let message =
                    format!("a process that {} left may not use jobsd: the run's record is gone", attempt.run);
                Err(refused(message).hint("ask from outside of runs"))
            }
        },
        Origin::Unclear(Unclear::Unreadable) => {
            Err(ApiError::new(ErrorCode::Busy, "it cannot be told now whether a run asks that may not use jobsd")
                .hint("try again in a moment; the daemon's log says why"))
        }
        Origin::Unclear(reason) => {
            let message = format!("it cannot be told whether a run asks that may not use jobsd: {reason}");
            Err(refused(message).hint("ask from outside of runs, and stay until the answer has come"))
        }
    }
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look: jobs, runs, output, events, health, paths.
    Read,
    /// Drive what is defined: trigger, cancel, pause, resume. Changes neither command nor environment. Have a command run
    /// as oneself.
    Operate,
    /// Define jobs, and change the daemon itself: reload, shut down, look after its state.
    Administer,
}

/// What a route is about, and so what its caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A connection: it says nothing of any job.
    Nothing,
    /// The right to this on the job that the path names.
    Job(Action),
    /// The right to this on some job. On which of them, the handler asks its [`View`](super::view::View).
    Jobs(Action),
    /// The right to this on all jobs, or on the daemon.
    Daemon(Action),
}

impl Need {
    /// Who has it, in a sentence for the description of the API.
    pub const fn who(self) -> &'static str {
        match self {
            Self::Nothing => "For everybody who may connect.",
            Self::Job(Action::Read) => "For viewers, and for whom the job runs as.",
            Self::Job(Action::Operate) => "For operators, and for whom the job runs as where `own_jobs` says so.",
            Self::Jobs(Action::Read) => "For viewers; others see the jobs that run as them.",
            Self::Jobs(Action::Operate) => {
                "For operators; for others as far as their own jobs go, where `own_jobs` says so."
            }
            Self::Daemon(Action::Read) => "For viewers.",
            Self::Daemon(Action::Operate) => "For operators.",
            Self::Job(Action::Administer) | Self::Jobs(Action::Administer) | Self::Daemon(Action::Administer) => {
                "For admins."
            }
        }
    }
}

/// What a caller is to this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Root, the daemon's own user, or a configured admin.
    Admin,
    /// A configured operator.
    Operator,
    /// A configured viewer.
    Viewer,
    /// Anybody else.
    Stranger,
}

/// On which jobs a caller has a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On none.
    None,
    /// On those that run as the caller.
    Own,
    /// On all, and on the daemon.
    All,
}

/// By which facts of the daemon rights are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The daemon's own user.
    pub daemon_uid: u32,
    /// What the configuration says.
    pub rules: Arc<AccessRules>,
    /// The file that says it, when there is one; for hints.
    pub file: Option<PathBuf>,
}

impl Access {
    /// The role of a caller: the highest that the rules give.
    pub fn role(&self, caller: &Caller) -> Role {
        const ROOT: u32 = 0;
        let is_member = |members: &Members| {
            members.users.contains_key(&caller.uid)
                || members.groups.contains_key(&caller.gid)
                || caller.groups.iter().any(|gid| members.groups.contains_key(gid))
        };
        if caller.uid == ROOT || caller.uid == self.daemon_uid || is_member(&self.rules.admin) {
            Role::Admin
        } else if is_member(&self.rules.operator) {
            Role::Operator
        } else if is_member(&self.rules.viewer) {
            Role::Viewer
        } else {
            Role::Stranger
        }
    }

    /// On which jobs a caller may do something.
    pub fn reach(&self, caller: &Caller, action: Action) -> Reach {
        match (self.role(caller), action) {
            (Role::Admin, Action::Read | Action::Operate | Action::Administer)
            | (Role::Operator, Action::Read | Action::Operate)
            | (Role::Viewer, Action::Read) => Reach::All,
            (Role::Stranger, Action::Read) => match self.rules.own_jobs {
                OwnJobs::None => Reach::None,
                OwnJobs::View | OwnJobs::Operate => Reach::Own,
            },
            (Role::Viewer | Role::Stranger, Action::Operate) => match self.rules.own_jobs {
                OwnJobs::None | OwnJobs::View => Reach::None,
                OwnJobs::Operate => Reach::Own,
            },
            (Role::Operator | Role::Viewer | Role::Stranger, Action::Administer) => Reach::None,
        }
    }

    /// Whether a request may go on to its handler. `asked` is the job that its path names.
    ///
    /// A job that the caller may not see is answered as one that does not exist, so that its name cannot be guessed.
    ///
    /// # Errors
    /// The answer, when it may not.
    pub fn check(&self, caller: &Caller, need: Need, asked: &str, jobs: &Snapshot) -> Result<(), ApiError> {
        let (action, is_enough) = match need {
            Need::Nothing => return Ok(()),
            Need::Jobs(action) => (action, self.reach(caller, action) != Reach::None),
            Need::Daemon(action) => (action, self.reach(caller, action) == Reach::All),
            Need::Job(action) => {
                let job = JobName::new(asked).ok().and_then(|name| jobs.jobs.get(&name));
                let is_own = || job.is_some_and(|job| owns(caller, job));
                let covers = |reach| match reach {
                    Reach::None => false,
                    Reach::Own => is_own(),
                    Reach::All => true,
                };
                let sight = self.reach(caller, Action::Read);
                if sight == Reach::Own && !covers(sight) {
                    return Err(ApiError::no_such_job(asked, &seen(caller, jobs)));
                }
                (action, covers(self.reach(caller, action)))
            }
        };
        if is_enough { Ok(()) } else { Err(self.refusal(caller, action)) }
    }

    fn refusal(&self, caller: &Caller, action: Action) -> ApiError {
        let what = match (action, self.reach(caller, action)) {
            (Action::Read, Reach::None | Reach::All) => "look at this daemon's jobs",
            (Action::Read, Reach::Own) => "look at more of this daemon than the jobs that run as them",
            (Action::Operate, Reach::None | Reach::All) => "trigger, cancel, pause or resume here",
            (Action::Operate, Reach::Own) => "trigger, cancel, pause or resume more than the jobs that run as them",
            (Action::Administer, Reach::None | Reach::Own | Reach::All) => {
                "define jobs, reload or shut down this daemon, or look after its state"
            }
        };
        ApiError::new(ErrorCode::Forbidden, format!("uid {} may not {what}", caller.uid)).hint(self.hint(action))
    }

    /// What somebody without the right can do about it.
    fn hint(&self, action: Action) -> String {
        let admin = match self.daemon_uid {
            0 => "root".to_owned(),
            uid => format!("root or as uid {uid}, the daemon's user"),
        };
        // The least that is enough comes first.
        let (role, enough) = match action {
            Action::Read => ("viewer", vec![&self.rules.viewer, &self.rules.operator, &self.rules.admin]),
            Action::Operate => ("operator", vec![&self.rules.operator, &self.rules.admin]),
            Action::Administer => ("admin", vec![&self.rules.admin]),
        };
        match enough.iter().find_map(|members| members.groups.values().next()) {
            Some(group) => format!("do it as {admin}, or become a member of the group {group} and log in again"),
            None => {
                let file =
                    self.file.as_ref().map_or_else(|| "jobsd.toml".to_owned(), |file| file.display().to_string());
                format!("do it as {admin}, or let [access] in {file} name you: {role} = {{ users = [...] }}")
            }
        }
    }
}

/// Whether a job runs as the caller. One that names no user runs as the daemon's, who is an admin; one without a definition
/// runs as nobody, so that what a deleted file left belongs to those with a role.
pub fn owns(caller: &Caller, job: &Job) -> bool {
    let user = job.spec.as_ref().and_then(|spec| spec.identity.user.as_deref());
    user.is_some_and(|user| caller.name.as_deref() == Some(user) || user.parse() == Ok(caller.uid))
}

/// What of a snapshot concerns the caller's own jobs.
pub fn seen(caller: &Caller, all: &Snapshot) -> Snapshot {
    let own = |(name, job): (&JobName, &Arc<Job>)| owns(caller, job).then(|| (name.clone(), Arc::clone(job)));
    let jobs: imbl::OrdMap<_, _> = all.jobs.iter().filter_map(own).collect();
    let live = all.live.iter().filter(|(id, _)| jobs.contains_key(&id.job));
    let live = live.map(|(id, run)| (id.clone(), Arc::clone(run))).collect();
    let waiting = all.outbox.waiting.iter().filter(|(_, notice)| jobs.contains_key(&notice.job));
    let waiting = waiting.map(|(&number, notice)| (number, Arc::clone(notice))).collect();
    // Counts of all messages are no business of theirs either.
    Snapshot { jobs, live, outbox: Outbox { waiting, ..Outbox::default() }, held_back: None, draining: all.draining }
}
