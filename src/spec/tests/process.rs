//! The keys about processes: what they mean, and what they must not say here.

use std::path::Path;

use super::*;

fn process(lines: &str) -> ProcessSpec {
    job(lines).process
}

/// Reads a file where something is missing.
fn where_there_is_no(feature: Feature, lines: &str) -> Result<JobSpec, Faults> {
    let machine = Machine { lacks: [(feature, "the kernel refuses".to_owned())].into(), ..Machine::default() };
    read_on(Authority::Anybody, machine, lines)
}

fn read_on(authority: Authority, machine: Machine, lines: &str) -> Result<JobSpec, Faults> {
    let context = ReadContext {
        path: "jobs.d/backup.toml".into(),
        authority,
        timezone: Zone::parse("UTC").unwrap(),
        machine,
        calendars: Default::default(),
    };
    let source = Source { text: format!("command = 'true'\n{lines}"), defaults: String::new() };
    read(&JobName::new("backup").unwrap(), &source, &context)
}

#[test]
fn a_job_that_says_nothing_asks_for_nothing() {
    assert_eq!(process(""), ProcessSpec::default());
    assert!(!process("").isolation.restricts());
}

#[test]
fn attributes() {
    let attributes = process(
        "umask = '0027'\nnice = -5\nio_class = 'best-effort:7'\ncpu_affinity = [0, '2-4']\ncpu_scheduling = 'fifo:10'\n\
         oom_score_adjust = -500\n[rlimits]\nnofile = '1024:4096'\ncore = 0\nstack = '16MiB'\nas = 'unlimited'",
    )
    .attributes;
    assert_eq!((attributes.umask, attributes.nice, attributes.oom_score_adjust), (Some(0o27), Some(-5), Some(-500)));
    assert_eq!(attributes.io, Some(IoPriority::BestEffort { level: 7 }));
    assert_eq!(attributes.cpu_affinity, Some([0, 2, 3, 4].into()));
    assert_eq!(attributes.cpu_scheduling, Some(CpuScheduling::Fifo { priority: 10 }));
    let limit = |name: &str| attributes.rlimits[&Rlimit::from_name(name).unwrap()];
    assert_eq!(limit("nofile"), RlimitValue { soft: 1024, hard: 4096 });
    assert_eq!(limit("core"), RlimitValue { soft: 0, hard: 0 });
    assert_eq!(limit("stack").soft, 16 << 20);
    assert_eq!(limit("as").hard, u64::MAX);
}

#[test]
fn inputs() {
    let inputs = process(
        "stdin = 'yes'\nenvironment_files = ['/etc/default/app', '-/etc/app']\npass_environment = ['TZ']\n\
         [credentials]\nkey = '/etc/key'\ntoken = { command = ['vault', 'read'] }\ncert = { systemd = 'tls' }",
    )
    .inputs;
    assert_eq!(inputs.stdin, Stdin::Text("yes".into()));
    assert_eq!(inputs.environment_files[1], EnvironmentFile { path: "/etc/app".into(), optional: true });
    assert_eq!(inputs.pass_environment, ["TZ".to_owned()].into());
    assert_eq!(inputs.credentials["key"], Credential::File("/etc/key".into()));
    assert_eq!(inputs.credentials["token"], Credential::Command(vec!["vault".into(), "read".into()]));
    assert_eq!(inputs.credentials["cert"], Credential::Systemd("tls".into()));
    assert_eq!(process("stdin = { file = '/in' }").inputs.stdin, Stdin::File("/in".into()));
}

#[test]
fn profiles_and_keys_on_top() {
    let strict = process("[isolation]\nprofile = 'strict'").isolation;
    assert_eq!(strict, Isolation::of_profile(Profile::Strict));
    let eased = process(
        "[isolation]\nprofile = 'strict'\nnetwork = 'loopback'\nprocesses_visible = true\nwritable = ['/var/backups/']\n\
         syscalls = ['@system-service', '~@privileged']\ncapabilities = ['CAP_CHOWN', 'kill']\nbind = ['/a:/b:ro']",
    )
    .isolation;
    assert_eq!((eased.network, eased.processes_visible), (Network::Loopback, true));
    assert_eq!(eased.writable, [Path::new("/var/backups")]);
    assert_eq!(eased.syscalls.denied, [SyscallGroup::Privileged].into());
    let names = ["chown", "kill"].map(|name| Capability::from_name(name).unwrap());
    assert_eq!(eased.capabilities, Capabilities::Given(names.into()));
    assert_eq!(eased.bind[0], Bind { source: "/a".into(), target: "/b".into(), read_only: true });
    assert!(eased.no_new_privileges && eased.private_tmp);
    for (keys, may) in [
        ("", true),
        ("profile = 'basic'", true),
        ("profile = 'strict'", false),
        ("profile = 'strict'\ncontrol_socket = true", true),
        ("control_socket = false", false),
    ] {
        assert_eq!(process(&format!("[isolation]\n{keys}")).isolation.control_socket, may, "{keys}");
    }
    assert_eq!(process("[isolation]\nnetwork = false").isolation.network, Network::None);
    // A filter takes that no rights are gained.
    assert!(process("[isolation]\nlock_personality = true").isolation.no_new_privileges);
}

