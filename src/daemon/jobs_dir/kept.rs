//! [`KeptCalendars`]: the last good text of each calendar, in `<state_dir>/calendars/`.
//!
//! A job whose calendar has become faulty keeps its last good revision in force. That revision is read again when the
//! daemon starts, and means what it meant only with the calendar that was good then.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::calendars::parse;
use crate::schedule::{CALENDAR_LIMIT_BYTES, Calendars};

/// The directory of copies. As many as there were calendars, each at most as large as one; a copy that no job needs any
/// more is removed when the daemon starts.
#[derive(Clone, Debug)]
pub struct KeptCalendars(PathBuf);

impl KeptCalendars {
    /// The copies of a state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("calendars"))
    }

    /// Keeps the text of a good calendar in place of an older one. A copy that cannot be written is told in the log: it
    /// matters only if the calendar becomes faulty and the daemon starts then.
    pub(super) fn keep(&self, file_name: &OsStr, text: &str) {
        if let Err(fault) = self.write(file_name, text) {
            tracing::warn!(%fault, calendar = %Path::new(file_name).display(), "the last good form of a calendar is not kept");
        }
    }

    fn write(&self, file_name: &OsStr, text: &str) -> io::Result<()> {
        let path = self.0.join(file_name);
        if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
            return Ok(());
        }
        fs::create_dir_all(&self.0)?;
        // Its name ends in neither form, so that half a copy is never read.
        let fresh = self.0.join("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        // One name has one calendar: the copy of before may have had the other form.
        for form in ["toml", "ics"] {
            let other = path.with_extension(form);
            if other != path {
                remove(&other)?;
            }
        }
        Ok(())
    }

    /// Puts copies where a calendar is missing or faulty, and removes those that nobody needs: neither is the calendar
    /// there, nor does `is_named` know its name.
    ///
    /// # Errors
    /// When the copies cannot be read; some may have been put.
    pub fn stand_in(&self, calendars: &mut Calendars, is_named: impl Fn(&str) -> bool) -> io::Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(fault) => return Err(fault),
        };
        for entry in entries {
            let path = entry?.path();
            let (Some(file_name), Some(name)) = (path.file_name(), path.file_stem().and_then(OsStr::to_str)) else {
                continue;
            };
            if calendars.find(name).is_ok() {
                continue;
            }
            if !is_named(name) {
                remove(&path)?;
                continue;
            }
            let bytes = fs::read(&path)?;
            let text = std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= CALENDAR_LIMIT_BYTES);
            match text.map(|text| parse(file_name, text)) {
                Some(Ok(calendar)) => calendars.stand_in(name, calendar),
                Some(Err(_)) | None => tracing::warn!(calendar = name, "its kept form is no calendar, and is not used"),
            }
        }
        Ok(())
    }
}

/// That it is gone already is as good.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (tempfile::TempDir, KeptCalendars) {
        let state_dir = tempfile::tempdir().unwrap();
        let kept = KeptCalendars::of(state_dir.path());
        (state_dir, kept)
    }

    fn names(kept: &KeptCalendars) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(&kept.0).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_good_form_stands_in_for_a_faulty_or_missing_one_alone() {
        let (_state_dir, kept) = kept();
        kept.keep(OsStr::new("gone.ics"), "no calendar");
        for (name, day) in [("gone.toml", "'01-01'"), ("broken.toml", "'01-02'"), ("good.toml", "'01-03'")] {
            kept.keep(OsStr::new(name), &format!("days = [{day}]"));
        }
        kept.keep(OsStr::new("broken.toml"), "days = ['05-02']");
        let mut calendars = Calendars::default();
        calendars.insert("broken", Err("line 1".to_owned()));
        calendars.insert("good", parse(OsStr::new("good.toml"), "days = ['07-07']").map_err(|fault| fault.message));
        kept.stand_in(&mut calendars, |_| true).unwrap();
        let holds = |name: &str, day: &str| calendars.find(name).unwrap().contains(day.parse().unwrap());
        assert!(holds("gone", "2026-01-01") && holds("broken", "2026-05-02") && holds("good", "2026-07-07"));
        assert!(!holds("broken", "2026-01-02") && !holds("good", "2026-01-03"));
    }

    #[test]
    fn what_nobody_names_is_removed_and_what_is_no_calendar_passed_over() {
        let (_state_dir, kept) = kept();
        kept.stand_in(&mut Calendars::default(), |_| true).unwrap();
        for name in ["old.toml", "needed.toml", "torn.toml"] {
            kept.keep(OsStr::new(name), "days = []");
        }
        fs::write(kept.0.join("torn.toml"), b"days = [\xff").unwrap();
        let mut calendars = Calendars::default();
        kept.stand_in(&mut calendars, |name| name != "old").unwrap();
        assert_eq!(names(&kept), ["needed.toml", "torn.toml"]);
        assert!(calendars.find("needed").is_ok() && calendars.find("torn").is_err());
    }
}
