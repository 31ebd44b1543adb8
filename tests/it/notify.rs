//! Messages, with a program in sendmail's place.

use serde_json::Value;

use crate::harness::World;

/// Keeps each mail in a file of its own.
const SENDMAIL: &str = "#!/bin/sh\n[ \"$*\" = '-i -t' ] || exit 64\ncat > \"$DIR/out/mail.$$\" && mv \"$DIR/out/mail.$$\" \"$DIR/out/$$.mail\"\n";

fn mails(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.path("out")).expect("the directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let of = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "mail");
    paths.filter(of).map(|path| std::fs::read_to_string(path).expect("a mail")).collect()
}

fn notices(world: &World) -> Value {
    world.json_any(&["health"])["notices"].clone()
}

fn with_sendmail(script: &str, more: &str) -> World {
    let world = World::new();
    world.script("sendmail", script);
    world.configure(&format!("[notify]\nsendmail = \"$DIR/sendmail\"\n{more}"));
    world
}

#[test]
fn a_failure_is_mailed_with_the_end_of_the_output() {
    let mut world = with_sendmail(SENDMAIL, "");
    world.job(
        "a",
        "command = 'echo first; echo last words >&2; exit 3'\n[notify]\non_failure = [{ mail = 'ops@example.org' }]",
    );
    world.start();
    let run = world.run("a");
    world.finished(&run);
    let mail = world.wait_for("the mail", || mails(&world).pop());
    let (head, text) = mail.split_once("\n\n").expect("a head and a text");
    for line in [
        "To: ops@example.org",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=UTF-8",
        "X-Jobsd-Job: a",
        "X-Jobsd-Run: a/1",
        "X-Jobsd-Event: failure",
        "X-Jobsd-Outcome: failed",
    ] {
        assert!(head.lines().any(|found| found == line), "{line:?} is missing in:\n{mail}");
    }
    let subject = head.lines().find(|line| line.starts_with("Subject: ")).expect("a subject");
    assert!(subject.ends_with(" a: failed with exit code 3"), "{subject}");
    assert!(text.ends_with("\nfirst\nlast words\n"), "{text}");
    world.wait_for("the outbox to be empty", || (notices(&world)["waiting"] == 0).then_some(()));
    assert_eq!(notices(&world)["delivered"], 1);
    // A success is not told of, and the way to the mail is no run of its own.
    assert!(world.json(&["list"]).as_array().expect("an array").iter().all(|job| job["name"] == "a"));
}

