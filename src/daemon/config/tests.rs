//! Precedence, faults, and whose configuration is believed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use clap::Parser;

use super::*;
use crate::daemon::jobs_dir::Distrust;
use crate::places::SOCKET_PATH_LIMIT;
use crate::spec::{Account, Faults};

/// The command line of a program that takes these flags.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn flags(words: &[&str]) -> Flags {
    Line::try_parse_from([&["jobsd"], words].concat()).unwrap_or_else(|error| panic!("{error}")).flags
}

/// An ordinary user whose home is `home`, but whose files belong to whoever runs the test.
fn around(home: &Path) -> Surroundings {
    let uid = nix::unistd::geteuid().as_raw().max(1000);
    Surroundings {
        account: Account { uid, user: "alice".into(), gid: uid, group: "alice".into() },
        home: Some(home.to_owned()),
        config_home: None,
        state_home: None,
        runtime_dir: Some("/run/user/1000".into()),
        timezone: Some(Zone::parse("Europe/Berlin").unwrap()),
        machine: crate::spec::Machine::default(),
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

fn file_fault(text: &str) -> Faults {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("jobsd.toml"), text);
    let flags = Flags { config: Some(home.path().join("jobsd.toml")), ..Flags::default() };
    match Config::load(&flags, &around(home.path())) {
        Err(ConfigError::Faulty(faults)) => faults,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn nothing_said_at_all() {
    let home = tempfile::tempdir().unwrap();
    let config = Config::load(&flags(&[]), &around(home.path())).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.paths.jobs_dir, home.path().join(".config/jobsd/jobs.d"));
    assert_eq!(config.paths.state_dir, home.path().join(".local/state/jobsd"));
    assert_eq!(config.paths.socket, Path::new("/run/user/1000/jobsd/jobsd.sock"));
    assert_eq!(config.paths.supervisor_socket, home.path().join(".local/state/jobsd/supervisor.sock"));
    assert_eq!((config.log, config.access, config.notes), (LogLevel::Info, AccessRules::default(), Vec::new()));
    assert_eq!(config.reading.timezone.name(), "Europe/Berlin");
    assert!(matches!(config.reading.authority, Authority::Only(account) if account.user == "alice"));
}

#[test]
fn root_may_run_jobs_as_anybody() {
    let home = tempfile::tempdir().unwrap();
    let mut root = around(home.path());
    root.account.uid = 0;
    let flags = flags(&["--jobs-dir", "/j", "--state-dir", "/s", "--config", "/dev/null"]);
    let error = Config::load(&flags, &root).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "a device is no configuration: {error}");
    write(&home.path().join("jobsd.toml"), "");
    let flags = Flags { config: Some(home.path().join("jobsd.toml")), ..flags };
    let config = Config::load(&flags, &root);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run further: root does not believe the files of an ordinary user");
        return;
    }
    let config = config.unwrap();
    assert_eq!(config.reading.authority, Authority::Anybody);
    assert_eq!(config.paths.socket, Path::new("/run/jobsd/jobsd.sock"));
    assert_eq!(config.paths.supervisor_socket, Path::new("/s/supervisor.sock"));
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/jobsd/jobsd.toml");
    write(
        &file,
        "jobs_dir = '/file/jobs.d'\nstate_dir = '/file/state'\nsocket = '/file/s.sock'\nlog = 'debug'\ntrust_owners = [7]\n\
         [access]\noperator = { groups = [4242] }\n[defaults]\ntimeout = '1h'\n[defaults.environment]\nA = 'x'\n",
    );
    let config = Config::load(&flags(&[]), &around(home.path())).unwrap();
    assert_eq!(config.file, Some(file));
    assert_eq!(config.paths.jobs_dir, Path::new("/file/jobs.d"));
    assert_eq!(config.paths.socket, Path::new("/file/s.sock"));
    assert_eq!(config.paths.supervisor_socket, Path::new("/file/state/supervisor.sock"));
    assert_eq!((config.log, config.access.operator.groups.keys().next()), (LogLevel::Debug, Some(&4242)));
    assert_eq!(config.trust, Trust::new(around(home.path()).account.uid, &[7]));
    assert_eq!(config.reading.defaults, "timeout = \"1h\"\n\n[environment]\nA = \"x\"\n");

    let said = flags(&[
        "--jobs-dir",
        "/flag",
        "--socket",
        "/flag.sock",
        "--log",
        "error",
        "--trust-owner",
        "8",
        "--trust-owner",
        "9",
    ]);
    let config = Config::load(&said, &around(home.path())).unwrap();
    assert_eq!(
        (config.paths.jobs_dir.as_path(), config.paths.socket.as_path()),
        (Path::new("/flag"), Path::new("/flag.sock"))
    );
    assert_eq!((config.log, config.paths.state_dir.as_path()), (LogLevel::Error, Path::new("/file/state")));
    assert_eq!(config.trust, Trust::new(around(home.path()).account.uid, &[8, 9, 7]), "owners of both are believed");
}

