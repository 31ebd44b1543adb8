//! What is not believed.

use std::os::unix::fs::{chown, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

const STRANGER: u32 = 54_321;

#[test]
fn a_directory_that_is_not_there_or_none() {
    let place = Place::new();
    let missing = JobsDir { path: place.path("nowhere"), ..place.jobs() }.load().unwrap_err();
    assert!(matches!(missing, JobsDirError::Missing { .. }), "{missing}");
    assert!(missing.hint().unwrap().contains("mkdir -p"));
    let file = place.write("file", "");
    let no_directory = JobsDir { path: file, ..place.jobs() }.load().unwrap_err();
    assert!(matches!(no_directory, JobsDirError::Unreadable { .. }), "{no_directory}");
}

#[test]
fn a_directory_that_others_may_write() {
    let place = Place::new();
    place.write("a.toml", "command = 'true'");
    let mut jobs = place.jobs();
    jobs.load().unwrap();
    chmod(place.directory.path(), 0o757);
    let error = jobs.load().unwrap_err();
    let JobsDirError::Distrusted { reason, .. } = &error else { panic!("{error}") };
    assert_eq!(reason.to_string(), "everybody may write it (mode 757)");
    assert_eq!(error.hint().unwrap(), format!("chmod go-w {}", place.directory.path().display()));
    chmod(place.directory.path(), 0o755);
    assert_eq!(names(&jobs.load().unwrap()), ["a"]);
}

#[test]
fn a_file_that_others_may_write() {
    let place = Place::new();
    let path = place.write("a.toml", "command = 'true'");
    place.write("b.toml", "command = 'true'");
    chmod(&path, 0o666);
    let mut jobs = place.jobs();
    let set = jobs.load().unwrap();
    good(&set, "b");
    let refusal = fault(&set, "a");
    assert_eq!(refusal.summary, "the file is not safe to use: everybody may write it (mode 666)");
    assert!(refusal.report.contains(&format!("hint: chmod go-w {}", path.display())), "{}", refusal.report);
    chmod(&path, 0o644);
    good(&jobs.load().unwrap(), "a");
}

#[test]
fn a_file_that_a_group_of_several_may_write() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let path = place.write("a.toml", "command = 'true'");
    chown(&path, None, Some(STRANGER)).unwrap();
    chmod(&path, 0o664);
    assert_eq!(
        fault(&place.jobs().load().unwrap(), "a").summary,
        "the file is not safe to use: its group may write it (mode 664)"
    );
    chown(&path, None, Some(0)).unwrap();
    good(&place.jobs().load().unwrap(), "a");
}

#[test]
fn a_file_or_a_directory_of_somebody_else() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let path = place.write("a.toml", "command = 'true'");
    chown(&path, Some(STRANGER), None).unwrap();
    let mut jobs = place.jobs();
    let refused = jobs.load().unwrap();
    let refusal = fault(&refused, "a");
    assert!(refusal.summary.contains("it belongs to an unknown user (uid 54321)"), "{}", refusal.summary);
    assert!(refusal.report.contains("--trust-owner 54321"), "{}", refusal.report);
    chown(place.directory.path(), Some(STRANGER), None).unwrap();
    assert!(matches!(jobs.load(), Err(JobsDirError::Distrusted { reason: Distrust::Owner { uid: STRANGER, .. }, .. })));
    jobs.configure(Trust::new(0, &[STRANGER]), reading(""));
    good(&jobs.load().unwrap(), "a");
}

#[test]
fn symlinks_inside_the_directory_only() {
    let (place, elsewhere) = (Place::new(), Place::new());
    place.write("a.toml", "command = 'true'");
    place.write("disabled.txt", "command = 'false'");
    let outside = elsewhere.write("out.toml", "command = 'true'");
    symlink("a.toml", place.path("same.toml")).unwrap();
    symlink("disabled.txt", place.path("other.toml")).unwrap();
    symlink(&outside, place.path("out.toml")).unwrap();
    symlink("../x.toml", place.path("up.toml")).unwrap();
    symlink("same.toml", place.path("chain.toml")).unwrap();
    symlink("gone.txt", place.path("dangling.toml")).unwrap();
    symlink("..", place.path("parent.toml")).unwrap();
    let mut jobs = place.jobs();
    for _ in 0..2 {
        let set = jobs.load().unwrap();
        assert_eq!(good(&set, "same").source.text, "command = 'true'");
        assert_eq!(good(&set, "other").source.text, "command = 'false'");
        assert!(fault(&set, "out").summary.starts_with("it is a symlink out of the directory, to /"));
        assert_eq!(fault(&set, "up").summary, "it is a symlink out of the directory, to ../x.toml");
        assert_eq!(fault(&set, "chain").summary, "it is a symlink to a symlink");
        assert_eq!(fault(&set, "dangling").summary, "it is a symlink to gone.txt, which does not exist");
        assert_eq!(fault(&set, "parent").summary, "it is not a regular file");
    }
    place.write("gone.txt", "command = 'true'");
    good(&jobs.load().unwrap(), "dangling");
}

#[test]
fn what_is_no_file_is_not_even_opened() {
    let place = Place::new();
    fs::create_dir(place.path("directory.toml")).unwrap();
    // Opening it would wait for a writer.
    mkfifo(&place.path("pipe.toml"), Mode::from_bits_truncate(0o600)).unwrap();
    let set = place.jobs().load().unwrap();
    for name in ["directory", "pipe"] {
        assert_eq!(fault(&set, name).summary, "it is not a regular file");
    }
}

#[test]
fn files_that_are_no_text() {
    let place = Place::new();
    fs::write(place.path("latin.toml"), b"# one\ncommand = 'caf\xe9'").unwrap();
    place.write("large.toml", &" ".repeat(crate::spec::FILE_LIMIT + 1));
    let set = place.jobs().load().unwrap();
    assert_eq!(fault(&set, "latin").summary, "line 2 is not UTF-8 text");
    assert_eq!(fault(&set, "large").summary, "the file is larger than 1.0 MiB");
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_and_no_deletion() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("not run: root can read everything");
        return;
    }
    let place = Place::new();
    let path = place.write("a.toml", "command = 'true'");
    chmod(&path, 0o000);
    assert_eq!(fault(&place.jobs().load().unwrap(), "a").summary, "cannot open the file: Permission denied");
}
