//! [`run`]: brings the engine up, keeps it up, takes it down.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::handle::{About, Circumstances, Published, RequestError, SupervisorState};
use super::janitor::Janitor;
use super::jobs_dir::{self, CalendarsDir, JobFiles, JobsDir, JobsDirError, KeptCalendars};
use super::keeper::{self, Keeper};
use super::loader::{Loader, LoaderBell, Reason};
use super::local::LocalWorld;
use super::lookout;
use super::mailbox::{Mailbox, Message};
use super::notices::{Dispatcher, NoticeDesk};
use super::service_manager::ServiceManager;
use super::{Config, EventLoop, Handle, Input, ShutdownMode, StoreCondition, system_clock};
use crate::api::ApiSocket;
use crate::api::serve;
use crate::scheduler::{Event, LoadSummary, Recovered, Scheduler, SpecIndex};
use crate::spec;
use crate::store::{self, Opened, Options, Store, WriteState};
use crate::threads;

/// Announcements that a listener may be behind; one that is further behind is told that it missed some.
const ANNOUNCEMENTS: usize = 4096;

/// How long the first supervisor may take before the daemon says that it is ready without one.
const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// Threads that answer clients; what may block has others.
const API_THREADS: usize = 2;

/// Threads of a daemon at work, and some to spare. Where it may have fewer it does not come up: sled would wait for ever,
/// tokio and notify panic, each after half of the start.
const THREADS: usize = 32;

/// How long clients wait until the jobs directory is in force for the first time. A state that cannot be written, or very many
/// jobs, do not keep anybody from asking.
const FIRST_LOAD: Duration = Duration::from_secs(5);

/// How the daemon is run, beside its configuration.
pub struct Mode {
    /// Whether somebody else, as systemd, starts the supervisor.
    pub external_supervisor: bool,
    /// Reads the configuration again, for a reload.
    pub configure: Box<dyn Fn() -> anyhow::Result<Config> + Send>,
}

