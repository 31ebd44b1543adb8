//! What the store will not open, and what it says then.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use jobsd::store::{OpenError, Store};

use crate::kit::{open, options};

#[test]
fn a_state_that_others_may_write_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).store.close();
    for (which, mode) in [("", 0o770), ("", 0o702), ("db", 0o777)] {
        let place = dir.path().join(which);
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).expect("opened up");
        let Err(fault) = Store::open(dir.path(), options()) else { panic!("{which:?} {mode:o} is opened") };
        assert!(matches!(fault, OpenError::Untrusted { owner: None, .. }), "{fault}");
        assert!(fault.to_string().contains(&format!("{mode:04o}")), "{fault}");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).expect("closed");
    }
    assert_eq!(open(dir.path()).notes, []);
}

#[test]
fn a_state_of_somebody_else_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return println!("skipped: only root can give a directory away");
    }
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).store.close();
    chown(dir.path().join("db"), Some(4711), None).expect("given away");
    let Err(fault) = Store::open(dir.path(), options()) else { panic!("it is opened") };
    assert!(matches!(fault, OpenError::Untrusted { owner: Some(4711), .. }), "{fault}");
}

#[test]
fn a_newer_layout_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).store.close();
    let text = br#"{"format":2,"engine":"another"}"#;
    let manifest = format!("{}\n{:08x}\n", String::from_utf8_lossy(text), crc32fast::hash(text));
    fs::write(dir.path().join("manifest"), &manifest).expect("written");
    let Err(fault) = Store::open(dir.path(), options()) else { panic!("it is opened") };
    assert!(matches!(fault, OpenError::NewerFormat { format: 2, .. }), "{fault}");
    assert_eq!(fs::read_to_string(dir.path().join("manifest")).expect("readable"), manifest);
}
