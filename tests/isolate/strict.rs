//! The profiles: what they forbid, and that honest work goes on.

use std::fs;

use jobsd::spec::{Identity, Isolation, ProcessSpec, Profile};

use crate::world::is_root;
use crate::{job, open_world, run, worlds};

fn profile(profile: Profile) -> ProcessSpec {
    ProcessSpec { isolation: Isolation::of_profile(profile), ..ProcessSpec::default() }
}

/// What jobs do all day.
const HONEST: &str = "set -e; cd /tmp; mkdir a; echo text > a/b; cp a/b a/c; mv a/c d; ln -s d e; chmod 600 d; \
    tar cf t.tar a; tar tf t.tar | wc -l; seq 1000 | sort -rn | head -1; date > /dev/null; id > /dev/null; \
    sleep 0.01 & wait; kill -0 $$; (exit 0); mktemp > /dev/null; echo x | tee /dev/null; echo e >&2; df / > /dev/null; \
    getent hosts localhost > /dev/null; ls /proc/self/fd > /dev/null; nice true; timeout 5 true; echo done";

#[test]
fn honest_work_goes_on() {
    for (who, world) in worlds("honest_work_goes_on") {
        for (name, level) in [("none", Profile::None), ("basic", Profile::Basic), ("strict", Profile::Strict)] {
            let line =
                if level == Profile::None { HONEST.replace("cd /tmp", "cd $(mktemp -d)") } else { HONEST.to_owned() };
            let printed = run(&world, &job(name, &line, profile(level))).good();
            assert_eq!(printed.replace("e\n", ""), "2\n1000\nx\ndon", "{who}: {name}: {printed}");
        }
    }
}

/// Programs of everyday work, with what each prints last when it works. Each begins in a directory of its own.
const PROGRAMS: [(&str, &str, &str); 16] = [
    (
        "python3",
        "printf 'import threading, multiprocessing, tempfile, subprocess, os\ndef f(): pass\nt = [threading.Thread(target=f) for \
         _ in range(8)]\n[x.start() for x in t]\n[x.join() for x in t]\np = multiprocessing.Process(target=f)\np.start()\np.join()\n\
         tempfile.TemporaryFile().write(b\"x\")\nprint(subprocess.check_output([\"echo\", \"python\"]).decode().strip(), \
         p.exitcode)\n' > p.py; /usr/bin/python3 p.py",
        "python 0",
    ),
    (
        "perl",
        "perl -MTime::HiRes=ualarm -e 'open F, \">x\"; print F 1; close F; $SIG{ALRM} = sub { print \"perl\\n\"; exit }; ualarm 20000; sleep 5'",
        "perl",
    ),
    (
        "git",
        "git init -q a && cd a && echo 1 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm one && cd .. && \
         git clone -q a b && git -C b log --format=%s && git -C b gc -q",
        "one",
    ),
    (
        "tar",
        "mkdir d && seq 50000 > d/f && tar czf d.tgz d && rm -r d && tar xzf d.tgz && md5sum d/f | cut -c -6",
        "c1d4ba",
    ),
    ("gzip", "seq 50000 | gzip -9 | gunzip | tail -n 1", "50000"),
    (
        "sqlite3",
        "sqlite3 db 'pragma journal_mode = wal; create table t (x); insert into t values (7); select x from t'",
        "7",
    ),
    ("sort", "seq 200000 | sort -R --parallel=2 -S 1M -T . | sort -n -S 1M -T . | tail -n 1", "200000"),
    ("awk", "seq 100 | awk '{ s += $1 } END { print s }' | sed s/5050/sum/ | tr a-z A-Z", "SUM"),
    ("ps", "ps -e -o comm= | grep -c '^ps$'; ps aux > /dev/null; pgrep -x bash > /dev/null && echo seen", "seen"),
    ("getent", "getent hosts localhost > /dev/null && getent passwd root | cut -d : -f 1", "root"),
    ("xargs", "seq 20 | xargs -P 4 -n 1 sh -c 'echo $0' | wc -l", "20"),
    ("find", "mkdir -p a/b && touch a/b/c && find . -name c -newermt 2020-01-01 -exec stat -c %s {} +", "0"),
    ("flock", "flock lock sh -c 'flock -n lock true || echo held'", "held"),
    ("openssl", "openssl rand -hex 4 | tr -d '\\n' | wc -c", "8"),
    ("rsync", "mkdir s && echo x > s/f && rsync -a s/ t/ && cat t/f", "x"),
    (
        "bash",
        "coproc cat; echo co >&${COPROC[1]}; read -r x <&${COPROC[0]}; diff <(echo $x) <(echo co) && mkfifo p && { echo fifo > p & cat p; }",
        "fifo",
    ),
];

#[test]
fn everyday_programs_work_under_strict() {
    for (who, world) in worlds("everyday_programs_work_under_strict") {
        for (program, line, last) in PROGRAMS {
            let line = format!("cd $(mktemp -d) && export HOME=$PWD && {line}");
            let mut plan = job(program, &line, profile(Profile::Strict));
            plan.argv[0] = "bash".to_owned();
            let result =
                run(&world, &job(&format!("has-{program}"), &format!("command -v {program}"), profile(Profile::None)));
            if result.code() != 0 {
                eprintln!("everyday_programs_work_under_strict: {program} is not tested, because it is not installed");
                continue;
            }
            let printed = run(&world, &plan).good();
            assert_eq!(printed.lines().last(), Some(last), "{who}: {program}: {printed}");
        }
    }
}

