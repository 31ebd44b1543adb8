//! What a line meant beside its time.

use super::{context, import};
use crate::migrate::crontab::{Crontab, Form, Origin};
use crate::migrate::export::{Job, Usual, crontab};
use crate::migrate::{Change, Import, Terms};
use crate::spec::{NoticeEvent, Stdin};

#[test]
fn variables_become_keys() {
    let finished = import(
        "SHELL=/bin/bash\nPATH=/opt/bin:/bin\nHOME=/srv/app\nMAILTO=ops@example.org\nCRON_TZ=America/New_York\n\
         RANDOM_DELAY=30\nLOGNAME=x\nLEVEL=\"7 of 9\"\n# Nightly report\n0 6 * * 1-5 report\n",
        Form::User,
    );
    assert_eq!(
        finished.jobs[0].text,
        "\
# Imported from /etc/crontab, line 10:
#   0 6 * * 1-5 report

description = \"Nightly report\"
command = \"report\"
timezone = \"America/New_York\"
shell = \"/bin/bash\"
working_directory = \"/srv/app\"

# As cron does. \"skip\" leaves a run out while the one before it still runs.
overlap = \"allow\"
# As cron does. \"latest\" makes up for what was missed while the machine was down.
catch_up = \"none\"

[[schedule]]
cron = \"0 6 * * 1-5\"
jitter = \"30m\"

[notify]
on_output = [{ mail = \"ops@example.org\" }]

[environment]
HOME = \"/srv/app\"
LEVEL = \"7 of 9\"
PATH = \"/opt/bin:/bin\"
SHELL = \"/bin/bash\"
"
    );
    let changes = &finished.jobs[0].changes;
    assert!(matches!(
        changes.as_slice(),
        [Change::Zone { .. }, Change::RandomDelay { .. }, Change::Mail { .. }, Change::Variable { .. }]
    ));
}

#[test]
fn mailto_goes_there_and_back() {
    for (mailto, mailboxes) in [("a,b@c.org", 2), ("\"\"", 0), ("a b", 0), ("root", 1)] {
        let finished = import(&format!("MAILTO={mailto}\n0 6 * * * report\n"), Form::User);
        let spec = &finished.jobs[0].spec;
        assert_eq!(spec.notify.targets.get(&NoticeEvent::Output).map_or(0, Vec::len), mailboxes, "{mailto}");
        // Said, so that those of [defaults] are not told either.
        assert_eq!(finished.jobs[0].text.contains("on_output = []\n"), mailto == "\"\"", "{}", finished.jobs[0].text);
        let job = Job { spec, text: &finished.jobs[0].text, defaults: "" };
        let usual = Usual { user: "root", zone: "UTC" };
        let exported = crontab(&[job], Form::User, usual);
        assert_eq!(exported.text.contains(&format!("MAILTO={mailto}\n")), mailboxes > 0, "{}", exported.text);
    }
}

#[test]
fn a_user_before_the_command_of_a_users_line_is_told() {
    let finished = import("0 6 * * * root report --all\n0 7 * * * rootcheck --all\n0 8 * * * root\n", Form::User);
    let told =
        finished.jobs.iter().map(|job| job.changes.iter().any(|change| matches!(change, Change::UserWord { .. })));
    assert_eq!(told.collect::<Vec<_>>(), [true, false, false]);
    let finished = import("0 6 * * * root root report\n", Form::System);
    assert!(finished.jobs[0].changes.is_empty());
}

#[test]
fn input_behind_a_percent_sign_reaches_the_command() {
    let finished = import("0 0 * * * cd / && cat -n | sed 's/^ *//'%one%it's \\% two%INPUT%\n", Form::User);
    let job = &finished.jobs[0];
    assert!(job.changes.is_empty());
    assert_eq!(job.spec.process.inputs.stdin, Stdin::Text("one\nit's % two\nINPUT\n".to_owned()));
    assert_eq!(job.spec.command.argv()[2], "cd / && cat -n | sed 's/^ *//'");
    assert!(job.text.contains("stdin = '''\none\nit's % two\nINPUT\n'''\n"), "{}", job.text);
}

#[test]
fn what_cannot_be_said_is_a_fault_of_its_line() {
    let finished = import(
        "0 0 30 2 * never\nCRON_TZ=Mars/Base\n0 0 * * * mars\nCRON_TZ=\nRANDOM_DELAY=soon\n0 0 * * * x\nRANDOM_DELAY=0\n\
         61 * * * * late\n0 0 * * * good\n",
        Form::User,
    );
    let faults: Vec<_> =
        finished.faults.iter().map(|fault| (fault.origin.line.unwrap(), fault.reason.as_str())).collect();
    assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 6, 8]);
    assert!(faults[0].1.contains("can never fire"), "{}", faults[0].1);
    assert!(faults[1].1.contains("Mars/Base"));
    assert!(faults[2].1.contains("RANDOM_DELAY=soon"));
    assert!(faults[3].1.contains("\"61\" in the minute field"));
    assert_eq!(finished.jobs.len(), 1);
    assert_eq!(finished.jobs[0].spec.name.as_str(), "good");
}

#[test]
fn a_boot_line_is_not_missed_by_a_slow_boot() {
    let finished = import("@reboot /usr/local/bin/announce\n", Form::User);
    let spec = &finished.jobs[0].spec;
    assert_eq!(spec.catch_up.policy, crate::spec::CatchUpPolicy::Latest);
    assert!(!spec.schedules.is_empty());
}

#[test]
fn defaults_of_the_daemon_do_not_move_a_line() {
    let mut import = Import::default();
    let origin = Origin { place: "x".to_owned(), form: Form::User, owner: None, name: None };
    import.crontab(&Crontab::read(b"0 3 * * * x\n", Form::User), &origin);
    let defaults = "timezone = 'Asia/Tokyo'\nshell = '/bin/bash'\ntimeout = '1h'\n";
    let finished = import.finish(&Terms { context: &context(), defaults, prefix: "" });
    assert!(finished.jobs[0].text.contains("timezone = \"Europe/Berlin\""));
    assert_eq!(finished.jobs[0].spec.command.argv(), ["/bin/sh", "-c", "x"]);
    assert_eq!(Change::of_defaults(defaults), Some(Change::Defaults { keys: vec!["timeout".to_owned()] }));
}
