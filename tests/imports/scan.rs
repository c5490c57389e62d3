//! Finds the paths in Rust source: in `use` trees, in expressions and in attributes, but not in comments or strings. And
//! finds the strings.

/// A path as the source names it, with groups and leading `super`s resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePath {
    /// Below `crate`: the top-level module.
    Ours(String),
    /// Anything else, in full: `kube::runtime::watcher`, `Instant::now`, `Self::new`.
    Other(String),
}

impl SourcePath {
    /// The path, where it does not begin at our own crate's root.
    pub fn other(&self) -> Option<&str> {
        if let Self::Other(path) = self { Some(path) } else { None }
    }
}

/// All paths of two and more segments in `source`, and the operands of `use` and `extern crate`. `depth` is how many
/// `super` lead to the crate's root.
pub fn paths(source: &str, depth: usize) -> Vec<SourcePath> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(&tokens[at]) && (at == 0 || tokens[at - 1] != "::");
        if !begins {
            at += 1;
            continue;
        }
        let is_operand = at > 0
            && (tokens[at - 1] == "use"
                || (tokens[at - 1] == "crate" && at > 1 && tokens[at - 2] == "extern"));
        let mut whole = Vec::new();
        at = tree(&tokens, at, &mut Vec::new(), &mut whole);
        whole.retain(|path| path.len() > 1 || is_operand);
        found.extend(whole.iter().filter_map(|path| resolve(path, depth)));
    }
    found
}

/// `source` without its inline test modules, which may import anything.
pub fn without_tests(source: &str) -> String {
    let mut kept = String::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_tests = line == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if opens_tests {
            // rustfmt puts the closing brace of a module, and nothing before it, at the beginning of a line.
            lines.by_ref().find(|line| *line == "}");
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// Reads one tree of a `use`, or a plain path, from `at`; returns where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let base = prefix.len();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at = group(tokens, at + 1, prefix, found);
                break;
            }
            Some(name) if name == "*" || is_name(name) => {
                prefix.push(name.to_owned());
                at += 1;
                if tokens.get(at).map(String::as_str) != Some("::") {
                    found.push(prefix.clone());
                    break;
                }
                at += 1;
            }
            // `Vec::<T>::new`: the path ends at the brackets, and what stands in them begins anew.
            _ => {
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(base);
    at
}

fn group(tokens: &[String], mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "}" => return at + 1,
            "{" => at = group(tokens, at + 1, prefix, found),
            "*" => at = tree(tokens, at, prefix, found),
            name if is_name(name) => {
                at = tree(tokens, at, prefix, found);
                // A rename: `Trait as _`.
                while tokens.get(at).is_some_and(|token| !matches!(token.as_str(), "," | "}")) {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn resolve(path: &[String], depth: usize) -> Option<SourcePath> {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    let below_root = match path.first().map(String::as_str) {
        Some("crate") => path.get(1),
        Some("super") if supers >= depth => path.get(supers),
        Some("super" | "self") => return None,
        _ => return Some(SourcePath::Other(path.join("::"))),
    };
    below_root.map(|module| SourcePath::Ours(module.clone()))
}

fn is_name(token: &str) -> bool {
    const KEYWORDS: &[&str] =
        &["use", "extern", "pub", "as", "fn", "mod", "let", "where", "impl", "dyn", "in", "return"];
    token.starts_with(|c: char| c.is_alphabetic() || c == '_') && !KEYWORDS.contains(&token)
}

/// The string literals in `source`, but for those in comments: the line of each, from 1, and its text. Placeholders stay.
pub fn strings(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let len = if let Some(len) = comment(rest) {
            len
        } else if let Some(len) = string(rest) {
            let line = source[..source.len() - rest.len()].lines().count().max(1);
            found.push((line, text_of(&rest[..len])));
            len
        } else if first == '\'' {
            character_or_lifetime(rest)
        } else if first.is_alphanumeric() || first == '_' {
            name(rest)
        } else {
            first.len_utf8()
        };
        rest = &rest[len..];
    }
    found
}

/// What a literal means, as far as it matters for reading it.
fn text_of(literal: &str) -> String {
    let (open, close) = (literal.find('"'), literal.rfind('"'));
    let (open, close) = (open.unwrap_or_default(), close.unwrap_or(literal.len()));
    let (prefix, inside) = (&literal[..open], literal.get(open + 1..close).unwrap_or_default());
    if prefix.contains('r') {
        return inside.to_owned();
    }
    let mut text = String::new();
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(continued) = rest.strip_prefix('\n') {
            rest = continued.trim_start();
            continue;
        }
        let escaped = rest.chars().next().unwrap_or_default();
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            'n' => text.push('\n'),
            'x' => {
                text.push(' ');
                rest = rest.get(2..).unwrap_or_default();
            }
            other => text.push(other),
        }
    }
    text + rest
}

/// Names, `::` and single characters; comments, strings, characters and lifetimes are left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let len = if let Some(len) = comment(rest) {
            len
        } else if let Some(len) = string(rest) {
            len
        } else if first == '\'' {
            character_or_lifetime(rest)
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if first.is_alphanumeric() || first == '_' {
            let len = name(rest);
            tokens.push(rest[..len].to_owned());
            len
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[len..];
    }
    tokens
}

/// The length of the name or number that `rest` begins with.
fn name(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    match rest {
        _ if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
        _ if rest.starts_with("/*") => Some(block_comment(rest)),
        _ => None,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of the string literal that `rest` begins with, of any kind.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    let body = rest.get(prefix.min(1)..)?;
    let raw = body.strip_prefix('r').map(|body| body.len() - body.trim_start_matches('#').len());
    if let Some(hashes) = raw
        && body[1 + hashes..].starts_with('"')
    {
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = prefix.min(1) + 2 + hashes;
        return Some(rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len()));
    }
    let inside = body.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |(at, _)| rest.len() - inside.len() + at + 1))
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escaped, c))) => {
            let after = escaped + c.len_utf8();
            rest[after..].find('\'').map_or(rest.len(), |at| after + at + 1)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}
