//! [`Editor`]: a text in the editor of whoever sits there.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::failure::plain;
use super::{Exit, Failure};

/// A text in a file of its own, in a directory that nobody else may enter: it may hold secrets. Both go away with it, unless
/// the text is kept.
pub struct Editor {
    directory: PathBuf,
    file: PathBuf,
    is_kept: Cell<bool>,
}

/// Debian's way to the editor that its administrator chose.
const ALTERNATIVE: &str = "/usr/bin/editor";

impl Editor {
    /// A file with this text, named so that editors know its language.
    pub fn new(job: &str, text: &str) -> Result<Self, Failure> {
        let template = env::temp_dir().join("jobctl-XXXXXX");
        let failed = |fault: io::Error| {
            Failure::new(Exit::Failure, format!("cannot make a file to edit in {}", env::temp_dir().display()))
                .causes([plain(&fault)])
        };
        let directory = nix::unistd::mkdtemp(&template).map_err(|errno| failed(errno.into()))?;
        let file = directory.join(format!("{job}.toml"));
        let editor = Self { directory, file, is_kept: Cell::new(false) };
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(&editor.file);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        Ok(editor)
    }

    /// Opens the editor, waits for its end, and gives what the text is then.
    pub fn open(&self) -> Result<String, Failure> {
        let command = chosen();
        // As git and others do: the variable may hold options.
        let mut script = command.clone();
        script.push(" \"$1\"");
        let name = command.to_string_lossy();
        let failed = || Failure::new(Exit::Failure, format!("the editor, {name}, failed, and nothing was changed"));
        let hint = "set VISUAL or EDITOR to an editor that waits until it is closed";
        let status = Command::new("/bin/sh").arg("-c").arg(script).arg("sh").arg(&self.file).status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(failed().causes([status.to_string()]).hint(hint)),
            Err(fault) => return Err(failed().causes([plain(&fault)]).hint(hint)),
        }
        fs::read_to_string(&self.file)
            .map_err(|fault| Failure::new(Exit::Failure, "what was edited cannot be read").causes([plain(&fault)]))
    }

    /// Leaves the text where it is, and says so with the error: nobody types a job file twice.
    pub fn keep(&self, failure: Failure) -> Failure {
        self.is_kept.set(true);
        failure.cause(format!("your text is kept in {}", self.file.display()))
    }

    #[cfg(test)]
    fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if !self.is_kept.get() {
            // What cannot be removed lies where only its owner sees it, until the machine cleans up.
            fs::remove_dir_all(&self.directory).ok();
        }
    }
}

fn chosen() -> OsString {
    let said = ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    said.unwrap_or_else(|| if Path::new(ALTERNATIVE).exists() { ALTERNATIVE.into() } else { "vi".into() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_text_is_private_and_goes_away_unless_it_is_kept() {
        let editor = Editor::new("backup", "secret").unwrap();
        let (file, directory) = (editor.path().to_owned(), editor.directory.clone());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
        assert!(file.ends_with("backup.toml"));
        drop(editor);
        assert!(!directory.exists());
        let editor = Editor::new("backup", "secret").unwrap();
        let Failure::Told(told) = editor.keep(Failure::new(Exit::Failure, "it failed")) else { unreachable!() };
        let file = editor.path().to_owned();
        drop(editor);
        assert!(told.causes[0].contains(&file.display().to_string()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret");
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
