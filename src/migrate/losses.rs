//! What a job says that a crontab cannot.

use crate::spec::{Backoff, CatchUpPolicy, Channel, Inputs, JobSpec, NoticeEvent, Overlap, ProcessSpec, Stdin, Target};
use crate::units::format_duration;

/// What the job says and a crontab has no words for.
pub(super) fn losses(spec: &JobSpec) -> Vec<String> {
    let mut losses = Vec::new();
    let mut lost = |is_said: bool, what: String| {
        if is_said {
            losses.push(what);
        }
    };
    lost(spec.timeout.is_some(), format!("timeout {}", spec.timeout.map(format_duration).unwrap_or_default()));
    lost(
        !matches!(spec.overlap, Overlap::Allow { .. }),
        format!("overlap {}: cron starts it again", spec.overlap.name()),
    );
    let catch_up = match spec.catch_up.policy {
        CatchUpPolicy::None => None,
        CatchUpPolicy::Latest => Some("latest"),
        CatchUpPolicy::All => Some("all"),
    };
    lost(catch_up.is_some(), format!("catch_up {}: cron misses what it misses", catch_up.unwrap_or_default()));
    let backoff = match spec.retry.backoff {
        Backoff::Fixed => "fixed",
        Backoff::Linear => "linear",
        Backoff::Exponential => "exponential",
    };
    let attempts = spec.retry.attempts.get();
    lost(attempts > 1, format!("retry: {attempts} attempts, {backoff} backoff"));
    lost(spec.success_exit_codes.iter().ne(&[0]), "success_exit_codes".to_owned());
    lost(spec.identity.group.is_some(), "group".to_owned());
    lost(spec.alert_after.is_some(), "alert_after".to_owned());
    let unsayable = |event: &NoticeEvent, list: &Vec<Target>| {
        let mails = list.iter().all(|target| matches!(target.channel, Channel::Mail { .. }));
        *event != NoticeEvent::Output || !mails
    };
    for (event, _) in spec.notify.targets.iter().filter(|(event, list)| unsayable(event, list)) {
        lost(true, format!("notify: {}", event.key()));
    }
    let usual = ProcessSpec::default();
    let process = &spec.process;
    let inputs = Inputs { stdin: Stdin::Nothing, ..process.inputs.clone() };
    for (differs, what) in [
        (process.attributes != usual.attributes, "what the process is made with (umask, nice and the like)"),
        (inputs != usual.inputs, "environment_files, pass_environment or credentials"),
        (process.isolation != usual.isolation, "isolation"),
        (process.limits != usual.limits, "limits"),
        (process.create_working_directory, "create_working_directory"),
        (process.on_leftover != usual.on_leftover, "on_leftover"),
    ] {
        if differs {
            losses.push(what.to_owned());
        }
    }
    losses
}
