//! A whole machine: directories of scripts, anacron, and what cron passes over.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::finish;
use crate::migrate::crontab::{Crontab, Form, Origin};
use crate::migrate::{Anacrontab, Change, Import, Machine, Reading, System};

const ETC_CRONTAB: &str = "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
    25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n";

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn system(crontab: &str, anacron: Option<&str>, scripts: &[(&str, &[&str])]) -> System {
    let origin = Origin { place: "/etc/crontab".to_owned(), form: Form::System, owner: None, name: None };
    let scripts = scripts.iter().map(|(directory, names)| {
        let paths = names.iter().map(|name| format!("{directory}/{name}")).collect();
        ((*directory).to_owned(), paths)
    });
    System {
        tables: vec![(origin, Crontab::read(crontab.as_bytes(), Form::System))],
        anacron: anacron.map(Anacrontab::read),
        scripts: scripts.collect::<BTreeMap<_, Vec<String>>>(),
    }
}

#[test]
fn tables_are_found_as_cron_finds_them() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "etc/debian_version", "12\n", 0o644);
    write(root.path(), "etc/crontab", ETC_CRONTAB, 0o644);
    write(root.path(), "etc/cron.d/php", "9,39 * * * * root php\n", 0o644);
    write(root.path(), "etc/cron.d/php.dpkg-old", "0 0 * * * root old\n", 0o644);
    write(root.path(), "etc/cron.d/.placeholder", "", 0o644);
    write(root.path(), "etc/cron.daily/tidy", "#!/bin/sh\n", 0o755);
    write(root.path(), "etc/cron.daily/notes.txt", "", 0o644);
    write(root.path(), "var/spool/cron/crontabs/alice", "0 1 * * * a\n", 0o600);
    let machine = Machine::at(root.path());
    let (tables, passed_over) = machine.system_tables().unwrap();
    assert_eq!(
        tables.iter().map(|table| table.place.as_str()).collect::<Vec<_>>(),
        ["/etc/crontab", "/etc/cron.d/php"]
    );
    assert_eq!(passed_over, ["/etc/cron.d/php.dpkg-old"]);
    assert_eq!(machine.scripts("/etc/cron.daily").unwrap().0, ["/etc/cron.daily/tidy"]);
    assert_eq!(machine.scripts("/etc/cron.daily").unwrap().1, ["/etc/cron.daily/notes.txt"]);
    let users = machine.user_tables().unwrap();
    assert_eq!((users.len(), users[0].owner.as_deref(), users[0].mode), (1, Some("alice"), 0o600));
    assert_eq!(machine.user_table("alice").unwrap().as_ref(), users.first());
    assert_eq!(machine.user_table("bob").unwrap(), None);
}

#[test]
fn a_script_is_a_job_when_its_directory_ran() {
    let scripts: [(&str, &[&str]); 2] = [("/etc/cron.hourly", &["sync"]), ("/etc/cron.daily", &["man-db", "dpkg"])];
    let mut import = Import::default();
    assert_eq!(import.system(&system(ETC_CRONTAB, None, &scripts)), []);
    let finished = finish(import);
    let shown: Vec<_> = finished.jobs.iter().map(|job| format!("{} {}", job.name, job.schedule)).collect();
    assert_eq!(shown, ["sync 17 * * * *", "man-db 25 6 * * *", "dpkg 25 6 * * *"]);
    let job = &finished.jobs[1];
    assert_eq!(job.spec.command.argv(), ["/etc/cron.daily/man-db"]);
    assert_eq!(job.spec.working_directory.as_deref(), Some(Path::new("/")));
    assert_eq!(job.changes, [Change::Directory { directory: "/etc/cron.daily".to_owned() }]);
    assert_eq!(job.origin.line, Some(2));
}

#[test]
fn anacron_runs_what_cron_leaves_to_it() {
    let scripts: [(&str, &[&str]); 2] = [("/etc/cron.hourly", &[]), ("/etc/cron.daily", &["man-db"])];
    let anacron =
        "RANDOM_DELAY=45\nSTART_HOURS_RANGE=3-22\n1 5 cron.daily run-parts /etc/cron.daily\n7 25 tapes /srv/tapes\n";
    let crontab = format!("{ETC_CRONTAB}30 7 * * * root invoke-rc.d anacron start\n");
    let mut import = Import::default();
    let dispensable = import.system(&system(&crontab, Some(anacron), &scripts));
    assert_eq!(dispensable.iter().map(|line| line.origin.line).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    let finished = finish(import);
    let shown: Vec<_> = finished.jobs.iter().map(|job| format!("{} {}", job.name, job.schedule)).collect();
    assert_eq!(shown, ["man-db 5 3 * * *", "tapes 25 3 * * 0"]);
    assert_eq!(finished.jobs[0].reading, Reading::Inexact);
    assert_eq!(finished.jobs[0].spec.catch_up.policy, crate::spec::CatchUpPolicy::Latest);
    assert!(finished.jobs[0].text.contains("jitter = \"45m\""));
}

#[test]
fn scripts_that_nothing_runs_are_told() {
    let mut import = Import::default();
    import.system(&system("", None, &[("/etc/cron.weekly", &["man-db"])]));
    let finished = finish(import);
    assert_eq!((finished.jobs[0].name.as_str(), finished.jobs[0].schedule.as_str()), ("man-db", "47 6 * * 7"));
    assert!(matches!(finished.jobs[0].changes.as_slice(), [Change::Unattended { .. }, Change::Directory { .. }]));
}
