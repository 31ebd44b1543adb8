//! Steps: becoming the program.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::execve;

use super::{Child, FIRST_DESCRIPTOR, close_range};
use crate::supervisor::environment;
use crate::supervisor::isolate::Obstacle;

impl Child<'_> {
    pub(super) fn mark_descriptors(&mut self) -> Result<(), Obstacle> {
        Ok(close_range(FIRST_DESCRIPTOR, i32::MAX, libc::CLOSE_RANGE_CLOEXEC)?)
    }

    pub(super) fn restore_signals(&mut self) -> Result<(), Obstacle> {
        // SAFETY: no handler of ours is replaced, SIGPIPE was ignored. All other dispositions are the default since
        // the supervisor began.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        Ok(SigSet::empty().thread_set_mask()?)
    }

    pub(super) fn execute(&mut self) -> Result<(), Obstacle> {
        let words: Result<Vec<CString>, _> = self.plan.argv.iter().map(|word| CString::new(word.as_str())).collect();
        let words = words.map_err(|_| Errno::EINVAL)?;
        let Some(program) = words.first() else { return Err(Errno::EINVAL.into()) };
        let shown = Path::new(OsStr::from_bytes(program.as_bytes()));
        let (mut errno, mut detail) = (Errno::ENOENT, None);
        for candidate in candidates(program, environment::path(&self.environment)) {
            match execve(&candidate, &words, &self.environment) {
                // As execvp(3) does: what cannot be the program in this directory may be in the next, and a file that
                // exists but may not be executed is the better explanation.
                Err(Errno::ENOENT) => detail = detail.or_else(|| missing_interpreter(&candidate)),
                Err(Errno::ENOTDIR) => {}
                Err(Errno::EACCES) => errno = Errno::EACCES,
                Err(other) => return Err(Obstacle::at(shown)(other)),
                Ok(never) => match never {},
            }
        }
        let obstacle = Obstacle::at(shown)(errno);
        Err(match detail.filter(|_| errno == Errno::ENOENT) {
            Some(detail) => obstacle.because(detail),
            None => obstacle,
        })
    }
}

/// Why a file that is there is "not there": what is to execute it is missing. What cannot be read, or is not there, has no
/// such reason.
fn missing_interpreter(file: &CStr) -> Option<String> {
    /// What the kernel reads of a script's first line (`BINPRM_BUF_SIZE`).
    const LINE_LIMIT: u64 = 256;
    let mut head = Vec::new();
    File::open(OsStr::from_bytes(file.to_bytes())).ok()?.take(LINE_LIMIT).read_to_end(&mut head).ok()?;
    let Some(line) = head.strip_prefix(b"#!") else {
        return Some("the file is there, but not the dynamic linker that it asks for".to_owned());
    };
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let words = String::from_utf8_lossy(line);
    let interpreter: String = words.split_whitespace().next()?.escape_debug().collect();
    Some(format!("the file is there, but not {interpreter}, which its first line names"))
}

/// The files that may be the program: itself when it has a slash, else in each directory of the search path.
fn candidates(program: &CString, search_path: &[u8]) -> Vec<CString> {
    if program.as_bytes().contains(&b'/') {
        return vec![program.clone()];
    }
    let within = |directory: &[u8]| {
        // An empty element is the working directory, as everywhere.
        let directory = if directory.is_empty() { b"." } else { directory };
        let path = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(program.as_bytes()));
        CString::new(path.into_os_string().into_vec()).expect("its parts came from strings without NUL")
    };
    search_path.split(|&byte| byte == b':').map(within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_searched_as_execvp_does() {
        let list = |program: &str, path: &str| -> Vec<String> {
            let found = candidates(&CString::new(program).unwrap(), path.as_bytes());
            found.into_iter().map(|path| path.into_string().unwrap()).collect()
        };
        assert_eq!(list("true", "/bin::/usr/bin"), ["/bin/true", "./true", "/usr/bin/true"]);
        assert_eq!(list("./x", "/bin"), ["./x"]);
        assert_eq!(list("/a/x", ""), ["/a/x"]);
    }
}
