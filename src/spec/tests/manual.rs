//! What the manual page says is true.

use super::*;

const PAGE: &str = include_str!("../../../man/jobs.d-schedule.5");

/// The examples of the page, as a person sees them.
fn examples() -> Vec<String> {
    let blocks = PAGE.split("\n.EX\n").skip(1).map(|rest| rest.split("\n.EE").next().unwrap());
    blocks.map(|block| block.replace("\\-", "-").replace("\\(dq", "\"")).collect()
}

#[test]
fn every_example_is_good() {
    let (calendars, jobs): (Vec<String>, Vec<String>) =
        examples().into_iter().partition(|example| example.starts_with("# calendar"));
    assert_eq!(calendars.len(), 1);
    Calendar::from_toml("company", &calendars[0]).unwrap();
    assert!(jobs.len() >= 9, "{}", jobs.len());
    for example in jobs {
        let spec = job(&example);
        assert!(!spec.schedules.is_empty(), "{example}");
    }
}

#[test]
fn every_key_is_on_the_page() {
    let text = PAGE.replace("\\-", "-");
    for key in [
        "cron",
        "every",
        "from",
        "at",
        "business_day",
        "time",
        "boot",
        "after",
        "timezone",
        "jitter",
        "dst",
        "calendar",
        "only_on",
        "skip_on",
        "shift",
        "exclude",
        "not_before",
        "not_after",
        "catch_up",
        "catch_up_window",
        "catch_up_spread",
        "start_deadline",
    ] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn the_table_of_clock_changes_is_true() {
    let rows = PAGE.split("\n.TS\n").nth(1).unwrap().split("\n.TE").next().unwrap().lines().skip(3);
    for row in rows {
        let cells: Vec<String> = row.split(';').map(|cell| cell.replace("\\-", "-").replace("\\(dq", "'")).collect();
        let [rule, dst, gap, overlap] = cells.as_slice() else { panic!("{row}") };
        let dst = if dst.contains('=') { format!("dst = {{ {dst} }}") } else { String::new() };
        let rule = match rule.strip_prefix("every ") {
            Some(period) => format!("every = '{period}'"),
            None => format!("cron = '{rule}'"),
        };
        let spec = job(&format!("[[schedule]]\n{rule}\n{dst}"));
        let times = |from: &str, to: &str| {
            let instant = |text: &str| text.parse::<crate::clock::Timestamp>().unwrap();
            let boot =
                crate::schedule::Boot { id: crate::clock::BootId::new(""), at: instant(from), seen_at: instant(from) };
            let context = crate::schedule::Context { first_seen: instant(from), boot };
            let all = spec.schedules.between(instant(from), instant(to), &context);
            all.map(|one| one.zone.local(one.at).format("%H:%M%:z").to_string()).collect::<Vec<_>>().join(" ")
        };
        // From before 01:30 to 04:00 in spring, from before the first 02:00 to before 04:00 in autumn.
        let spring = times("2026-03-29T00:29:59Z", "2026-03-29T01:59:59Z");
        let autumn = times("2026-10-24T23:59:59Z", "2026-10-25T02:59:59Z");
        for (told, got) in [(gap, spring), (overlap, autumn)] {
            assert_eq!(got, times_of(told), "{row}");
        }
    }
}

/// What the cells of the table mean.
fn times_of(told: &str) -> &'static str {
    match told {
        "none" => "",
        "03:00" => "03:00+02:00",
        "03:00, 03:30" => "03:00+02:00 03:30+02:00",
        "01:30, 03:00" => "01:30+01:00 03:00+02:00 03:30+02:00",
        "first 02:30" => "02:30+02:00",
        "second 02:30" => "02:30+01:00",
        "second 02:00" => "02:00+01:00",
        "both 02:30" => "02:30+02:00 02:30+01:00",
        "02:00-03:30 once" => "02:00+02:00 02:30+02:00 03:00+01:00 03:30+01:00",
        "02:00-03:30 both" => "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00 03:00+01:00 03:30+01:00",
        "02:00, 02:30 both" => "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00",
        other => panic!("{other}"),
    }
}
