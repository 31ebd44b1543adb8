//! [`Inputs`]: what a job is given beside its arguments and variables, and how a file says it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::spec::findings::{Findings, Problem};
use crate::spec::limits::{CREDENTIALS_LIMIT, PATHS_LIMIT, STDIN_LIMIT, VARIABLES_LIMIT};
use crate::spec::tree::{Field, Table};
use crate::spec::values;

/// Files, secrets and standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Where standard input comes from.
    pub stdin: Stdin,
    /// Files of variables, read as the job's user when the attempt starts; later ones win, and `[environment]` wins over
    /// all of them.
    pub environment_files: Vec<EnvironmentFile>,
    /// Variables that are taken over from the supervisor's own environment when they are there.
    pub pass_environment: BTreeSet<String>,
    /// Secrets by name: files at `$CREDENTIALS_DIRECTORY`.
    pub credentials: BTreeMap<String, Credential>,
}

/// Standard input. `Debug` does not show the text, which may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    #[default]
    Nothing,
    /// This text.
    Text(String),
    /// A file, opened as the job's user.
    File(PathBuf),
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Text(text) => write!(f, "Text of {} bytes", text.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A file of variables, in the format of systemd's `EnvironmentFile=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the job starts without it; written as a leading `-`.
    pub optional: bool,
}

impl EnvironmentFile {
    /// Reads `/path` or `-/path`.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, optional) = text.strip_prefix('-').map_or((text, false), |path| (path, true));
        (path.starts_with('/') && !path.contains('\0')).then(|| Self { path: path.into(), optional })
    }

    /// As [`EnvironmentFile::parse`] reads it.
    pub fn text(&self) -> String {
        format!("{}{}", if self.optional { "-" } else { "" }, self.path.display())
    }
}

/// Where a secret comes from. All of them are read by the daemon's user, not by the job's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The content of a file.
    File(PathBuf),
    /// What a program prints on standard output; it must exit with 0.
    Command(Vec<String>),
    /// The credential of this name that systemd gave to the supervisor's unit.
    Systemd(String),
}