/// Runs the engine until it is told to go down.
///
/// # Errors
/// When it cannot come up: the state is in use or damaged, the jobs directory is missing on a first start, the socket
/// cannot be bound.
pub fn run(config: &Config, mode: Mode) -> anyhow::Result<()> {
    threads::try_to_start(THREADS).context("cannot start the daemon's threads")?;
    let options = Options { inspector: super::state::inspector(), ..Options::at(system_clock::now().wall) };
    let Opened { store, recovered, notes } = Store::open(&config.paths.state_dir, options)?;
    for note in &notes {
        tracing::warn!("{note}");
    }
    let first_start = recovered.jobs.is_empty();
    let boot = system_clock::boot(&config.paths.state_dir).context("cannot tell the present boot")?;
    let specs = read_sources(&recovered, config);
    let scheduler = Scheduler::recover(boot.clone(), recovered, specs, system_clock::now());

    let (mailbox, messages, bell) = Mailbox::new().context("cannot make the event loop's mailbox")?;
    let (loader_bell, reasons) = LoaderBell::new();
    let published = Arc::new(Published {
        snapshot: arc_swap::ArcSwap::from_pointee(scheduler.snapshot()),
        announcements: broadcast::Sender::new(ANNOUNCEMENTS),
        about: About {
            started_at: system_clock::now().wall,
            jobs_dir: config.paths.jobs_dir.clone(),
            state_dir: config.paths.state_dir.clone(),
            socket: config.paths.socket.clone(),
            config: config.file.clone(),
            machine_tz_database: crate::surroundings::machine_tz_database(),
            boot,
        },
        supervisor: arc_swap::ArcSwap::from_pointee(SupervisorState::Missing { reason: "not connected yet".into() }),
        jobs_dir_fault: arc_swap::ArcSwapOption::empty(),
        config_fault: arc_swap::ArcSwapOption::empty(),
        strays: arc_swap::ArcSwap::from_pointee(Vec::new()),
        warnings: arc_swap::ArcSwap::default(),
        circumstances: arc_swap::ArcSwap::from_pointee(Circumstances {
            reading: config.reading.clone(),
            calendars: Arc::default(),
        }),
        store: store.reader(),
        health: store.health(),
        notes: arc_swap::ArcSwap::from_pointee(notes),
        caretaker: store.caretaker(),
        access: tokio::sync::watch::Sender::new(Arc::new(config.access.clone())),
        job_files: Arc::new(JobFiles::new(config.paths.jobs_dir.clone())),
        notify: arc_swap::ArcSwap::from_pointee(config.notify.clone()),
        reading: arc_swap::ArcSwap::from_pointee(config.reading.clone()),
        trust: arc_swap::ArcSwap::from_pointee(config.trust.clone()),
        metrics: super::Metrics::default(),
        output_bounds: arc_swap::ArcSwap::from_pointee(config.output),
    });
    let handle = Handle::new(mailbox.clone(), loader_bell.clone(), Arc::clone(&published));

    let kept = KeptCalendars::of(&config.paths.state_dir);
    let jobs = JobsDir::new(config.paths.jobs_dir.clone(), config.trust.clone(), config.reading.clone())
        .keeping_calendars(kept.clone());
    let lookout =
        lookout::start(Arc::clone(&published)).context("cannot start the thread that looks at the machine")?;
    let mut loader = Loader {
        jobs,
        mailbox: mailbox.clone(),
        published: Arc::clone(&published),
        kept,
        configure: mode.configure,
        lookout,
    };
    let loaded = greet(&mut loader, &mailbox, first_start)?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(API_THREADS)
        .thread_name("api")
        .enable_all()
        .build()
        .context("cannot start the API's threads")?;
    let socket = {
        let _inside = runtime.enter();
        ApiSocket::bind(&config.paths.socket, config.access.audience())?
    };

    let (desk, due_notices) = NoticeDesk::new();
    let dispatcher = Dispatcher {
        mailbox: mailbox.clone(),
        published: Arc::clone(&published),
        state_dir: config.paths.state_dir.clone(),
    };
    let dispatcher = dispatcher.start(due_notices).context("cannot start the thread that makes messages")?;
    let (store_health, store_news) = (store.health(), mailbox.clone());
    let world = LocalWorld {
        mailbox: mailbox.clone(),
        messages,
        bell,
        alarm: Alarm::new().context("cannot make the event loop's timer")?,
        store,
        link: None,
        published: Arc::clone(&published),
        manager: ServiceManager::of_environment().context("cannot reach the service manager")?,
        desk,
        told_faults: super::local::ToldFaults::default(),
    };
    let main_loop = spawn_loop(EventLoop::new(scheduler, world))?;
    let keeper = Keeper {
        mailbox: mailbox.clone(),
        socket: config.paths.supervisor_socket.clone(),
        state_dir: config.paths.state_dir.clone(),
        starts_supervisor: !mode.external_supervisor,
    };
    let (keeper_stop, keeper) = keeper.start().context("cannot start the thread that keeps the supervisor")?;
    let watched = loader_bell.clone();
    let watcher = jobs_dir::watch(&config.paths.jobs_dir, move || {
        // Without a loader the daemon goes down, and changes no longer matter.
        watched.ring(Reason::Changed);
    })
    .context("cannot start the thread that watches the jobs directory")?;
    let watched = loader_bell.clone();
    let calendar_watcher = jobs_dir::watch(&config.paths.calendars_dir, move || {
        watched.ring(Reason::Changed);
    })
    .context("cannot start the thread that watches the calendars directory")?;
    for (what, watcher) in [("jobs", &watcher), ("calendars", &calendar_watcher)] {
        if let Some(reason) = watcher.degraded() {
            tracing::warn!("changes of the {what} directory are looked for every second: {reason}");
        }
    }
    let loader = loader.start(reasons).context("cannot start the thread that reads the jobs directory")?;
    let (janitor_stop, stopped) = std::sync::mpsc::channel();
    let janitor = Janitor { mailbox, published: Arc::clone(&published), state_dir: config.paths.state_dir.clone() };
    let janitor = janitor.start(stopped).context("cannot start the thread that keeps house")?;
    say_where(config, &published);
    let manager = ServiceManager::of_environment().context("cannot reach the service manager")?;

    let stopping = CancellationToken::new();
    runtime.spawn(be_ready_without_supervisor(stopping.clone()));
    runtime.spawn(watch_store(store_health, store_news));
    runtime.spawn(listen_for_signals(handle.clone(), loader_bell.clone()));
    let until = stopping.clone();
    let server = runtime.spawn(async move {
        // Who asks right after the start is told of the jobs that are there.
        tokio::select! {
            _ = loaded => {}
            () = tokio::time::sleep(FIRST_LOAD) => {}
            () = until.cancelled() => {}
        }
        serve(socket, handle, || system_clock::now().wall, until).await;
    });

    let world = join(main_loop, "event loop");
    manager.stopping();
    stopping.cancel();
    if let Err(fault) = runtime.block_on(server) {
        tracing::error!(%fault, "the API ended badly");
    }
    drop((watcher, calendar_watcher));
    loader_bell.ring(Reason::Stop);
    drop(janitor_stop);
    // The keeper may have ended by itself, when it could no longer reach the loop.
    drop(keeper_stop.send(keeper::Wakeup::Stop));
    join(loader, "loader");
    join(janitor, "janitor");
    join(keeper, "keeper");
    say_goodbye(&published);
    // Its end lets the thread that makes messages end.
    drop(world);
    join(dispatcher, "dispatcher");
    Ok(())
}