#[test]
fn every_flag_has_its_variable() {
    use clap::CommandFactory;
    let line = Line::command();
    let variables = line.get_arguments().filter_map(|flag| Some((flag.get_long()?, flag.get_env()?.to_str()?)));
    assert_eq!(
        variables.collect::<Vec<_>>(),
        [
            ("config", "JOBSD_CONFIG"),
            ("jobs-dir", "JOBSD_JOBS_DIR"),
            ("calendars-dir", "JOBSD_CALENDARS_DIR"),
            ("state-dir", "JOBSD_STATE_DIR"),
            ("socket", "JOBSD_SOCKET"),
            ("supervisor-socket", "JOBSD_SUPERVISOR_SOCKET"),
            ("trust-owner", "JOBSD_TRUST_OWNER"),
            ("log", "JOBSD_LOG"),
            ("log-format", "JOBSD_LOG_FORMAT"),
        ]
    );
}

#[test]
fn relative_flags_count_from_the_working_directory() {
    let home = tempfile::tempdir().unwrap();
    let config = Config::load(&flags(&["--jobs-dir", "jobs.d", "--socket", "./s"]), &around(home.path())).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!((config.paths.jobs_dir, config.paths.socket), (here.join("jobs.d"), here.join("s")));
}

#[test]
fn without_a_runtime_directory_the_socket_lies_with_the_state_and_that_is_said() {
    let home = tempfile::tempdir().unwrap();
    let around = Surroundings { runtime_dir: None, timezone: None, ..around(home.path()) };
    let config = Config::load(&flags(&["--state-dir", "/s"]), &around).unwrap();
    assert_eq!(config.paths.socket, Path::new("/s/jobsd.sock"));
    assert_eq!(config.reading.timezone, Zone::utc());
    assert_eq!(
        config.notes,
        [
            "the machine's time zone cannot be told; schedules that name none are in UTC",
            "XDG_RUNTIME_DIR is not set; the socket is /s/jobsd.sock"
        ]
    );
    // A client that is told nothing finds it when the state is in its usual place.
    let usual = Config::load(&flags(&[]), &around).unwrap();
    assert!(crate::places::socket_candidates(&around).contains(&usual.paths.socket));
}

#[test]
fn without_a_home_every_place_must_be_said() {
    let around = Surroundings { home: None, ..around(Path::new("/nowhere")) };
    let error = Config::load(&flags(&["--jobs-dir", "/j"]), &around).unwrap_err();
    assert_eq!(error.to_string(), "the user alice has no home directory");
    assert!(error.hint().unwrap().contains("--state-dir"));
    let config = Config::load(&flags(&["--jobs-dir", "/j", "--state-dir", "/s"]), &around).unwrap();
    assert_eq!(config.paths.socket, Path::new("/s/jobsd.sock"));
}

#[test]
fn socket_paths_have_a_limit() {
    let home = tempfile::tempdir().unwrap();
    let long = format!("/{}", "x".repeat(SOCKET_PATH_LIMIT - 1));
    assert!(Config::load(&flags(&["--socket", &long]), &around(home.path())).is_ok());
    for (flag, path) in [("--socket", format!("{long}x")), ("--state-dir", long)] {
        let error = Config::load(&flags(&[flag, &path]), &around(home.path())).unwrap_err();
        let ConfigError::SocketTooLong { length, flag: hinted, .. } = &error else { panic!("{error}") };
        assert!(*length > SOCKET_PATH_LIMIT);
        assert_eq!(*hinted, if flag == "--socket" { "--socket" } else { "--supervisor-socket" });
    }
}

#[test]
fn a_file_that_is_asked_for_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing.toml");
    let flags = Flags { config: Some(missing.clone()), ..Flags::default() };
    let error = Config::load(&flags, &around(home.path())).unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { path, .. } if *path == missing), "{error}");
}

