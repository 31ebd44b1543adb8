//! What a run's processes are told, and how one run makes room for another.

use crate::harness::World;

/// Prints when it is asked to end, and does not; nor does a process of it that hides, forked twice and in another session.
const STUBBORN: &str = r#"
trap 'echo asked' TERM
(setsid sh -c 'trap "" TERM; echo $$ > $DIR/out/hidden.new; mv $DIR/out/hidden.new $DIR/out/hidden; exec sleep 1000' &)
while [ ! -e $DIR/out/hidden ]; do sleep 0.01; done
touch $DIR/out/ready
while [ ! -e $DIR/out/go ]; do sleep 0.02; done
"#;

/// Whether that very process is there: one that hides, under the number that it had.
fn lives(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x001000\0")
}

#[test]
fn a_newer_run_takes_an_older_ones_place_by_the_stop_ladder() {
    let mut world = World::new();
    let replace = "overlap = 'replace'\nstop_grace = '300ms'";
    world.job("stubborn", &format!("command = '''{STUBBORN}'''\n{replace}"));
    let tidy = "trap \"echo tidy; exit 0\" TERM; touch $DIR/out/tidy; while [ ! -e $DIR/out/go ]; do sleep 0.02; done";
    world.job("tidy", &format!("command = '{tidy}'\noverlap = 'replace'\nstop_grace = '100s'"));
    world.start();
    for (job, ready, rung, said) in [("stubborn", "ready", "kill", "asked\n"), ("tidy", "tidy", "signal", "tidy\n")] {
        let older = world.run(job);
        world.wait_for("the older run", || world.path(&format!("out/{ready}")).exists().then_some(()));
        let hidden = std::fs::read_to_string(world.path("out/hidden")).expect("a number");
        let newer = world.run(job);
        let replaced = world.finished(&older);
        assert_eq!(replaced["outcome"], "replaced", "{replaced}");
        let run = world.json(&["show", &older]);
        let attempt = &run["attempt_records"][0];
        assert_eq!(attempt["stop_rung"], rung, "{attempt}");
        // The shell may say beside it that its `sleep` was ended.
        assert!(world.ok(&["logs", &older, "--stdout"]).ends_with(said), "{job}");
        // The one begins when the other is over, with all of its processes.
        let started = world.wait_for("the newer run", || {
            world.json(&["show", &newer])["attempt_records"][0]["started_at"].as_str().map(str::to_owned)
        });
        assert!(!lives(hidden.trim()) || job != "stubborn", "it outlived its run");
        assert!(started.as_str() >= attempt["ended_at"].as_str().expect("an end"), "{started}: {attempt}");
    }
    std::fs::write(world.path("out/go"), "").expect("a file");
    for run in ["stubborn/2", "tidy/2"] {
        assert_eq!(world.finished(run)["outcome"], "succeeded", "{run}");
    }
}

#[test]
fn a_run_is_told_what_it_is() {
    let mut world = World::new();
    let print = "echo $JOBSD_JOB $JOBSD_RUN $JOBSD_ATTEMPT $JOBSD_TRIGGER ${JOBSD_SCHEDULED_AT-never}";
    world.job("timed", &format!("command = '{print}'\nschedule = 'every 1s'\noverlap = 'queue'"));
    let lies = "environment_files = ['$DIR/lies']\n[retry]\nattempts = 2\ndelay = '10ms'";
    std::fs::write(world.path("lies"), "JOBSD_RUN=a lie\nJOBSD_TRIGGER=another\n").expect("a file");
    world.job("asked", &format!("command = '{print}; test $JOBSD_ATTEMPT = 2'"));
    world.job("again", &format!("command = '{print}; test $JOBSD_ATTEMPT = 2'\n{lies}"));
    world.start();
    let scheduled = world.finished("timed/1")["scheduled_at"].as_str().expect("an instant").to_owned();
    let told = world.ok(&["logs", "timed/1"]);
    let at = told.strip_prefix("timed timed/1 1 schedule ").expect("four facts").trim().to_owned();
    let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339");
    assert_eq!(instant(&at), instant(&scheduled));
    let run = world.run("asked");
    assert_eq!(world.finished(&run)["outcome"], "failed");
    assert_eq!(world.ok(&["logs", &run]), "asked asked/1 1 manual never\n");
    // What a file of variables says of them is passed over; each attempt has a number of its own.
    let run = world.run("again");
    assert_eq!(world.finished(&run)["outcome"], "succeeded");
    assert_eq!(world.ok(&["logs", &run]), "again again/1 1 manual never\nagain again/1 2 manual never\n");
}

fn resident_kilobytes(pid: i64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A gigabyte of it, while another job goes on starting each second and somebody follows.
#[test]
fn a_loud_job_neither_grows_the_daemon_nor_holds_up_the_others() {
    let mut world = World::new();
    world.job("loud", "command = 'head -c 1073741824 /dev/zero'\n[output]\nlimit = '1MiB'");
    world.job("lines", "command = 'seq 10000000'\n[output]\nlimit = '4MiB'");
    world.job("tick", "command = 'echo tick'\nschedule = 'every 1s'\noverlap = 'allow'");
    world.start();
    world.finished("tick/1");
    let (engine, supervisor) = (i64::from(world.engine_pid()), i64::from(world.supervisor_pid()));
    let before = (resident_kilobytes(engine), resident_kilobytes(supervisor));
    let mut most = (0, 0);
    for job in ["loud", "lines"] {
        let (run, mut others) = (world.run(job), 0);
        // Every other run that is asked for meanwhile ends meanwhile.
        while world.json(&["show", &run])["outcome"].is_null() {
            let other = world.run("tick");
            assert_eq!(world.finished(&other)["outcome"], "succeeded");
            others += 1;
            most = (most.0.max(resident_kilobytes(engine)), most.1.max(resident_kilobytes(supervisor)));
        }
        assert_eq!(world.finished(&run)["outcome"], "succeeded");
        let output = world.json(&["show", &run])["attempt_records"][0]["output"].clone();
        // The sum of the digits of 1 to 10,000,000, and as many ends of lines.
        let printed: u64 = if job == "loud" { 1 << 30 } else { 78_888_897 };
        let (bytes, cut) = (output["bytes"].as_u64().expect("bytes"), output["cut_bytes"].as_u64().expect("cut"));
        assert_eq!(bytes, printed, "{output}");
        assert!(bytes - cut <= 4 << 20 && output["lost_bytes"] == 0, "{output}");
        let last = world.jobctl(&["logs", &run, "-n", "1"]).stdout;
        if job == "lines" {
            assert_eq!(last, b"10000000\n");
        }
        eprintln!("{job}: {others} other runs meanwhile; resident {before:?} KiB before, at most {most:?}");
        assert!(others > 1, "{job} held up the others");
    }
    let grown = (most.0.saturating_sub(before.0), most.1.saturating_sub(before.1));
    assert!(grown.0 < 16 << 10 && grown.1 < 4 << 10, "{grown:?} KiB more than {before:?}");
}
