//! [`Table`]: rows that fit the terminal.

use tabled::builder::Builder;
use tabled::grid::util::string::get_line_width;
use tabled::settings::{Padding, Style};

use super::style::Tone;

/// A column, and how it gives way when the terminal is narrow.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub heading: &'static str,
    /// What it does when there is too little room.
    pub give: Give,
}

/// How a column gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Give {
    /// It stays as it is.
    Stay,
    /// Its texts are cut, down to so many columns.
    Cut(usize),
    /// Its texts are cut, down to so many columns; if that is not enough, it is left out: the highest number first.
    Leave(usize, u8),
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A plain cell. Control characters, which could move the cursor, become spaces.
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { text, tone: Tone::Plain }
    }

    /// The same, in a tone.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// Columns and rows.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Spaces between two columns.
const GAP: usize = 2;

/// What stands for the rest of a text that was cut.
const CUT_MARK: char = '…';

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        assert_eq!(N, self.columns.len(), "a row has one cell for each column");
        self.rows.push(cells.into());
    }

    /// The lines, each ended by a newline. With a width, no line is wider, as long as the columns that stay fit.
    pub fn render(&self, width: Option<usize>, colour: bool) -> String {
        let layout = self.layout(width);
        let mut builder = Builder::new();
        builder.push_record(
            layout.iter().map(|&(index, width)| Tone::Strong.paint(&cut(self.columns[index].heading, width), colour)),
        );
        for row in &self.rows {
            builder.push_record(layout.iter().map(|&(index, width)| {
                let cell = &row[index];
                cell.tone.paint(&cut(&cell.text, width), colour)
            }));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, GAP, 0, 0));
        table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Which columns are shown, how wide.
    fn layout(&self, width: Option<usize>) -> Vec<(usize, usize)> {
        let mut shown: Vec<(usize, usize)> =
            (0..self.columns.len()).map(|index| (index, self.natural(index))).collect();
        // A column without a single text is of no use to anybody.
        if !self.rows.is_empty() {
            shown.retain(|&(index, _)| self.rows.iter().any(|row| !row[index].text.is_empty()));
        }
        let Some(width) = width else { return shown };
        loop {
            let excess = total(&shown).saturating_sub(width);
            if excess == 0 {
                return shown;
            }
            if excess > self.slack(&shown)
                && let Some(last) = self.first_to_leave(&shown)
            {
                shown.remove(last);
                continue;
            }
            self.shrink(&mut shown, excess);
            return shown;
        }
    }

    fn natural(&self, index: usize) -> usize {
        let texts = self.rows.iter().map(|row| get_line_width(&row[index].text));
        texts.chain([get_line_width(self.columns[index].heading)]).max().unwrap_or(0)
    }

    fn least(&self, index: usize, now: usize) -> usize {
        match self.columns[index].give {
            Give::Stay => now,
            Give::Cut(least) | Give::Leave(least, _) => least.min(now),
        }
    }

    /// How many columns cutting could win.
    fn slack(&self, shown: &[(usize, usize)]) -> usize {
        shown.iter().map(|&(index, now)| now - self.least(index, now)).sum()
    }

    fn first_to_leave(&self, shown: &[(usize, usize)]) -> Option<usize> {
        let rank = |index: usize| match self.columns[index].give {
            Give::Stay | Give::Cut(_) => None,
            Give::Leave(_, rank) => Some(rank),
        };
        let candidates = shown.iter().enumerate().filter_map(|(place, &(index, _))| Some((rank(index)?, place)));
        candidates.max().map(|(_, place)| place)
    }

    /// Cuts the widest column that can be cut, one by one, so that narrow ones stay whole.
    fn shrink(&self, shown: &mut [(usize, usize)], excess: usize) {
        for _ in 0..excess {
            let can = shown.iter_mut().filter(|(index, now)| *now > self.least(*index, *now));
            match can.max_by_key(|(_, now)| *now) {
                Some((_, now)) => *now -= 1,
                None => return,
            }
        }
    }
}

fn total(shown: &[(usize, usize)]) -> usize {
    shown.iter().map(|&(_, width)| width).sum::<usize>() + GAP * shown.len().saturating_sub(1)
}

/// The text, or as much of it as fits with the mark.
fn cut(text: &str, width: usize) -> String {
    if get_line_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let mut longer = kept.clone();
        longer.push(c);
        if get_line_width(&longer) >= width {
            break;
        }
        kept = longer;
    }
    kept.push(CUT_MARK);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[
            Column { heading: "NAME", give: Give::Cut(8) },
            Column { heading: "STATE", give: Give::Stay },
            Column { heading: "TAGS", give: Give::Leave(6, 2) },
            Column { heading: "DESCRIPTION", give: Give::Leave(10, 1) },
        ]);
        table.row([
            "backup".into(),
            "running".into(),
            "database, nightly".into(),
            "Dump the application database".into(),
        ]);
        table.row(["a-job-with-a-rather-long-name".into(), "idle".into(), "".into(), "日本語の説明文".into()]);
        table
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_while_the_fixed_columns_fit() {
        for width in 17..140 {
            for line in table().render(Some(width), false).lines() {
                assert!(get_line_width(line) <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn columns_leave_by_rank_and_nothing_is_cut_without_a_terminal() {
        insta::assert_snapshot!(format!(
            "no terminal\n{}\n80\n{}\n50\n{}\n20\n{}",
            table().render(None, false),
            table().render(Some(80), false),
            table().render(Some(50), false),
            table().render(Some(20), false),
        ));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::new(&[Column { heading: "NAME", give: Give::Stay }]);
        table.row([Cell::new("a\x1b[2Jb\nc\td")]);
        assert_eq!(table.render(None, false), "NAME\na [2Jb c d\n");
    }

    #[test]
    fn colour_does_not_change_the_layout() {
        let mut coloured = table();
        coloured.row([Cell::new("x").tone(Tone::Bad), "y".into(), "z".into(), Cell::new("w").tone(Tone::Good)]);
        let plain = coloured.render(Some(60), false);
        let mut stripped = coloured.render(Some(60), true);
        for code in ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        let trimmed: String = stripped.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(trimmed, plain);
    }
}
