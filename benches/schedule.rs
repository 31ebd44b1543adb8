//! What a schedule costs: `cargo bench --bench schedule`. Ratios to `croner` in the same run are what to look at; absolute
//! numbers depend on the machine and on what else it does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use croner::parser::{CronParser, Seconds};
use jobsd::clock::BootId;
use jobsd::schedule::{Boot, Calendar, Context, DaySet, Entry, Rule, ScheduleSet, ShiftRule, Zone};

/// Counts the bytes that are allocated and not yet freed.
struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came; the counter touches no allocated memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Calls of `next` in one measurement, measurements, and jobs of the fleet.
const CALLS: u32 = 20_000;
const MEASUREMENTS: usize = 7;
const FLEET: usize = 1_000_000;

fn main() {
    next_of_expressions();
    next_with_calendars();
    parsing();
    memory();
    fleet();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measure(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..MEASUREMENTS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[MEASUREMENTS / 2]
}

fn context() -> Context {
    let at = start();
    Context { first_seen: at, boot: Boot { id: BootId::new("bench"), at, seen_at: at } }
}

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().expect("a time")
}

/// Instants that no branch can foresee, within four years.
fn scattered() -> Vec<DateTime<Utc>> {
    let mut state = 1u64;
    (0..CALLS)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            start() + TimeDelta::seconds((state >> 33) as i64 % (4 * 365 * 86_400))
        })
        .collect()
}

fn entry(text: &str, zone: &str) -> Entry {
    let zone = Zone::parse(zone).expect("a zone");
    Entry::new(Rule::parse_short(text, "bench").expect("a rule"), zone)
}

fn set(entry: Entry) -> ScheduleSet {
    ScheduleSet::new(vec![entry], "bench").expect("it fires")
}

/// Nanoseconds of one `next`, in a row and from scattered instants.
fn ours(set: &ScheduleSet) -> (f64, f64) {
    let (context, scattered) = (context(), scattered());
    let row = measure(|| {
        let mut after = start();
        for _ in 0..CALLS {
            // A schedule that ends begins again.
            after = set.next(black_box(after), &context).map_or_else(start, |occurrence| occurrence.at);
        }
        black_box(after);
    });
    let random = measure(|| {
        for &after in &scattered {
            black_box(set.next(black_box(after), &context));
        }
    });
    (nanos(row), nanos(random))
}

fn theirs(text: &str, zone: &str) -> (f64, f64) {
    let cron = CronParser::builder().seconds(Seconds::Optional).build().parse(text).expect("an expression");
    let zone: chrono_tz::Tz = zone.parse().expect("a zone");
    let scattered: Vec<_> = scattered().iter().map(|at| at.with_timezone(&zone)).collect();
    let begin = start().with_timezone(&zone);
    let limit = begin + TimeDelta::days(60 * 365);
    let row = measure(|| {
        let mut after = begin;
        for _ in 0..CALLS {
            let next = cron.find_next_occurrence(black_box(&after), false);
            after = next.ok().filter(|next| *next < limit).unwrap_or(begin);
        }
        black_box(after);
    });
    let random = measure(|| {
        for after in &scattered {
            black_box(cron.find_next_occurrence(black_box(after), false)).ok();
        }
    });
    (nanos(row), nanos(random))
}

fn nanos(whole: Duration) -> f64 {
    whole.as_nanos() as f64 / f64::from(CALLS)
}

fn next_of_expressions() {
    println!(
        "{:<28} {:<16} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "next, ns", "zone", "row", "random", "croner", "random", "ratio"
    );
    for text in [
        "* * * * *",
        "*/5 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "15,45 8-18 * * MON-FRI",
        "0 12 1,15 * FRI",
        "0 0 1 1 *",
        "0 0 29 2 *",
        "0 0 L * *",
        "0 9 15W * *",
        "0 9 * * FRI#2",
        "*/10 * * * * *",
    ] {
        for zone in ["UTC", "Europe/Berlin"] {
            let (row, random) = ours(&set(entry(text, zone)));
            let (their_row, their_random) = theirs(text, zone);
            let ratio = (their_row + their_random) / (row + random);
            println!(
                "{text:<28} {zone:<16} {row:>9.0} {random:>9.0} {their_row:>9.0} {their_random:>9.0} {ratio:>7.1}"
            );
        }
    }
    for text in ["every 90s", "every 1d"] {
        let (row, random) = ours(&set(entry(text, "Europe/Berlin")));
        println!("{text:<28} {:<16} {row:>9.0} {random:>9.0} {:>9} {:>9} {:>7}", "Europe/Berlin", "-", "-", "-");
    }
}

