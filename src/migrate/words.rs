//! The words of a shell's command line that tell what it runs. Only good enough to find a name by.

use super::name::stem;

/// What only prepares for the command that a line is about.
const PREPARATIONS: &[&str] = &[
    "cd", "test", "[", "[[", "export", "set", "umask", "sleep", "true", ":", "command", "mkdir", "source", ".", "exit",
    "echo", "ulimit", "pushd", "touch", "for", "trap", "date", "fi", "done", "esac", "}",
];

/// What the shell reads before a command.
const KEYWORDS: &[&str] = &["if", "then", "else", "elif", "while", "until", "do", "{", "!"];

/// What runs another command.
const WRAPPERS: &[&str] = &[
    "nice",
    "ionice",
    "nohup",
    "timeout",
    "env",
    "sudo",
    "flock",
    "chronic",
    "cronic",
    "setsid",
    "stdbuf",
    "time",
    "exec",
    "run-one",
    "chrt",
    "taskset",
    "systemd-cat",
    "eval",
    "setlock",
    "savelog",
    "softlimit",
    "lckdo",
    "runuser",
    "bash",
    "sh",
    "dash",
    "zsh",
    "ksh",
    "python",
    "python2",
    "python3",
    "perl",
    "php",
    "ruby",
    "node",
    "bundle",
];

/// Options of those that take the next word with them.
const OPTIONS_WITH_VALUE: &[&str] = &["-u", "-n", "-c", "-p", "-w", "-k", "-s", "-g", "-d", "-t"];

/// The words of the first simple command that is more than a preparation, wrappers left out.
pub(super) fn words_of_interest(command: &str) -> Vec<String> {
    let commands = simple_commands(command);
    let interesting = commands
        .iter()
        .map(|words| unwrapped(words))
        .find(|words| words.first().is_some_and(|program| !PREPARATIONS.contains(&program.as_str())));
    interesting.or_else(|| commands.first().cloned()).unwrap_or_default()
}

/// Drops assignments and wrappers with their options from the front.
fn unwrapped(words: &[String]) -> Vec<String> {
    let mut rest = words;
    loop {
        let Some((first, more)) = rest.split_first() else { return Vec::new() };
        let program = stem(first);
        if is_assignment(first) || KEYWORDS.contains(&first.as_str()) {
            rest = more;
        } else if WRAPPERS.contains(&program.as_str()) && !more.is_empty() {
            let inner = after_options(&program, more);
            // `sh -c 'line'`: the line is a command of its own.
            if let [line] = inner
                && line.contains(' ')
            {
                return words_of_interest(line);
            }
            if inner.is_empty() {
                return rest.to_vec();
            }
            rest = inner;
        } else {
            return rest.to_vec();
        }
    }
}

fn after_options<'a>(wrapper: &str, words: &'a [String]) -> &'a [String] {
    let mut rest = words;
    // The lock's file.
    let mut operands = usize::from(matches!(wrapper, "flock" | "setlock" | "lckdo"));
    while let Some((first, more)) = rest.split_first() {
        let number = first.trim_end_matches(['s', 'm', 'h', 'd']).parse::<f64>().is_ok();
        if first.starts_with('-') {
            let takes = OPTIONS_WITH_VALUE.contains(&first.as_str())
                && more.first().is_some_and(|value| !value.contains(['/', ' ']) && !value.starts_with('-'))
                && more.len() > 1;
            rest = if takes { &more[1..] } else { more };
        } else if number || is_assignment(first) || first == "exec" {
            rest = more;
        } else if operands > 0 {
            operands -= 1;
            rest = more;
        } else {
            break;
        }
    }
    rest
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Words between the shell's separators. Only good enough to find a name.
fn simple_commands(command: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => quote = Some(c),
            (None, '\\') => word.extend(chars.next()),
            (None, c) if c.is_whitespace() => end_word(&mut commands, &mut word),
            // `2>&1` is a redirection.
            (None, '&') if word.ends_with(['>', '<']) => word.push('&'),
            (None, ';' | '&' | '|' | '(' | ')' | '\n') => {
                end_word(&mut commands, &mut word);
                commands.push(Vec::new());
            }
            (None, c) => word.push(c),
        }
    }
    end_word(&mut commands, &mut word);
    commands.retain(|words| !words.is_empty());
    commands
}

fn end_word(commands: &mut [Vec<String>], word: &mut String) {
    if !word.is_empty()
        && let Some(last) = commands.last_mut()
    {
        last.push(std::mem::take(word));
    }
}
