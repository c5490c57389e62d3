//! Every option and every command that a message or a help text recommends exists: anywhere, and where it can be told, for
//! the command that gives the message.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use tagseal::cli::Cli;

use crate::foreign::sources;
use crate::imports::scan::{strings, without_tests};

/// Programs of others, whose options are not ours.
const FOREIGN: &[&str] = &[
    "kubectl", "docker", "helm", "curl", "sops", "openssl", "notary", "kind", "minikube", "k3d", "git",
    "cosign", "notation",
];

/// Options of commands of others, of which one piece of text is not the whole.
const FOREIGN_PIECES: &[(&str, &str)] = &[
    ("cli/from_cluster/advice.rs", "--resource-name"),
    ("cli/sandbox/hints.rs", "--image"),
    ("gitops/scan/file.rs", "--mac-only-encrypted"),
];

/// The command line, with what clap adds to it.
fn tree() -> Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}

/// A command and all below it.
fn all(command: &Command) -> Vec<&Command> {
    std::iter::once(command).chain(command.get_subcommands().flat_map(all)).collect()
}

fn options(command: &Command) -> BTreeSet<String> {
    let names = command.get_arguments().flat_map(|argument| {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        argument.get_long().into_iter().chain(aliases).map(|name| format!("--{name}")).collect::<Vec<_>>()
    });
    names.collect()
}

fn has(command: &Command, option: &str) -> bool {
    options(command).contains(option)
}

/// Who gives the messages of a file of `src`.
enum Givers<'a> {
    /// All of these give them.
    Each(Vec<&'a Command>),
    /// One of these does, or some.
    Some(Vec<&'a Command>),
}

fn givers<'a>(tree: &'a Command, file: &str) -> Givers<'a> {
    if file.starts_with("notary/") {
        return Givers::Each(all(tree).into_iter().filter(|command| has(command, "--server")).collect());
    }
    // The sandbox shows how all others are called.
    if file.contains("sandbox/") {
        return Givers::Some(all(tree));
    }
    if file.starts_with("publish/") {
        return Givers::Some(tree.find_subcommand("trust").map(all).unwrap_or_default());
    }
    let mut command = tree;
    for part in file.trim_end_matches(".rs").split('/').skip_while(|part| *part == "cli") {
        match command.find_subcommand(part.replace('_', "-")) {
            Some(below) if file.starts_with("cli/") => command = below,
            _ => break,
        }
    }
    Givers::Some(all(command))
}

/// What does not exist of what `text` recommends.
fn missing(tree: &Command, givers: &Givers<'_>, text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for line in text.lines() {
        for (number, part) in line.split('`').enumerate() {
            let is_code = number % 2 == 1 && line.matches('`').count() > number;
            let words: Vec<&str> = part.split_whitespace().collect();
            match words.iter().position(|word| matches!(*word, "tagseal" | "trust")) {
                Some(at) if is_code && at == 0 || begins_command(tree, &words[at..]) => {
                    missing.extend(unknown(givers, &words[..at]));
                    missing.extend(unknown_of_command(tree, &words[at..]));
                }
                _ => missing.extend(unknown(givers, &words)),
            }
        }
    }
    missing
}

/// Whether these words outside of code are a command all the same.
fn begins_command(tree: &Command, words: &[&str]) -> bool {
    let is_command =
        |word: &&&str| tree.find_subcommand(word).is_some_and(|found| found.get_name() != "test");
    words[0] == "tagseal" && words.get(1).filter(is_command).is_some()
}

/// The words of a command line that no command or option bears.
fn unknown_of_command(tree: &Command, words: &[&str]) -> Vec<String> {
    let mut command = tree;
    let mut rest = words.iter().copied().skip_while(|word| *word == "tagseal").peekable();
    while command.has_subcommands()
        && let Some(word) = rest.next_if(|word| !word.starts_with('-'))
    {
        match command.find_subcommand(word.trim_end_matches([',', ':', ';', '.'])) {
            Some(found) => command = found,
            // A placeholder, `{…}` or `COMMAND`, or the end of what is said of the command.
            None if !word.starts_with(|c: char| c.is_ascii_lowercase()) => break,
            None => return vec![format!("{} {word}", command.get_name())],
        }
    }
    let below = all(command);
    let options = rest.filter_map(option);
    let unknown = options.filter(|option| !below.iter().any(|command| has(command, option)));
    unknown.map(|option| format!("{} {option}", command.get_name())).collect()
}

