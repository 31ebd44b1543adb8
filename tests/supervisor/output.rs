//! Output: every byte, in order, from whoever prints however much.

use std::fs;

use jobsd::output::{Filter, Missing, Output, Piece, Stream};

use crate::world::{World, is_root, plan, wait_for, wait_status};

fn pieces(world: &World, attempt: &jobsd::run::AttemptId) -> Vec<Piece> {
    Output::new(&world.attempt_dir(attempt)).read(0, Filter::default()).map(Result::unwrap).collect()
}

#[test]
fn bytes_are_kept_as_they_are_with_their_stream() {
    let world = World::new();
    let line = r"printf 'a\0b\377'; sleep 0.05; printf 'err\0\n' >&2; sleep 0.05; printf 'no newline'";
    let plan = plan("bytes", &["sh", "-c", line]);
    let end = world.run(&plan);
    let seen: Vec<(Stream, Vec<u8>, u64)> = pieces(&world, &plan.attempt)
        .into_iter()
        .map(|piece| match piece {
            Piece::Printed(chunk) => (chunk.stream, chunk.bytes, chunk.offset),
            missing => panic!("{missing:?}"),
        })
        .collect();
    let expected = [
        (Stream::Stdout, b"a\0b\xff".to_vec(), 0),
        (Stream::Stderr, b"err\0\n".to_vec(), 4),
        (Stream::Stdout, b"no newline".to_vec(), 9),
    ];
    assert_eq!(seen, expected);
    assert_eq!((end.output.bytes, end.output.cut_bytes, end.output.lost_bytes), (19, 0, 0));
}

#[test]
fn a_silent_attempt_costs_no_file() {
    let world = World::new();
    let plan = plan("silent", &["true"]);
    world.run(&plan);
    let names: Vec<_> =
        fs::read_dir(world.attempt_dir(&plan.attempt)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["record"]);
}

fn resident_bytes(pid: nix::unistd::Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// How much a test is to print: less, where a machine is short of time.
fn asked(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn much_output_neither_grows_the_supervisor_nor_holds_up_others() {
    let bytes = asked("JOBSD_TEST_OUTPUT_BYTES", 1 << 30);
    let world = World::new();
    let before = resident_bytes(world.pid());
    let mut loud = plan("loud", &["sh", "-c", &format!("head -c {bytes} /dev/zero")]);
    loud.output.limit_bytes = 1 << 20;
    world.launch(&loud);
    world.started(&loud.attempt);
    let mut others = 0;
    let end = loop {
        let other = plan(&format!("other{others}"), &["echo", "x"]);
        world.launch(&other);
        // Reports of the loud one may come between.
        let mut loud_end = None;
        loop {
            match world.report() {
                jobsd::run::Report::Ended { attempt, .. } if attempt == other.attempt => break,
                jobsd::run::Report::Ended { end, .. } => loud_end = Some(end),
                _ => {}
            }
        }
        assert_eq!(world.printed(&other.attempt), b"x\n");
        others += 1;
        if let Some(end) = loud_end {
            break end;
        }
    };
    assert!(others > 5, "{others} others ended while one was loud");
    assert_eq!((end.output.bytes, end.output.lost_bytes), (bytes, 0));
    let after = resident_bytes(world.pid());
    assert!(after < before + (4 << 20), "{before} → {after}");
    let dir = world.attempt_dir(&loud.attempt);
    let kept: u64 = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "record")
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(kept <= 1 << 20 && kept > 700 << 10, "{kept}");
    let gaps = pieces(&world, &loud.attempt)
        .into_iter()
        .filter(|piece| matches!(piece, Piece::Missing { why: Missing::Cut, .. }));
    assert_eq!(gaps.count(), 1);
}

#[test]
fn many_short_lines_are_all_there() {
    let world = World::new();
    let lines = asked("JOBSD_TEST_OUTPUT_LINES", 10_000_000);
    let mut plan = plan("lines", &["seq", "0", &(lines - 1).to_string()]);
    plan.output.limit_bytes = 1 << 30;
    let end = world.run(&plan);
    let bytes = |piece: Piece| match piece {
        Piece::Printed(chunk) => chunk.bytes,
        Piece::Missing { .. } => panic!("nothing is missing: {piece:?}"),
    };
    let printed: Vec<u8> = pieces(&world, &plan.attempt).into_iter().flat_map(bytes).collect();
    assert_eq!(end.output.bytes, printed.len() as u64);
    let mut expected = 0;
    for line in printed.split_inclusive(|&byte| byte == b'\n') {
        assert_eq!(line, format!("{expected}\n").as_bytes());
        expected += 1;
    }
    assert_eq!(expected, lines);
}

/// A small file system of its own, taken away when the test is over.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_loses_output_and_never_the_run() {
    if !is_root("a_full_disk_loses_output_and_never_the_run") {
        return;
    }
    let mut world = World::without_supervisor();
    let state = world.state_dir();
    fs::create_dir(&state).unwrap();
    let none: Option<&str> = None;
    nix::mount::mount(Some("tmpfs"), &state, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=256k").or(none))
        .unwrap();
    let disk = SmallDisk(state.clone());
    world.start();
    world.connect();
    let line = format!(
        "cd {}; head -c 100000 /dev/zero; echo > half; while [ ! -e go ]; do sleep 0.01; done; head -c 500000 /dev/zero; \
         echo > full; while [ ! -e on ]; do sleep 0.01; done; printf end; exit 3",
        world.path("").display()
    );
    let plan = plan("full", &["sh", "-c", &line]);
    world.launch(&plan);
    world.started(&plan.attempt);
    wait_for("half is printed", || world.path("half").exists());
    fs::write(world.path("go"), "").unwrap();
    wait_for("all is printed", || world.path("full").exists());
    // The disk is full now. Somebody makes room.
    let ballast = state.join("runs/full/1/1/0.out");
    wait_for("the first part is there", || fs::metadata(&ballast).is_ok_and(|file| file.len() > 0));
    nix::mount::mount(none, &state, none, nix::mount::MsFlags::MS_REMOUNT, Some("size=1m")).unwrap();
    fs::write(world.path("on"), "").unwrap();
    let end = world.ended(&plan.attempt);
    assert_eq!(wait_status(&end), 3 << 8);
    assert_eq!(end.output.bytes, 600_003);
    assert!(end.output.lost_bytes > 200_000, "{:?}", end.output);
    let pieces = pieces(&world, &plan.attempt);
    let lost: u64 = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Missing { bytes, why: Missing::Lost, .. } => *bytes,
            Piece::Missing { .. } => panic!("{piece:?}"),
            Piece::Printed(_) => 0,
        })
        .sum();
    assert_eq!(lost, end.output.lost_bytes);
    let Some(Piece::Printed(last)) = pieces.last() else { panic!("no last words") };
    assert_eq!((last.bytes.as_slice(), last.offset + 3), (&b"end"[..], 600_003));
    drop(world);
    drop(disk);
}