#[test]
fn limits_with_their_units() {
    let limits = process(
        "[limits]\nmemory = '2GiB'\nmemory_swap = '0B'\ncpus = 1.5\nprocesses = 100\nio_weight = 50\n\
         io_read = { '/var' = '10MiB' }\nbest_effort = true",
    )
    .limits;
    assert_eq!((limits.memory_bytes, limits.memory_swap_bytes), (Some(2 << 30), Some(0)));
    assert_eq!((limits.cpu_millis, limits.processes, limits.io_weight), (Some(1500), Some(100), Some(50)));
    assert_eq!(limits.io_read[Path::new("/var")], 10 << 20);
    assert!(limits.best_effort);
    assert_eq!(process("[limits]\ncpus = 2").limits.cpu_millis, Some(2000));
}

#[test]
fn a_default_and_a_job_meet_key_by_key() {
    let defaults = "nice = 5\n[isolation]\nprofile = 'basic'\nhidden = ['/root']\n[rlimits]\ncore = 0\nnofile = 10";
    let spec =
        read_as_root("command = 'true'\n[isolation]\nprivate_tmp = false\n[rlimits]\nnofile = 20", defaults).unwrap();
    let ProcessSpec { attributes, isolation, .. } = spec.process;
    assert_eq!(attributes.nice, Some(5));
    let limit = |name: &str| attributes.rlimits[&Rlimit::from_name(name).unwrap()].soft;
    assert_eq!((limit("core"), limit("nofile")), (0, 20));
    assert!(!isolation.private_tmp && isolation.no_new_privileges && isolation.hidden == [Path::new("/root")]);
}

#[test]
fn what_cannot_be_is_said() {
    for (lines, message) in [
        ("umask = '9'", "is no umask"),
        ("nice = 20", "out of range"),
        ("io_class = 'fast'", "is no io class"),
        ("cpu_affinity = ['4-2']", "no range of processors"),
        ("cpu_scheduling = 'fifo'", "is no policy"),
        ("on_leftover = 'adopt'", "cannot be"),
        ("[rlimits]\nnofiles = 1", "unknown limit"),
        ("[rlimits]\nnofile = '5:4'", "above the hard one"),
        ("environment_files = ['app.env']", "no absolute path"),
        ("pass_environment = ['JOBSD_RUN']", "tell a run about itself"),
        ("[credentials]\n'../x' = '/etc/key'", "cannot be the name of a credential"),
        ("[credentials]\nkey = 'hunter2'", "no absolute path"),
        ("[credentials]\nkey = { file = '/a', systemd = 'b' }", "must have one source"),
        ("[isolation]\nprofile = 'paranoid'", "cannot be"),
        ("[isolation]\nnetwork = 'wifi'", "cannot be this"),
        ("[isolation]\nwritable = ['../x']", "no absolute path"),
        ("[isolation]\nhidden = ['/']", "what `filesystem` is about"),
        ("[isolation]\nhidden = ['/srv']\nwritable = ['/srv/a']", "lies below /srv"),
        ("[isolation]\nprivate_tmp = true\nwritable = ['/tmp/a']", "lies below /tmp"),
        ("working_directory = '/tmp/a'\n[isolation]\nprofile = 'basic'", "is not there for the job"),
        ("working_directory = '/srv/a'\n[isolation]\nhidden = ['/srv']", "is not there for the job"),
        ("[isolation]\nbind = ['/a']", "no pair of absolute paths"),
        ("[isolation]\nbind = ['/a:/tmp/../etc/b']", "no pair of absolute paths without `..`"),
        ("[isolation]\nbind = ['/a/..:/b']", "no pair of absolute paths without `..`"),
        ("[isolation]\nbind = ['/a:/']", "no pair of absolute paths"),
        ("[isolation]\nsyscalls = ['@everything']", "none of the groups"),
        ("[isolation]\ncapabilities = ['all']", "none of the capabilities"),
        ("[isolation]\nno_new_privileges = false\nlock_personality = true", "cannot be false"),
        ("[isolation]\nlevitate = true", "unknown key"),
        ("[limits]\nmemory = '1B'", "out of range"),
        ("[limits]\ncpus = 0", "out of range"),
        ("on_leftover = 'leave'\n[isolation]\nprocesses_visible = false", "sees no other processes"),
    ] {
        let faults = faults_of(lines);
        assert!(faults.iter().any(|fault| fault.contains(message)), "{lines}: {faults:?}");
    }
}

