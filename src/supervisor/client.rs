//! [`Link`]: the engine's end of the connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;

use super::clock;
use super::protocol::wire::{self, ToEngine, ToSupervisor};
use super::protocol::{ConversionError, FrameBuffer, FrameError, encode};
use crate::clock::BootId;
use crate::run::{
    AttemptEnd, AttemptId, Ending, LaunchPlan, Leftovers, OutputSummary, Report, SetupFailure, StopReason, Usage,
};
use crate::spec::{OutputPolicy, OutputTo};

/// Time that the supervisor has to answer, and to take what is said to it. It never waits for anything, so that one that
/// does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the engine asks of the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Launch this attempt, unless it ever was launched. A `Started` or an `Ended` follows, in any case.
    Launch(Box<LaunchPlan>),
    /// Say what became of an attempt that was asked for earlier: `Started`, `Ended`, or `NoTrace`. An attempt that is
    /// still being set up is reported when it no longer is.
    ///
    /// `NoTrace` proves that nothing was launched only if the attempt was asked for in this boot (see
    /// [`Supervisor::boot`]): directories are not synced, and may be lost with the power.
    Find(Box<LaunchPlan>),
    /// Stop an attempt by its ladder. An `Ended` follows; for an attempt that is not live, what is known of it.
    Stop {
        /// Which.
        attempt: AttemptId,
        /// Why. A later reason does not replace an earlier one.
        reason: StopReason,
    },
    /// The end of this attempt is durable in the store.
    Acknowledge(AttemptId),
}

