//! A command line that is not understood, told in the form of every other error.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::Cli;
use super::{Exit, Failure};

/// What a parse that gave no verb leads to.
pub enum Unparsed {
    /// Help or version was asked for: data.
    Asked(String),
    /// Nothing was asked for: help, as talk.
    Nothing(String),
    /// It is not understood.
    Wrong(Failure),
}

/// Sorts what clap says.
pub fn read(fault: &clap::Error) -> Unparsed {
    let text = fault.render().to_string();
    match fault.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Unparsed::Asked(text),
        ErrorKind::MissingSubcommand => Unparsed::Nothing(Cli::command().render_help().to_string()),
        _ => Unparsed::Wrong(wrong(&text)),
    }
}

/// Takes clap's text apart: `error: …`, lines beneath, `tip: …`, `Usage: …`, and a closing line that repeats `--help`.
fn wrong(text: &str) -> Failure {
    let mut message = String::new();
    let (mut causes, mut hints) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("For more")) {
        if let Some(first) = line.strip_prefix("error: ") {
            message = first.trim_end_matches(':').to_owned();
        } else if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            // An option that the environment sets is no part of the form.
            let usage = usage.replace(" --socket <PATH>", "");
            hints.push(format!("the form is `{usage}`; --help says more"));
        } else {
            causes.push(line.trim().trim_start_matches('[').trim_end_matches(']').to_owned());
        }
    }
    let failure = Failure::new(Exit::Usage, message).causes(causes);
    if hints.is_empty() { failure } else { failure.hint(hints.join("\n      ")) }
}
