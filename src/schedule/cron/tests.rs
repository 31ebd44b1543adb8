//! Tables of expressions with their sources, and what is wrong with the others.

use chrono::{DateTime, NaiveDateTime};

use super::{Cron, Expression};

fn expression(text: &str) -> Expression {
    Expression::parse(text, "backup").unwrap_or_else(|fault| panic!("{text:?}: {fault} {:?}", fault.hint))
}

fn seconds(text: &str) -> i64 {
    let form = if text.len() > 10 { text.to_owned() } else { format!("{text} 00:00:00") };
    NaiveDateTime::parse_from_str(&form, "%Y-%m-%d %H:%M:%S").unwrap().and_utc().timestamp()
}

/// The first `count` times by the wall clock from midnight of a date on.
fn times(text: &str, from: &str, count: usize) -> Vec<String> {
    let cron = Cron::new(&expression(text));
    let mut from = seconds(from);
    let next = || {
        let found = cron.next_local(from)?;
        from = found + 1;
        Some(DateTime::from_timestamp(found, 0)?.format("%Y-%m-%d %H:%M:%S").to_string())
    };
    std::iter::from_fn(next).take(count).collect()
}

#[test]
fn dates_from_the_specifications() {
    // Each row: source, expression, first day, dates that follow.
    let table: &[(&str, &str, &str, &[&str])] = &[
        (
            "crontab(5): either day field",
            "30 4 1,15 * 5",
            "2026-01-01",
            &["2026-01-01", "2026-01-02", "2026-01-09", "2026-01-15"],
        ),
        ("crontab(5): sun", "5 4 * * sun", "2026-01-01", &["2026-01-04", "2026-01-11"]),
        (
            "cronie entry.c: */2 is a star, both must match",
            "0 0 */2 * MON",
            "2026-01-01",
            &["2026-01-05", "2026-01-19", "2026-02-09"],
        ),
        (
            "cronie entry.c: a range may end with Sunday as 0",
            "0 0 * * FRI-SUN",
            "2026-01-01",
            &["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-09"],
        ),
        ("OCPS 1.0 4.2: 7 is Sunday", "0 0 * * 7", "2026-01-01", &["2026-01-04", "2026-01-11"]),
        ("OCPS 1.0 6.1: 1st or Monday", "0 12 1 * MON", "2026-01-01", &["2026-01-01", "2026-01-05", "2026-01-12"]),
        ("OCPS 1.3 4.1: L", "0 0 L * *", "2028-01-15", &["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
        ("OCPS 1.3 4.1: 5L", "0 0 * * 5L", "2026-01-01", &["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("OCPS 1.3 4.1: FRI#L", "0 0 * * FRI#L", "2026-01-01", &["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("OCPS 1.3 4.2: third Tuesday", "0 0 * * 2#3", "2026-01-01", &["2026-01-20", "2026-02-17"]),
        ("OCPS 1.3 4.2: first Monday", "0 0 * * MON#1", "2026-01-01", &["2026-01-05", "2026-02-02"]),
        (
            "OCPS 1.3 4.2: fifth Friday, where there is one",
            "0 0 * * FRI#5",
            "2026-01-01",
            &["2026-01-30", "2026-05-29"],
        ),
        // 2026-08-15 is a Saturday, 2026-11-15 a Sunday.
        (
            "OCPS 1.3 4.3: 15W",
            "0 12 15W * *",
            "2026-07-01",
            &["2026-07-15", "2026-08-14", "2026-09-15", "2026-10-15", "2026-11-16"],
        ),
        ("OCPS 1.3 4.3: 1W on a Saturday", "0 12 1W * *", "2026-08-01", &["2026-08-03", "2026-09-01"]),
        (
            "the last day a Sunday: 31W stays in May",
            "0 0 31W * *",
            "2026-05-01",
            &["2026-05-29", "2026-07-31", "2026-08-31"],
        ),
        ("Quartz: LW", "0 0 LW * *", "2026-01-01", &["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("OCPS 1.4 4.1.2: +", "0 12 1 * +MON", "2026-01-01", &["2026-06-01", "2027-02-01"]),
        (
            "+ with #: the 13th, if it is the second Friday",
            "0 0 13 * +FRI#2",
            "2026-01-01",
            &["2026-02-13", "2026-03-13"],
        ),
        ("OCPS 1.4 4.2: ? is *", "0 0 ? * MON", "2026-01-01", &["2026-01-05", "2026-01-12"]),
        ("OCPS 1.2 4.2: 2025-2030", "0 0 12 1 1 * 2025-2030", "2029-01-01", &["2029-01-01", "2030-01-01"]),
        ("OCPS 1.2 4.2: */2 counts from 1970", "0 0 0 1 1 * */2", "2026-06-01", &["2028-01-01", "2030-01-01"]),
        ("OCPS 1.2 4.2: odd years", "0 0 0 1 1 * 1971-2199/2", "2026-06-01", &["2027-01-01", "2029-01-01"]),
        (
            "a plain and a special day in one list",
            "0 0 10,L * *",
            "2026-01-01",
            &["2026-01-10", "2026-01-31", "2026-02-10"],
        ),
        (
            "a plain and a special week day",
            "0 0 * * WED,FRI#L",
            "2026-01-20",
            &["2026-01-21", "2026-01-28", "2026-01-30", "2026-02-04"],
        ),
        ("leap day", "0 0 29 2 *", "2026-01-01", &["2028-02-29", "2032-02-29"]),
        ("either, one of them all days", "0 0 1-31 * MON", "2026-01-01", &["2026-01-01", "2026-01-02"]),
    ];
    for (source, text, from, dates) in table {
        let got: Vec<String> = times(text, from, dates.len()).iter().map(|time| time[..10].to_owned()).collect();
        assert_eq!(got, *dates, "{source}: {text}");
    }
}

#[test]
fn times_of_day() {
    let table: &[(&str, &[&str])] = &[
        ("23 0-23/2 * * *", &["00:23:00", "02:23:00", "04:23:00"]),
        ("*/23 7 * * *", &["07:00:00", "07:23:00", "07:46:00"]),
        ("5-59/15 0 * * *", &["00:05:00", "00:20:00", "00:35:00", "00:50:00"]),
        ("*/20 30 4 * * *", &["04:30:00", "04:30:20", "04:30:40"]),
        ("15 10 * * *", &["10:15:00"]),
        ("0 15 10 * * * 2026", &["10:15:00"]),
        ("  0\t 0   * * *  ", &["00:00:00"]),
        ("0 0 * * 1-5", &["00:00:00"]),
        ("*/90 5 * * *", &["05:00:00"]),
    ];
    for (text, expected) in table {
        let got: Vec<String> =
            times(text, "2026-01-01", expected.len()).iter().map(|time| time[11..].to_owned()).collect();
        assert_eq!(got, *expected, "{text}");
    }
}

#[test]
fn faults_say_where_and_what_instead() {
    // expression, faulty part, a piece of the message, a piece of the hint
    let table = [
        ("60 * * * *", "60", "60 is no minute: 0 to 59", ""),
        ("* 24 * * *", "24", "24 is no hour: 0 to 23", ""),
        ("* * 32 * *", "32", "no day of month", ""),
        ("* * 0 * *", "0", "no day of month", ""),
        ("* * * 13 *", "13", "no month", ""),
        ("* * * * 8", "8", "no day of week", ""),
        ("0 0 0 1 1 * 2200", "2200", "no year: 1970 to 2199", ""),
        ("0/15 * * * *", "0/15", "a step needs * or a range", "write 0-59/15"),
        ("/30 * * * *", "", "a minute is missing", ""),
        ("*/0 * * * *", "0", "never moves on", ""),
        ("*/x * * * *", "x", "whole number", ""),
        ("0 22-2 * * *", "22-2", "ends before it begins", "22-23,0-2"),
        ("0 0 * * FRI-MON", "FRI-MON", "ends before it begins", "FRI-7,MON"),
        ("0 0 * NOV-FEB *", "NOV-FEB", "ends before it begins", "NOV-12,1-FEB"),
        ("0 0 * * Monday", "Monday", "not understood", "write MON"),
        ("0 0 l * *", "l", "capitals", "L"),
        ("0 0 1-15W * *", "1-15W", "one day of the month", ""),
        ("0 0 1,15W * *", "1,15W", "part of a list", ""),
        ("0 0 * * L", "L", "which day of the week", "5L"),
        ("0 0 * * FRI#6", "6", "1 to 5 or L", ""),
        ("0 0 * +1 *", "+1", "not understood", ""),
        ("? * * * *", "?", "two day fields", "write *"),
        ("1,,2 * * * *", "", "empty item", ""),
        ("1, * * * *", "", "empty item", ""),
        ("20~10 * * * *", "20~10", "ends before it begins", ""),
        ("H(5-2) * * * *", "5-2", "ends before it begins", ""),
        ("Hx * * * *", "x", "after H comes", ""),
        ("* * * *", "* * * *", "has 4 fields", "minute hour"),
        ("", "", "is empty", "minute hour"),
        ("* * * * * * * *", "* * * * * * * *", "has 8 fields", ""),
        ("٣ * * * *", "٣", "not understood", ""),
        ("-5 * * * *", "", "missing", ""),
        ("99999999999 * * * *", "99999999999", "no minute", ""),
    ];
    for (text, part, message, hint) in table {
        let fault = Expression::parse(text, "backup").expect_err(text);
        assert_eq!(&text[fault.span.clone()], part, "{text}: {fault}");
        assert!(fault.message.contains(message), "{text}: {fault}");
        assert!(fault.hint.as_deref().unwrap_or("").contains(hint), "{text}: {:?}", fault.hint);
    }
    let long = "0".repeat(super::EXPRESSION_LIMIT_BYTES + 1);
    assert!(Expression::parse(&long, "backup").is_err());
}

#[test]
fn impossible_dates_are_well_formed_and_never_come() {
    for text in ["* * 31 2 *", "0 0 30W 2 *", "0 0 1 * +FRI#2", "0 0 31 4,6,9,11 *", "0 0 0 1 1 * 2150"] {
        assert_eq!(times(text, "1970-01-01", 1), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn hashes_depend_on_the_name_and_keep_their_bounds() {
    let minute = |text: &str, name: &str| Expression::parse(text, name).unwrap().minutes;
    for index in 0..200 {
        let name = format!("job-{index}");
        for (text, low, high) in
            [("H * * * *", 0, 59), ("H(10-19) * * * *", 10, 19), ("6~15 * * * *", 6, 15), ("~ * * * *", 0, 59)]
        {
            let values = minute(text, &name);
            assert_eq!(values.len(), 1, "{text}");
            assert!(values.iter().all(|value| (low..=high).contains(&value)), "{text}");
            assert_eq!(values, minute(text, &name));
        }
        let stepped: Vec<u32> = minute("H/15 * * * *", &name).iter().collect();
        assert_eq!(stepped.len(), 4);
        assert!(stepped[0] < 15 && stepped.windows(2).all(|pair| pair[1] - pair[0] == 15));
        let stepped: Vec<u32> = minute("H(0-29)/10 * * * *", &name).iter().collect();
        assert!(stepped.len() == 3 && stepped[2] < 30);
        let day = Expression::parse("H H H * *", &name).unwrap().days_of_month.plain;
        assert!(day.iter().all(|day| day <= 28));
    }
    let spread: std::collections::BTreeSet<u32> =
        (0..600).flat_map(|index| minute("H * * * *", &format!("job-{index}")).iter().collect::<Vec<_>>()).collect();
    assert_eq!(spread.len(), 60, "600 names reach every minute");
}

#[test]
fn only_a_star_in_minute_or_hour_makes_an_interval() {
    for (text, interval) in [
        ("*/15 * * * *", true),
        ("0 * * * *", true),
        ("* 3 * * *", true),
        ("0 0-23 * * *", false),
        ("30 2 * * *", false),
        ("* 30 2 * * *", false),
        ("*/5 0 2 * * *", false),
        ("~ ~ * * *", false),
        ("H H * * *", false),
    ] {
        assert_eq!(expression(text).interval, interval, "{text}");
    }
}
