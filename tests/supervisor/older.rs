//! An engine of this version and a supervisor of the one before: what that one does not know is not sent to it, and nothing is
//! launched without.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;

use jobsd::run::{LaunchPlan, Report};
use jobsd::spec::{Isolation, OutputTo, Profile};
use jobsd::supervisor::protocol::wire::{self, ToEngine, ToSupervisor};
use jobsd::supervisor::protocol::{FrameBuffer, encode};
use jobsd::supervisor::{Incoming, Link, Request};

use crate::world::{PATIENCE, plan, setup_failure};

/// What a supervisor of version 2 hears of these requests, and what the engine gets for them.
fn asked(requests: &[Request]) -> (Vec<String>, Vec<Report>) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let older = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let hello = ToEngine::Hello {
            version: wire::OLDER_VERSION,
            pid: 1,
            boot: "boot".to_owned(),
            program: "0.0.1".to_owned(),
        };
        stream.write_all(&encode(&hello).unwrap()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let mut buffer = FrameBuffer::default();
        buffer.push(&bytes);
        let messages = std::iter::from_fn(|| buffer.message::<ToSupervisor>().unwrap());
        messages.skip(1).map(|message| serde_json::to_string(&message).unwrap()).collect::<Vec<_>>()
    });
    let (sender, receiver) = channel();
    let link = Link::connect(&socket, 1, move |incoming| drop(sender.send(incoming))).unwrap();
    for request in requests {
        link.send(request).unwrap();
    }
    drop(link);
    let mut reports = Vec::new();
    while let Ok(Incoming::Report(report)) = receiver.recv_timeout(PATIENCE) {
        reports.push(report);
    }
    (older.join().unwrap(), reports)
}

fn boxed(change: impl FnOnce(&mut LaunchPlan)) -> Box<LaunchPlan> {
    let mut plan = plan("job", &["true"]);
    change(&mut plan);
    Box::new(plan)
}

#[test]
fn what_it_does_not_know_is_not_launched_without() {
    let strict = || boxed(|plan| plan.process.isolation = Isolation::of_profile(Profile::Strict));
    for plan in [strict(), boxed(|plan| plan.output.to = OutputTo::Null)] {
        let (heard, reports) = asked(&[Request::Launch(plan)]);
        assert_eq!(heard, Vec::<String>::new());
        let [Report::Ended { end, .. }] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!(setup_failure(end).errno, libc::ENOSYS);
    }
    let open = boxed(|plan| {
        plan.process.isolation = Isolation { control_socket: true, ..Isolation::of_profile(Profile::Strict) };
    });
    let (heard, reports) = asked(&[Request::Launch(open), Request::Find(strict())]);
    assert_eq!((heard.len(), reports.len()), (2, 0));
    assert!(heard.iter().all(|message| !message.contains("control_socket")), "{heard:?}");
}
