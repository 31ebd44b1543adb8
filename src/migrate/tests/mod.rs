//! Whole crontabs, imported.

mod equivalence;
mod export;
mod machine;
mod meaning;

use super::crontab::{Crontab, Form, Origin};
use super::{Finished, Import, Terms};
use crate::schedule::Zone;
use crate::spec::{Authority, Machine, ReadContext};

fn context() -> ReadContext {
    let timezone = Zone::parse("Europe/Berlin").unwrap();
    ReadContext { path: "x.toml".into(), authority: Authority::Anybody, timezone, machine: Machine::default() }
}

fn import(text: &str, form: Form) -> Finished {
    let origin = Origin { place: "/etc/crontab".to_owned(), form, owner: None, name: None };
    let mut import = Import::default();
    import.crontab(&Crontab::read(text.as_bytes(), form), &origin);
    finish(import)
}

pub(in crate::migrate) fn finish(import: Import) -> Finished {
    import.finish(&Terms { context: &context(), defaults: "", prefix: "" })
}
