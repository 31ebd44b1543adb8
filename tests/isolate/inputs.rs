//! Standard input, variables, credentials, the working directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use jobsd::spec::{Credential, EnvironmentFile, Identity, Inputs, Isolation, ProcessSpec, Profile, Stdin};

use crate::world::{World, is_root, setup_failure, wait_for};
use crate::{job, open_world, run, worlds};

fn with(inputs: Inputs) -> ProcessSpec {
    ProcessSpec { inputs, ..ProcessSpec::default() }
}

fn credential(source: Credential) -> Inputs {
    Inputs { credentials: [("key".to_owned(), source)].into(), ..Inputs::default() }
}

fn written(world: &World, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    let path = world.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn standard_input_is_nothing_a_text_or_a_file() {
    for (who, world) in worlds("standard_input_is_nothing_a_text_or_a_file") {
        let file = written(&world, "in", "from a file\n", 0o644);
        let large = "x".repeat(60_000);
        for (name, stdin, expected) in [
            ("nothing", Stdin::Nothing, ""),
            ("text", Stdin::Text("a\0b\n".into()), "a\0b\n"),
            ("large", Stdin::Text(large.clone()), large.as_str()),
            ("file", Stdin::File(file), "from a file\n"),
        ] {
            let result = run(&world, &job(name, "cat", with(Inputs { stdin, ..Inputs::default() })));
            assert_eq!(result.good(), expected, "{who}: {name}");
        }
    }
}

#[test]
fn files_of_the_job_are_opened_as_its_user() {
    if !is_root("files_of_the_job_are_opened_as_its_user") {
        return;
    }
    let world = open_world();
    let secret = written(&world, "secret", "A=hunter2\n", 0o600);
    let file = EnvironmentFile { path: secret.clone(), optional: true };
    let closed = world.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let table = [
        (
            "open standard input",
            with(Inputs { stdin: Stdin::File(secret.clone()), ..Inputs::default() }),
            &secret,
            None,
        ),
        ("read environment file", with(Inputs { environment_files: vec![file], ..Inputs::default() }), &secret, None),
        ("enter working directory", ProcessSpec::default(), &closed, Some(closed.clone())),
    ];
    for (number, (step, process, path, directory)) in table.into_iter().enumerate() {
        let mut plan = job(&format!("job{number}"), "true", process);
        plan.identity = Identity { user: Some("nobody".into()), group: None };
        plan.working_directory = directory;
        let end = world.run(&plan);
        let failure = setup_failure(&end);
        assert_eq!((failure.step.as_str(), failure.errno), (step, libc::EACCES));
        assert_eq!(failure.path.as_deref(), Some(path.as_path()));
    }
}

#[test]
fn variables_come_from_files_and_from_the_supervisor() {
    for (who, world) in worlds("variables_come_from_files_and_from_the_supervisor") {
        let first = written(&world, "first", "A=1\nB='two words'\nLANG=de_DE.UTF-8\nJOBSD_RUN=no/1\n", 0o644);
        let second = written(&world, "second", "A=3\n", 0o644);
        let file = |path, optional| EnvironmentFile { path, optional };
        let inputs = Inputs {
            environment_files: vec![file(first, false), file(second, false), file(world.path("none"), true)],
            pass_environment: ["PASSED_ON".to_owned(), "NOT_THERE".to_owned()].into(),
            ..Inputs::default()
        };
        let mut plan = job("env", "echo $A,$B,$LANG,$JOBSD_RUN,$OWN,$PASSED_ON,${NOT_THERE-unset}", with(inputs));
        plan.environment.0.insert("OWN".into(), "own".into());
        let expected = "3,two words,de_DE.UTF-8,env/1,own,yes,unset\n";
        assert_eq!(run(&world, &plan).good(), expected, "{who}");
        let inputs = Inputs { environment_files: vec![file(world.path("none"), false)], ..Inputs::default() };
        let end = world.run(&job("none", "true", with(inputs)));
        assert_eq!(
            (setup_failure(&end).step.as_str(), setup_failure(&end).errno),
            ("read environment file", libc::ENOENT)
        );
    }
}

#[test]
fn credentials_are_the_jobs_alone_and_leave_nothing() {
    for (who, world) in worlds("credentials_are_the_jobs_alone_and_leave_nothing") {
        let secret = written(&world, "secret", "hunter2\n", if who == "own" { 0o600 } else { 0o644 });
        let line = "cat $CREDENTIALS_DIRECTORY/key; env | grep -c hunter2; ls -l $CREDENTIALS_DIRECTORY | tail -1 | cut -c -10";
        let sources = [
            ("file", Credential::File(secret)),
            ("command", Credential::Command(vec!["echo".into(), "hunter2".into()])),
        ];
        for (name, source) in sources {
            let mut plan = job(name, line, with(credential(source)));
            if who == "own" && nix::unistd::geteuid().is_root() {
                plan.identity = Identity { user: Some("nobody".into()), group: None };
            }
            assert_eq!(run(&world, &plan).good(), "hunter2\n0\n-r--------\n", "{who}: {name}");
            let record = fs::read_to_string(world.attempt_dir(&plan.attempt).join("record")).unwrap();
            assert!(!record.contains("hunter2"));
            let left = || fs::read_dir(world.path("credentials")).unwrap().count();
            wait_for("credentials are removed", || left() == 0);
        }
        let failing = Credential::Command(vec!["sh".into(), "-c".into(), "echo why >&2; exit 3".into()]);
        let failing = job("failing", "true", with(credential(failing)));
        let end = world.run(&failing);
        let failure = setup_failure(&end);
        assert_eq!((failure.step.as_str(), failure.errno), ("fetch credential", libc::EIO));
        assert_eq!(failure.path.as_deref(), Some(std::path::Path::new("key")));
        assert_eq!(failure.detail.as_deref(), Some("its command sh exited with code 3"), "{who}");
        assert_eq!(world.printed(&failing.attempt), b"why\n", "{who}");
    }
}

/// As systemd gives them to the supervisor's unit by LoadCredential=.
#[test]
fn credentials_come_from_systemd_through_the_supervisor() {
    if !is_root("credentials_come_from_systemd_through_the_supervisor") {
        return;
    }
    let given = "mkdir -m 700 given; printf hunter2 > given/db; export CREDENTIALS_DIRECTORY=$PWD/given";
    let world = World::without_supervisor();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let world = world.behind(given);
    let line = "cat $CREDENTIALS_DIRECTORY/key; ls $CREDENTIALS_DIRECTORY; env | grep -c hunter2; ls GIVEN";
    let line = line.replace("GIVEN", world.path("given").to_str().unwrap());
    let mut plan = job("asks", &line, with(credential(Credential::Systemd("db".into()))));
    plan.identity = Identity { user: Some("nobody".into()), group: None };
    let result = run(&world, &plan);
    assert!(result.printed.starts_with("hunter2key\n0\n") && result.code() != 0, "{}", result.printed);
    let end = world.run(&job("another", "true", with(credential(Credential::Systemd("gone".into())))));
    let failure = setup_failure(&end);
    assert_eq!((failure.path.clone(), failure.errno), (Some(world.path("given/gone")), libc::ENOENT));
    // And a supervisor that has none says so.
    let end = open_world().run(&job("none", "true", with(credential(Credential::Systemd("db".into())))));
    let failure = setup_failure(&end);
    assert!(failure.cause().unwrap().starts_with("systemd gave the supervisor no credentials"), "{failure:?}");
}

/// The socket usually lies in the state directory, which is the daemon's alone.
#[test]
fn credentials_are_reached_where_the_supervisors_directory_is_not() {
    if !is_root("credentials_are_reached_where_the_supervisors_directory_is_not") {
        return;
    }
    let mut world = World::without_supervisor();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    world.start();
    world.connect();
    let secret = written(&world, "secret", "hunter2\n", 0o600);
    for (name, profile) in [("plain", Profile::None), ("strict", Profile::Strict)] {
        let mut plan = job(name, "cat $CREDENTIALS_DIRECTORY/key", with(credential(Credential::File(secret.clone()))));
        plan.process.isolation = Isolation::of_profile(profile);
        plan.identity = Identity { user: Some("nobody".into()), group: None };
        plan.working_directory = Some("/".into());
        assert_eq!(run(&world, &plan).good(), "hunter2\n", "{name}");
    }
}

#[test]
fn a_credential_is_seen_by_no_other_job() {
    for (who, world) in worlds("a_credential_is_seen_by_no_other_job") {
        let secret = written(&world, "secret", "hunter2\n", 0o644);
        let process = ProcessSpec {
            inputs: credential(Credential::File(secret)),
            isolation: Isolation::of_profile(Profile::Strict),
            ..ProcessSpec::default()
        };
        let holder = job("holder", "cat $CREDENTIALS_DIRECTORY/key; exec sleep 1000", process);
        world.launch(&holder);
        world.started(&holder.attempt);
        wait_for("it holds its credential", || world.printed(&holder.attempt) == b"hunter2\n");
        // Not in the place where the other found it, and not through the host.
        let look = format!("ls -AR {0}", world.path("credentials").display());
        let printed = run(&world, &job("other", &look, ProcessSpec::default())).good();
        assert!(!printed.contains("key"), "{who}: {printed}");
        assert_eq!(fs::read_dir(world.path("credentials")).unwrap().count(), 0, "{who}");
    }
}

#[test]
fn the_working_directory_is_made_when_asked_for() {
    for (who, world) in worlds("the_working_directory_is_made_when_asked_for") {
        let dir = world.path("a/b");
        let mut plan = job("makes", "pwd", ProcessSpec { create_working_directory: true, ..ProcessSpec::default() });
        plan.working_directory = Some(dir.clone());
        assert_eq!(run(&world, &plan).good(), format!("{}\n", dir.display()), "{who}");
        let owner = if who == "nobody" { 65534 } else { nix::unistd::geteuid().as_raw() };
        assert_eq!(fs::metadata(&dir).unwrap().uid(), owner);
    }
}