/// A server of this machine, reached by name and number, with a program that knows HTTP.
#[test]
fn the_network_is_there_under_strict() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut asked = [0; 1024];
            let length = connection.read(&mut asked).unwrap();
            connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved").unwrap();
            if asked[..length].starts_with(b"GET /last") {
                return;
            }
        }
    });
    for (who, world) in worlds("the_network_is_there_under_strict") {
        if run(&world, &job("has", "command -v curl", profile(Profile::None))).code() != 0 {
            eprintln!("the_network_is_there_under_strict: not tested, because there is no curl");
            continue;
        }
        let line = format!(
            "curl -fsS --noproxy '*' http://127.0.0.1:{port}/ && curl -fsS --noproxy '*' http://localhost:{port}/"
        );
        assert_eq!(run(&world, &job("fetches", &line, profile(Profile::Strict))).good(), "servedserved", "{who}");
    }
    write!(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap(), "GET /last HTTP/1.0\r\n\r\n").unwrap();
    server.join().unwrap();
}

/// What a program does about signals and time goes on within the arrangement.
#[test]
fn signals_and_timers_work_under_strict() {
    for (who, world) in worlds("signals_and_timers_work_under_strict") {
        let line = "trap 'echo told' USR1; (sleep 0.05; kill -USR1 $$) & wait; timeout -s INT 0.1 sleep 5; echo $?; \
                    sleep 100 & kill $!; wait $! 2> /dev/null; echo $?";
        let printed = run(&world, &job("signals", line, profile(Profile::Strict))).good();
        assert!(printed.starts_with("told\n") && printed.ends_with("124\n143\n"), "{who}: {printed}");
    }
}

#[test]
fn a_strict_job_gets_nowhere() {
    let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let attempts = [
        ("mounts", "mount -t tmpfs none /mnt"),
        ("remounts", "mount -o remount,rw /"),
        ("unmounts", "umount /tmp"),
        ("core-pattern", "echo '|/bin/sh' > /proc/sys/kernel/core_pattern"),
        ("sysrq", "echo h > /proc/sysrq-trigger"),
        ("cgroup", "echo $$ > /sys/fs/cgroup/unified/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs"),
        ("device", "mknod /tmp/disk b 254 0"),
        ("namespace", "unshare -m true"),
        ("clock", "date -s 12:00"),
        ("module", "modprobe loop"),
        ("hostname", "hostname elsewhere"),
        ("packet", "bash -c 'exec 3<>/dev/raw'"),
        ("etc", "touch /etc/x"),
        ("var", "touch /var/lib/x"),
        ("home", "touch /root/x"),
        ("chroot", "chroot / true"),
        ("kmsg", "dmesg"),
    ];
    for (who, world) in worlds("a_strict_job_gets_nowhere") {
        for (name, line) in attempts {
            let result = run(&world, &job(name, line, profile(Profile::Strict)));
            assert_ne!(result.code(), 0, "{who}: {name}: {}", result.printed);
        }
    }
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
}

#[test]
fn a_strict_job_of_an_ordinary_user_is_started_by_root() {
    if !is_root("a_strict_job_of_an_ordinary_user_is_started_by_root") {
        return;
    }
    let world = open_world();
    let line =
        "id -un; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; touch /tmp/x && echo ok";
    let mut plan = job("nobody", line, profile(Profile::Strict));
    plan.identity = Identity { user: Some("nobody".into()), group: None };
    let printed = run(&world, &plan).good();
    assert_eq!(printed, "nobody\nCapEff:0000000000000000\nNoNewPrivs:1\nSeccomp:2\nok\n");
}

#[test]
fn nothing_of_the_supervisor_reaches_an_isolated_job() {
    for (who, world) in worlds("nothing_of_the_supervisor_reaches_an_isolated_job") {
        let other = job("other", "sleep 1000", profile(Profile::Strict));
        world.launch(&other);
        world.started(&other.attempt);
        let printed = run(&world, &job("fds", "ls /proc/self/fd", profile(Profile::Strict))).good();
        // The listing itself takes 3.
        assert_eq!(printed, "0\n1\n2\n3\n", "{who}");
        // The first process cannot be looked into, let alone be traced.
        let shot = "kill -9 1; kill -STOP 1; kill -TERM 1; (setsid true &); sleep 0.02; echo alive";
        assert_eq!(run(&world, &job("shot", shot, profile(Profile::Strict))).good(), "alive\n", "{who}");
        let look = "(readlink /proc/1/fd/* /proc/1/exe; head -c 1 /proc/1/environ; head -c 1 /proc/1/mem) 2> /dev/null | wc -c";
        assert_eq!(run(&world, &job("first", look, profile(Profile::Strict))).good(), "0\n", "{who}");
    }
}
