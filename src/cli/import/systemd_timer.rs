//! `jobctl import systemd-timer`

use std::path::Path;
use std::process::{Command, Stdio};

use super::WriteArgs;
use super::gather::Gathered;
use super::report::Report;
use super::target::Target;
use crate::causes::causes;
use crate::cli::failure::plain;
use crate::cli::{Exit, Failure, Session};
use crate::migrate::systemd::{TimerUnits, Unit, service_of};
use crate::migrate::{Import, Machine};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct TimerArgs {
    /// Timers that systemd knows, or the paths of their files, each beside its service
    #[arg(value_name = "UNIT", required = true)]
    units: Vec<String>,
    /// Ask the user's own systemd
    #[arg(long)]
    user: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Makes jobs of timers.
pub(super) async fn run(session: &mut Session, args: &TimerArgs) -> Result<Exit, Failure> {
    let target = Target::of(session, &args.write).await?;
    let mut import = Import::default();
    for unit in &args.units {
        import.timer(&units(unit, args.user, &target)?);
    }
    let finished = import.finish(&target.terms(&args.write));
    let modes = vec![0o644; finished.jobs.len()];
    let written = target.write(&finished, &modes, &args.write)?;
    let gathered = Gathered::default();
    let (checks, disabled) = (None, None);
    let report = Report { target: &target, gathered: &gathered, finished: &finished, checks, written, disabled };
    report.show(session, &args.write)?;
    if !finished.jobs.is_empty() && !args.write.dry_run {
        let timers: Vec<&str> = finished.jobs.iter().map(|job| job.origin.place.as_str()).collect();
        let user = if args.user { "--user " } else { "" };
        session.terminal.say(format!(
            "\nwarning: the timers are still active in systemd, which runs them beside jobsd\n\nhint: `systemctl \
             {user}disable --now {}`",
            timers.join(" ")
        ));
    }
    Ok(if finished.faults.is_empty() { Exit::Done } else { Exit::Failure })
}

fn units(unit: &str, user: bool, target: &Target) -> Result<TimerUnits, Failure> {
    let named = if unit.ends_with(".timer") { unit.to_owned() } else { format!("{unit}.timer") };
    // An ordinary user's daemon runs everything as that user, as the user's systemd does.
    let is_system = !user && target.around.is_root();
    if let Some((directory, timer_name)) = named.rsplit_once('/') {
        let timer = file(&named)?;
        let service_name = service_of(timer_name, &timer);
        let service = file(&format!("{directory}/{service_name}"))?;
        return Ok(TimerUnits { timer_name: timer_name.to_owned(), timer, service_name, service, is_system });
    }
    let timer = cat(&named, user)?;
    let service_name = service_of(&named, &timer);
    let service = cat(&service_name, user)?;
    Ok(TimerUnits { timer_name: named, timer, service_name, service, is_system })
}

fn file(path: &str) -> Result<Unit, Failure> {
    let (bytes, _) = Machine::file(Path::new(path))
        .map_err(|fault| Failure::new(Exit::Failure, fault.to_string()).causes(causes(&fault)))?;
    Ok(Unit::read(&String::from_utf8_lossy(&bytes)))
}

/// The unit with its drop-ins, as systemd has it.
fn cat(unit: &str, user: bool) -> Result<Unit, Failure> {
    let mut command = Command::new("systemctl");
    command.args(user.then_some("--user")).args(["cat", "--no-pager", "--", unit]).stdin(Stdio::null());
    let output = command.output().map_err(|fault| {
        Failure::new(Exit::Failure, "cannot run systemctl")
            .causes([plain(&fault)])
            .hint("without systemd, name the paths of the unit files")
    })?;
    if !output.status.success() {
        let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let failure = Failure::new(Exit::NotFound, format!("systemd does not show {unit}")).causes([cause]);
        return Err(failure.hint("`systemctl list-timers --all` shows what there is; files are named by their paths"));
    }
    Ok(Unit::read(&String::from_utf8_lossy(&output.stdout)))
}
