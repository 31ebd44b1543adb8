//! `jobctl`: one file per verb.
//!
//! [`main`] reads the command line ([`args`]), opens a [`Session`] and hands it to the verb. Data goes to
//! standard output, talk to standard error; with `-o json` the data is what the API answered. Every way to end is an
//! [`Exit`] code of one list.

pub mod args;
mod cancel;
mod check;
pub mod complete;
mod create;
mod delete;
mod diff;
mod doctor;
mod edit;
mod editor;
mod ending;
mod events;
mod exec;
mod exit;
mod explain;
mod export;
mod failure;
mod health;
mod history;
mod import;
mod job_file;
mod list;
mod logs;
mod moment;
mod new;
mod next;
mod notify;
mod offline;
mod pause;
mod progress;
mod reload;
mod resume;
#[path = "run.rs"]
mod run_verb;
mod schema;
mod session;
mod show;
mod shutdown;
mod simulate;
mod socket;
mod state;
mod statistics;
mod style;
mod table;
mod target;
mod terminal;
#[cfg(test)]
mod tests;
mod usage;
mod version;
mod visible;
mod wait;
mod why;

use clap::Parser;

use args::{Cli, Verb};
use usage::Unparsed;

pub use exit::{EXIT_CODES, Exit};
pub use failure::{Failure, Told};
pub use moment::Zone;
pub use schema::JOB_SCHEMA;
pub use session::{Format, Session};
pub use terminal::{Colour, Terminal};

/// Reads the command line of this process, and does what it asks.
pub fn main() -> Exit {
    match complete::answer() {
        Ok(false) => {}
        Ok(true) => return Exit::Done,
        Err(fault) => return unparsed(&fault),
    }
    match Cli::try_parse() {
        Ok(cli) => {
            // One thread: a client waits for one answer, and a second thread would cost more than it brings.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the kernel gives an epoll").block_on(run(cli))
        }
        Err(fault) => unparsed(&fault),
    }
}

fn unparsed(fault: &clap::Error) -> Exit {
    let mut terminal = Terminal::standard(Colour::Auto);
    match usage::read(fault) {
        Unparsed::Asked(text) => {
            // Like every other reader, one of the help may have seen enough.
            let shown = terminal.data(text).and_then(|()| terminal.flush());
            conclude(&mut terminal, shown.map(|()| Exit::Done).map_err(Failure::from))
        }
        Unparsed::Nothing(text) => {
            terminal.say(text.trim_end());
            Exit::Usage
        }
        Unparsed::Wrong(failure) => conclude(&mut terminal, Err(failure)),
    }
}

/// Does what the command line asks on this process's terminal.
async fn run(cli: Cli) -> Exit {
    let terminal = Terminal::standard(cli.global.color);
    // Looking for sockets asks the user database, which costs more than all that an offline verb does. One that is named
    // need not be looked for.
    let named = cli.global.socket.as_deref();
    let sockets = if named.is_none() && cli.verb.is_offline() { Vec::new() } else { socket::candidates(named) };
    let mut session = Session::new(terminal, cli.global.output, sockets);
    run_in(&mut session, cli.verb).await
}

/// Does what a verb asks, and tells what went wrong.
pub async fn run_in(session: &mut Session, verb: Verb) -> Exit {
    let done = perform(session, verb).await;
    let shown = session.terminal.flush();
    conclude(&mut session.terminal, done.and_then(|exit| Ok(shown.map(|()| exit)?)))
}

fn conclude(terminal: &mut Terminal, done: Result<Exit, Failure>) -> Exit {
    match done {
        Ok(exit) => exit,
        // The reader has seen what it wanted: `jobctl list | head` has done its work.
        Err(Failure::PipeClosed) => Exit::Done,
        Err(Failure::Told(told)) => {
            terminal.tell(&told);
            told.exit
        }
    }
}

async fn perform(session: &mut Session, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::List(args) => list::run(session, args).await,
        Verb::Show(args) => show::run(session, args).await,
        Verb::Run(args) => run_verb::run(session, args).await,
        Verb::Exec(args) => exec::run(session, args).await,
        Verb::Logs(args) => logs::run(session, args).await,
        Verb::History(args) => history::run(session, args).await,
        Verb::Cancel(args) => cancel::run(session, args).await,
        Verb::Pause(args) => pause::run(session, args).await,
        Verb::Resume(args) => resume::run(session, args).await,
        Verb::Next(args) => next::run(session, args).await,
        Verb::Wait(args) => wait::run(session, args).await,
        Verb::Statistics(args) => statistics::run(session, args).await,
        Verb::Events(args) => events::run(session, args).await,
        Verb::Simulate(args) => simulate::run(session, args).await,
        Verb::Explain(args) => explain::run(session, &args).await,
        Verb::Why(args) => why::run(session, args).await,
        Verb::Check(args) => check::run(session, args),
        Verb::Diff(args) => diff::run(session, args).await,
        Verb::Doctor(args) => doctor::run(session, args).await,
        Verb::Schema(args) => schema::run(session, args),
        Verb::Reload(args) => reload::run(session, args).await,
        Verb::New(args) => new::run(session, args).await,
        Verb::Create(args) => create::run(session, args).await,
        Verb::Edit(args) => edit::run(session, args).await,
        Verb::Delete(args) => delete::run(session, args).await,
        Verb::Import(args) => import::run(session, args).await,
        Verb::Export(args) => export::run(session, args).await,
        Verb::Health(args) => health::run(session, args).await,
        Verb::Notify(args) => notify::run(session, args).await,
        Verb::State(args) => state::run(session, args).await,
        Verb::Shutdown(args) => shutdown::run(session, args).await,
        Verb::Version(args) => version::run(session, args).await,
    }
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
