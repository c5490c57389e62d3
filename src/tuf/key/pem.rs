//! PEM: blocks out of a text, and a block as Go writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One PEM block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tuf) struct Block {
    /// What stands after `BEGIN`.
    pub(in crate::tuf) label: String,
    /// What it holds, decoded.
    pub(in crate::tuf) der: Vec<u8>,
}

/// The blocks of a text. Lines outside of blocks are ignored, as in `openssl x509 -text`; headers inside are refused.
pub(in crate::tuf) fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let mut base64 = String::new();
        loop {
            let line = lines.next().ok_or_else(|| "a block does not end".to_owned())?;
            if let Some(rest) = line.strip_prefix("-----END ") {
                if rest.strip_suffix("-----") != Some(label) {
                    return Err("a block ends with another label than it began with".to_owned());
                }
                break;
            }
            base64.push_str(line);
        }
        let der = STANDARD.decode(base64).map_err(|_| "a block is not standard base64".to_owned())?;
        blocks.push(Block { label: label.to_owned(), der });
    }
    Ok(blocks)
}

/// A block as Go's `encoding/pem` writes it: lines of 64 characters, each with a line feed.
pub(in crate::tuf) fn encode(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (i, c) in STANDARD.encode(der).chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    if !der.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
