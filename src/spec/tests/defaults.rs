//! What a job leaves out comes from `[defaults]`.

use std::time::Duration;

use super::*;

fn with(defaults: &str, lines: &str) -> JobSpec {
    read_as_root(&format!("command = 'true'\n{lines}"), defaults).unwrap_or_else(|faults| panic!("{}", faults.plain()))
}

#[test]
fn a_job_wins_over_defaults_key_by_key() {
    let defaults = "timeout = '1h'\nuser = 'app'\nowner = 'ops'\nshell = '/bin/bash'\n\
                    [environment]\nA = 'default'\nB = 'default'\n[retry]\nattempts = 5\ndelay = '1m'\n[retention]\nruns = 7";
    let spec = with(defaults, "timeout = '5m'\nenvironment.B = 'job'\nretry.attempts = 2");
    assert_eq!(spec.timeout, Some(Duration::from_secs(300)));
    assert_eq!(spec.identity.user.as_deref(), Some("app"));
    assert_eq!(spec.owner.as_deref(), Some("ops"));
    assert_eq!(spec.command.argv(), ["/bin/bash", "-c", "true"]);
    assert_eq!(
        spec.environment.0,
        [("A", "default"), ("B", "job")].map(|(name, value)| (name.into(), value.into())).into()
    );
    assert_eq!((spec.retry.attempts.get(), spec.retry.delay), (2, Duration::from_secs(60)));
    assert_eq!(spec.retention.runs.get(), 7);
}

#[test]
fn a_bound_of_defaults_can_be_taken_away() {
    let spec = with("timeout = '1h'\ncatch_up_window = '1d'", "timeout = 'none'\ncatch_up_window = 'none'");
    assert_eq!((spec.timeout, spec.catch_up.window), (None, None));
}

#[test]
fn a_default_that_does_not_fit_a_job_does_not_make_it_faulty() {
    let defaults = "shell = '/bin/bash'\nmax_concurrent = 3\ncatch_up_window = '1d'\nretry.max_delay = '1m'";
    let spec = read_as_root("command = ['true']\ncatch_up = 'none'\nretry = { attempts = 2, delay = '1h' }", defaults)
        .unwrap();
    assert_eq!(spec.command.argv(), ["true"]);
    assert_eq!(spec.overlap, Overlap::Skip);
    assert_eq!(spec.retry.max_delay, Duration::from_secs(3600), "the job's delay counts");
    let fits = with(defaults, "overlap = 'allow'");
    assert!(matches!(fits.overlap, Overlap::Allow { max_concurrent } if max_concurrent.get() == 3));
}

#[test]
fn defaults_are_part_of_the_revision() {
    let revision = |defaults: &str| with(defaults, "").revision;
    assert_eq!(revision("timeout = '1h'"), revision("timeout = '1h'"));
    assert_ne!(revision("timeout = '1h'"), revision("timeout = '2h'"));
}

#[test]
fn faults_of_defaults_say_so_and_have_no_place_in_the_job() {
    for (defaults, message) in [
        ("timeuot = '1h'", "[defaults] in jobsd.toml: unknown key \"timeuot\""),
        ("command = 'x'", "[defaults] in jobsd.toml: unknown key \"command\""),
        ("timeout = ", "[defaults] in jobsd.toml: this is no value"),
    ] {
        let faults = read_as_root("command = 'true'", defaults).unwrap_err();
        let first = faults.iter().next().unwrap();
        assert_eq!((first.message.as_str(), &first.span), (message, &None));
    }
}
