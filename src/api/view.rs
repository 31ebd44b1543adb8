//! [`View`]: what the caller of one request may see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::access::{Action, Reach, owns, seen};
use super::caller::Caller;
use super::error::ApiError;
use super::state::Api;
use crate::scheduler::Snapshot;
use crate::spec::JobName;

/// The jobs that the caller may see. What a handler tells of more than the job that its path names, it reads from here.
///
/// It goes by the rules and by the jobs of the moment, so that a stream ends with the right to it.
#[derive(Clone, Debug)]
pub struct View {
    caller: Arc<Caller>,
}

impl FromRequestParts<Api> for View {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().expect("every request carries its caller");
        Ok(Self { caller: Arc::new(caller.clone()) })
    }
}

impl View {
    /// Which jobs are in it.
    pub fn reach(&self, api: &Api) -> Reach {
        api.access().reach(&self.caller, Action::Read)
    }

    /// On which jobs the caller may do this.
    pub fn reach_of(&self, api: &Api, action: Action) -> Reach {
        api.access().reach(&self.caller, action)
    }

    /// What is in it of the newest snapshot.
    pub fn snapshot(&self, api: &Api) -> Arc<Snapshot> {
        let all = api.handle().snapshot();
        match self.reach(api) {
            Reach::All => all,
            Reach::Own => Arc::new(seen(&self.caller, &all)),
            Reach::None => Arc::new(Snapshot { draining: all.draining, ..Snapshot::default() }),
        }
    }

    /// Whether a job is in it.
    pub fn sees(&self, api: &Api, job: &JobName) -> bool {
        match self.reach(api) {
            Reach::All => true,
            Reach::Own => api.handle().snapshot().jobs.get(job).is_some_and(|job| owns(&self.caller, job)),
            Reach::None => false,
        }
    }

    /// The jobs that run as the caller, whatever else it may see.
    pub fn own(&self, api: &Api) -> Snapshot {
        seen(&self.caller, &api.handle().snapshot())
    }
}
