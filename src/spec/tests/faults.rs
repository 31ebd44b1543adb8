//! Every fault, with its place.

use super::*;

#[test]
fn values_of_the_wrong_kind_or_out_of_range() {
    for (lines, expected) in [
        ("timeout = 5", "2:11 5 -> `timeout` cannot be an integer"),
        ("timeout = '5'", "2:11 '5' -> \"5\" is not a duration (it has no unit)"),
        ("timeout = '5 apples'", "2:11 '5 apples' -> \"5 apples\" is not a duration (there is no unit \"apples\")"),
        ("timeout = '1 month'", "2:11 '1 month' -> \"month\" has no fixed length"),
        ("timeout = '0s'", "2:11 '0s' -> `timeout` cannot be zero"),
        ("timeout = '5000d'", "2:11 '5000d' -> `timeout` is too long"),
        ("stop_grace = ''", "2:14 '' -> \"\" is not a duration"),
        ("stop_signal = 15", "2:15 15 -> `stop_signal` cannot be an integer"),
        ("stop_signal = 'SIGNAL'", "2:15 'SIGNAL' -> \"SIGNAL\" is no signal"),
        ("overlap = 'both'", "2:11 'both' -> `overlap` cannot be \"both\""),
        ("overlap = 'allow'\nmax_concurrent = 0", "3:18 0 -> `max_concurrent` is out of range"),
        ("overlap = 'allow'\nmax_concurrent = 1001", "3:18 1001 -> `max_concurrent` is out of range"),
        (
            "overlap = 'allow'\nmax_concurrent = 99999999999999999999",
            "3:18 99999999999999999999 -> `max_concurrent` is out of range",
        ),
        ("catch_up = true", "2:12 true -> `catch_up` cannot be true or false"),
        ("catch_up = 'newest'", "2:12 'newest' -> `catch_up` cannot be \"newest\""),
        ("working_directory = 'tmp'", "2:21 'tmp' -> `working_directory` must be an absolute path"),
        ("working_directory = '~/x'", "2:21 '~/x' -> `working_directory` must be an absolute path"),
        ("user = ''", "2:8 '' -> \"\" cannot be the name of a user or a group"),
        ("group = 'a b'", "2:9 'a b' -> \"a b\" cannot be the name of a user or a group"),
        ("user = -1", "2:8 -1 -> `user` is out of range"),
        ("shell = '/bin/bash -c'", "2:9 '/bin/bash -c' -> `shell` is not the path of a program"),
        ("shell = []", "2:9 [] -> `shell` names no program"),
        ("enabled = 'no'", "2:11 'no' -> `enabled` cannot be a string"),
        ("tags = 'a'", "2:8 'a' -> `tags` cannot be a string"),
        ("tags = ['a', 'b c']", "2:14 'b c' -> \"b c\" cannot be a tag"),
        ("owner = \"a\\nb\"", "2:9 \"a\\nb\" -> `owner` must be one line without control characters"),
        ("success_exit_codes = []", "2:22 [] -> `success_exit_codes` is empty, so nothing would be a success"),
        ("success_exit_codes = [256]", "2:23 256 -> `success_exit_codes[0]` is out of range"),
        ("success_exit_codes = [0, '5-2']", "2:26 '5-2' -> \"5-2\" is no range of exit codes"),
        ("success_exit_codes = 0", "2:22 0 -> `success_exit_codes` cannot be an integer"),
        ("environment = 'A=1'", "2:15 'A=1' -> `environment` cannot be a string"),
        ("environment.A = 1", "2:17 1 -> `environment.A` cannot be an integer"),
        ("environment.'A=' = ''", "2:13 'A=' -> \"A=\" cannot be the name of a variable"),
        ("environment.JOBSD_RUN = ''", "2:13 JOBSD_RUN -> the variable JOBSD_RUN belongs to jobsd"),
        (
            "environment.A = \"a\\u0000\"",
            "2:17 \"a\\u0000\" -> `environment.A` contains a NUL character, which no program can be given",
        ),
        ("retry = 3", "2:9 3 -> `retry` cannot be an integer"),
        ("retry.attempts = 101", "2:18 101 -> `retry.attempts` is out of range"),
        ("output.limit = 1000", "2:16 1000 -> `output.limit` cannot be an integer"),
        ("output.limit = '1KiB'", "2:16 '1KiB' -> `output.limit` is out of range"),
        ("output.limit = '1 furlong'", "2:16 '1 furlong' -> \"1 furlong\" is not a size"),
        ("retention.runs = 0", "2:18 0 -> `retention.runs` is out of range"),
        ("retention.age = '0s'", "2:17 '0s' -> `retention.age` cannot be zero"),
    ] {
        assert_eq!(faults_of(lines), [expected], "{lines}");
    }
}

