//! Which network there is.

use std::net::TcpListener;

use jobsd::spec::{AddressFamily, Isolation, Network, ProcessSpec};

use crate::{job, run, worlds};

fn with(isolation: Isolation) -> ProcessSpec {
    ProcessSpec { isolation, ..ProcessSpec::default() }
}

/// A shell line that connects to a port of this machine; bash can by itself.
fn connect(port: u16) -> String {
    format!("bash -c 'echo hello > /dev/tcp/127.0.0.1/{port}'")
}

#[test]
fn without_a_network_nothing_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = connect(listener.local_addr().unwrap().port());
    for (who, world) in worlds("without_a_network_nothing_is_reached") {
        run(&world, &job("host", &line, ProcessSpec::default())).good();
        for (name, network) in [("none", Network::None), ("loopback", Network::Loopback)] {
            let isolation = Isolation { network, ..Isolation::default() };
            assert_ne!(run(&world, &job(name, &line, with(isolation))).code(), 0, "{who}: {name}");
        }
        let isolation = Isolation { network: Network::None, ..Isolation::default() };
        let seen = run(&world, &job("seen", "grep -c : /proc/net/dev", with(isolation)));
        assert_eq!(seen.good(), "1\n", "{who}");
    }
}

#[test]
fn the_loopback_of_ones_own_works() {
    for (who, world) in worlds("the_loopback_of_ones_own_works") {
        let isolation = Isolation { network: Network::Loopback, ..Isolation::default() };
        // Refused, not unreachable: there is a way, and nobody at its end.
        let printed = run(&world, &job("lo", &format!("{} || true", connect(9)), with(isolation))).good();
        assert!(printed.contains("Connection refused"), "{who}: {printed}");
    }
}

#[test]
fn other_families_of_sockets_cannot_be_had() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = connect(listener.local_addr().unwrap().port());
    for (who, world) in worlds("other_families_of_sockets_cannot_be_had") {
        let only = |names: &[&str]| Isolation {
            restrict_address_families: Some(names.iter().map(|name| AddressFamily::from_name(name).unwrap()).collect()),
            no_new_privileges: true,
            ..Isolation::default()
        };
        run(&world, &job("inet", &line, with(only(&["inet", "unix"])))).good();
        for (name, families) in [("unix", &["unix"] as &[&str]), ("nothing", &[])] {
            let result = run(&world, &job(name, &line, with(only(families))));
            assert_ne!(result.code(), 0, "{who}");
            assert!(result.printed.contains("not supported by protocol"), "{who}: {}", result.printed);
        }
    }
}

#[test]
fn the_name_of_the_machine_is_ones_own() {
    let before = nix::unistd::gethostname().unwrap();
    for (who, world) in worlds("the_name_of_the_machine_is_ones_own") {
        let isolation = Isolation { hostname: Some("elsewhere".into()), ..Isolation::default() };
        assert_eq!(run(&world, &job("name", "uname -n", with(isolation))).good(), "elsewhere\n", "{who}");
        assert_eq!(nix::unistd::gethostname().unwrap(), before);
    }
}
