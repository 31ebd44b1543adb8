//! [`Exposition`]: measurements in the text format of Prometheus, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

use crate::daemon::Histogram;

/// What a client of the format is told that it gets.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a measurement behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grows, and begins at zero with the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A text that grows by one family of measurements after another.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// One measurement without labels.
    pub fn one(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.head(kind.name(), name, help);
        self.line(format_args!("{name} {value}"));
    }

    /// One measurement for each value of a label.
    pub fn by<V: Display>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (String, V)>,
    ) {
        self.head(kind.name(), name, help);
        for (of, value) in values {
            self.line(format_args!("{name}{{{label}=\"{}\"}} {value}", escape(&of)));
        }
    }

    /// A measurement that is always 1 and tells facts by its labels.
    pub fn facts(&mut self, name: &str, help: &str, facts: &[(&str, &str)]) {
        self.head(Kind::Gauge.name(), name, help);
        let labels: Vec<String> = facts.iter().map(|(label, of)| format!("{label}=\"{}\"", escape(of))).collect();
        self.line(format_args!("{name}{{{}}} 1", labels.join(",")));
    }

    /// A histogram, in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head("histogram", name, help);
        let mut below = 0;
        for (bound, class) in histogram.bounds.iter().zip(&histogram.classes) {
            below += class;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", histogram.count()));
        self.line(format_args!("{name}_sum {}", histogram.sum_seconds));
        self.line(format_args!("{name}_count {}", histogram.count()));
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("memory takes every text");
    }
}

/// A label's value as the format wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_the_specification() {
        let mut text = Exposition::default();
        text.one(Kind::Gauge, "a_bytes", "Bytes.", 5);
        text.by(Kind::Counter, "b_total", "Things.", "of", [("x\"\\\n".to_owned(), 1.5)]);
        text.facts("c_info", "Facts.", &[("version", "1"), ("zone", "UTC")]);
        let histogram = Histogram { bounds: &[0.1, 1.0], classes: vec![2, 0, 1], sum_seconds: 9.25 };
        text.histogram("d_seconds", "Times.", &histogram);
        let expected = "# HELP a_bytes Bytes.\n# TYPE a_bytes gauge\na_bytes 5\n\
                        # HELP b_total Things.\n# TYPE b_total counter\nb_total{of=\"x\\\"\\\\\\n\"} 1.5\n\
                        # HELP c_info Facts.\n# TYPE c_info gauge\nc_info{version=\"1\",zone=\"UTC\"} 1\n\
                        # HELP d_seconds Times.\n# TYPE d_seconds histogram\nd_seconds_bucket{le=\"0.1\"} 2\n\
                        d_seconds_bucket{le=\"1\"} 2\nd_seconds_bucket{le=\"+Inf\"} 3\nd_seconds_sum 9.25\n\
                        d_seconds_count 3\n";
        assert_eq!(text.into_text(), expected);
    }
}
