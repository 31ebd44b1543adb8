//! Signals of real changes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::*;

/// Far longer than a signal takes on the slowest machine.
const IN_VAIN: Duration = Duration::from_secs(20);

fn signals(path: &Path) -> (Watcher, Receiver<()>) {
    let (sender, receiver) = channel();
    let watcher = watch(path, move || sender.send(()).unwrap_or_default()).unwrap();
    assert_eq!(watcher.degraded(), None);
    (watcher, receiver)
}

/// Waits until a load after a signal satisfies `wanted`. A signal may be about an earlier change.
fn wait_until(signals: &Receiver<()>, jobs: &mut JobsDir, wanted: impl Fn(&SpecSet) -> bool) {
    loop {
        signals.recv_timeout(IN_VAIN).expect("a change is signalled");
        if jobs.load().is_ok_and(|set| wanted(&set)) {
            return;
        }
    }
}

#[test]
fn files_that_come_change_and_go() {
    let place = Place::new();
    let mut jobs = place.jobs();
    let (_watcher, signals) = signals(place.directory.path());
    place.write("a.toml", "command = 'true'");
    wait_until(&signals, &mut jobs, |set| names(set) == ["a"]);
    place.write("a.toml", "command = 'false'");
    wait_until(&signals, &mut jobs, |set| good(set, "a").source.text == "command = 'false'");
    // As editors and deployments save: beside it, then renamed over it.
    place.write(".a.toml.new", "command = 'new'");
    fs::rename(place.path(".a.toml.new"), place.path("a.toml")).unwrap();
    wait_until(&signals, &mut jobs, |set| good(set, "a").source.text == "command = 'new'");
    fs::rename(place.path("a.toml"), place.path("b.toml")).unwrap();
    wait_until(&signals, &mut jobs, |set| names(set) == ["b"]);
    chmod(&place.path("b.toml"), 0o666);
    wait_until(&signals, &mut jobs, |set| matches!(set.jobs.values().next(), Some(SpecEntry::Faulty(_))));
    fs::remove_file(place.path("b.toml")).unwrap();
    wait_until(&signals, &mut jobs, |set| set.jobs.is_empty());
}

#[test]
fn a_directory_that_is_deleted_and_made_again() {
    let place = Place::new();
    let path = place.path("jobs.d");
    let mut jobs = JobsDir { path: path.clone(), ..place.jobs() };
    // It does not exist yet.
    let (_watcher, signals) = signals(&path);
    for round in ["a", "b", "c"] {
        fs::create_dir(&path).unwrap();
        chmod(&path, 0o755);
        wait_until(&signals, &mut jobs, |set| set.jobs.is_empty());
        place.write(&format!("jobs.d/{round}.toml"), "command = 'true'");
        wait_until(&signals, &mut jobs, |set| names(set) == [round]);
        fs::remove_dir_all(&path).unwrap();
        signals.recv_timeout(IN_VAIN).expect("the deletion is signalled");
    }
    // Another one, moved into its place, with its jobs in it.
    fs::create_dir(place.path("other.d")).unwrap();
    chmod(&place.path("other.d"), 0o755);
    place.write("other.d/d.toml", "command = 'true'");
    fs::rename(place.path("other.d"), &path).unwrap();
    wait_until(&signals, &mut jobs, |set| names(set) == ["d"]);
    place.write("jobs.d/e.toml", "command = 'true'");
    wait_until(&signals, &mut jobs, |set| names(set) == ["d", "e"]);
}

#[test]
fn a_directory_that_never_rests_is_signalled_too() {
    let place = Place::new();
    let (_watcher, signals) = signals(place.directory.path());
    // Writes come closer together than the quiet that a signal waits for, and until one comes.
    for round in 0_u64.. {
        place.write("a.toml", &format!("command = 'exit {round}'"));
        match signals.recv_timeout(Duration::from_millis(5)) {
            Ok(()) => return,
            Err(RecvTimeoutError::Timeout) => assert!(round < 4000, "no signal"),
            Err(RecvTimeoutError::Disconnected) => panic!("the watcher is gone"),
        }
    }
}

#[test]
fn dropping_the_watcher_ends_its_thread() {
    let place = Place::new();
    let (watcher, signals) = signals(place.directory.path());
    drop(watcher);
    // The thread owned the sender.
    assert_eq!(signals.recv_timeout(IN_VAIN), Err(RecvTimeoutError::Disconnected));
}
