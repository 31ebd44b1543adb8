//! [`Unit`]: a unit file as a list of settings.

/// The settings of a unit file, or of several read one after another, as `systemctl cat` prints them with its drop-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    settings: Vec<Setting>,
}

/// `Key=value` in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    section: String,
    key: String,
    value: String,
}

impl Unit {
    /// Reads unit files ([systemd.syntax(7)]). What is no setting means nothing, as to systemd.
    ///
    /// [systemd.syntax(7)]: https://man7.org/linux/man-pages/man7/systemd.syntax.7.html
    pub fn read(text: &str) -> Self {
        let mut unit = Self::default();
        let mut section = String::new();
        let mut continued = String::new();
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(part) = trimmed.strip_suffix('\\') {
                continued.push_str(part);
                continued.push(' ');
                continue;
            }
            let whole = std::mem::take(&mut continued) + trimmed;
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = whole.split_once('=') {
                let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                unit.settings.push(Setting { section: section.clone(), key, value });
            }
        }
        unit
    }

    /// Every value of a list; an empty one empties the list.
    pub fn all(&self, section: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for setting in self.settings.iter().filter(|setting| setting.section == section && setting.key == key) {
            if setting.value.is_empty() {
                values.clear();
            } else {
                values.push(setting.value.as_str());
            }
        }
        values
    }

    /// The last value, which is the one that counts.
    pub fn one(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).last().copied()
    }

    /// Whether a setting is on.
    pub fn is_on(&self, section: &str, key: &str) -> bool {
        self.one(section, key).is_some_and(|value| matches!(value, "1" | "yes" | "true" | "on"))
    }

    /// Section and key of each setting, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|setting| (setting.section.as_str(), setting.key.as_str()))
    }
}
