//! What the fuzz target does with the text of a configuration. It lies here so that an ordinary test replays its corpus.

use std::path::Path;

use super::file::ConfigFile;
use crate::spec::fuzzing::{context, tell};
use crate::spec::{Authority, JobName, Source, read};

/// Reads a configuration; a job is read with the `[defaults]` of one that is accepted.
///
/// # Panics
/// When a promise is broken: a fault without words or outside the text, a path that is not absolute, `[defaults]` that
/// read as something else when they are written again, or that were accepted and make every job faulty.
pub fn configuration(text: &str) {
    let path = Path::new("/etc/jobsd/jobsd.toml");
    let context = context(Authority::Anybody);
    let file = match ConfigFile::read(path, text, &context) {
        Ok(file) => file,
        Err(faults) => return tell(&faults),
    };
    let paths = [&file.jobs_dir, &file.calendars_dir, &file.state_dir, &file.socket, &file.supervisor_socket];
    assert!(paths.into_iter().flatten().all(|path| path.is_absolute()), "{text:?}");
    assert_eq!(
        toml::from_str::<toml::Table>(&file.defaults).map(|table| table.is_empty()),
        Ok(file.defaults.is_empty())
    );
    let source = Source { text: "command = ['true']\n".to_owned(), defaults: file.defaults };
    if let Err(faults) = read(&JobName::new("backup").expect("a name"), &source, &context) {
        tell(&faults);
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay_text;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay_text("configuration", 8, super::configuration);
    }
}
