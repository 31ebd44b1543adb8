//! `jobctl import`, `export` and `new`, run as people run them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A machine's files, a jobs directory and a state directory.
struct World {
    directory: TempDir,
}

struct Done {
    code: i32,
    out: String,
    talk: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code().expect("no signal"), out: text(output.stdout), talk: text(output.stderr) }
    }
}

impl World {
    fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().expect("a directory") };
        let config = format!(
            "jobs_dir = {:?}\nstate_dir = {:?}\n[defaults]\ntimezone = \"Asia/Tokyo\"\n",
            world.path("jobs"),
            world.path("state")
        );
        world.write("jobsd.toml", &config, 0o644);
        world.write("root/etc/debian_version", "12\n", 0o644);
        world.write(
            "root/etc/crontab",
            "MAILTO=ops\n# Save it\n30 2 * * * root backup.sh | gzip > x-$(date +\\%F).gz\n0 3 31 2 * root never\n\
             25 6 * * * root cd / && run-parts /etc/cron.daily\n",
            0o640,
        );
        world.write("root/etc/cron.daily/dpkg", "#!/bin/sh\n", 0o755);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the directory")).expect("directories");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    fn jobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("jobs")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command.args(
            words.split_whitespace().map(|word| word.replace('@', self.directory.path().to_str().expect("text"))),
        );
        command
            .env_clear()
            .env("JOBSD_CONFIG", self.path("jobsd.toml"))
            .env("TZ", "Europe/Berlin")
            .env("PATH", "/usr/bin:/bin");
        command
    }

    fn jobctl(&self, words: &str) -> Done {
        self.command(words).stdin(Stdio::null()).output().expect("jobctl").into()
    }

    fn jobctl_with(&self, words: &str, input: &str) -> Done {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("jobctl");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("input");
        child.wait_with_output().expect("jobctl").into()
    }
}

const SYSTEM: &str = "import crontab --system --root @/root";

#[test]
fn a_machine_is_imported_and_proved() {
    let world = World::new();
    let done = world.jobctl(&format!("{SYSTEM} --check"));
    // One line can never run: the others are imported, and the exit code tells.
    assert_eq!((done.code, world.jobs()), (1, vec!["backup.toml".to_owned(), "dpkg.toml".to_owned()]), "{}", done.talk);
    assert_eq!(done.out.matches("5000 fires equal").count(), 2, "{}", done.out);
    assert!(done.out.contains("/etc/crontab:4: 0 3 31 2 * root never"), "{}", done.out);
    assert!(done.talk.contains("still active in cron"), "{}", done.talk);
    let backup = world.read("jobs/backup.toml");
    // [defaults] say Tokyo; the line ran by the machine's clock.
    assert!(
        backup.contains("timezone = \"Europe/Berlin\"") && backup.contains("description = \"Save it\""),
        "{backup}"
    );
    let mode = fs::metadata(world.path("jobs/backup.toml")).expect("a file").mode() & 0o777;
    assert_eq!(mode, 0o640, "who may read the crontab may read the job");
    assert_eq!(world.jobctl("check @/jobs").code, 0);
}

#[test]
fn who_is_not_there_is_named_before_the_runs_fail() {
    let world = World::new();
    world.write("root/etc/cron.d/odd", "0 3 * * * no-such-user true\n", 0o644);
    let done = world.jobctl(&format!("{SYSTEM} --dry-run"));
    let told = done.out.split_once("Not there on this machine").map(|(_, told)| told);
    assert!(told.is_some_and(|told| told.contains("this machine has no user \"no-such-user\"")), "{}", done.out);
}

#[test]
fn nothing_is_overwritten_unasked_and_a_dry_run_writes_nothing() {
    let world = World::new();
    let shown = world.jobctl(&format!("{SYSTEM} --dry-run"));
    assert!(shown.out.contains("jobs/backup.toml <==") && shown.out.contains("not written"), "{}", shown.out);
    assert!(world.jobs().is_empty());
    world.write("jobs/backup.toml", "command = ['mine']\n", 0o644);
    let refused = world.jobctl(SYSTEM);
    assert_eq!((refused.code, world.jobs()), (5, vec!["backup.toml".to_owned()]), "{}", refused.talk);
    assert!(refused.talk.contains("--force overwrites"), "{}", refused.talk);
    assert_eq!(world.read("jobs/backup.toml"), "command = ['mine']\n");
    assert!(world.jobctl(&format!("{SYSTEM} --prefix old-")).out.contains("old-backup"));
    world.jobctl(&format!("{SYSTEM} --force"));
    assert!(world.read("jobs/backup.toml").contains("Imported from /etc/crontab, line 3"));
    let again = world.jobctl(SYSTEM);
    assert!(again.out.contains("2 were there already"), "{}", again.out);
}