#[test]
fn commands() {
    for (text, expected) in [
        ("", "`command` is missing"),
        ("command = ''", "1:11 '' -> `command` is empty"),
        ("command = []", "1:11 [] -> `command` names no program"),
        ("command = ['']", "1:11 [''] -> `command` names no program"),
        ("command = ['a', 1]", "1:17 1 -> `command[1]` cannot be an integer"),
        ("command = 1", "1:11 1 -> `command` cannot be an integer"),
        (
            "command = ['a']\nshell = '/bin/sh'",
            "2:9 '/bin/sh' -> `shell` has no effect: `command` is a list, executed as it is",
        ),
    ] {
        assert_eq!(faults_in(text), [expected], "{text}");
    }
}

#[test]
fn schedules_and_the_place_inside_an_expression() {
    for (lines, expected) in [
        ("schedule = '30 25 * * *'", "2:16 25 -> "),
        ("schedule = \"30 25 * * *\"", "2:16 25 -> "),
        ("schedule = \"\"\"30 25 * * *\"\"\"", "2:12 \"\"\"30 25 * * *\"\"\" -> "),
        ("schedule = \"30 25\\u0020* * *\"", "2:12 \"30 25\\u0020* * *\" -> "),
        ("schedule = ['@daily', '* * * *']", "2:24 * * * * -> "),
        ("schedule = '0 0 30 2 *'", "2:12 '0 0 30 2 *' -> "),
        ("schedule = []", "2:12 [] -> `schedule` is an empty list"),
        ("schedule = 5", "2:12 5 -> `schedule` cannot be an integer"),
        ("schedule = [5]", "2:13 5 -> `schedule[0]` cannot be an integer"),
        ("[[schedule]]\ntimezone = 'UTC'", "2:1 [[schedule]] -> a schedule has no rule"),
        (
            "[[schedule]]\ncron = '@daily'\nevery = '5m'",
            "4:9 '5m' -> a schedule has one rule; this one has `cron` and `every`",
        ),
        (
            "[[schedule]]\ncron = '@daily'\nfrom = '2026-01-01 00:00'",
            "4:8 '2026-01-01 00:00' -> `schedule.from` has no effect without `every`",
        ),
        ("[[schedule]]\nevery = '100ms'", "3:9 '100ms' -> every takes whole seconds, from 1s to a century"),
        ("[[schedule]]\nat = 2026-01-01", "3:6 2026-01-01 -> \"2026-01-01\" is no date and time"),
        ("[[schedule]]\nat = []", "3:6 [] -> the list of moments is empty"),
        ("[[schedule]]\nboot = true", "3:8 true -> `schedule.boot` cannot be true or false"),
        (
            "timezone = 'Europe/Berln'",
            "2:13 Europe/Berln -> there is no time zone \"Europe/Berln\" in the IANA database",
        ),
        (
            "[[schedule]]\ncron = '@daily'\ndst.overlap = 'skip'",
            "4:15 'skip' -> `schedule.dst.overlap` cannot be \"skip\"",
        ),
    ] {
        let faults = faults_of(lines);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(expected), "{lines}: {}", faults[0]);
    }
}

#[test]
fn keys_that_contradict_each_other() {
    for (lines, expected) in [
        ("max_concurrent = 2", "2:18 2 -> `max_concurrent` has no effect without overlap = \"allow\""),
        (
            "catch_up = 'none'\ncatch_up_window = '1h'",
            "3:19 '1h' -> `catch_up_window` has no effect with catch_up = \"none\"",
        ),
        ("[retry]\ndelay = '1s'", "2:1 [retry] -> [retry] without `attempts` repeats nothing"),
        (
            "[retry]\nattempts = 2\ndelay = '1h'\nmax_delay = '1m'",
            "5:13 '1m' -> `retry.max_delay` is shorter than `retry.delay`",
        ),
    ] {
        assert_eq!(faults_of(lines), [expected], "{lines}");
    }
}

#[test]
fn a_faulty_value_brings_no_second_fault() {
    assert_eq!(faults_of("overlap = 'alow'\nmax_concurrent = 2").len(), 1);
    assert_eq!(faults_of("catch_up = 'nnone'\ncatch_up_window = '1h'").len(), 1);
    assert_eq!(faults_of("[retry]\nattempts = 0\ndelay = '1s'").len(), 1);
    assert_eq!(faults_in("command = 5\nshell = '/bin/sh'").len(), 1);
}

