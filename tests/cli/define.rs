//! Jobs that are created, edited and deleted from the command line.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use nix::pty::openpty;

use crate::world::World;

const GOOD: &str = "command = 'echo good'\nschedule = '0 3 * * *'\n";
const FAULTY: &str = "comand = 'x'\n";

/// An editor that does this with the file `$1`.
fn editor(world: &World, script: &str) -> String {
    let path = world.path("editor");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("an editor");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    path.display().to_string()
}

fn edit(world: &World, arguments: &[&str], script: &str) -> Output {
    let mut command = world.command(arguments);
    command.env("VISUAL", editor(world, script)).env("TMPDIR", world.path("out-of-the-way"));
    fs::create_dir_all(world.path("out-of-the-way")).expect("a directory");
    command.stdin(Stdio::null()).output().expect("jobctl runs")
}

/// The same at a terminal, where `answers` are typed; with everything that is said.
fn at_a_terminal(world: &World, arguments: &[&str], script: &str, answers: &str) -> (Option<i32>, String) {
    let terminal = openpty(None, None).expect("a terminal");
    let mut command = world.command(arguments);
    let slave = || terminal.slave.try_clone().expect("a descriptor");
    command.env("VISUAL", editor(world, script)).stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().expect("jobctl runs");
    drop((command, terminal.slave));
    let mut master = File::from(terminal.master);
    master.write_all(answers.as_bytes()).expect("typed");
    let mut said = Vec::new();
    // Linux ends the reading of a terminal that nobody holds with EIO.
    master.read_to_end(&mut said).ok();
    (child.wait().expect("it ends").code(), String::from_utf8_lossy(&said).replace("\r\n", "\n"))
}

