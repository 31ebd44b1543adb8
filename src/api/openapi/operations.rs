//! [`operations`]: what each path of the API takes and answers. A test keeps it the same as the table of routes.

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;

use super::{Answer, SchemaOf, fields_of};
use crate::api::handlers::{events, explanation, jobs, output, runs, statistics};
use crate::api::types::{
    Acknowledged, Cancelled, Compacted, Config, ExecRequest, Executed, Explanation, ExportRequest, Exported, Health,
    HistoryPage, JobDeleted, JobDetail, JobPage, JobStatistics, JobWritten, JobsHealth, Live, NotifyTestRequest,
    NotifyTested, Occurrences, PauseRequest, PauseSelectionRequest, Paused, Ready, ReloadRequest, Reloaded,
    ResumeSelectionRequest, Resumed, Run, Runs, ShutdownRequest, ShuttingDown, StatisticsPage, Triggered, Version,
};

/// One path with one method.
pub struct Operation {
    /// In lower case, as OpenAPI has it.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    /// The media type of a body that is no JSON.
    pub(super) text: Option<&'static str>,
    /// Whether it takes `If-Match` and `If-None-Match`.
    pub(super) is_conditional: bool,
    pub(super) answer: Answer,
}

impl Operation {
    fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(fields_of::<T>), ..self }
    }

    fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    fn text(self, kind: &'static str) -> Self {
        Self { text: Some(kind), ..self }
    }

    fn conditional(self) -> Self {
        Self { is_conditional: true, ..self }
    }
}

fn operation(method: &'static str, path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { method, path, summary, query: None, body: None, text: None, is_conditional: false, answer }
}

fn get<T: JsonSchema>(path: &'static str, summary: &'static str) -> Operation {
    operation("get", path, summary, Answer::Json(200, SchemaGenerator::subschema_for::<T>))
}

fn verdict<T: JsonSchema>(path: &'static str, summary: &'static str) -> Operation {
    operation("get", path, summary, Answer::Verdict(SchemaGenerator::subschema_for::<T>))
}

fn get_text(path: &'static str, kind: &'static str, summary: &'static str) -> Operation {
    operation("get", path, summary, Answer::Text(kind))
}

fn post<T: JsonSchema>(path: &'static str, status: u16, summary: &'static str) -> Operation {
    operation("post", path, summary, Answer::Json(status, SchemaGenerator::subschema_for::<T>))
}

/// Every operation of the API.
pub fn operations() -> Vec<Operation> {
    let mut all = of_jobs();
    all.extend(of_runs());
    all.extend(of_the_daemon());
    all
}

fn of_jobs() -> Vec<Operation> {
    vec![
        get::<JobPage>("/v1/jobs", "List jobs, in order of their names").query::<jobs::ListQuery>(),
        get::<JobDetail>("/v1/jobs/{job}", "Show a job with its definition"),
        operation(
            "put",
            "/v1/jobs/{job}",
            "Write a job's file, when it is faultless, and bring it into force",
            Answer::Json(200, SchemaGenerator::subschema_for::<JobWritten>),
        )
        .text("application/toml")
        .conditional(),
        operation(
            "delete",
            "/v1/jobs/{job}",
            "Delete a job's file; its history stays",
            Answer::Json(200, SchemaGenerator::subschema_for::<JobDeleted>),
        )
        .conditional(),
        get_text("/v1/jobs/{job}/file", "application/toml", "A job's file as it is, with its entity tag"),
        get::<Occurrences>("/v1/jobs/{job}/next", "Tell when a job runs next").query::<jobs::NextQuery>(),
        get::<Explanation>("/v1/jobs/{job}/explanation", "Explain what a job's schedules mean")
            .query::<explanation::ExplanationQuery>(),
        get::<JobStatistics>("/v1/jobs/{job}/statistics", "Add a job's history up")
            .query::<statistics::StatisticsQuery>(),
        post::<Paused>("/v1/jobs/{job}/pause", 200, "Suspend a job's schedule").body::<PauseRequest>(),
        post::<Resumed>("/v1/jobs/{job}/resume", 200, "End the pause of a job"),
        post::<Cancelled>("/v1/jobs/{job}/cancel", 202, "Stop every live run of a job"),
        post::<NotifyTested>("/v1/jobs/{job}/notify/test", 200, "Send a test message to a job's targets")
            .body::<NotifyTestRequest>(),
        post::<Paused>("/v1/pause", 200, "Suspend the schedules of many jobs").body::<PauseSelectionRequest>(),
        post::<Resumed>("/v1/resume", 200, "End the pauses of many jobs").body::<ResumeSelectionRequest>(),
        get::<StatisticsPage>("/v1/statistics", "Add the histories of all jobs up")
            .query::<statistics::StatisticsQuery>(),
    ]
}

fn of_runs() -> Vec<Operation> {
    vec![
        get::<HistoryPage>("/v1/jobs/{job}/runs", "List the runs and skips of a job, newest first")
            .query::<runs::HistoryParams>(),
        post::<Triggered>("/v1/jobs/{job}/runs", 201, "Start a run now"),
        get::<Run>("/v1/jobs/{job}/runs/{number}", "Show a run with its attempts").query::<runs::RunQuery>(),
        post::<Cancelled>("/v1/jobs/{job}/runs/{number}/cancel", 202, "Stop a run"),
        get_text("/v1/jobs/{job}/runs/{number}/output", "application/octet-stream", "What a run printed")
            .query::<output::OutputParams>(),
        get_text(
            "/v1/jobs/{job}/output",
            "application/octet-stream",
            "What the newest run of a job printed, or an earlier one",
        )
        .query::<output::JobOutputParams>(),
        post::<Executed>("/v1/exec", 201, "Run a command once, now or later, as the caller").body::<ExecRequest>(),
        get::<Runs>("/v1/runs", "The live runs and the newest records of all jobs").query::<runs::RecentQuery>(),
        get_text("/v1/events", "text/event-stream", "Every change as it is committed, as server-sent events")
            .query::<events::EventsQuery>(),
    ]
}

fn of_the_daemon() -> Vec<Operation> {
    vec![
        get::<Health>("/v1/health", "The whole health report; its status is always 200"),
        get::<Live>("/v1/health/live", "Whether the process answers"),
        verdict::<Ready>("/v1/health/ready", "Whether runs are started"),
        verdict::<JobsHealth>("/v1/health/jobs", "Whether the jobs are well"),
        get::<Config>("/v1/config", "Where the daemon reads and writes"),
        get::<Version>("/v1/version", "Versions of the daemon, the API and the time zone database"),
        post::<Reloaded>("/v1/reload", 200, "Read the jobs directory now").body::<ReloadRequest>(),
        post::<ShuttingDown>("/v1/shutdown", 202, "Go down").body::<ShutdownRequest>(),
        post::<Exported>("/v1/state/backup", 200, "Back the state up now"),
        post::<Exported>("/v1/state/export", 200, "Write the state into a file").body::<ExportRequest>(),
        post::<Compacted>("/v1/state/compact", 200, "Rewrite the database without holes"),
        post::<Acknowledged>("/v1/state/acknowledge", 200, "Have seen what was found wrong with the state"),
        get_text("/metrics", "text/plain", "Counters, histograms and gauges, in the text format of Prometheus"),
        get_text("/openapi.json", "application/json", "This document"),
    ]
}
