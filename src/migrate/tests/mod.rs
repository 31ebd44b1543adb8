//! Whole crontabs, imported.

mod equivalence;
mod machine;
mod meaning;

use std::collections::BTreeSet;

use super::crontab::{Crontab, Form, Origin};
use super::{Finished, Import};
use crate::schedule::Zone;
use crate::spec::{Authority, ReadContext};

fn context() -> ReadContext {
    let timezone = Zone::parse("Europe/Berlin").unwrap();
    ReadContext { path: "x.toml".into(), authority: Authority::Anybody, timezone }
}

fn import(text: &str, form: Form) -> Finished {
    let origin = Origin { place: "/etc/crontab".to_owned(), form, owner: None, name: None };
    let mut import = Import::default();
    import.crontab(&Crontab::read(text.as_bytes(), form), &origin);
    import.finish(&BTreeSet::new(), &context(), "")
}