#[test]
fn faults_of_the_file_are_told_like_those_of_jobs() {
    for (text, expected) in [
        ("jobs_dri = '/x'", "line 1: unknown key \"jobs_dri\""),
        ("jobs_dir = 'x'", "line 1: `jobs_dir` must be an absolute path"),
        ("log = 'loud'", "line 1: `log` cannot be \"loud\""),
        ("trust_owners = 7", "line 1: `trust_owners` cannot be an integer"),
        ("trust_owners = ['x']", "line 1: `trust_owners[0]` cannot be a string"),
        ("[access]\ngroup = 'x'", "line 2: unknown key \"access.group\""),
        ("access = 1", "line 1: `access` cannot be an integer"),
        ("defaults = 1", "line 1: `defaults` cannot be an integer"),
        ("[defaults]\ntimeuot = '1h'", "line 2: unknown key \"timeuot\""),
        ("[defaults]\ncommand = 'x'", "line 2: unknown key \"command\""),
        ("[defaults]\nuser = 'root'", "line 2: `user` cannot be \"root\": this jobsd runs as alice, not as root"),
        (
            "[defaults]\nretry = { delay = '1h', max_delay = '1m' }",
            "line 2: `retry.max_delay` is shorter than `retry.delay`",
        ),
        ("[defaults]\ntimezone = 'Mars'", "line 2: there is no time zone \"Mars\" in the IANA database"),
        ("log = ", "line 1: this is no value"),
    ] {
        assert_eq!(file_fault(text).summary(), expected, "{text}");
    }
    let secret = file_fault("[defaults.environment]\nTOKEN = 'hunter2'\nB = 5\n[defaults]\nenvironment = 'hunter2'");
    assert!(!secret.plain().contains("hunter2"), "{}", secret.plain());
}

#[test]
fn defaults_that_fit_only_some_jobs_are_no_fault() {
    let home = tempfile::tempdir().unwrap();
    let text = "[defaults]\nmax_concurrent = 3\nshell = '/bin/bash'\ncatch_up = 'none'\ncatch_up_window = '1d'\nretry.delay = '1m'";
    write(&home.path().join(".config/jobsd/jobsd.toml"), text);
    assert!(Config::load(&flags(&[]), &around(home.path())).is_ok());
}

#[test]
fn the_layout_of_defaults_does_not_change_them() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/jobsd/jobsd.toml");
    let defaults = |text: &str| {
        write(&file, text);
        Config::load(&flags(&[]), &around(home.path())).unwrap().reading.defaults
    };
    assert_eq!(
        defaults("[defaults]\ntimeout = '1h'"),
        defaults("# more\nlog = 'warn'\ndefaults   = { timeout = \"1h\" } # one")
    );
}

#[test]
fn access_names_users_and_groups_that_exist() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/jobsd/jobsd.toml");
    for (text, fault) in [
        ("access.operator = { groups = ['no-such-group'] }", "there is no group \"no-such-group\""),
        ("access.viewer = { users = ['no-such-user'] }", "there is no user \"no-such-user\""),
    ] {
        write(&file, text);
        let error = Config::load(&flags(&[]), &around(home.path())).unwrap_err();
        assert_eq!(error.to_string(), fault);
        assert!(error.hint().unwrap().contains(&file.display().to_string()));
    }
    write(
        &file,
        "[access]\nadmin = { users = ['root', 7] }\noperator.groups = ['root']\nviewer = {}\nown_jobs = 'view'",
    );
    let access = Config::load(&flags(&[]), &around(home.path())).unwrap().access;
    assert_eq!(access.admin, members(&[(0, "root"), (7, "7")], &[]));
    assert_eq!(access.operator, members(&[], &[(0, "root")]));
    assert_eq!((access.viewer, access.own_jobs), (Members::default(), OwnJobs::View));
}

fn members(users: &[(u32, &str)], groups: &[(u32, &str)]) -> Members {
    let map = |said: &[(u32, &str)]| said.iter().map(|&(number, name)| (number, name.to_owned())).collect();
    Members { users: map(users), groups: map(groups) }
}

#[test]
fn the_socket_is_as_open_as_the_rules_need() {
    let none = AccessRules::default;
    let group = |gid| members(&[], &[(gid, "a")]);
    for (rules, expected) in [
        (none(), Audience::Daemon),
        (AccessRules { operator: group(7), ..none() }, Audience::Group(7)),
        (AccessRules { operator: group(7), viewer: group(7), ..none() }, Audience::Group(7)),
        (AccessRules { operator: group(7), viewer: group(8), ..none() }, Audience::Everybody),
        (AccessRules { admin: members(&[(1000, "a")], &[]), ..none() }, Audience::Everybody),
        (AccessRules { own_jobs: OwnJobs::View, ..none() }, Audience::Everybody),
        (AccessRules { operator: group(7), own_jobs: OwnJobs::Operate, ..none() }, Audience::Everybody),
    ] {
        assert_eq!(rules.audience(), expected, "{rules:?}");
    }
}

