//! Output that goes to other programs of the machine: a real journal, and a socket where a syslog daemon would be.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use jobsd::run::AttemptEnd;
use jobsd::spec::OutputTo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::world::{PATIENCE, World, is_root, plan, read_pid, wait_for};

const JOURNALD: &str = "/usr/lib/systemd/systemd-journald";

/// A journal of its own: the program needs nothing of systemd but its directory below /run.
const WITH_JOURNAL: &str = "mkdir -p run/systemd/journal run/log
mount --bind run /run
/usr/lib/systemd/systemd-journald &
echo $! > journald.pid
for i in $(seq 500); do test -S /run/systemd/journal/socket && break; sleep 0.02; done";

/// Lines of every kind on standard output, a long one among them, then one on standard error.
const SPEAKS: &str =
    r"printf 'one\ntwo\0\377x\n'; head -c LENGTH /dev/zero | tr '\0' y; printf '\nend'; echo error >&2";

/// A running journal, which goes with the test.
struct Journal(Pid);

impl Drop for Journal {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGTERM).unwrap();
    }
}

fn speak(world: &World, to: OutputTo, length: usize) -> AttemptEnd {
    let mut plan = plan("speaks", &["sh", "-c", &SPEAKS.replace("LENGTH", &length.to_string())]);
    plan.output.to = to;
    world.run(&plan)
}

/// The entries of a run in a journal, oldest first.
fn entries(directory: &Path, run: &str) -> Vec<Value> {
    let mut command = Command::new("journalctl");
    command
        .args(["--quiet", "--all", "--no-pager", "--output=json"])
        .arg(format!("--directory={}", directory.display()));
    let said = command.arg(format!("JOBSD_RUN={run}")).output().unwrap();
    said.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// A field; what is no text is an array of bytes.
fn field(entry: &Value, name: &str) -> Vec<u8> {
    match &entry[name] {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(bytes) => bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect(),
        other => panic!("{name} is {other} in {entry}"),
    }
}

#[test]
fn a_real_journal_has_every_line_with_its_fields() {
    if !is_root("a_real_journal_has_every_line_with_its_fields") {
        return;
    }
    if !Path::new(JOURNALD).exists() {
        return eprintln!("a_real_journal_has_every_line_with_its_fields: not tested, because there is no {JOURNALD}");
    }
    let world = World::without_supervisor().behind(WITH_JOURNAL);
    let _journal = Journal(read_pid(&world.path("journald.pid")));
    let end = speak(&world, OutputTo::Journal, 100_000);
    assert_eq!((end.output.bytes, end.output.lost_bytes, end.output.to), (100_021, 0, OutputTo::Journal));
    let directory = world.path("run/log/journal");
    // Both ends of the output, and three parts of the long line.
    wait_for("the journal has written it down", || entries(&directory, "speaks/1").len() >= 7);
    let all = entries(&directory, "speaks/1");
    let of = |stream: &str| -> Vec<&Value> { all.iter().filter(|entry| entry["JOBSD_STREAM"] == stream).collect() };
    for (stream, priority) in [("stdout", "6"), ("stderr", "4")] {
        for entry in of(stream) {
            let fields =
                ["JOBSD_JOB", "JOBSD_RUN", "JOBSD_ATTEMPT", "SYSLOG_IDENTIFIER", "PRIORITY", "SYSLOG_FACILITY"];
            assert_eq!(fields.map(|name| &entry[name]), ["speaks", "speaks/1", "1", "speaks", priority, "9"]);
        }
    }
    let texts: Vec<Vec<u8>> = of("stdout").iter().map(|entry| field(entry, "MESSAGE")).collect();
    assert_eq!(texts[..2], [b"one".to_vec(), b"two\0\xffx".to_vec()]);
    assert_eq!(texts[2..texts.len() - 1].concat(), vec![b'y'; 100_000]);
    assert_eq!(texts.last().unwrap(), b"end");
    let errors: Vec<Vec<u8>> = of("stderr").iter().map(|entry| field(entry, "MESSAGE")).collect();
    assert_eq!(errors, [b"error".to_vec()]);
    // Nothing else was said in the run's name.
    assert_eq!(all.len(), texts.len() + errors.len());
}

/// A /dev of its own, in which the log is a socket of ours.
const WITH_SYSLOG: &str = "mkdir dev
mount -t tmpfs none dev
cp -a /dev/null /dev/zero /dev/urandom dev/
ln -s /proc/self/fd dev/fd
touch dev/log
mount --bind log dev/log
mount --move dev /dev";

#[test]
fn a_syslog_daemon_hears_every_line() {
    /// Five datagrams: with the other four fewer than the kernel keeps for who does not listen yet (net.unix.max_dgram_qlen, 10).
    const LENGTH: usize = 40_000;
    if !is_root("a_syslog_daemon_hears_every_line") {
        return;
    }
    let world = World::without_supervisor();
    let socket = UnixDatagram::bind(world.path("log")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let world = world.behind(WITH_SYSLOG);
    let listener = std::thread::spawn(move || {
        let mut heard: Vec<Vec<u8>> = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let whole = |heard: &[Vec<u8>]| {
            heard.iter().filter(|text| text.ends_with(b": end") || text.ends_with(b": error")).count() == 2
        };
        while !whole(&heard) {
            let length = socket.recv(&mut buffer).expect("all of it comes");
            heard.push(buffer[..length].to_vec());
        }
        heard
    });
    let end = speak(&world, OutputTo::Syslog, LENGTH);
    let heard = listener.join().unwrap();
    assert_eq!((end.output.bytes, end.output.lost_bytes, end.output.to), (LENGTH as u64 + 21, 0, OutputTo::Syslog));
    let of = |priority: &str| -> Vec<Vec<u8>> {
        let said = heard.iter().filter(|text| text.starts_with(priority.as_bytes()));
        // <78>Nov 21 20:00:00 speaks[1]: text
        said.map(|text| {
            let mark = b" speaks[1]: ";
            let place = text.windows(mark.len()).position(|window| window == mark).expect("a tag");
            assert_eq!(place, priority.len() + "Nov 21 20:00:00".len());
            text[place + mark.len()..].to_vec()
        })
        .collect()
    };
    let texts = of("<78>");
    assert_eq!(texts[..2], [b"one".to_vec(), b"two#000\xffx".to_vec()]);
    assert_eq!(texts[2..texts.len() - 1].concat(), vec![b'y'; LENGTH]);
    assert_eq!(texts.last().unwrap(), b"end");
    assert_eq!(of("<76>"), [b"error".to_vec()]);
}
