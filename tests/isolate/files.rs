//! What may be read and written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jobsd::spec::{Bind, Filesystem, Isolation, ProcessSpec};

use crate::world::World;
use crate::{job, run, worlds};

fn with(isolation: Isolation) -> ProcessSpec {
    ProcessSpec { isolation, ..ProcessSpec::default() }
}

/// A directory with a file in it, open to everybody, outside of the private directories for temporary files.
fn place(world: &World) -> tempfile::TempDir {
    let base = if nix::unistd::geteuid().is_root() { "/var/lib" } else { "/dev/shm" };
    let dir = tempfile::Builder::new().prefix("jobsd-test-").tempdir_in(base).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(dir.path().join("secret"), "hunter2\n").unwrap();
    fs::set_permissions(dir.path().join("secret"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(world.socket().exists());
    dir
}

#[test]
fn hidden_paths_are_empty_and_stay_so() {
    for (who, world) in worlds("hidden_paths_are_empty_and_stay_so") {
        let dir = place(&world);
        let path = dir.path().display();
        let isolation = Isolation { hidden: vec![dir.path().into()], ..Isolation::default() };
        // Listing, reading, writing, and taking the cover off.
        let line = format!(
            "ls -A {path} | wc -l; cat {path}/secret; echo x > {path}/new; umount {path}; umount -l {path}; ls -A {path}"
        );
        let result = run(&world, &job("hidden", &line, with(isolation.clone())));
        assert!(!result.printed.contains("hunter2"), "{who}: {}", result.printed);
        assert!(!dir.path().join("new").exists(), "{who}");
        if who != "own" || !nix::unistd::geteuid().is_root() {
            assert!(!result.printed.contains("secret\n"), "{who}: {}", result.printed);
        }
        let file = Isolation { hidden: vec![dir.path().join("secret")], ..Isolation::default() };
        assert_eq!(run(&world, &job("file", &format!("cat {path}/secret; echo over"), with(file))).good(), "over\n");
        let gone = Isolation { hidden: vec![dir.path().join("gone")], ..Isolation::default() };
        let end = world.run(&job("gone", "true", with(gone)));
        let failure = crate::world::setup_failure(&end);
        assert_eq!((failure.step.as_str(), failure.errno), ("arrange mounts", libc::ENOENT), "{who}");
        assert_eq!(failure.path.as_deref(), Some(dir.path().join("gone").as_path()));
    }
}

#[test]
fn a_read_only_file_system_is_written_only_where_it_may_be() {
    for (who, world) in worlds("a_read_only_file_system_is_written_only_where_it_may_be") {
        let (closed, open) = (place(&world), place(&world));
        let isolation = Isolation {
            filesystem: Filesystem::ReadOnly,
            writable: vec![open.path().into()],
            no_new_privileges: true,
            private_tmp: true,
            ..Isolation::default()
        };
        let (shut, wide) = (closed.path().display(), open.path().display());
        let line = format!(
            "echo x > {shut}/secret; rm {shut}/secret; ln {shut}/secret {shut}/link; mkdir {shut}/d; \
             mount -o remount,rw {shut}; mount -o remount,rw /; mount -o remount,bind,rw /; echo x > {shut}/secret; \
             echo 1 > /proc/sys/kernel/panic_on_warn; echo x > /usr/x; echo x > /x; \
             set -e; echo kept > {wide}/new; mkdir {wide}/d; mv {wide}/new {wide}/d/new; cat {wide}/d/new; \
             echo t > /tmp/t; cat /tmp/t; echo n > /dev/null"
        );
        let result = run(&world, &job("read-only", &line, with(isolation)));
        assert!(result.printed.ends_with("kept\nt\n"), "{who}: {}", result.printed);
        assert_eq!(fs::read_to_string(closed.path().join("secret")).unwrap(), "hunter2\n", "{who}");
        assert_eq!(fs::read_dir(closed.path()).unwrap().count(), 1, "{who}");
        assert_eq!(fs::read_to_string(open.path().join("d/new")).unwrap(), "kept\n", "{who}");
    }
}

#[test]
fn the_system_is_read_only_and_the_rest_is_not() {
    for (who, world) in worlds("the_system_is_read_only_and_the_rest_is_not") {
        let dir = place(&world);
        let isolation = Isolation { filesystem: Filesystem::SystemReadOnly, ..Isolation::default() };
        let line = format!("echo x > {}/secret && ! touch /usr/x && ! touch /etc/x", dir.path().display());
        assert_eq!(run(&world, &job("system", &line, with(isolation))).code(), 0, "{who}");
        assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "x\n");
    }
}

#[test]
fn single_paths_are_read_only_or_found_elsewhere() {
    for (who, world) in worlds("single_paths_are_read_only_or_found_elsewhere") {
        let (kept, other) = (place(&world), place(&world));
        fs::write(other.path().join("other"), "elsewhere\n").unwrap();
        let isolation = Isolation { read_only: vec![kept.path().into()], ..Isolation::default() };
        let line = format!("echo x > {0}/secret; cat {0}/secret", kept.path().display());
        assert!(run(&world, &job("kept", &line, with(isolation))).good().ends_with("hunter2\n"), "{who}");
        for (name, read_only, code) in [("bind", false, 0), ("bind-ro", true, 2)] {
            let bind = Bind { source: other.path().into(), target: kept.path().into(), read_only };
            let isolation = Isolation { bind: vec![bind], ..Isolation::default() };
            let line = format!("cat {0}/other; echo x > {0}/new || exit 2", kept.path().display());
            let result = run(&world, &job(name, &line, with(isolation)));
            assert!(result.printed.starts_with("elsewhere\n"), "{who}: {}", result.printed);
            assert_eq!(result.code(), code, "{who}");
            assert!(!kept.path().join("new").exists());
        }
        assert!(other.path().join("new").exists(), "{who}");
        // Inside of a private directory the place is made.
        let bind = Bind { source: other.path().join("other"), target: "/tmp/a/b".into(), read_only: true };
        let isolation = Isolation { private_tmp: true, bind: vec![bind], ..Isolation::default() };
        assert_eq!(run(&world, &job("inside", "cat /tmp/a/b", with(isolation))).good(), "elsewhere\n", "{who}");
    }
}

/// What is shown lies in the directory that is about to be replaced: a directory and a file, at the same path as before.
#[test]
fn a_part_of_tmp_is_given_back_to_a_private_one() {
    for (who, world) in worlds("a_part_of_tmp_is_given_back_to_a_private_one") {
        let shown = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
        let (directory, file) = (shown.path().join("directory"), shown.path().join("file"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("in"), "in it\n").unwrap();
        fs::write(&file, "alone\n").unwrap();
        let same = |path: &Path| Bind { source: path.into(), target: path.into(), read_only: false };
        let bind = vec![same(&directory), same(&file)];
        let isolation = Isolation { private_tmp: true, bind, ..Isolation::default() };
        let line = format!("cat {0}/in {1}; ls -A /tmp | wc -l", directory.display(), file.display());
        assert_eq!(run(&world, &job("given-back", &line, with(isolation))).good(), "in it\nalone\n1\n", "{who}");
    }
}

#[test]
fn temporary_files_are_ones_own_and_go() {
    for (who, world) in worlds("temporary_files_are_ones_own_and_go") {
        let theirs = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        let isolation = Isolation { private_tmp: true, ..Isolation::default() };
        let line = format!("ls -A /tmp /var/tmp; test ! -e {} && echo mine > /tmp/mine", theirs.path().display());
        let printed = run(&world, &job("tmp", &line, with(isolation))).good();
        assert_eq!(printed, "/tmp:\n\n/var/tmp:\n", "{who}");
        assert!(!std::path::Path::new("/tmp/mine").exists());
    }
}

#[test]
fn devices_are_the_usual_ones_and_no_others_are_made() {
    for (who, world) in worlds("devices_are_the_usual_ones_and_no_others_are_made") {
        let dir = place(&world);
        let isolation = Isolation { private_devices: true, ..Isolation::default() };
        let line = format!(
            "echo /dev/*; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo e > /dev/stderr; \
             echo s > /dev/shm/s; ! mknod {0}/disk b 254 0 && ! mknod /dev/shm/disk b 254 0 && ! touch /dev/x",
            dir.path().display()
        );
        let printed = run(&world, &job("devices", &line, with(isolation))).good();
        assert!(!printed.contains("/dev/vd") && !printed.contains("/dev/mem"), "{who}: {printed}");
        for device in ["null", "zero", "full", "random", "urandom", "tty", "fd", "ptmx", "pts", "shm"] {
            assert!(printed.contains(&format!("/dev/{device}")), "{who}: {device} in {printed}");
        }
        assert!(printed.contains("\n4\n4\ne\n"), "{who}: {printed}");
        assert!(!dir.path().join("disk").exists());
    }
}

#[test]
fn the_hosts_mounts_are_as_before() {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for (who, world) in worlds("the_hosts_mounts_are_as_before") {
        let isolation = Isolation {
            private_tmp: true,
            private_devices: true,
            filesystem: Filesystem::ReadOnly,
            hidden: vec!["/var/lib".into()],
            ..Isolation::default()
        };
        for number in 0..20 {
            run(&world, &job(&format!("mounts{number}"), "true", with(isolation.clone()))).good();
        }
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before, "{who}");
    }
}

/// With all of root's rights a job mounts what it likes, among mounts of its own.
#[test]
fn what_a_job_mounts_stays_with_it() {
    if !crate::world::is_root("what_a_job_mounts_stays_with_it") {
        return;
    }
    let world = crate::open_world();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = "mkdir /tmp/m && mount -t tmpfs none /tmp/m && mount --make-rshared / && mount --bind /etc /mnt && \
                test -e /mnt/passwd && echo mounted; exec sleep 1000";
    let mounting = job("mounts", line, with(Isolation { private_tmp: true, ..Isolation::default() }));
    world.launch(&mounting);
    world.started(&mounting.attempt);
    crate::world::wait_for("it has mounted", || world.printed(&mounting.attempt) == b"mounted\n");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}
