//! [`Calendars`]: the calendars that schedules can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Calendar;
use crate::schedule::DAY_SET_NAMES;

/// Named calendars, good and faulty: a schedule that names a faulty or a missing one is faulty itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars {
    by_name: BTreeMap<String, Result<Arc<Calendar>, String>>,
    /// Why none could be read, when that is so.
    unreadable: Option<String>,
}

/// Why a calendar cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarFault {
    /// There is none of that name.
    #[error("there is no calendar {name:?}")]
    Missing {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Its file is faulty.
    #[error("the calendar {name:?} is faulty: {reason}")]
    Faulty {
        /// The name.
        name: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// No calendar could be read.
    #[error("the calendar {name:?} cannot be read: {reason}")]
    Unreadable {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Calendars {
    /// Calendars that could not be read at all, and why.
    pub fn unreadable(reason: String) -> Self {
        Self { by_name: BTreeMap::new(), unreadable: Some(reason) }
    }

    /// Adds a calendar, or what is wrong with its file. A name that is there already, or that means another set of days,
    /// is faulty from then on.
    pub fn insert(&mut self, name: &str, calendar: Result<Arc<Calendar>, String>) {
        let calendar = match calendar {
            _ if self.by_name.contains_key(name) => Err("two files have this name".to_owned()),
            _ if DAY_SET_NAMES.contains(&name) => {
                Err("this name means another set of days; rename the file".to_owned())
            }
            said => said,
        };
        self.by_name.insert(name.to_owned(), calendar);
    }

    /// Puts a calendar in place of one that is missing or faulty.
    pub fn stand_in(&mut self, name: &str, calendar: Arc<Calendar>) {
        self.by_name.insert(name.to_owned(), Ok(calendar));
    }

    /// A calendar by its name.
    ///
    /// # Errors
    /// When there is none, or it is faulty.
    pub fn find(&self, name: &str) -> Result<Arc<Calendar>, CalendarFault> {
        let owned = || name.to_owned();
        match (self.by_name.get(name), &self.unreadable) {
            (Some(Ok(calendar)), _) => Ok(Arc::clone(calendar)),
            (Some(Err(reason)), _) => Err(CalendarFault::Faulty { name: owned(), reason: reason.clone() }),
            (None, Some(reason)) => Err(CalendarFault::Unreadable { name: owned(), reason: reason.clone() }),
            (None, None) => {
                Err(CalendarFault::Missing { name: owned(), known: self.by_name.keys().cloned().collect() })
            }
        }
    }

    /// The faulty ones, each with what is wrong.
    pub fn faulty(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().filter_map(|(name, calendar)| Some((name.as_str(), calendar.as_ref().err()?.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(text: &str) -> Result<Arc<Calendar>, String> {
        Calendar::from_toml("company", text).map(Arc::new).map_err(|fault| fault.message)
    }

    #[test]
    fn a_name_is_found_missing_or_faulty() {
        let mut all = Calendars::default();
        all.insert("company", calendar("days = [\"05-01\"]"));
        all.insert("broken", calendar("days = [\"13-01\"]"));
        all.insert("holidays", calendar(""));
        assert_eq!(all.find("company").unwrap().name(), "company");
        assert!(all.find("broken").unwrap_err().to_string().contains("names no day"));
        assert!(all.find("holidays").unwrap_err().to_string().contains("another set of days"));
        let known = ["broken", "company", "holidays"].map(str::to_owned).to_vec();
        assert_eq!(all.find("compny"), Err(CalendarFault::Missing { name: "compny".into(), known }));
        all.insert("company", calendar(""));
        assert!(all.find("company").unwrap_err().to_string().contains("two files"));
        assert_eq!(all.faulty().count(), 3);
        let none = Calendars::unreadable("permission denied".into());
        assert!(none.find("company").unwrap_err().to_string().ends_with("permission denied"));
    }

    #[test]
    fn calendars_with_other_days_have_other_fingerprints() {
        let print = |text| calendar(text).unwrap().fingerprint();
        assert_eq!(print("days = [\"05-01\"]"), print("# a comment\ndays = [\"05-01\"]"));
        assert_ne!(print("days = [\"05-01\"]"), print("days = [\"05-02\"]"));
        assert_ne!(print("days = []"), print("weekend = [\"fri\", \"sat\"]"));
    }
}