/// `"text"`, or `{ file = "/path" }`. The text is hidden in reports.
pub(super) fn stdin(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Stdin> {
    findings.hide(field.span.clone());
    let Some(table) = field.value.as_table() else {
        return field.parsed(findings, "expected a text in quotes, or { file = \"/path\" }", |text| {
            if text.len() > STDIN_LIMIT {
                return Err(Problem::new("`stdin` is too long")
                    .expected(format!("expected at most {STDIN_LIMIT} bytes"))
                    .hint("put it into a file: stdin = { file = \"/path\" }"));
            }
            Ok(Stdin::Text(text.to_owned()))
        });
    };
    let mut table = Table::new(table, "stdin.");
    let file = table.read("file", findings, values::absolute_path);
    table.finish(findings, &[]);
    if file.is_none() {
        findings
            .add(field.span.clone(), Problem::new("`stdin` names no file").expected("expected { file = \"/path\" }"));
    }
    file.map(|file| Stdin::File(file.value))
}

pub(super) fn environment_files(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<EnvironmentFile>> {
    const EXPECTED: &str = "expected a list of absolute paths; one that may be missing begins with '-'";
    list(field, findings, EXPECTED, |text| EnvironmentFile::parse(text).ok_or("it is no absolute path"))
}

pub(super) fn pass_environment(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<String>> {
    let names = list(field, findings, "expected a list of names of variables", |name| {
        let unfit = |c: char| c == '=' || c.is_whitespace() || c.is_control();
        match name {
            "" => Err("a name is empty"),
            name if name.contains(unfit) => Err("a name holds '=', white space or a control character"),
            name if name.starts_with("JOBSD_") => Err("names that begin with JOBSD_ tell a run about itself"),
            name => Ok(name.to_owned()),
        }
    })?;
    if names.len() > VARIABLES_LIMIT {
        let problem = Problem::new(format!("`{}` has more than {VARIABLES_LIMIT} names", field.path));
        findings.add(field.span.clone(), problem);
    }
    Some(names.into_iter().collect())
}

/// A list of texts, each read by `parse`, which says in words what is wrong with one.
pub(super) fn list<T>(
    field: &Field<'_, '_>,
    findings: &mut Findings,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Option<Vec<T>> {
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, expected);
        return None;
    };
    if elements.len() > PATHS_LIMIT {
        let problem = Problem::new(format!("`{}` has more than {PATHS_LIMIT} entries", field.path));
        findings.add(field.span.clone(), problem);
        return None;
    }
    let read = |element: &Field<'_, '_>, findings: &mut Findings| {
        element.parsed(findings, expected, |text| {
            parse(text).map_err(|why| Problem::new(format!("`{}`: {why}", element.path)).expected(expected))
        })
    };
    let values = elements.iter().map(|element| read(element, findings)).collect::<Vec<_>>();
    values.into_iter().collect()
}

/// `[credentials]`: name = "/path", { command = […] } or { systemd = "name" }.
pub(super) fn credentials(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeMap<String, Credential>> {
    let Some(table) = field.value.as_table() else {
        field.wrong_kind(findings, "expected a table, [credentials]");
        return None;
    };
    if table.len() > CREDENTIALS_LIMIT {
        let problem = Problem::new(format!("`credentials` has more than {CREDENTIALS_LIMIT} entries"));
        findings.add(field.span.clone(), problem);
    }
    let mut credentials = BTreeMap::new();
    for (name, value) in table.iter() {
        let word: &str = name.get_ref();
        if !is_credential_name(word) {
            let problem = Problem::new(format!("{word:?} cannot be the name of a credential"));
            findings.add(name.span(), problem.expected("expected letters, digits, '.', '_' and '-'"));
        }
        let field = Field { path: format!("credentials.{word}"), value: value.get_ref(), span: value.span() };
        credentials.extend(credential(&field, findings).map(|credential| (word.to_owned(), credential)));
    }
    Some(credentials)
}

fn credential(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Credential> {
    const EXPECTED: &str = "expected \"/path\", { command = [\"program\"] } or { systemd = \"name\" }";
    let Some(table) = field.value.as_table() else {
        // Somebody may have written the secret itself.
        if field.value.as_str().is_none_or(|text| !text.starts_with('/')) {
            findings.hide(field.span.clone());
        }
        return field.parsed(findings, EXPECTED, |text| {
            if !text.starts_with('/') || text.contains('\0') {
                let problem = Problem::new(format!("`{}` is no absolute path", field.path)).expected(EXPECTED);
                return Err(problem.hint("a secret itself never stands in a job file"));
            }
            Ok(Credential::File(text.into()))
        });
    };
    let prefix = format!("{}.", field.path);
    let mut table = Table::new(table, &prefix);
    let before = findings.count();
    let file = table.read("file", findings, values::absolute_path).map(|said| Credential::File(said.value));
    let command = table.read("command", findings, values::argv).map(|said| Credential::Command(said.value));
    let systemd = table.read("systemd", findings, systemd_name).map(|said| Credential::Systemd(said.value));
    let is_told = findings.count() > before;
    table.finish(findings, &[]);
    let mut sources = [file, command, systemd].into_iter().flatten();
    match (sources.next(), sources.next()) {
        (Some(source), None) => Some(source),
        // One was there, and what is wrong with it has been said.
        (None, _) if is_told => None,
        (None, _) | (Some(_), Some(_)) => {
            let problem = Problem::new(format!("`{}` must have one source", field.path)).expected(EXPECTED);
            findings.add(field.span.clone(), problem);
            None
        }
    }
}

fn systemd_name(field: &Field<'_, '_>, findings: &mut Findings) -> Option<String> {
    field.parsed(findings, "expected the name of a credential", |text| {
        if is_credential_name(text) {
            return Ok(text.to_owned());
        }
        Err(Problem::new(format!("{text:?} cannot be the name of a credential")))
    })
}

/// Names become names of files.
fn is_credential_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=255).contains(&name.len()) && name.chars().all(fits) && !matches!(name, "." | "..")
}
