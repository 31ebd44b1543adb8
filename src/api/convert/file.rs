//! What is wrong with a file.

use crate::api::types;
use crate::spec::{Diagnostic, Faults, Place};

/// All that is wrong with a file.
pub fn file_faults(faults: &Faults) -> types::FileFaults {
    types::FileFaults {
        path: faults.path().display().to_string(),
        faults: faults.iter().map(|fault| file_fault(fault, faults)).collect(),
        untold: faults.untold(),
        report: faults.plain(),
    }
}

/// One fault of `faults`.
pub fn file_fault(fault: &Diagnostic, faults: &Faults) -> types::FileFault {
    let places = faults.places(fault);
    let start = places.map(|(start, _): (Place, Place)| start);
    let end = places.map(|(_, end)| end);
    types::FileFault {
        message: fault.message.clone(),
        expected: fault.expected.clone(),
        hint: fault.hint.clone(),
        line: start.map(|place| place.line),
        column: start.map(|place| place.column),
        end_line: end.map(|place| place.line),
        end_column: end.map(|place| place.column),
    }
}
