use super::*;
use crate::spec::Faults;

fn warnings(text: &str, defaults: &str) -> Option<Faults> {
    let job = JobName::new("backup").unwrap();
    let loaded = reading(defaults).read(&job, text.to_owned(), "jobs.d/backup.toml".into(), &Arc::default());
    Outlook::default().warnings(&loaded.unwrap_or_else(|faults| panic!("{}", faults.plain())))
}

#[test]
fn what_is_not_there_is_shown_at_its_place() {
    let line = "command = 'true'\n";
    for (keys, at, message) in [
        ("user = 'rooot'", "'rooot'", "this machine has no user \"rooot\""),
        ("group = 'rooot'", "'rooot'", "this machine has no group \"rooot\""),
        ("user = 3999999", "3999999", "this machine has no user with the number 3999999"),
        ("working_directory = '/no/such'", "'/no/such'", "the directory /no/such does not exist"),
        ("working_directory = '/etc/passwd'", "'/etc/passwd'", "/etc/passwd is no directory"),
        ("environment_files = ['-/no/a', '/no/b']", "'/no/b'", "the file of variables /no/b does not exist"),
        ("credentials = { token = '/no/token' }", "'/no/token'", "`credentials.token`: /no/token does not exist"),
        ("credentials = { a = { command = ['/no/x'] } }", "{ command", "`credentials.a`: /no/x does not exist"),
        ("[isolation]\nwritable = ['/etc', '/no/w']", "'/no/w'", "`isolation.writable`: /no/w does not exist"),
        ("[isolation]\nread_only = ['/no/r']", "'/no/r'", "`isolation.read_only`: /no/r does not exist"),
        ("[isolation]\nhidden = ['/no/h']", "'/no/h'", "`isolation.hidden`: /no/h does not exist"),
        ("[isolation]\nbind = ['/no/s:/mnt:ro']", "'/no/s:/mnt:ro'", "`isolation.bind`: /no/s does not exist"),
        ("shell = '/no/sh'", "'/no/sh'", "the program /no/sh does not exist"),
    ] {
        let text = format!("{line}{keys}\n");
        let told = warnings(&text, "").unwrap_or_else(|| panic!("{keys}: nothing is told"));
        let [only] = told.iter().collect::<Vec<_>>()[..] else { panic!("{keys}: {}", told.plain()) };
        assert_eq!(only.message, message);
        assert!(text[only.span.clone().unwrap()].starts_with(at), "{keys}: {:?}", only.span);
        assert!(told.plain().starts_with("warning: "), "{}", told.plain());
    }
}

#[test]
fn a_program_is_looked_for_as_the_job_will() {
    let place = Place::new();
    let script = place.write("script", "#!/bin/sh\n");
    for (text, message) in [
        ("command = ['no-such-program', 'x']".to_owned(), Some("no program \"no-such-program\" is in the job's PATH")),
        ("command = ['/usr/bin/no-such', 'x']".to_owned(), Some("the program /usr/bin/no-such does not exist")),
        ("command = ['sh', '-c', 'no-such-program']".to_owned(), None),
        ("command = 'no-such-program | no-other'".to_owned(), None),
        (
            "command = ['sh']\nenvironment = { PATH = '/no:/other' }".to_owned(),
            Some("no program \"sh\" is in the job's PATH"),
        ),
        ("command = ['/etc/passwd']".to_owned(), Some("/etc/passwd cannot be executed")),
        // What else may say where it is.
        ("command = ['no-such-program']\nenvironment_files = ['-/etc/x']".to_owned(), None),
        ("command = ['no-such-program']\npass_environment = ['PATH']".to_owned(), None),
        ("command = ['/opt/x/run']\n[isolation]\nbind = ['/etc:/opt/x']".to_owned(), None),
        ("command = ['./run']".to_owned(), None),
        // It is below /tmp, which a service has of its own.
        (format!("command = ['{}']", script.display()), None),
    ] {
        let told = warnings(&text, "");
        let first = told.as_ref().and_then(|told| told.iter().next()).map(|first| first.message.as_str());
        assert_eq!(first, message, "{text}");
    }
}

#[test]
fn what_may_well_be_so_is_not_warned_of() {
    for keys in [
        "user = 'root'\ngroup = 'root'",
        "user = 0",
        "user = 3999999\ngroup = 3999999",
        "working_directory = '/no/such'\ncreate_working_directory = true",
        "working_directory = '/tmp/later'",
        "working_directory = '/srv/x'\n[isolation]\nbind = ['/etc:/srv/x']",
        "environment_files = ['-/no/such', '/run/made-at-boot']",
        "credentials = { a = { systemd = 'a' }, b = { command = ['no-such'] } }",
        "[isolation]\nhidden = ['/run/docker.sock']",
        "stdin = { file = '/no/such' }",
    ] {
        let told = warnings(&format!("command = 'true'\n{keys}\n"), "");
        assert!(told.is_none(), "{keys}: {}", told.unwrap().plain());
    }
}

#[test]
fn defaults_have_no_place_and_say_so() {
    let told = warnings("command = 'true'", "user = 'no-such-user'").unwrap();
    assert_eq!(told.summary(), "[defaults] in jobsd.toml: this machine has no user \"no-such-user\"");
    let near = warnings("command = 'true'\nuser = 'dameon'", "").unwrap();
    assert_eq!(near.iter().next().unwrap().hint.as_deref(), Some("did you mean \"daemon\"?"));
}
