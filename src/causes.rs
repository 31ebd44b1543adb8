//! What lies beneath an error: its [`source`](std::error::Error::source)s.

use std::error::Error;

/// The causes of an error from the nearest to the innermost, without the error itself.
pub fn causes(error: &dyn Error) -> Vec<String> {
    std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string).collect()
}

/// An error and its causes in one line, with colons between.
pub fn chain(error: &dyn Error) -> String {
    causes(error).into_iter().fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn every_layer_is_told_from_the_outside() {
        let layer = |text, source| Layer { text, source };
        let bare = layer("alone", None);
        assert_eq!((chain(&bare).as_str(), causes(&bare)), ("alone", Vec::new()));
        let deep = layer("outer", Some(Box::new(layer("middle", Some(Box::new(layer("inner", None)))))));
        assert_eq!(chain(&deep), "outer: middle: inner");
        assert_eq!(causes(&deep), ["middle", "inner"]);
    }
}