/// What a link delivers, in order, from a thread of its own.
#[derive(Debug)]
pub enum Incoming {
    /// The supervisor speaks.
    Report(Report),
    /// The connection is over; nothing comes after it. When the link was dropped, it comes as well.
    Closed(LinkError),
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    /// Its process.
    pub pid: u32,
    /// The boot in which it runs.
    pub boot: BootId,
    /// The version of its program.
    pub program: String,
    /// The version of the protocol that it chose.
    pub version: u32,
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens.
    #[error("no supervisor answers at {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The supervisor does not want this engine.
    #[error("the supervisor refuses: {0}")]
    Refused(String),
    /// The connection failed.
    #[error("the connection to the supervisor failed")]
    Socket(#[source] io::Error),
    /// The supervisor closed the connection.
    #[error("the supervisor closed the connection")]
    Closed,
    /// What it says is no message.
    #[error("the supervisor sent what is no message")]
    Frame(#[source] FrameError),
    /// What it says means nothing.
    #[error("the supervisor sent an impossible message")]
    Meaning(#[source] ConversionError),
    /// It chose a version that the engine did not offer.
    #[error("the supervisor chose version {0} of the protocol, which this engine does not speak")]
    Version(u32),
}

type Deliver = Box<dyn Fn(Incoming) + Send>;

/// A connection to the supervisor. Dropping it closes it.
pub struct Link {
    stream: Mutex<UnixStream>,
    deliver: Arc<Mutex<Deliver>>,
    supervisor: Supervisor,
    reader: Option<JoinHandle<()>>,
}

impl Link {
    /// Connects. `generation` has to grow with every start of an engine on the state directory: a supervisor turns its
    /// back on an older one. `deliver` gets every report, from another thread, beginning with what the supervisor has.
    ///
    /// Blocks for up to five seconds.
    ///
    /// # Errors
    /// When nobody listens, or the supervisor refuses or does not answer.
    pub fn connect(
        socket: &Path,
        generation: u64,
        deliver: impl Fn(Incoming) + Send + 'static,
    ) -> Result<Self, LinkError> {
        let mut stream =
            UnixStream::connect(socket).map_err(|source| LinkError::Connect { socket: socket.to_owned(), source })?;
        let timeouts = |stream: &UnixStream, read| {
            stream.set_read_timeout(read).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        };
        timeouts(&stream, Some(PATIENCE)).map_err(LinkError::Socket)?;
        let hello = ToSupervisor::Hello { versions: vec![wire::VERSION, wire::OLDER_VERSION], generation };
        stream.write_all(&encode(&hello).map_err(LinkError::Frame)?).map_err(LinkError::Socket)?;
        let mut incoming = Reader { stream, buffer: FrameBuffer::default() };
        let supervisor = greet(incoming.next()?)?;
        timeouts(&incoming.stream, None).map_err(LinkError::Socket)?;
        let stream = incoming.stream.try_clone().map_err(LinkError::Socket)?;
        let deliver: Arc<Mutex<Deliver>> = Arc::new(Mutex::new(Box::new(deliver)));
        let delivering = Arc::clone(&deliver);
        let reader = std::thread::Builder::new()
            .name("supervisor-link".to_owned())
            .spawn(move || incoming.run(&delivering))
            .map_err(LinkError::Socket)?;
        Ok(Self { stream: Mutex::new(stream), deliver, supervisor, reader: Some(reader) })
    }

    /// Who answers.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Asks. Returns when the request is under way; an answer is a report. Blocks while the supervisor's socket is full,
    /// for up to five seconds.
    ///
    /// A plan that does not fit into a message ([`FRAME_LIMIT`](super::protocol::FRAME_LIMIT)) is not sent: its attempt
    /// is reported as ended, `SetupFailed`, in place of the supervisor. So is one that asks for what an older supervisor
    /// does not know (`ENOSYS`): it would start the job without.
    ///
    /// # Errors
    /// When the connection is over; `Closed` is delivered, too.
    pub fn send(&self, request: &Request) -> Result<(), LinkError> {
        let is_older = self.supervisor.version == wire::OLDER_VERSION;
        let message = match request {
            Request::Launch(plan) => ToSupervisor::Launch { plan: Box::new((&**plan).into()) },
            Request::Find(plan) if is_older => ToSupervisor::Find { plan: Box::new((&for_older(plan)).into()) },
            Request::Find(plan) => ToSupervisor::Find { plan: Box::new((&**plan).into()) },
            Request::Stop { attempt, reason } => {
                ToSupervisor::Stop { attempt: attempt.into(), reason: (*reason).into() }
            }
            Request::Acknowledge(attempt) => ToSupervisor::Acknowledge { attempt: attempt.into() },
        };
        if let Request::Launch(plan) = request
            && is_older
            && for_older(plan) != **plan
        {
            deliver(&self.deliver, Incoming::Report(not_sent(plan, Errno::ENOSYS)));
            return Ok(());
        }
        match (encode(&message), request) {
            (Ok(frame), _) => self.write(&frame),
            (Err(FrameError::TooLong { .. }), Request::Launch(plan) | Request::Find(plan)) => {
                deliver(&self.deliver, Incoming::Report(not_sent(plan, Errno::E2BIG)));
                Ok(())
            }
            (Err(fault), _) => Err(LinkError::Frame(fault)),
        }
    }

    fn write(&self, frame: &[u8]) -> Result<(), LinkError> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(frame).map_err(|fault| {
            // Half a frame may be under way: nothing that follows would be understood.
            close(&stream);
            LinkError::Socket(fault)
        })
    }
}

/// A plan without what version 2 does not know. It looks for an attempt by its name alone, and so may be given this.
fn for_older(plan: &LaunchPlan) -> LaunchPlan {
    let mut plan = plan.clone();
    plan.output = OutputPolicy { to: OutputTo::Files, rate: None, ..plan.output };
    plan.process.isolation.control_socket = true;
    plan
}

impl Drop for Link {
    fn drop(&mut self) {
        close(&self.stream.lock().unwrap_or_else(PoisonError::into_inner));
        let own = |reader: &JoinHandle<()>| reader.thread().id() == std::thread::current().id();
        if let Some(reader) = self.reader.take_if(|reader| !own(reader))
            && reader.join().is_err()
        {
            tracing::error!("the reader of the supervisor's connection panicked");
        }
    }
}

fn close(stream: &UnixStream) {
    match stream.shutdown(Shutdown::Both) {
        Err(fault) if fault.kind() != io::ErrorKind::NotConnected => {
            tracing::warn!(%fault, "cannot close the connection to the supervisor");
        }
        Ok(()) | Err(_) => {}
    }
}

fn deliver(to: &Mutex<Deliver>, incoming: Incoming) {
    (to.lock().unwrap_or_else(PoisonError::into_inner))(incoming);
}

fn greet(first: ToEngine) -> Result<Supervisor, LinkError> {
    match first {
        ToEngine::Hello { version: version @ (wire::VERSION | wire::OLDER_VERSION), pid, boot, program } => {
            Ok(Supervisor { pid, boot: BootId::new(&boot), program, version })
        }
        ToEngine::Hello { version, .. } => Err(LinkError::Version(version)),
        ToEngine::Refused { reason } => Err(LinkError::Refused(reason)),
        ToEngine::Started { .. } | ToEngine::Ended { .. } | ToEngine::NoTrace { .. } => {
            Err(LinkError::Refused("it reports before it says hello".to_owned()))
        }
    }
}

/// The end of an attempt whose plan the supervisor cannot be told.
fn not_sent(plan: &LaunchPlan, errno: Errno) -> Report {
    let failure = SetupFailure::of_daemon("send plan", None, errno as i32);
    let end = AttemptEnd {
        ending: Ending::SetupFailed(failure),
        stopped: None,
        out_of_memory: None,
        leftovers: Leftovers::default(),
        started_at: None,
        ended_at: clock::now().wall,
        usage: Usage::default(),
        output: OutputSummary::default(),
    };
    Report::Ended { attempt: plan.attempt.clone(), end: Box::new(end) }
}

/// The reading half.
struct Reader {
    stream: UnixStream,
    buffer: FrameBuffer,
}

impl Reader {
    fn run(mut self, to: &Mutex<Deliver>) {
        let reason = loop {
            match self.next().and_then(meaning) {
                Ok(report) => deliver(to, Incoming::Report(report)),
                Err(reason) => break reason,
            }
        };
        close(&self.stream);
        deliver(to, Incoming::Closed(reason));
    }

    fn next(&mut self) -> Result<ToEngine, LinkError> {
        let mut bytes = [0; 16 << 10];
        loop {
            if let Some(message) = self.buffer.message().map_err(LinkError::Frame)? {
                return Ok(message);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => self.buffer.push(&bytes[..count]),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(LinkError::Socket(fault)),
            }
        }
    }
}

fn meaning(message: ToEngine) -> Result<Report, LinkError> {
    let name = |attempt: wire::Attempt| AttemptId::try_from(attempt).map_err(LinkError::Meaning);
    match message {
        ToEngine::Started { attempt, pid, at_unix_micros } => {
            let at = super::protocol::timestamp(at_unix_micros).map_err(LinkError::Meaning)?;
            Ok(Report::Started { attempt: name(attempt)?, pid, at })
        }
        ToEngine::Ended { attempt, end } => {
            Ok(Report::Ended { attempt: name(attempt)?, end: Box::new((*end).try_into().map_err(LinkError::Meaning)?) })
        }
        ToEngine::NoTrace { attempt } => Ok(Report::NoTrace { attempt: name(attempt)? }),
        ToEngine::Refused { reason } => Err(LinkError::Refused(reason)),
        ToEngine::Hello { version, .. } => Err(LinkError::Version(version)),
    }
}