#[test]
fn imported_lines_are_commented_out_and_a_copy_is_kept() {
    let world = World::new();
    let before = world.read("root/etc/crontab");
    let done = world.jobctl(&format!("{SYSTEM} --disable"));
    assert!(done.talk.is_empty(), "{}", done.talk);
    assert_eq!(
        world.read("root/etc/crontab"),
        "MAILTO=ops\n# Save it\n# moved to jobsd as backup: 30 2 * * * root backup.sh | gzip > x-$(date +\\%F).gz\n\
         0 3 31 2 * root never\n# moved to jobsd as dpkg: 25 6 * * * root cd / && run-parts /etc/cron.daily\n"
    );
    assert_eq!(fs::metadata(world.path("root/etc/crontab")).expect("a file").mode() & 0o777, 0o640);
    let copies: Vec<PathBuf> = fs::read_dir(world.path("state/crontabs"))
        .expect("copies")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let [copy] = copies.as_slice() else { panic!("one copy: {copies:?}") };
    assert_eq!(fs::read_to_string(copy).expect("a copy"), before);
    assert_eq!(fs::metadata(copy).expect("a copy").mode() & 0o777, 0o600);
    let names = fs::read_dir(world.path("root/etc")).expect("etc").count();
    assert_eq!(names, 3, "nothing that cron could read was left beside it");
}

#[test]
fn the_own_crontab_goes_through_the_program_crontab() {
    let world = World::new();
    world.write(
        "bin/crontab",
        "#!/bin/sh\nif [ \"$1\" = -l ]; then cat \"$TABLE\"; else cat > \"$TABLE\"; fi\n",
        0o755,
    );
    world.write("home/table", "5 5 * * * tidy\n", 0o644);
    let mut command =
        world.command("import crontab --user --disable --jobs-dir @/home/jobs --config @/home/jobsd.toml");
    let home = world.path("home");
    world.write("home/jobsd.toml", &format!("state_dir = {:?}\n", home.join("state")), 0o644);
    command.env("TABLE", home.join("table")).env("HOME", &home);
    command.env("PATH", format!("{}:/usr/bin:/bin", world.path("bin").display()));
    if nix::unistd::geteuid().is_root() {
        // As somebody for whom the spool is closed.
        const NOBODY: u32 = 65534;
        fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        for name in ["home", "home/table", "home/jobsd.toml"] {
            std::os::unix::fs::chown(world.path(name), Some(NOBODY), Some(NOBODY)).expect("an owner");
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let done = Done::from(command.output().expect("jobctl"));
    assert_eq!(done.code, 0, "{}{}", done.out, done.talk);
    assert_eq!(world.read("home/table"), "# moved to jobsd as tidy: 5 5 * * * tidy\n");
    let job = world.read("home/jobs/tidy.toml");
    assert!(!job.contains("user ="), "a user's daemon runs everything as that user: {job}");
    assert_eq!(fs::metadata(world.path("home/jobs/tidy.toml")).expect("a file").mode() & 0o777, 0o600);
}

#[test]
fn a_crontab_may_come_from_anywhere_when_it_is_clear_whose_it_is() {
    let world = World::new();
    let table = "0 4 * * * /srv/app/clean.py --all\n";
    let done = world.jobctl_with("import crontab - --owner alice", table);
    if nix::unistd::geteuid().is_root() {
        assert!(world.read("jobs/clean.toml").contains("user = \"alice\""), "{}", done.talk);
        let unclear = world.jobctl_with("import crontab -", table);
        assert_eq!(unclear.code, 2);
        assert!(unclear.talk.contains("--owner NAME"), "{}", unclear.talk);
    }
    world.write("table", "0 5 * * * root clear-it\n", 0o644);
    let guessed = world.jobctl("import crontab @/table --dry-run");
    assert!(
        guessed.out.contains("command = \"clear-it\"") && guessed.out.contains("user = \"root\""),
        "{}",
        guessed.out
    );
    assert_eq!(world.jobctl("import crontab").code, 2);
    assert_eq!(world.jobctl_with("import crontab - --disable --owner x", table).code, 2);
}

#[test]
fn a_timer_is_imported_from_its_files() {
    let world = World::new();
    world.write("units/save.timer", "[Timer]\nOnCalendar=Mon..Fri 03:00\nPersistent=true\n", 0o644);
    world.write("units/save.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/save --all\n", 0o644);
    let done = world.jobctl("import systemd-timer @/units/save");
    assert_eq!(done.code, 0, "{}", done.talk);
    let job = world.read("jobs/save.toml");
    assert!(job.contains("command = [\"/usr/bin/save\", \"--all\"]") && job.contains("\"0 3 * * 1-5\""), "{job}");
    assert!(done.talk.contains("disable --now save.timer"), "{}", done.talk);
    assert_ne!(world.jobctl("import systemd-timer @/units/none.timer").code, 0);
}

#[test]
fn new_files_are_good_and_off_and_an_export_reads_like_an_import() {
    let world = World::new();
    for template in ["command", "script", "backup", "cleanup", "report", "health-check"] {
        let done = world.jobctl(&format!("new {template} --template {template}"));
        assert_eq!(done.code, 0, "{}", done.talk);
        assert!(Path::new(done.out.trim_end()).is_file());
    }
    assert_eq!(world.jobctl("check @/jobs").code, 0);
    assert_eq!(world.jobctl("new command").code, 5);
    assert!(world.jobctl("export crontab").out.contains("#   not enabled: "));
    for name in world.jobs() {
        fs::remove_file(world.path("jobs").join(name)).expect("a job file");
    }
    world.jobctl(SYSTEM);
    let exported = world.jobctl("export crontab --system");
    assert!(exported.out.contains("\n30 2 * * * root backup.sh | gzip > x-$(date +\\%F).gz\n"), "{}", exported.out);
    assert_eq!(world.jobctl("export crontab nothing").code, 4);
}