#[test]
fn a_command_has_the_facts_and_nothing_of_the_jobs_variables() {
    let mut world = World::new();
    world.script(
        "page",
        "#!/bin/sh\n{ env; echo ---; cat; } > \"$DIR/out/page.new\" && mv \"$DIR/out/page.new\" \"$DIR/out/page\"\n",
    );
    world.job("a", "command = 'echo hello; exit 3'\nenvironment = { SECRET = 'x' }\n[notify]\non_failure = [{ command = ['$DIR/page'] }]");
    world.start();
    let run = world.run("a");
    world.finished(&run);
    let lines = world.wait_for("the program", || Some(world.lines("out/page")).filter(|lines| !lines.is_empty()));
    let has = |line: &str| lines.iter().any(|found| found == line);
    for line in [
        "JOBSD_JOB=a",
        "JOBSD_RUN=a/1",
        "JOBSD_EVENT=failure",
        "JOBSD_OUTCOME=failed",
        "JOBSD_EXIT_CODE=3",
        "JOBSD_TRIGGER=manual",
        "JOBSD_SUMMARY=failed with exit code 3",
        "JOBSD_DELIVERY=1",
        "hello",
    ] {
        assert!(has(line), "{line:?} is missing in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.starts_with("SECRET=")), "{lines:#?}");
}

#[test]
fn an_engine_that_is_killed_while_a_message_is_under_way_delivers_it_once() {
    let mut world = with_sendmail(
        "#!/bin/sh\necho begun >> \"$DIR/out/begun\"\nwhile [ ! -e \"$DIR/out/go\" ]; do sleep 0.05; done\ncat > /dev/null\necho sent >> \"$DIR/out/sent\"\n",
        "",
    );
    world.job("a", "command = 'false'\n[notify]\non_failure = [{ mail = 'root' }]");
    world.start();
    let run = world.run("a");
    world.finished(&run);
    world.wait_for("the mail to be begun", || (!world.lines("out/begun").is_empty()).then_some(()));
    world.kill();
    world.start();
    assert_eq!(notices(&world)["waiting"], 1);
    std::fs::write(world.path("out/go"), "").expect("a file");
    world.wait_for("the outbox to be empty", || (notices(&world)["waiting"] == 0).then_some(()));
    assert_eq!((world.lines("out/begun").len(), world.lines("out/sent").len()), (1, 1), "it is not started twice");
}

#[test]
fn a_sendmail_that_hangs_is_stopped_and_holds_no_run() {
    let mut world = with_sendmail("#!/bin/sh\nexec sleep 1000\n", "timeout = \"300ms\"\n");
    world.job("a", "command = 'false'\n[notify]\non_failure = [{ mail = 'root' }]");
    world.start();
    for number in 1..=3 {
        let run = world.run("a");
        assert_eq!(run, format!("a/{number}"));
        world.finished(&run);
    }
    world.wait_for("the failed deliveries to be told", || (notices(&world)["failing"] == 3).then_some(()));
    let health = world.jobctl(&["health"]);
    assert_eq!(health.status.code(), Some(1));
    let told = String::from_utf8_lossy(&health.stdout).into_owned();
    assert!(told.contains("messages 3 waiting, 3 of them after a failed delivery"), "{told}");
}

#[test]
fn a_test_message_tells_what_the_program_says() {
    let mut world = with_sendmail("#!/bin/sh\ncat > /dev/null\necho 'no route to mail.example.org' >&2\nexit 75\n", "");
    world.job(
        "a",
        "command = 'true'\n[notify]\non_failure = [{ mail = 'ops' }]\non_success = [{ command = ['/bin/true'] }]",
    );
    world.job("silent", "command = 'true'");
    world.start();
    let test = world.jobctl(&["notify", "test", "a", "--event", "on_failure"]);
    let told = String::from_utf8_lossy(&test.stdout).into_owned();
    assert_eq!(test.status.code(), Some(1), "{told}{}", world.log());
    assert!(told.contains("mail ops") && told.contains("code 75") && told.contains("no route to mail"), "{told}");
    assert_eq!(
        world.ok(&["notify", "test", "a", "--event", "on_success"]).trim(),
        "on_success  command /bin/true  succeeded"
    );
    assert_eq!(world.json_any(&["notify", "test", "a"])["deliveries"].as_array().expect("a list").len(), 2);
    let nobody = world.jobctl(&["notify", "test", "silent"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("hint: add one"), "{nobody:?}");
    assert_eq!((&notices(&world)["given_up"], &notices(&world)["waiting"]), (&0.into(), &0.into()));
}

#[test]
fn defaults_tell_of_every_job_and_a_job_can_be_silent() {
    let mut world = with_sendmail(SENDMAIL, "[defaults.notify]\non_failure = [{ mail = 'all@example.org' }]\n");
    world.job("loud", "command = 'false'");
    world.job("silent", "command = 'false'\n[notify]\non_failure = []");
    world.start();
    for job in ["silent", "loud"] {
        let run = world.run(job);
        world.finished(&run);
    }
    world.wait_for("the mail", || (notices(&world)["delivered"] == 1).then_some(()));
    let mails = mails(&world);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("X-Jobsd-Job: loud"), "{}", mails[0]);
    assert!(world.ok(&["show", "loud"]).contains("on_failure: mail all@example.org (from [defaults])"));
}

#[test]
fn a_job_without_a_success_is_overdue_until_the_next() {
    let mut world = with_sendmail(SENDMAIL, "");
    world.job("a", "command = 'exit $(cat $DIR/code)'\nalert_after = '1s'\n[notify]\non_missed = [{ mail = 'm' }]\non_recovery = [{ mail = 'r' }]");
    std::fs::write(world.path("code"), "1").expect("a file");
    world.start();
    world.wait_for("the job to be overdue", || {
        let job = world.json(&["list", "--failing"]).as_array().expect("an array").first().cloned();
        job.filter(|job| job["overdue_since"].is_string())
    });
    assert!(world.ok(&["list"]).contains("overdue"));
    assert!(world.ok(&["why", "a"]).contains("no success for 1s"));
    assert_eq!(world.jobctl(&["health"]).status.code(), Some(1));
    world.wait_for("the mail", || mails(&world).iter().any(|mail| mail.contains("no success within 1s")).then_some(()));
    world.kill();
    world.start();
    std::fs::write(world.path("code"), "0").expect("a file");
    let run = world.run("a");
    world.finished(&run);
    world.wait_for("the mail of the recovery", || {
        mails(&world).iter().any(|mail| mail.contains("succeeded again")).then_some(())
    });
    let missed = mails(&world).iter().filter(|mail| mail.contains("X-Jobsd-Event: missed")).count();
    // Another episode may have begun by now; a restart alone begins none.
    assert!((1..=2).contains(&missed), "{missed}");
}
