//! What the verbs write, against a daemon whose answers are written down.

mod ask;
mod canned;
mod check;
mod doctor;
mod drive;
mod errors;
mod fixtures;
mod isolation;
mod look;
mod schema;

use clap::Parser;

use self::canned::{Canned, Screen};
use super::args::Cli;
use super::{Exit, Session, run_in};

/// How a verb ended, and what it wrote.
struct Done {
    exit: Exit,
    out: String,
    talk: String,
}

/// Runs a command line, its words without `jobctl`, on a terminal of a width or on none.
async fn jobctl(daemon: &Canned, width: Option<usize>, words: &str) -> Done {
    let cli = Cli::try_parse_from(["jobctl"].into_iter().chain(words.split_whitespace())).unwrap();
    let screen = Screen::default();
    let mut session = Session::new(screen.terminal(width), cli.global.output, vec![daemon.socket()]);
    let exit = run_in(&mut session, cli.verb).await;
    Done { exit, out: screen.out(), talk: screen.talk() }
}

/// Runs a command line that needs no daemon, and would find none.
async fn alone(words: &str) -> Done {
    let cli = Cli::try_parse_from(["jobctl"].into_iter().chain(words.split_whitespace())).unwrap();
    let screen = Screen::default();
    let mut session = Session::new(screen.terminal(None), cli.global.output, Vec::new());
    let exit = run_in(&mut session, cli.verb).await;
    Done { exit, out: screen.out(), talk: screen.talk() }
}

/// What a verb shows on terminals of three widths, on none, and as JSON.
async fn every_form(daemon: &Canned, words: &str) -> String {
    let mut forms = String::new();
    for (name, width, words) in [
        ("60 columns", Some(60), words.to_owned()),
        ("80 columns", Some(80), words.to_owned()),
        ("120 columns", Some(120), words.to_owned()),
        ("no terminal", None, words.to_owned()),
        ("json", None, format!("{words} -o json")),
    ] {
        let done = jobctl(daemon, width, &words).await;
        forms += &format!("== {name}, exit {}\n{}", done.exit.code(), done.out);
        if !done.talk.is_empty() {
            forms += &format!("-- talk\n{}", done.talk);
        }
    }
    forms
}
