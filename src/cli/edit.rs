//! `jobctl edit`

use std::io::{self, IsTerminal};

use super::editor::Editor;
use super::job_file::{self, Put};
use super::session::Session;
use super::{Exit, Failure, complete};
use crate::api::client::Precondition;

#[derive(Clone, Debug, clap::Args)]
pub struct EditArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::job())]
    job: String,
}

/// A text to be edited, and what it may replace.
pub(super) struct Draft {
    pub text: String,
    pub condition: Precondition,
}

/// Opens a job's file in an editor, and has it checked, written and read.
pub async fn run(session: &mut Session, args: EditArgs) -> Result<Exit, Failure> {
    let seen = job_file::fetch(session, &args.job).await?;
    run_with(session, &args.job, Draft { text: seen.text, condition: seen.condition }).await
}

/// Goes on until the text is good, or nobody wants to mend it.
pub(super) async fn run_with(session: &mut Session, job: &str, draft: Draft) -> Result<Exit, Failure> {
    let editor = Editor::new(job, &draft.text)?;
    loop {
        let text = editor.open()?;
        if text == draft.text {
            session.terminal.say("nothing was changed");
            return Ok(Exit::Done);
        }
        // The daemon has closed a connection that was silent for so long.
        session.disconnect();
        let put = match job_file::put(session, job, &text, &draft.condition).await {
            Ok(put) => put,
            Err(failure) => return Err(editor.keep(failure)),
        };
        match put {
            Put::Written { answer, written } => return job_file::show_written(session, &answer, &written),
            Put::Changed(failure) => return Err(editor.keep(failure)),
            Put::Faulty(faults) => {
                job_file::show_faults(session, &faults);
                let again = io::stdin().is_terminal() && session.terminal.ask("edit it again? [Y/n] ", true)?;
                if !again {
                    return Err(editor.keep(job_file::not_taken(job, &faults)));
                }
            }
        }
    }
}