#[test]
fn faults_of_access() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/jobsd/jobsd.toml");
    for (text, fault) in [
        ("access.operator_group = 'x'", "write it as operator = { groups"),
        ("access.users = ['x']", "say which role they have"),
        ("access.own_jobs = 'all'", "none"),
        ("access.admin = ['root']", "expected { users"),
        ("access.admin.users = 'root'", "expected a list of names or numbers"),
        ("access.viewer.users = ['a b']", "cannot be the name"),
    ] {
        write(&file, text);
        let error = Config::load(&flags(&[]), &around(home.path())).unwrap_err();
        let ConfigError::Faulty(faults) = &error else { panic!("{text}: {error}") };
        assert!(faults.plain().contains(fault), "{text}: {}", faults.plain());
    }
}

#[test]
fn every_key_is_on_the_manual_page() {
    let page = include_str!("../../../man/jobsd.toml.5").replace("\\-", "-");
    let home = tempfile::tempdir().unwrap();
    let text = "[access]\nadmin.users = [0]\noperator.users = [0]\nviewer.users = [0]\n[notify]\ntimeout = '1s'\n[output]\ntotal = '1GiB'";
    write(&home.path().join(".config/jobsd/jobsd.toml"), text);
    let keys = crate::spec::asked_keys(|| {
        Config::load(&flags(&[]), &around(home.path())).unwrap();
    });
    assert!(keys.contains("access.viewer.users") && keys.contains("notify.sendmail"), "{keys:?}");
    for key in keys {
        assert!(page.contains(&key), "{key} is not in man/jobsd.toml.5");
    }
}

#[test]
fn a_file_that_others_may_change() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/jobsd/jobsd.toml");
    write(&file, "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
    let error = Config::load(&flags(&[]), &around(home.path())).unwrap_err();
    assert!(matches!(error, ConfigError::Distrusted { reason: Distrust::Writable { .. }, .. }), "{error}");
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run further: only root can give a file to somebody else");
        return;
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    chown(&file, Some(54_321), None).unwrap();
    let error = Config::load(&flags(&[]), &around(home.path())).unwrap_err();
    assert!(error.hint().unwrap().contains("--trust-owner 54321"), "{error}");
    assert!(Config::load(&flags(&["--trust-owner", "54321"]), &around(home.path())).is_ok());
}

#[test]
fn every_key_is_in_the_man_page_and_nothing_else() {
    let page = include_str!("../../../man/jobsd.toml.5");
    let tables = ["access", "notify", "output"];
    let text = tables.map(|table| format!("[{table}]\n")).concat();
    let read = crate::spec::asked_keys(|| {
        let home = tempfile::tempdir().unwrap();
        write(&home.path().join("jobsd.toml"), &text);
        let flags = Flags { config: Some(home.path().join("jobsd.toml")), ..Flags::default() };
        Config::load(&flags, &around(home.path())).unwrap();
    });
    let read = read.iter().map(String::as_str).filter(|key| !tables.contains(key));
    let told = page.lines().filter_map(|line| line.strip_prefix(".BR ").or(line.strip_prefix(".B [")));
    let told =
        told.filter(|line| line.contains('=') || line.ends_with(']')).filter_map(|line| line.split([' ', ']']).next());
    assert_eq!(read.collect::<BTreeSet<_>>(), told.collect::<BTreeSet<_>>());
}

#[test]
fn the_packaged_file_is_good_with_and_without_what_it_proposes() {
    let packaged = include_str!("../../../packaging/jobsd.toml");
    let is_proposal = |line: &str| {
        let key = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).map(|(key, _)| key);
        key.is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let proposed: Vec<&str> = packaged.lines().map(|line| if is_proposal(line) { &line[2..] } else { line }).collect();
    assert!(proposed.iter().any(|line| line.starts_with("own_jobs = ")), "{proposed:?}");
    let context = crate::spec::fuzzing::context(Authority::Anybody);
    for text in [packaged, &proposed.join("\n")] {
        let read = ConfigFile::read(Path::new("/etc/jobsd/jobsd.toml"), text, &context);
        read.unwrap_or_else(|faults| panic!("{}", faults.plain()));
    }
}