#[test]
fn a_working_directory_among_private_ones_is_one_that_is_there() {
    for lines in [
        "working_directory = '/tmp'\n[isolation]\nprofile = 'strict'",
        "working_directory = '/tmp/a/b'\n[isolation]\nprivate_tmp = true\nbind = ['/tmp/a:/tmp/a']",
        "working_directory = '/tmp/a'\ncreate_working_directory = true\n[isolation]\nprivate_tmp = true",
    ] {
        assert!(job(lines).working_directory.is_some());
    }
}

#[test]
fn a_source_of_a_credential_that_is_wrong_is_one_fault() {
    let faults = faults_of("[credentials]\nkey = { command = 'echo' }");
    assert_eq!(faults, ["3:19 'echo' -> `credentials.key.command` cannot be a string"]);
    assert_eq!(faults_of("[credentials]\nkey = { comand = ['echo'] }").len(), 2);
}

/// The way out that is named is one: the same file with it is good.
#[test]
fn a_path_in_a_private_directory_is_told_how_to_be_had() {
    let file = |lines: &str| format!("[isolation]\nprofile = 'strict'\n{lines}");
    for (lines, hint) in [
        ("writable = ['/tmp/a']", "bind = [\"/tmp/a:/tmp/a\"]"),
        ("read_only = ['/var/tmp/a']", "bind = [\"/var/tmp/a:/var/tmp/a:ro\"]"),
    ] {
        let faults = read_as_root(&format!("command = 'true'\n{}", file(lines)), "").unwrap_err();
        let told = faults.iter().next().unwrap().hint.clone().unwrap();
        assert!(told.contains(hint), "{told}");
        job(&file(hint));
    }
}

/// For each key that takes something of the machine a job that has it, and no other such key.
const DEMANDING: [(&str, &str); 23] = [
    ("isolation.private_tmp", "private_tmp = true"),
    ("isolation.private_devices", "private_devices = true"),
    ("isolation.filesystem", "filesystem = 'system-read-only'"),
    ("isolation.writable", "writable = ['/srv']"),
    ("isolation.read_only", "read_only = ['/srv']"),
    ("isolation.hidden", "hidden = ['/srv']"),
    ("isolation.bind", "bind = ['/a:/b']"),
    ("isolation.processes_visible", "processes_visible = false"),
    ("isolation.network", "network = 'loopback'"),
    ("isolation.network", "network = false"),
    ("isolation.hostname", "hostname = 'x'"),
    ("isolation.private_users", "private_users = true"),
    ("isolation.syscalls", "syscalls = ['~@mount']"),
    ("isolation.lock_personality", "lock_personality = true"),
    ("isolation.restrict_namespaces", "restrict_namespaces = true"),
    ("isolation.restrict_address_families", "restrict_address_families = ['unix']"),
    ("limits.memory", "memory = '1GiB'"),
    ("limits.memory_swap", "memory_swap = '1GiB'"),
    ("limits.processes", "processes = 5"),
    ("limits.cpus", "cpus = 1"),
    ("limits.io_weight", "io_weight = 5"),
    ("limits.io_read", "io_read = { '/var' = '1MiB' }"),
    ("limits.io_write", "io_write = { '/var' = '1MiB' }"),
];

#[test]
fn what_the_machine_cannot_do_is_a_fault_at_load() {
    for feature in Feature::ALL {
        for key in feature.keys() {
            let jobs: Vec<_> = DEMANDING.iter().filter(|(demanding, _)| demanding == key).collect();
            assert!(!jobs.is_empty(), "no job has {key}");
            for (_, line) in jobs {
                let lines = format!("[{}]\n{line}", key.split_once('.').unwrap().0);
                let faults = where_there_is_no(feature, &lines).expect_err(&lines).plain();
                for part in [&format!("`{key}`"), feature.name(), "the kernel refuses"] {
                    assert!(faults.contains(part), "{lines}: {faults}");
                }
                // What else the machine lacks is no fault of this job.
                for other in Feature::ALL.into_iter().filter(|other| *other != feature) {
                    assert!(where_there_is_no(other, &lines).is_ok(), "{lines} without {}", other.name());
                }
            }
        }
    }
    for profile in ["basic", "strict"] {
        let lines = format!("[isolation]\nprofile = '{profile}'");
        assert!(where_there_is_no(Feature::Mounts, &lines).is_err(), "{profile}");
    }
    let effort = "[limits]\nmemory = '1GiB'\nbest_effort = true";
    assert!(where_there_is_no(Feature::Controller(Controller::Memory), effort).is_ok());
}