/// Reads the stored texts of all revisions that are in use. One that this program no longer accepts is said, and its job
/// waits for its file.
fn read_sources(recovered: &Recovered, config: &Config) -> SpecIndex {
    let reading = &config.reading;
    let mut calendars = CalendarsDir::new(reading.calendars_dir.clone()).load(&config.trust);
    // They stand in for the stored definitions alone: a file that is read now has to do without a faulty calendar.
    let is_named =
        |name: &str| recovered.sources.iter().any(|(_, _, it)| it.text.contains(name) || it.defaults.contains(name));
    if let Err(fault) = KeptCalendars::of(&config.paths.state_dir).stand_in(&mut calendars, is_named) {
        tracing::warn!(%fault, "the last good forms of calendars cannot be read");
    }
    let calendars = Arc::new(calendars);
    let mut specs = SpecIndex::new();
    for (revision, job, source) in &recovered.sources {
        let context = reading.context(format!("{job}.toml").into(), &calendars);
        match spec::read(job, source, &context) {
            Ok(mut spec) => {
                // The zone of the machine may have changed since: the revision is what it was stored as.
                spec.revision = revision.clone();
                specs.insert(revision.clone(), Arc::new(spec));
            }
            Err(faults) => {
                tracing::warn!(%job, revision = revision.short(), "the stored definition is no longer accepted: {}", faults.summary());
            }
        }
    }
    specs
}

/// Puts into the mailbox what the loop must see before anything else: the directory as it is, and a look at the clock.
/// Gives what tells that the directory is in force.
fn greet(
    loader: &mut Loader,
    mailbox: &Mailbox,
    first_start: bool,
) -> anyhow::Result<oneshot::Receiver<Result<LoadSummary, RequestError>>> {
    if first_start && let Err(fault @ JobsDirError::Missing { .. }) = loader.jobs.load() {
        return Err(fault.into());
    }
    let (answer, loaded) = oneshot::channel();
    loader.load(false, Some(answer));
    mailbox.send(Message::Input(Input::Event(Event::ClockStepped, None)));
    Ok(loaded)
}

fn spawn_loop(event_loop: EventLoop<LocalWorld>) -> anyhow::Result<JoinHandle<LocalWorld>> {
    std::thread::Builder::new()
        .name("scheduler".into())
        .spawn(move || event_loop.run())
        .context("cannot start the event loop")
}

/// A thread that panicked has said so; the others are taken down in order all the same.
fn join<T>(thread: JoinHandle<T>, name: &str) -> Option<T> {
    thread.join().map_err(|_| tracing::error!("the {name} ended by a panic")).ok()
}

/// Tells the loop whether the store can record runs, now and whenever that changes.
async fn watch_store(mut health: store::Health, mailbox: Mailbox) {
    let mut told = StoreCondition::Good;
    let mut state = health.state();
    loop {
        let condition = match state {
            WriteState::Writing => StoreCondition::Good,
            WriteState::OnReserve => StoreCondition::Short,
            WriteState::Failing { .. } => StoreCondition::Failing,
            WriteState::Closed => return,
        };
        let is_news = condition != told;
        told = condition;
        // The mailbox may be full for a moment.
        if is_news && !tokio::task::block_in_place(|| mailbox.send(Message::Input(Input::Store(condition)))) {
            return;
        }
        state = health.changed().await;
    }
}

/// The loop says that the daemon is ready once there is a supervisor. A machine on which none comes up still gets a daemon
/// that answers, and tells why.
async fn be_ready_without_supervisor(stopping: CancellationToken) {
    tokio::select! {
        () = stopping.cancelled() => {}
        () = tokio::time::sleep(FIRST_CONNECTION) => match ServiceManager::of_environment() {
            Ok(manager) => manager.ready(),
            Err(fault) => tracing::warn!(%fault, "the service manager cannot be told"),
        },
    }
}

async fn listen_for_signals(handle: Handle, loader: LoaderBell) {
    let listen = |kind| signal(kind).expect("the runtime has its signal driver");
    let (mut terminate, mut interrupt, mut hangup) =
        (listen(SignalKind::terminate()), listen(SignalKind::interrupt()), listen(SignalKind::hangup()));
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                tracing::info!("SIGHUP: reading the configuration and the jobs directory again");
                loader.ring(Reason::Hangup);
                continue;
            }
        }
        if let Err(fault) = handle.shutdown(ShutdownMode::LeaveRuns) {
            tracing::error!(%fault, "cannot begin to go down");
        }
    }
}

fn say_where(config: &Config, published: &Published) {
    for note in &config.notes {
        tracing::info!("{note}");
    }
    tracing::info!(
        jobs = %config.paths.jobs_dir.display(),
        state = %config.paths.state_dir.display(),
        socket = %config.paths.socket.display(),
        "jobsd {} is up",
        env!("CARGO_PKG_VERSION"),
    );
    tracing::debug!(known = published.snapshot.load().jobs.len(), "jobs of the last time");
}

fn say_goodbye(published: &Published) {
    let live: Vec<_> =
        published.snapshot.load().live.values().filter(|run| run.current_attempt().is_some()).cloned().collect();
    match live.len() {
        0 => tracing::info!("down; no run is live"),
        count => {
            tracing::info!("down; {count} live run(s) go on under the supervisor and are found again at the next start")
        }
    }
}