fn file(world: &World, job: &str) -> String {
    fs::read_to_string(world.path(&format!("jobs.d/{job}.toml"))).unwrap_or_default()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_job_is_created_from_a_file_or_a_pipe() {
    let world = World::new(&[]);
    fs::write(world.path("good.toml"), GOOD).expect("a file");
    fs::write(world.path("bad.toml"), FAULTY).expect("a file");
    let created = world.jobctl(&["create", "backup", "good.toml"]);
    assert_eq!(String::from_utf8_lossy(&created.stdout), "backup created\n", "{}", told(&created));
    assert!(told(&created).starts_with("it runs next at "), "{}", told(&created));
    assert_eq!(file(&world, "backup"), GOOD);
    let again = world.jobctl(&["create", "backup", "good.toml"]);
    assert_eq!(again.status.code(), Some(5));
    assert!(told(&again).contains("already") && told(&again).contains("jobctl edit"), "{}", told(&again));

    let bad = world.jobctl(&["create", "other", "bad.toml"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        told(&bad).contains("did you mean \"command\"") && told(&bad).contains("nothing was changed"),
        "{}",
        told(&bad)
    );
    assert_eq!(file(&world, "other"), "");
    assert_eq!(world.jobctl(&["create", "--replace", "backup", "bad.toml"]).status.code(), Some(1));
    assert_eq!(file(&world, "backup"), GOOD, "a good job is not replaced by a faulty one");

    let mut pipe = world.command(&["create", "--replace", "backup", "-"]);
    let mut child = pipe.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("jobctl");
    child.stdin.take().expect("a pipe").write_all(b"command = 'true'\n").expect("taken");
    assert_eq!(child.wait_with_output().expect("it ends").stdout, b"backup changed\n");
    assert_eq!(file(&world, "backup"), "command = 'true'\n");
    assert_eq!(world.jobctl(&["create", "none", "missing.toml"]).status.code(), Some(4));
    assert_eq!(world.jobctl(&["create", "Not A Name", "good.toml"]).status.code(), Some(2));
}

#[test]
fn a_job_is_edited_and_nothing_is_lost() {
    let world = World::new(&[("backup", GOOD)]);
    let done = edit(&world, &["edit", "backup"], "sed -i s/03/04/ \"$1\"; sed -i 's/0 3/0 4/' \"$1\"");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "backup changed\n", "{}", told(&done));
    assert_eq!(file(&world, "backup"), GOOD.replace("0 3", "0 4"));
    let same = edit(&world, &["edit", "backup"], "true");
    assert_eq!((same.status.code(), told(&same).as_str()), (Some(0), "nothing was changed\n"));
    let gone = edit(&world, &["edit", "bakup"], "true");
    assert_eq!(gone.status.code(), Some(4));
    assert!(told(&gone).contains("did you mean backup?"), "{}", told(&gone));
    let broken = edit(&world, &["edit", "backup"], "exit 3");
    assert_eq!(broken.status.code(), Some(1));
    assert!(told(&broken).contains("exit status: 3") && told(&broken).contains("VISUAL"), "{}", told(&broken));
    assert_eq!(fs::read_dir(world.path("out-of-the-way")).expect("a directory").count(), 0, "no text is left over");

    // Where nobody can be asked, what was typed is kept.
    let faulty = edit(&world, &["edit", "backup"], "echo 'typed = 1' >> \"$1\"");
    assert_eq!(faulty.status.code(), Some(1));
    let text = told(&faulty);
    let kept = text.lines().find_map(|line| line.trim().strip_prefix("your text is kept in ")).expect("a place");
    assert!(fs::read_to_string(kept).expect("the text").contains("typed = 1"), "{text}");

    // Somebody else writes the file while the editor is open.
    let path = world.path("jobs.d/backup.toml");
    let race = format!("echo 'command = \"theirs\"' > {}; echo '# mine' >> \"$1\"", path.display());
    let lost = edit(&world, &["edit", "backup"], &race);
    assert_eq!(lost.status.code(), Some(5), "{}", told(&lost));
    assert!(told(&lost).contains("is not what it was") && told(&lost).contains("is kept in"), "{}", told(&lost));
    assert_eq!(file(&world, "backup"), "command = \"theirs\"\n");
}

#[test]
fn at_a_terminal_a_faulty_text_is_edited_again() {
    let world = World::new(&[("backup", GOOD)]);
    // The first time it breaks the file, the second time it mends it.
    let script = format!(
        "if grep -q comand \"$1\"; then sed -i s/comand/command/ \"$1\"; else sed -i s/command/comand/ \"$1\"; echo '# more' >> \"$1\"; fi; echo x >> {}",
        world.path("opened").display()
    );
    let (code, said) = at_a_terminal(&world, &["edit", "backup"], &script, "y\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("did you mean \"command\"") && said.contains("edit it again? [Y/n]"), "{said}");
    assert!(said.contains("backup changed"), "{said}");
    assert_eq!(file(&world, "backup"), format!("{GOOD}# more\n"));
    assert_eq!(fs::read_to_string(world.path("opened")).expect("a file"), "x\nx\n");

    let (code, said) = at_a_terminal(&world, &["create", "fresh"], "sed -i '/enabled = false/d' \"$1\"", "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fresh created"), "{said}");
    assert!(file(&world, "fresh").contains("command"), "a template to begin with");
}

#[test]
fn deleting_is_asked_about() {
    let world = World::new(&[("backup", "command = 'sleep 60'\nstop_grace = '1s'")]);
    assert_eq!(world.code(&["delete", "backup"]), 2, "nobody can be asked");
    let (code, said) = at_a_terminal(&world, &["delete", "backup"], "", "\n");
    assert_eq!(code, Some(0));
    assert!(said.contains("delete the job backup? [y/N]") && said.contains("nothing was changed"), "{said}");
    assert_ne!(file(&world, "backup"), "");
    world.running("backup");
    let (code, said) = at_a_terminal(&world, &["delete", "backup"], "", "y\n");
    assert_eq!(code, Some(0));
    assert!(said.contains("backup deleted") && said.contains("backup/1 goes on to its end"), "{said}");
    assert_eq!(file(&world, "backup"), "");
    assert_eq!(world.code(&["delete", "--yes", "backup"]), 4);
    assert!(world.json(&["show", "backup"])["removed_at"].is_string());
}
