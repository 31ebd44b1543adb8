//! Completions in the shells themselves: each loads its script, and asks the daemon for jobs and runs.

use std::process::{Command, Output, Stdio};

use crate::world::World;

/// Runs a program of a shell where `jobctl` is on the path; `None` where the shell is not installed and nobody said that
/// all of them must be (`JOBSD_TEST_SHELLS=all`).
fn shell(world: &World, name: &str, program: &str) -> Option<Output> {
    let script = |file: &str| format!("{}/completions/{file}", env!("CARGO_MANIFEST_DIR"));
    let jobctl = std::path::Path::new(env!("CARGO_BIN_EXE_jobctl")).parent().expect("a directory").to_owned();
    let path =
        std::env::join_paths([jobctl, "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()]).expect("a path");
    let mut command = Command::new(name);
    match name {
        "bash" => command.args(["--norc", "--noprofile", "-c"]),
        "zsh" => command.args(["-f", "-c"]),
        _ => command.args(["--no-config", "-c"]),
    };
    command.arg(program).env("PATH", path).env("JOBCTL_SOCKET", world.path("sock")).env("HOME", world.path("."));
    command.env("BASH_SCRIPT", script("jobctl.bash")).env("FISH_SCRIPT", script("jobctl.fish"));
    command.env("ZSH_DIRECTORY", script("")).env("TERM", "dumb").stdin(Stdio::null());
    match command.output() {
        Ok(output) => Some(output),
        Err(fault) if std::env::var_os("JOBSD_TEST_SHELLS").is_some() => panic!("{name}: {fault}"),
        Err(_) => None,
    }
}

fn world() -> World {
    let world = World::new(&[("backup", "command = 'true'\ndescription = 'Keep it'"), ("report", "command = 'true'")]);
    for _ in 0..2 {
        assert_eq!(world.code(&["run", "--wait", "backup"]), 0);
    }
    world
}

#[test]
fn bash_completes_jobs_and_runs() {
    let world = world();
    let program = r#"
source "$BASH_SCRIPT"
ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMPREPLY=()
    _clap_complete_jobctl jobctl "${COMP_WORDS[COMP_CWORD]}" "" 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}" | tr '\013' '\n'; echo .
}
ask jobctl show b
ask jobctl logs backup/
ask jobctl lis
complete -p jobctl
"#;
    let Some(output) = shell(&world, "bash", program) else { return };
    let text = world.plain(&output.stdout);
    assert!(text.starts_with("backup\n.\nbackup/2\nbackup/1\n.\nlist\n.\n"), "{text}{}", world.plain(&output.stderr));
    assert!(text.ends_with("-F _clap_complete_jobctl jobctl\n"), "{text}");
}

#[test]
fn fish_completes_jobs_and_runs() {
    let world = world();
    let program =
        "source $FISH_SCRIPT; complete -C 'jobctl show b'; complete -C 'jobctl logs backup/'; complete -C 'jobctl lis'";
    let Some(output) = shell(&world, "fish", program) else { return };
    let text = world.plain(&output.stdout);
    let names: Vec<&str> = text.lines().map(|line| line.split('\t').next().expect("a word")).collect();
    assert_eq!(names, ["backup", "backup/2", "backup/1", "list"], "{text}{}", world.plain(&output.stderr));
    assert!(text.starts_with("backup\tKeep it\n"), "{text}");
}

/// zsh completes only where somebody types: a second zsh at a terminal of the first one's making, to which a line and a tab
/// are written.
#[test]
fn zsh_completes_jobs_and_runs() {
    let world = world();
    assert_eq!(world.code(&["run", "--wait", "report"]), 0);
    let program = r#"
zmodload zsh/zpty
found() {
    local all= part
    integer looks=0
    while (( looks++ < 400 )); do
        while zpty -r -t shell part; do all+=$part; done
        [[ $all == *$1* ]] && print -r -- "found $1" && return
        sleep 0.05
    done
    print -r -- "no $1 in ${(q)all}"
}
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($ZSH_DIRECTORY \$fpath); autoload -Uz compinit; compinit -u -D; echo rea''dy"
found ready
zpty -w -n shell $'jobctl show bac\t'
found 'kup '
zpty -w -n shell $'\025jobctl logs report/\t'
found 'report/1 '
zpty -d shell
"#;
    let Some(output) = shell(&world, "zsh", program) else { return };
    let text = world.plain(&output.stdout);
    assert_eq!(text, "found ready\nfound kup \nfound report/1 \n", "{}", world.plain(&output.stderr));
}
