//! Calendar expressions and whole units.

use super::{CalendarError, TimerUnits, Unit, service_of, to_cron};
use crate::migrate::tests::finish;
use crate::migrate::{Change, Import};

#[test]
fn calendar_expressions() {
    for (calendar, cron) in [
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("hourly", "0 * * * *"),
        ("quarterly", "0 0 1 1,4,7,10 *"),
        ("Mon..Fri 09:30", "30 9 * * 1-5"),
        ("Sat,Sun *-*-* 6:00:00", "0 6 * * 6,0"),
        ("Fri..Sun 12:00", "0 12 * * 5-7"),
        ("*-*-* 6,18:00", "0 6,18 * * *"),
        ("*:0/15", "0-59/15 * * * *"),
        ("*:00/10:30", "30 0-59/10 * * * *"),
        ("*-*-01 04:00", "0 4 1 * *"),
        ("12-24 18:00", "0 18 24 12 *"),
        ("2027-01-01 00:00:00", "0 0 0 1 1 * 2027"),
        ("Mon *-*-1..7 03:00", "0 3 1-7 * +1"),
        ("*-*~01 22:00", "0 22 L * *"),
        ("*-*-* 8..17/3:00", "0 8-17/3 * * *"),
        ("*-*-* 06:00:00.000", "0 6 * * *"),
    ] {
        let form = to_cron(calendar).unwrap_or_else(|fault| panic!("{calendar}: {fault}"));
        assert_eq!(form.expression, cron, "{calendar}");
        crate::schedule::Rule::cron(cron, "x").unwrap_or_else(|fault| panic!("{cron}: {}", fault.message));
    }
    assert_eq!(to_cron("03:00 Europe/Berlin").unwrap().zone.unwrap().name(), "Europe/Berlin");
    assert_eq!(to_cron("*-*~03 22:00"), Err(CalendarError::FromTheEnd("*-*~03 22:00".to_owned())));
    assert_eq!(to_cron("*:*:0.5"), Err(CalendarError::Fraction("*:*:0.5".to_owned())));
    for text in ["", "soon", "25:00", "*-13-01", "Mon..Fri 1:2:3:4", "daily weekly"] {
        assert!(to_cron(text).is_err(), "{text}");
    }
}

fn units(timer: &str, service: &str) -> TimerUnits {
    let timer = Unit::read(timer);
    let service_name = service_of("backup@etc.timer", &timer);
    TimerUnits {
        timer_name: "backup@etc.timer".to_owned(),
        timer,
        service_name,
        service: Unit::read(service),
        is_system: true,
    }
}

#[test]
fn a_timer_with_its_service() {
    let timer = "[Timer]\nOnCalendar=hourly\n# a drop-in\n[Timer]\nOnCalendar=\nOnCalendar=03:00\nPersistent=true\n\
                 RandomizedDelaySec=1h\n[Install]\nWantedBy=timers.target\n";
    let service = "[Unit]\nDescription=Save it\n[Service]\nType=oneshot\nUser=backup\nEnvironment=A=1 \"B=two words\"\n\
                   ExecStart=/usr/bin/save --what %i \\\n  'a b' 100%%\nTimeoutStartSec=2h\nSuccessExitStatus=3 SIGKILL\n\
                   PrivateTmp=yes\n";
    let mut import = Import::default();
    import.timer(&units(timer, service));
    let finished = finish(import);
    let job = &finished.jobs[0];
    assert_eq!(
        job.text,
        "\
# Imported from backup@etc.timer and backup@etc.service of systemd.

description = \"Save it\"
command = [\"/usr/bin/save\", \"--what\", \"etc\", \"a b\", \"100%\"]
user = \"backup\"
working_directory = \"/\"

timeout = \"2h\"
success_exit_codes = [0, 3]

[[schedule]]
cron = \"0 3 * * *\"
jitter = \"1h\"

[environment]
A = \"1\"
B = \"two words\"
"
    );
    assert_eq!(job.name.as_str(), "backup-etc");
    assert_eq!(
        job.changes,
        [
            Change::UnitSetting { key: "[Service] PrivateTmp=".to_owned(), counterpart: Some("isolation.private_tmp") },
            Change::Gap
        ]
    );
}

#[test]
fn variables_and_several_commands_become_a_line() {
    let mut import = Import::default();
    let service =
        "[Service]\nExecStartPre=-/bin/mkdir \"/tmp/it's\"\nExecStart=/bin/echo $WORDS ${ONE} cost$$5 plain\n";
    import.timer(&units("[Timer]\nOnBootSec=5min\nOnUnitActiveSec=1d\n", service));
    let finished = finish(import);
    let argv = finished.jobs[0].spec.command.argv();
    assert_eq!(argv[2], "{ /bin/mkdir '/tmp/it'\\''s' || true; } &&\n/bin/echo $WORDS \"${ONE}\" 'cost$5' plain");
    assert_eq!(finished.jobs[0].schedule, "boot 5m; every 1d");
}

#[test]
fn what_cannot_be_said_is_told() {
    for (timer, service, why) in [
        ("[Timer]\nOnCalendar=*-*~03\n", "[Service]\nExecStart=/bin/true\n", "from the end of a month"),
        ("[Timer]\nOnActiveSec=5\n", "[Service]\nExecStart=/bin/true\n", "says when it runs"),
        ("[Timer]\nOnCalendar=daily\n", "[Service]\nType=oneshot\n", "no ExecStart="),
        ("[Timer]\nOnCalendar=daily\n", "[Service]\nExecStart=/bin/x %H\n", "%H"),
        ("[Timer]\nOnBootSec=soon\n", "[Service]\nExecStart=/bin/x\n", "no span of time"),
    ] {
        let mut import = Import::default();
        import.timer(&units(timer, service));
        let finished = finish(import);
        assert!(finished.jobs.is_empty() && finished.faults[0].reason.contains(why), "{:?}", finished.faults);
    }
}

#[test]
fn every_counterpart_is_a_key_of_job_files() {
    let page = include_str!("../../../docs/job-file.md");
    for (theirs, ours) in super::timer::COUNTERPARTS {
        let key = ours.rsplit('.').next().unwrap();
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("`{ours}`")), "{theirs}: {ours}");
    }
}