/// A daemon of an ordinary user, on a machine that bounds it.
fn alice_reads(machine: &Machine, lines: &str) -> Result<JobSpec, Faults> {
    let account = Account { uid: 1000, user: "alice".into(), gid: 1000, group: "alice".into() };
    read_on(Authority::Only(account), machine.clone(), lines)
}

#[test]
fn an_ordinary_user_is_told_at_load_what_only_root_may() {
    let usual = Machine::default();
    for (beyond, within) in [
        ("user = 'root'", "user = 'alice'"),
        ("group = 'disk'", "group = 'alice'"),
        ("nice = -1", "nice = 0"),
        ("io_class = 'realtime'", "io_class = 'idle'"),
        ("io_class = 'realtime:7'", "io_class = 'best-effort:0'"),
        ("cpu_scheduling = 'round-robin:1'", "cpu_scheduling = 'batch'"),
        ("cpu_scheduling = 'fifo:1'", "cpu_scheduling = 'idle'"),
        ("oom_score_adjust = -1", "oom_score_adjust = 0"),
        ("[isolation]\ncapabilities = ['chown']", "[isolation]\ncapabilities = []"),
    ] {
        let faults = alice_reads(&usual, beyond).expect_err(beyond).plain();
        assert!(faults.contains("root"), "{faults}");
        assert!(alice_reads(&usual, within).is_ok(), "{within}");
        let lines = format!("command = 'true'\n{beyond}");
        assert!(read_as_root(&lines, "").is_ok(), "{beyond}");
    }
}

#[test]
fn what_an_ordinary_user_may_depends_on_what_the_daemon_was_given() {
    let bounded = Machine {
        hard_limits: Rlimit::all().map(|limit| (limit, 100)).collect(),
        least_nice: Some(5),
        least_oom_score: Some(200),
        ..Machine::default()
    };
    let favoured = Machine { least_nice: Some(-10), least_oom_score: Some(-100), ..Machine::default() };
    let mut cases = vec![
        (&bounded, "nice = 4".to_owned(), "nice = 5".to_owned()),
        (&bounded, "oom_score_adjust = 199".to_owned(), "oom_score_adjust = 200".to_owned()),
        (&favoured, "nice = -11".to_owned(), "nice = -10".to_owned()),
        (&favoured, "oom_score_adjust = -101".to_owned(), "oom_score_adjust = -100".to_owned()),
    ];
    cases.extend(Rlimit::all().flat_map(|limit| {
        let line = |value: &str| format!("[rlimits]\n{} = {value}", limit.name());
        [("101", "100"), ("'50:101'", "'50:100'"), ("'unlimited'", "50")]
            .map(|(beyond, within)| (&bounded, line(beyond), line(within)))
    }));
    for (machine, beyond, within) in cases {
        let faults = alice_reads(machine, &beyond).expect_err(&beyond).plain();
        assert!(faults.contains("only root may do that"), "{faults}");
        assert!(alice_reads(machine, &within).is_ok(), "{within}");
    }
}

#[test]
fn processors_that_are_not_there_are_a_fault() {
    let machine = |processors| Machine { processors, ..Machine::default() };
    let two = machine(Some([0, 1].into()));
    let faults = alice_reads(&two, "cpu_affinity = [0, \"1-3\"]").expect_err("there are no four").plain();
    assert!(faults.contains("`cpu_affinity` names processor 2, which this machine does not have"), "{faults}");
    assert!(faults.contains("it has 0 to 1;"), "{faults}");
    for (machine, line) in [(&two, "cpu_affinity = [0, 1]"), (&two, "nice = 5"), (&machine(None), "cpu_affinity = [7]")]
    {
        assert!(alice_reads(machine, line).is_ok(), "{line}");
    }
}

#[test]
fn secrets_do_not_show() {
    for lines in ["stdin = 'hunter2'\nnice = 99", "[credentials]\nkey = 'hunter2'"] {
        let faults = read_as_root(&format!("command = 'true'\n{lines}"), "").unwrap_err();
        assert!(!faults.plain().contains("hunter2"), "{}", faults.plain());
        assert!(!format!("{faults:?}").contains("hunter2"));
    }
    assert!(!format!("{:?}", process("stdin = 'hunter2'")).contains("hunter2"));
}