/// The options among `words` that those who give the message do not have.
fn unknown(givers: &Givers<'_>, words: &[&str]) -> Vec<String> {
    if words.iter().any(|word| FOREIGN.contains(word)) {
        return Vec::new();
    }
    let options = words.iter().filter_map(|word| option(word));
    let unknown = options.filter(|option| match givers {
        Givers::Each(commands) => !commands.iter().all(|command| has(command, option)),
        Givers::Some(commands) => !commands.iter().any(|command| has(command, option)),
    });
    unknown.collect()
}

/// The option that a word names.
fn option(word: &str) -> Option<String> {
    let at = word.find("--")?;
    let before = word[..at].chars().next_back();
    let name: String = word[at + 2..]
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '-' || c.is_ascii_digit())
        .collect();
    let is_word = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    (is_word && before.is_none_or(|c| !c.is_alphanumeric() && c != '-')).then(|| format!("--{name}"))
}

#[test]
fn what_messages_recommend_exists() {
    let tree = tree();
    let (mut found, mut pieces) = (Vec::new(), BTreeSet::new());
    for (name, text) in sources() {
        let givers = givers(&tree, &name);
        for (line, text) in strings(&without_tests(&text)) {
            for missing in missing(&tree, &givers, &text) {
                match FOREIGN_PIECES.iter().find(|(file, option)| *file == name && *option == missing) {
                    Some(piece) => drop(pieces.insert(piece)),
                    None => found.push(format!("{name}:{line}: {missing}")),
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(pieces.len(), FOREIGN_PIECES.len(), "only these are left: {pieces:?}");
}

#[test]
fn what_help_recommends_exists() {
    let tree = tree();
    let mut found = Vec::new();
    for command in all(&tree) {
        let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
        let of_arguments = command
            .get_arguments()
            .filter_map(|argument| argument.get_long_help().or(argument.get_help()).map(ToString::to_string));
        let givers = Givers::Some(all(command));
        for text in about.into_iter().chain(of_arguments) {
            let missing = missing(&tree, &givers, &text);
            found.extend(
                missing.into_iter().map(|missing| format!("{}: {missing}: {text}", command.get_name())),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_does_not_exist_is_found_however_it_is_said() {
    let tree = tree();
    let found = |file: &str, text: &str| missing(&tree, &givers(&tree, file), text);
    for (file, text, expected) in [
        ("notary/audience.rs", "name it with --nowhere {host} if it may see them", "--nowhere"),
        // `inspect` has no trust directory.
        ("notary/audience.rs", "say --trust-dir", "--trust-dir"),
        ("publish/key.rs", "run `tagseal trust signer ad NAME`", "signer ad"),
        ("publish/key.rs", "run `trust rotate snapshot --all`", "rotate --all"),
        ("trust/report.rs", "see `tagseal look --at {time}`", "tagseal look"),
        ("cli/trust/sign.rs", "name it with --root-certificate", "--root-certificate"),
        ("cli/verify.rs", "use tagseal pin --server={url}", "pin --server"),
    ] {
        assert_eq!(found(file, text), [expected], "{file}: {text}");
    }
    for (file, text) in [
        ("notary/audience.rs", "--ca-bundle"),
        ("publish/key.rs", "`tagseal trust {command} {gun}`, or tagseal is not asked"),
        (
            "publish/key.rs",
            "run `tagseal trust rotate snapshot --server-managed {gun}` (it takes the root key)",
        ),
        ("cli/trust/sign.rs", "with --digest and --size it is not asked"),
        ("cli/serve.rs", "run `kubectl create role --verb=get`"),
        ("trust/report.rs", "a -- b, {0}--{1}, x--y"),
    ] {
        assert_eq!(found(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}
