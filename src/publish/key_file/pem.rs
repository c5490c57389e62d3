//! PEM with headers, as Go's `encoding/pem` reads and writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A block with the headers that key files have.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) label: String,
    /// Unique names, in the order of the file.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Block {
    /// All blocks of a text; what stands between them is skipped.
    pub(super) fn all(text: &str) -> Result<Vec<Self>, String> {
        let mut blocks = Vec::new();
        let mut lines = text.lines().map(str::trim_end);
        while let Some(line) = lines.next() {
            if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"))
            {
                blocks.push(Self::read(label, &mut lines)?);
            }
        }
        Ok(blocks)
    }

    fn read<'a>(label: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut base64 = Zeroizing::new(String::new());
        loop {
            let line = lines.next().ok_or_else(|| "a PEM block does not end".to_owned())?;
            if let Some(rest) = line.strip_prefix("-----END ") {
                if rest.strip_suffix("-----") != Some(label) {
                    return Err("a PEM block ends with another label than it began with".to_owned());
                }
                break;
            }
            match line.split_once(':') {
                Some(_) if !base64.is_empty() => return Err("a header stands inside of base64".to_owned()),
                Some((name, value)) => {
                    let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
                    if headers.iter().any(|(known, _)| *known == name) {
                        return Err(format!("the header {name:?} stands there twice"));
                    }
                    headers.push((name, value));
                }
                None => {
                    let line = line.trim();
                    let room = base64.capacity() - base64.len();
                    if line.len() > room {
                        // A string that grows by itself leaves its old content behind.
                        let mut grown =
                            Zeroizing::new(String::with_capacity(base64.capacity() * 2 + line.len()));
                        grown.push_str(&base64);
                        base64 = grown;
                    }
                    base64.push_str(line);
                }
            }
        }
        // The decoder estimates three bytes for four characters, so the vector does not grow.
        let body = STANDARD.decode(&*base64).map_err(|_| "a PEM block is not standard base64".to_owned())?;
        Ok(Self { label: label.to_owned(), headers, body: Zeroizing::new(body) })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn set_header(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The text: `Proc-Type` first and the others sorted, as Go writes headers; lines of 64 characters.
    pub(super) fn encode(&self) -> Zeroizing<String> {
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.sort_by_key(|(name, _)| (name != "Proc-Type", name));
        let base64 = Zeroizing::new(STANDARD.encode(&*self.body));
        let named: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        let length = 2 * self.label.len() + named + base64.len() + base64.len() / 64 + 64;
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut push = |parts: &[&str]| parts.iter().for_each(|part| text.push_str(part));
        push(&["-----BEGIN ", &self.label, "-----\n"]);
        for (name, value) in &headers {
            push(&[name, ": ", value, "\n"]);
        }
        if !headers.is_empty() {
            push(&["\n"]);
        }
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, further) = rest.split_at_checked(64).unwrap_or((rest, ""));
            push(&[line, "\n"]);
            rest = further;
        }
        push(&["-----END ", &self.label, "-----\n"]);
        text
    }
}
