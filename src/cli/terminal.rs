//! [`Terminal`]: what the verbs write to, and what they know of the reader: width, colour, time, zone.

use std::io::{self, IsTerminal, Write};

use super::failure::Told;
use super::moment::Zone;
use super::progress::Progress;
use super::style::Tone;
use crate::clock::Timestamp;

/// Where data and talk go.
pub struct Terminal {
    out: Box<dyn Write>,
    talk: Box<dyn Write>,
    /// Columns of the terminal that reads the data; `None` when none does, and nothing is cut.
    pub width: Option<usize>,
    /// Whether data may be coloured.
    pub colour: bool,
    talk_colour: bool,
    /// Whether a terminal shows the data.
    pub data_is_seen: bool,
    /// Whether a terminal shows the talk.
    pub talk_is_seen: bool,
    clock: fn() -> Timestamp,
    /// In which zone times are shown and read.
    pub zone: Zone,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On terminals, unless NO_COLOR is set or TERM is `dumb`
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Lines that are read are not shorter than this, however narrow a terminal says it is.
const WIDTH_LEAST: usize = 20;

impl Terminal {
    /// Standard output and error of this process.
    pub fn standard(colour: Colour) -> Self {
        let out = io::stdout();
        let talk = io::stderr();
        let coloured = |is_terminal: bool| match colour {
            Colour::Auto => is_terminal && colour_is_welcome(),
            Colour::Always => true,
            Colour::Never => false,
        };
        Self {
            width: out.is_terminal().then(columns).flatten().map(|width| width.max(WIDTH_LEAST)),
            colour: coloured(out.is_terminal()),
            talk_colour: coloured(talk.is_terminal()),
            data_is_seen: out.is_terminal(),
            talk_is_seen: talk.is_terminal(),
            out: Box::new(io::BufWriter::new(out)),
            talk: Box::new(talk),
            clock: wall_clock,
            zone: Zone::Local,
        }
    }

    /// Anything else, as in tests.
    pub fn new(
        out: Box<dyn Write>,
        talk: Box<dyn Write>,
        width: Option<usize>,
        clock: fn() -> Timestamp,
        zone: Zone,
    ) -> Self {
        let data_is_seen = width.is_some();
        Self { out, talk, width, colour: false, talk_colour: false, data_is_seen, talk_is_seen: false, clock, zone }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Writes data. The reader sees it at the latest when the verb ends, or waits.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn data(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.out.write_all(bytes.as_ref())
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.out.write_all(text.as_ref().as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Shows everything that was written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says something that is no data. That nobody can hear it is no reason to fail.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.talk.write_all(format!("{}\n", text.as_ref()).as_bytes()).ok();
    }

    /// Writes what a job printed to standard error.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn job_stderr(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.talk.write_all(bytes)
    }

    /// Asks whoever sits at standard input; `usual` is what an empty line means. The end of the input is a no.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub fn ask(&mut self, question: &str, usual: bool) -> io::Result<bool> {
        self.flush()?;
        self.talk.write_all(question.as_bytes())?;
        self.talk.flush()?;
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            self.say("");
            return Ok(false);
        }
        Ok(match line.trim() {
            "" => usual,
            answer => answer.to_lowercase().starts_with('y'),
        })
    }

    /// Says how far something is that may take long.
    pub fn progress(&self, what: &'static str) -> Progress {
        Progress::new(what, self.talk_is_seen)
    }

    /// Tells an error.
    pub fn tell(&mut self, told: &Told) {
        let mut text = format!("{} {}", Tone::Bad.paint("error:", self.talk_colour), told.message);
        for cause in &told.causes {
            for line in cause.lines() {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        if let Some(hint) = &told.hint {
            text.push_str(&format!("\n\n{} {hint}", Tone::Strong.paint("hint:", self.talk_colour)));
        }
        self.say(text);
    }
}

/// <https://no-color.org>: any value but the empty one.
fn colour_is_welcome() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, libc::winsize);

/// Columns of the terminal on standard output; COLUMNS wins, as for other programs.
fn columns() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.or_else(|| size().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0))
}

/// Lines of the terminal on standard output, as they are now: windows change. LINES wins, as for other programs.
pub(super) fn lines() -> Option<usize> {
    let said = std::env::var("LINES").ok().and_then(|lines| lines.parse().ok());
    said.or_else(|| size().map(|size| usize::from(size.ws_row)).filter(|&lines| lines > 0))
}

/// By [TIOCGWINSZ].
///
/// [TIOCGWINSZ]: https://man7.org/linux/man-pages/man2/TIOCGWINSZ.2const.html
fn size() -> Option<libc::winsize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel fills the structure that it is given, and keeps nothing.
    let answered = unsafe { window_size(libc::STDOUT_FILENO, &raw mut size) };
    answered.is_ok().then_some(size)
}

#[expect(clippy::disallowed_methods, reason = "the edge of the client: the one place where it reads the clock")]
fn wall_clock() -> Timestamp {
    chrono::Utc::now()
}
