//! Jobs as a crontab.

use proptest::prelude::*;

use super::{context, import};
use crate::migrate::crontab::{Crontab, Form};
use crate::migrate::export::{Job, Usual, crontab};
use crate::migrate::{Comparison, compare};
use crate::schedule::Zone;
use crate::spec::{JobName, JobSpec, Source, read};

const USUAL: Usual<'_> = Usual { user: "root", zone: "Europe/Berlin" };

fn spec(name: &str, text: &str) -> JobSpec {
    let source = Source { text: text.to_owned(), defaults: String::new() };
    read(&JobName::new(name).unwrap(), &source, &context()).unwrap_or_else(|faults| panic!("{}", faults.plain()))
}

fn export(jobs: &[(&str, &str)], form: Form) -> crate::migrate::export::Exported {
    let specs: Vec<JobSpec> = jobs.iter().map(|(name, text)| spec(name, text)).collect();
    let jobs: Vec<Job<'_>> = specs.iter().zip(jobs).map(|(spec, (_, text))| Job { spec, text, defaults: "" }).collect();
    crontab(&jobs, form, USUAL)
}

#[test]
fn what_a_crontab_cannot_say_stands_beside_the_line() {
    let exported = export(
        &[
            (
                "backup",
                "description = 'Save it'\ncommand = ['tar', 'a b', '100%']\nuser = 'postgres'\ntimeout = '2h'\n\
                 overlap = 'allow'\ncatch_up = 'none'\n[[schedule]]\ncron = '30 2 * * *'\ntimezone = 'Asia/Tokyo'\n\
                 jitter = '10m'\n[environment]\nLEVEL = \" x'y\"\n",
            ),
            (
                "tidy",
                "command = 'date +%F'\noverlap = 'allow'\ncatch_up = 'none'\nschedule = ['every 20m', '0 0 * * MON#1']\n\
                 working_directory = '/srv/a b'\n",
            ),
            (
                "moved",
                "command = ['x']\noverlap = 'allow'\ncatch_up = 'none'\nschedule = 'every 6h'\n\
                 environment = { A = '1', B = '2', C = '3', D = '4' }",
            ),
            (
                "fed",
                "command = ['cat']\nstdin = \"a 100%\\nb\\n\\n\"\noverlap = 'allow'\ncatch_up = 'none'\nschedule = '@daily'",
            ),
            ("by-hand", "command = ['x']\noverlap = 'allow'\ncatch_up = 'none'"),
            ("off", "command = ['x']\nenabled = false\nschedule = '@daily'\noverlap = 'allow'\ncatch_up = 'none'"),
        ],
        Form::System,
    );
    assert_eq!(
        exported.text,
        "\
# Written by `jobctl export crontab`. What a crontab cannot say stands beside each line.

# by-hand
#   cannot be said in a crontab: it has no schedule: it runs by hand alone

# fed
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SHELL=/bin/sh
@daily root cat%a 100\\%%b%

# off
#   not enabled: @daily root x

# tidy
*/20 * * * * root cd '/srv/a b' && /bin/sh -c 'date +\\%F'
#   cannot be said in a crontab: the schedule \"0 0 * * MON#1\"

# backup: Save it
#   not said: timeout 2h
CRON_TZ=Asia/Tokyo
LEVEL=\" x'y\"
RANDOM_DELAY=10
30 2 * * * postgres tar 'a b' 100\\%

# moved
#   not said: every 6h is elapsed time; this line moves with the clock in spring and autumn
LEVEL=\"\"
RANDOM_DELAY=\"\"
A=1
B=2
C=3
CRON_TZ=Europe/Berlin
D=4
0 */6 * * * root x
"
    );
    assert_eq!((exported.lines, exported.unsaid, exported.losses), (4, 2, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn there_and_back_again_fires_stay_the_same(expression in super::equivalence::expression()) {
        prop_assume!(!expression.contains('~'));
        let crontab = format!("CRON_TZ=America/New_York\nHOME=/srv\nX=y z\n{expression} postgres date +\\%F | cat\n");
        let there = import(&crontab, Form::System);
        let job = &there.jobs[0];
        let exported = super::super::export::crontab(
            &[Job { spec: &job.spec, text: &job.text, defaults: "" }], Form::System, USUAL);
        prop_assert_eq!((exported.lines, exported.unsaid), (1, 0), "{}", exported.text);
        let read = Crontab::read(exported.text.as_bytes(), Form::System);
        prop_assert_eq!(&read.entries[0].variables["X"], "y z");
        let back = import(&exported.text, Form::System);
        prop_assert_eq!(&back.jobs[0].spec.identity, &job.spec.identity);
        prop_assert!(back.jobs[0].spec.command.argv()[2].contains("date +%F | cat"));
        let after = "2026-11-21T12:00:00Z".parse().unwrap();
        let equal = matches!(compare(&back.jobs[0], Zone::utc(), after), Comparison::Equal { .. });
        prop_assert!(equal, "{}", exported.text);
        prop_assert_eq!(back.jobs[0].spec.schedules.next(after, &bootless(after)).map(|it| it.at),
            job.spec.schedules.next(after, &bootless(after)).map(|it| it.at));
    }
}

fn bootless(at: crate::clock::Timestamp) -> crate::schedule::Context {
    crate::schedule::Context {
        first_seen: at,
        boot: crate::schedule::Boot { id: crate::clock::BootId::new("none"), at, seen_at: at },
    }
}