fn next_with_calendars() {
    let text = "days = [\"01-01\", \"05-01\", \"easter-2\", \"easter+1\", \"easter+39\", \"10-03\", \"12-25..12-26\"]";
    let calendars = vec![Arc::new(Calendar::from_toml("bench", text).expect("a calendar"))];
    let time = Rule::time_of_day("09:00").expect("a time");
    let zone = Zone::parse("Europe/Berlin").expect("a zone");
    let with = |text: &str| Entry { calendars: calendars.clone(), ..entry(text, "Europe/Berlin") };
    let entries = [
        ("only_on business-days", Entry { only_on: vec![DaySet::BusinessDays], ..with("0 9 * * *") }),
        ("skip_on holidays, */5", Entry { skip_on: vec![DaySet::Holidays], ..with("*/5 * * * *") }),
        ("shift, 1st of the month", Entry { shift: Some(ShiftRule::Next), ..with("0 9 1 * *") }),
        ("shift, daily", Entry { shift: Some(ShiftRule::Next), ..with("0 9 * * *") }),
        (
            "business_day = [1, -1]",
            Entry {
                calendars: calendars.clone(),
                ..Entry::new(Rule::business_day(&[1, -1], time).expect("days"), zone)
            },
        ),
        ("jitter, 30 2 * * *", Entry { jitter: Duration::from_secs(600), ..with("30 2 * * *") }),
    ];
    for (name, entry) in entries {
        let (row, random) = ours(&set(entry));
        println!("{name:<28} {:<16} {row:>9.0} {random:>9.0} {:>9} {:>9} {:>7}", "Europe/Berlin", "-", "-", "-");
    }
}

fn parsing() {
    println!("\n{:<28} {:>9} {:>9}", "parse and make ready, ns", "ours", "croner");
    for text in ["30 2 * * *", "*/5 * * * *", "15,45 8-18 * * MON-FRI", "0 9 15W * *"] {
        let ours = measure(|| {
            for _ in 0..CALLS / 10 {
                black_box(set(entry(black_box(text), "Europe/Berlin")));
            }
        });
        let theirs = measure(|| {
            for _ in 0..CALLS / 10 {
                black_box(CronParser::builder().build().parse(black_box(text)).expect("an expression"));
            }
        });
        println!("{text:<28} {:>9.0} {:>9.0}", nanos(ours) * 10.0, nanos(theirs) * 10.0);
    }
}

fn memory() {
    println!("\n{:<28} {:>9} {:>9}", "memory of a schedule, bytes", "ours", "croner");
    for text in
        ["30 2 * * *", "*/5 * * * *", "0-59 0-22 * * *", "15,45 8-18 1,15 * MON-FRI", "0 9 15W * *", "every 90s"]
    {
        let ours = bytes_of(|| set(entry(text, "Europe/Berlin")));
        let theirs = match text.starts_with("every") {
            true => "-".to_owned(),
            false => bytes_of(|| CronParser::builder().build().parse(text).expect("an expression")).to_string(),
        };
        println!("{text:<28} {ours:>9} {theirs:>9}");
    }
}

/// Bytes of a value: itself and what it allocated. The zone's table, shared by all, is made before.
fn bytes_of<T>(make: impl Fn() -> T) -> usize {
    drop(make());
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let value = black_box(make());
    let bytes = LIVE_BYTES.load(Ordering::Relaxed) - before + size_of::<T>();
    drop(value);
    bytes
}

/// A fleet through the first day of a year: most jobs daily or hourly, a few every five minutes.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn fleet() {
    let texts =
        ["H H * * *", "H 2-5 * * *", "H * * * *", "H H * * SUN", "H H 1 * *", "@daily", "H/30 * * * *", "every 6h"];
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"];
    let clock = Instant::now();
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let sets: Vec<ScheduleSet> = (0..FLEET)
        .map(|index| {
            let name = format!("job-{index}");
            let rule = Rule::parse_short(texts[index % texts.len()], &name).expect("a rule");
            let zone = Zone::parse(zones[index / texts.len() % zones.len()]).expect("a zone");
            ScheduleSet::new(vec![Entry::new(rule, zone)], &name).expect("it fires")
        })
        .collect();
    let made = clock.elapsed();
    let bytes = (LIVE_BYTES.load(Ordering::Relaxed) - before) / FLEET;
    let (context, end) = (context(), start() + TimeDelta::days(1));
    let clock = Instant::now();
    let mut queue: BTreeSet<(DateTime<Utc>, usize)> = BTreeSet::new();
    for (index, set) in sets.iter().enumerate() {
        queue.extend(set.next(start(), &context).map(|occurrence| (occurrence.due, index)));
    }
    let mut fired = 0u64;
    while let Some((at, index)) = queue.pop_first().filter(|(at, _)| *at < end) {
        fired += 1;
        queue.extend(sets[index].next(at, &context).map(|occurrence| (occurrence.due, index)));
    }
    let advanced = clock.elapsed();
    println!(
        "\na fleet of {FLEET} jobs: made in {made:.1?}, {bytes} bytes each; a day of {fired} occurrences in {advanced:.1?}"
    );
}
