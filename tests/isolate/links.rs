//! Links in directories of the job's own user: he puts one in the place of what the supervisor mounts or reads for him.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::PathBuf;

use jobsd::spec::{Bind, Credential, Identity, Inputs, Isolation, ProcessSpec};

use crate::world::{World, is_root, setup_failure};
use crate::{job, open_world, run};

const NOBODY: Option<u32> = Some(65534);

/// A directory of nobody's, and one of root's behind a closed door, with a secret that everybody might read.
struct Places {
    own: PathBuf,
    secret: PathBuf,
}

impl Places {
    fn new(world: &World) -> Self {
        let (own, closed) = (world.path("own"), world.path("closed"));
        let secret = closed.join("inner");
        fs::create_dir_all(&secret).unwrap();
        fs::write(secret.join("file"), "hunter2\n").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        for dir in [&own, &own.join("target"), &own.join("real")] {
            fs::create_dir(dir).unwrap();
            chown(dir, NOBODY, NOBODY).unwrap();
        }
        fs::write(own.join("real/file"), "his own\n").unwrap();
        chown(own.join("real/file"), NOBODY, NOBODY).unwrap();
        Self { own, secret }
    }

    /// What nobody can do in his directory.
    fn link(&self, name: &str, target: impl AsRef<std::path::Path>) -> PathBuf {
        let link = self.own.join(name);
        symlink(target, &link).unwrap();
        lchown(&link, NOBODY, NOBODY).unwrap();
        link
    }

    fn bound(&self, source: PathBuf, target: PathBuf) -> ProcessSpec {
        let bind = vec![Bind { source, target, read_only: false }];
        ProcessSpec { isolation: Isolation { bind, ..Isolation::default() }, ..ProcessSpec::default() }
    }
}

fn of_nobody(name: &str, line: &str, process: ProcessSpec) -> jobsd::run::LaunchPlan {
    let mut plan = job(name, line, process);
    plan.identity = Identity { user: Some("nobody".into()), group: None };
    plan
}

#[track_caller]
fn refused(world: &World, plan: &jobsd::run::LaunchPlan, step: &str) {
    let end = world.run(plan);
    let failure = setup_failure(&end);
    assert_eq!((failure.step.as_str(), failure.errno), (step, libc::EACCES), "{failure:?}");
    assert!(failure.cause().unwrap().contains("in it is a link of user 65534"), "{failure:?}");
}

#[test]
fn what_is_shown_is_what_its_owner_may_show() {
    if !is_root("what_is_shown_is_what_its_owner_may_show") {
        return;
    }
    let world = open_world();
    let places = Places::new(&world);
    let target = places.own.join("target");
    let line = format!("cat {}/file", target.display());
    let honest = places.link("to-real", "real");
    assert_eq!(run(&world, &of_nobody("honest", &line, places.bound(honest, target.clone()))).good(), "his own\n");
    for (name, link) in [
        ("absolute", places.link("absolute", &places.secret)),
        ("relative", places.link("relative", "../closed/inner")),
        ("chain", places.link("chain", "absolute")),
        ("middle", places.link("middle", "../closed").join("inner")),
    ] {
        refused(&world, &of_nobody(name, &line, places.bound(link, target.clone())), "arrange mounts");
    }
    // A link of root's leads where root wants it to.
    let given = world.path("given");
    symlink(&places.secret, &given).unwrap();
    assert_eq!(run(&world, &of_nobody("given", &line, places.bound(given, target))).good(), "hunter2\n");
}

/// What he may put over `/etc` decides what setuid programs take for true.
#[test]
fn nothing_is_put_over_what_is_not_his() {
    if !is_root("nothing_is_put_over_what_is_not_his") {
        return;
    }
    let world = open_world();
    let places = Places::new(&world);
    let (etc, hidden) = (places.link("etc", "/etc"), places.link("hidden", "/etc/passwd"));
    refused(&world, &of_nobody("over", "cat /etc/file", places.bound(places.own.join("real"), etc)), "arrange mounts");
    for (name, isolation) in [
        ("hidden", Isolation { hidden: vec![hidden.clone()], ..Isolation::default() }),
        ("read-only", Isolation { read_only: vec![hidden.clone()], ..Isolation::default() }),
        ("writable", Isolation { writable: vec![hidden], ..Isolation::default() }),
    ] {
        let process = ProcessSpec { isolation, ..ProcessSpec::default() };
        refused(&world, &of_nobody(name, "true", process), "arrange mounts");
    }
}

#[test]
fn a_credential_is_no_way_to_files_of_others() {
    if !is_root("a_credential_is_no_way_to_files_of_others") {
        return;
    }
    let world = open_world();
    let places = Places::new(&world);
    let plan = |name: &str, path: PathBuf| {
        let credentials = [("key".to_owned(), Credential::File(path))].into();
        let process = ProcessSpec { inputs: Inputs { credentials, ..Inputs::default() }, ..ProcessSpec::default() };
        of_nobody(name, "cat $CREDENTIALS_DIRECTORY/key", process)
    };
    let honest = plan("honest", places.link("to-real", "real/file"));
    assert_eq!(run(&world, &honest).good(), "his own\n");
    refused(&world, &plan("link", places.link("link", places.secret.join("file"))), "fetch credential");
    // What root put there is what root wants to give.
    assert_eq!(run(&world, &plan("direct", places.secret.join("file"))).good(), "hunter2\n");
}
