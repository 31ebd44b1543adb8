//! `jobctl statistics`

use serde::Deserialize;
use serde_json::value::RawValue;

use super::moment::{parse_past, seconds, span};
use super::session::{Session, read};
use super::style::Tone;
use super::table::{Cell, Column, Give, Table};
use super::target::job_path;
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::client::encode;
use crate::api::types::{JobStatistics, Quantiles, Time};

#[derive(Clone, Debug, clap::Args)]
pub struct StatisticsArgs {
    /// The job; every one unless said
    #[arg(add = complete::job())]
    job: Option<String>,
    /// Only what ended since then: a duration (`7d`: that long ago), a date or date and time in the local zone, or RFC
    /// 3339; everything that is kept unless said
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// A page, its jobs as the daemon wrote them.
#[derive(Deserialize)]
struct Page {
    jobs: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Shows what the kept history adds up to.
pub async fn run(session: &mut Session, args: StatisticsArgs) -> Result<Exit, Failure> {
    let since = args.since.as_deref().map(|text| parse_past(text, session.terminal.now(), session.terminal.zone));
    let since = since.transpose().map_err(Failure::usage)?.map(|at| format!("since={}", encode(&Time(at).to_string())));
    let since = since.unwrap_or_default();
    let raw = match &args.job {
        Some(job) => vec![session.client().await?.get(&format!("{}/statistics?{since}", job_path(job))).await?],
        None => all(session, &since).await?,
    };
    if session.is_json() {
        session.json_array(&raw)?;
        return Ok(Exit::Done);
    }
    let jobs: Vec<JobStatistics> = raw.iter().map(|job| read("GET …/statistics", job)).collect::<Result<_, _>>()?;
    match jobs.as_slice() {
        [] => session.terminal.say("there are no jobs yet"),
        [one] if args.job.is_some() => show(one, &mut session.terminal)?,
        jobs => {
            let table = table(jobs, &session.terminal);
            session.terminal.data(table)?;
        }
    }
    Ok(Exit::Done)
}

async fn all(session: &mut Session, since: &str) -> Result<Vec<Box<RawValue>>, Failure> {
    let mut progress = session.terminal.progress("reading histories");
    let client = session.client().await?;
    let mut jobs = Vec::new();
    let mut after = String::new();
    loop {
        let page: Page =
            client.get(&format!("/v1/statistics?{}", format!("{since}{after}").trim_start_matches('&'))).await?;
        jobs.extend(page.jobs);
        progress.set(jobs.len());
        match page.next {
            Some(next) => after = format!("&after={}", encode(&next)),
            None => return Ok(jobs),
        }
    }
}

fn show(job: &JobStatistics, terminal: &mut Terminal) -> std::io::Result<()> {
    let reach = match (job.from, job.to) {
        (Some(from), Some(to)) => format!("{} to {}", terminal.zone.exact(from.0), terminal.zone.exact(to.0)),
        (Some(_) | None, _) => "no finished run is kept".to_owned(),
    };
    terminal.line(format!("job        {}", Tone::Strong.paint(&job.job, terminal.colour)))?;
    terminal.line(format!("records    {reach}"))?;
    terminal.line(format!(
        "runs       {}: {} succeeded, {} failed, {} with another end; {} occurrences skipped",
        job.runs, job.succeeded, job.failed, job.other, job.skipped
    ))?;
    terminal.line(format!("success    {}", percent(job.success_rate)))?;
    terminal.line(format!("duration   {}", spread(job.duration_seconds)))?;
    terminal.line(format!("lateness   {}", spread(job.lateness_seconds)))?;
    if let Some(trend) = job.trend {
        let median = |length: Option<f64>| length.map_or_else(|| "-".to_owned(), |length| span(seconds(length)));
        terminal.line(format!(
            "trend      success {} → {}, median duration {} → {} (older half → newer half)",
            percent(trend.older_success_rate),
            percent(trend.newer_success_rate),
            median(trend.older_p50_seconds),
            median(trend.newer_p50_seconds)
        ))?;
    }
    Ok(())
}

fn spread(quantiles: Option<Quantiles>) -> String {
    quantiles.map_or_else(
        || "-".to_owned(),
        |Quantiles { p50, p95, max }| {
            let [p50, p95, max] = [p50, p95, max].map(|length| span(seconds(length)));
            format!("p50 {p50}, p95 {p95}, longest {max}")
        },
    )
}

fn percent(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        // 99.96 % is not all of them.
        Some(rate) if rate < 1.0 => format!("{:.1} %", (rate * 1000.0).floor() / 10.0),
        Some(_) => "100 %".to_owned(),
    }
}

fn table(jobs: &[JobStatistics], terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "JOB", give: Give::Cut(12) },
        Column { heading: "RUNS", give: Give::Stay },
        Column { heading: "FAILED", give: Give::Stay },
        Column { heading: "SKIPPED", give: Give::Leave(7, 4) },
        Column { heading: "SUCCESS", give: Give::Stay },
        Column { heading: "P50", give: Give::Leave(6, 1) },
        Column { heading: "P95", give: Give::Leave(6, 1) },
        Column { heading: "LATE P50", give: Give::Leave(8, 2) },
        Column { heading: "LATE P95", give: Give::Leave(8, 3) },
    ]);
    let length = |value: Option<f64>| Cell::new(value.map(|length| span(seconds(length))).unwrap_or_default());
    for job in jobs {
        let failed = Cell::new(job.failed.to_string());
        table.row([
            Cell::new(&job.job),
            job.runs.to_string().into(),
            if job.failed > 0 { failed.tone(Tone::Bad) } else { failed },
            job.skipped.to_string().into(),
            percent(job.success_rate).into(),
            length(job.duration_seconds.map(|quantiles| quantiles.p50)),
            length(job.duration_seconds.map(|quantiles| quantiles.p95)),
            length(job.lateness_seconds.map(|quantiles| quantiles.p50)),
            length(job.lateness_seconds.map(|quantiles| quantiles.p95)),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}
