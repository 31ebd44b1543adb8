//! Lines that a job has taken over are commented out.

use std::collections::BTreeMap;

use super::crontab::MOVED;
use crate::spec::JobName;

/// The table with the lines of `moved` (counted from 1) behind a `#` and the name of the job; all else stays byte for
/// byte as it is.
pub fn comment_out(table: &[u8], moved: &BTreeMap<usize, Vec<JobName>>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(table.len());
    for (index, line) in table.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if let Some(names) = moved.get(&(index + 1)) {
            let names = names.iter().map(JobName::as_str).collect::<Vec<_>>().join(", ");
            kept.extend_from_slice(format!("# {MOVED}{names}: ").as_bytes());
        }
        kept.extend_from_slice(line);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::crontab::{Crontab, Form};

    #[test]
    fn only_the_named_lines_change_and_cron_sees_them_no_more() {
        let table = b"PATH=/bin\n0 0 * * * a\n\t0 1 * * *  b \xff\n0 2 * * * c";
        let name = |name: &str| vec![JobName::new(name).unwrap()];
        let moved = BTreeMap::from([(2, name("a")), (4, name("c"))]);
        let kept = comment_out(table, &moved);
        assert_eq!(
            kept,
            b"PATH=/bin\n# moved to jobsd as a: 0 0 * * * a\n\t0 1 * * *  b \xff\n# moved to jobsd as c: 0 2 * * * c"
        );
        let rest = Crontab::read(b"# moved to jobsd as a: 0 0 * * * a\n0 3 * * * d\n", Form::User);
        assert_eq!((rest.entries.len(), rest.entries[0].comment.as_deref()), (1, None));
    }
}
