//! `jobctl list --watch`: the list, shown again each second, for as long as somebody looks.

use std::time::Duration;

use super::{ListArgs, say_none, select, table};
use crate::cli::session::Session;
use crate::cli::terminal::lines;
use crate::cli::{Exit, Failure};

/// The times in the list count seconds.
const AGAIN: Duration = Duration::from_secs(1);

/// Goes to the screen's first place and clears what follows (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows the list until somebody presses Ctrl-C.
pub(super) async fn run(session: &mut Session, args: &ListArgs) -> Result<Exit, Failure> {
    if session.terminal.width.is_none() {
        return Err(Failure::usage("--watch needs a terminal")
            .hint("`jobctl events` prints every change, one a line; `jobctl list -o json` is for programs"));
    }
    // A daemon that is not there at the first look is an error; one that goes away later is waited for.
    let mut jobs = Some(select(session, args).await?);
    tokio::select! {
        done = async {
            loop {
                show(session, args, jobs.as_deref()).await?;
                tokio::time::sleep(AGAIN).await;
                jobs = match select(session, args).await {
                    Ok(jobs) => Some(jobs),
                    Err(Failure::Told(told)) if matches!(told.exit, Exit::NoDaemon | Exit::Unavailable) => {
                        session.disconnect();
                        None
                    }
                    Err(failure) => return Err(failure),
                };
            }
        } => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn show<T>(session: &mut Session, args: &ListArgs, jobs: Option<&[(T, super::Job)]>) -> Result<(), Failure> {
    session.terminal.data(CLEAR)?;
    match jobs {
        None => session.terminal.line("the daemon is away")?,
        Some([]) => say_none(session, args).await?,
        Some(jobs) => {
            let shown = table(jobs.iter().map(|(_, job)| job), &session.terminal);
            session.terminal.data(fit(&shown, lines()))?;
        }
    }
    Ok(session.terminal.flush()?)
}

/// As much of a text as the screen shows: one line more would move the first ones away. The last line then tells what is missing.
fn fit(text: &str, screen: Option<usize>) -> String {
    // The cursor stands below the last line.
    let room = screen.unwrap_or(usize::MAX).saturating_sub(1).max(2);
    let all = text.lines().count();
    if all <= room {
        return text.to_owned();
    }
    let shown: String = text.split_inclusive('\n').take(room - 1).collect();
    format!("{shown}and {} more\n", all - (room - 1))
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_list_fits_the_screen() {
        let text = "NAME\na\nb\nc\n";
        for (screen, shown) in [
            (None, text),
            (Some(5), text),
            (Some(4), "NAME\na\nand 2 more\n"),
            (Some(1), "NAME\nand 3 more\n"),
            (Some(0), "NAME\nand 3 more\n"),
        ] {
            assert_eq!(fit(text, screen), shown, "{screen:?}");
        }
    }
}