#[test]
fn unknown_words_and_what_was_meant() {
    for (lines, hint) in [
        ("timout = '1h'", Some("did you mean \"timeout\"?")),
        ("retry = { attempts = 2, dealy = '1s' }", Some("did you mean \"delay\"?")),
        ("cron = '@daily'", Some("write schedule = \"30 2 * * *\"")),
        ("env = {}", Some("the key is called `environment`")),
        ("PATH = '/bin'", Some("variables of the job belong into [environment]")),
        ("memory = '1GiB'", None),
        ("overlap = 'skp'", Some("did you mean \"skip\"?")),
        ("stop_signal = 'TREM'", Some("did you mean \"SIGTERM\"?")),
        ("timezone = 'Berlin'", Some("did you mean \"Europe/Berlin\"?")),
        ("[[schedule]]\ncron = '@daily'\ntimezon = 'UTC'", Some("did you mean \"timezone\"?")),
    ] {
        assert_eq!(hint_of(lines).as_deref(), hint, "{lines}");
    }
}

#[test]
fn broken_toml_gives_every_fault_that_does_not_follow_from_it() {
    let text = "command = true\ntimeout = 7x\noverlap = 'skp'\n[retry\nattempts = 2\n";
    assert_eq!(
        faults_in(text),
        [
            "1:11 true -> `command` cannot be true or false",
            "2:11 7x -> this is no value",
            "3:11 'skp' -> `overlap` cannot be \"skp\"",
            "4:7  -> unclosed table",
        ]
    );
    // The line that is broken may well be the command's.
    assert_eq!(faults_in("command = [\n"), ["1:12  -> unclosed array"]);
    assert_eq!(faults_in("a = 1\na = 2\ncommand = 'x'").len(), 2, "a key twice, and unknown");
}

#[test]
fn too_large() {
    let large = format!("command = 'true' # {}", "x".repeat(FILE_LIMIT));
    assert_eq!(faults_in(&large), ["the file is too large"]);
    let argument = format!("command = ['a', '{}']", "x".repeat(ARGUMENT_LIMIT));
    assert!(faults_in(&argument)[0].ends_with("`command[1]` is too long"));
    let fits = format!("command = ['a', '{}']", "x".repeat(ARGUMENT_LIMIT - 1));
    assert!(read_as_root(&fits, "").is_ok());
    let many = format!("'{}',", "x".repeat(ARGUMENT_LIMIT - 100)).repeat(7);
    let defaults = format!("environment.A = '{0}'\nenvironment.B = '{0}'", "x".repeat(ARGUMENT_LIMIT - 100));
    let faults = read_as_root(&format!("command = ['a', {many}]"), &defaults).unwrap_err();
    assert_eq!(faults.summary(), "`command` and `environment` are too large to be given to a program");
    let tags = (0..=TAGS_LIMIT).map(|tag| format!("'{tag}',")).collect::<String>();
    assert!(faults_of(&format!("tags = [{tags}]"))[0].ends_with("`tags` has more than 50 tags"));
}

#[test]
fn no_more_faults_than_a_person_reads() {
    let text = (0..DIAGNOSTICS_LIMIT + 7).map(|n| format!("unknown_{n} = 1\n")).collect::<String>();
    let faults = read_as_root(&format!("{text}command = 'x'"), "").unwrap_err();
    assert_eq!((faults.iter().count(), faults.untold()), (DIAGNOSTICS_LIMIT, 7));
    assert!(faults.plain().ends_with("and 7 more"));
    assert_eq!(faults.summary(), "line 1: unknown key \"unknown_0\" (and 56 more)");
}

#[test]
fn a_report() {
    let text = "\
description = \"Dump the database\"
comand = [\"pg_dump\"]
schedule = \"30 25 * * *\"
timeout = \"2hours and a bit\"
overlap = \"skpi\"
stop_signal = \"TREM\"

[environment]
PGHOST = 5
\"PG PASSWORD\" = \"hunter2\"

[retry]
delay = \"1m\"
";
    let faults = read_as_root(text, "").unwrap_err();
    insta::assert_snapshot!("a_report", faults.plain());
    let uncoloured = without_colour(&faults.styled());
    assert_eq!(uncoloured, faults.plain(), "colour adds nothing");
    assert!(faults.styled().contains("\u{1b}["));
    let first = faults.iter().next().unwrap();
    let (start, end) = faults.places(first).unwrap();
    assert_eq!((start, end), (Place { line: 2, column: 1 }, Place { line: 2, column: 7 }));
    assert_eq!(faults.to_fault().report, faults.plain());
}

/// Without escape sequences.
fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}
