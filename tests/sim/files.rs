//! The jobs directory: files are written, broken, mended and deleted, while the daemon runs and while it does not.

use std::sync::Arc;

use jobsd::scheduler::Event;
use jobsd::spec::{Fault, JobName, LoadedSpec, SpecEntry, SpecSet};

use crate::jobs;
use crate::world::SimWorld;

impl SimWorld {
    /// What the daemon reads. It is forced when somebody has said `jobctl reload --force`.
    pub fn read_files(&mut self, forced: bool) -> Event {
        Event::SpecsLoaded(SpecSet { jobs: self.files.clone(), confirmed: forced, ..SpecSet::default() })
    }

    /// Writes a new definition of a job.
    pub fn write_job(&mut self, name: &JobName) {
        let loaded = jobs::draw(name, self.plan.is_crowd(), &mut self.rng);
        self.put_file(loaded);
    }

    fn put_file(&mut self, loaded: Arc<LoadedSpec>) {
        self.specs.insert(loaded.spec.revision.clone(), Arc::clone(&loaded.spec));
        self.files.insert(loaded.spec.name.clone(), SpecEntry::Good(loaded));
    }

    pub fn some_job(&mut self) -> JobName {
        let number = self.rng.below(self.plan.jobs);
        JobName::new(&format!("job-{number}")).expect("a name")
    }

    /// Somebody works on a few files; now and then most of them vanish.
    pub fn edit_files(&mut self) {
        if self.rng.chance(50_000) {
            self.say("files", || "a mount is gone, and most files with it".into());
            let spared = self.some_job();
            return self.files.retain(|name, _| *name == spared);
        }
        for _ in 0..self.rng.between(1, 3) {
            let name = self.some_job();
            match self.rng.below(5) {
                0 => {
                    self.say("files", || format!("{name}.toml is deleted"));
                    self.files.remove(&name);
                }
                1 => {
                    self.say("files", || format!("{name}.toml is broken"));
                    let path = format!("/jobs.d/{name}.toml").into();
                    let fault = Fault { path, summary: "broken".into(), report: "broken".into() };
                    self.files.insert(name, SpecEntry::Faulty(Arc::new(fault)));
                }
                _ => {
                    self.write_job(&name);
                    let SpecEntry::Good(loaded) = &self.files[&name] else { unreachable!("it was just written") };
                    self.say("files", || format!("{name}.toml is written: {}", crate::trace::definition(&loaded.spec)));
                }
            }
        }
    }

    /// The last edit: no schedule is in force any more, and no file is faulty.
    pub fn disable_jobs(&mut self) {
        let good = |entry: &SpecEntry| match entry {
            SpecEntry::Good(loaded) => Some(Arc::clone(loaded)),
            SpecEntry::Faulty(_) => None,
        };
        let good: Vec<_> = self.files.values().filter_map(good).collect();
        for loaded in good {
            self.put_file(jobs::disabled(&loaded));
        }
        self.files.retain(|_, entry| matches!(entry, SpecEntry::Good(_)));
        self.say("files", || "all jobs are disabled".into());
    }
}
