//! [`locate`]: where a file says something, for what is found out about it only after it was read.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The bytes at which a file says the value of a key, given as the names of the tables it lies in and its own; of a list, those
/// of the element that is `element`. `None` when the file does not say it, as when it comes from `[defaults]`.
///
/// ```
/// let text = "user = 'www'\n[isolation]\nhidden = ['/a', '/b']\n";
/// let said = |key: &[&str], element| jobsd::spec::locate(text, key, element).map(|span| &text[span]);
/// assert_eq!(said(&["user"], None), Some("'www'"));
/// assert_eq!(said(&["isolation", "hidden"], Some("/b")), Some("'/b'"));
/// assert_eq!(said(&["group"], None), None);
/// ```
pub fn locate(text: &str, key: &[&str], element: Option<&str>) -> Option<Range<usize>> {
    let (last, tables) = key.split_last()?;
    let (document, _) = DeTable::parse_recoverable(text);
    let mut table = document.get_ref();
    for name in tables {
        table = table.get(*name)?.get_ref().as_table()?;
    }
    let value = table.get(*last)?;
    let DeValue::Array(elements) = value.get_ref() else { return Some(value.span()) };
    let found = element.and_then(|wanted| elements.iter().find(|one| one.get_ref().as_str() == Some(wanted)));
    Some(found.map_or_else(|| value.span(), |one| one.span()))
}
