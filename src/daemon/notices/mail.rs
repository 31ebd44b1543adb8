//! A message as a mail, in the form in which cron sends its own.

use super::facts::Facts;
use crate::run::Notice;

/// Bytes of a line of mail. More than 998 are not allowed ([RFC 5322], 2.1.1), and a character is not to be cut.
///
/// [RFC 5322]: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1
const LINE_LIMIT: usize = 900;

/// Head and text, for `sendmail -i -t`. No value of a header can hold a line break: names of jobs, hosts, runs and events have
/// alphabets of their own, and the summary is ours.
pub(super) fn write(notice: &Notice, to: &str, facts: &Facts, output: Option<&str>) -> String {
    let variable = |name: &str| facts.variables.get(name).map(String::as_str);
    let host = variable("JOBSD_HOST").unwrap_or_default();
    let mut mail = String::new();
    let mut header = |name: &str, value: &str| mail.push_str(&format!("{name}: {value}\n"));
    header("To", to);
    header("Subject", &format!("jobsd <{host}> {}: {}", notice.job, facts.summary));
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=UTF-8");
    header("Content-Transfer-Encoding", "8bit");
    // No vacation notice answers it (RFC 3834).
    header("Auto-Submitted", "auto-generated");
    header("Precedence", "bulk");
    for (name, variable_name) in [
        ("X-Jobsd-Host", "JOBSD_HOST"),
        ("X-Jobsd-Job", "JOBSD_JOB"),
        ("X-Jobsd-Run", "JOBSD_RUN"),
        ("X-Jobsd-Event", "JOBSD_EVENT"),
        ("X-Jobsd-Outcome", "JOBSD_OUTCOME"),
    ] {
        if let Some(value) = variable(variable_name) {
            header(name, value);
        }
    }
    mail.push('\n');
    for (name, value) in &facts.lines {
        mail.push_str(&format!("{name:13} {value}\n"));
    }
    if let Some(output) = output {
        mail.push('\n');
        output.lines().for_each(|line| push_folded(&mut mail, line));
    }
    mail
}

fn push_folded(mail: &mut String, line: &str) {
    let mut length = 0;
    for c in line.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }) {
        if length + c.len_utf8() > LINE_LIMIT {
            mail.push('\n');
            length = 0;
        }
        mail.push(c);
        length += c.len_utf8();
    }
    mail.push('\n');
}
