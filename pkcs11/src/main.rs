//! `tagseal-pkcs11`: signs for tagseal with keys in PKCS#11 tokens. A program of its own, because a module is a shared library, which a
//! static binary cannot load.
//!
//! It has the commands of a signature plugin of the Notary Project (JSON on standard input and output), and commands for people.

mod certificate;
mod keys;
mod pin;
mod plugin;
mod slots;
mod token;
mod uri;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;

use crate::pin::PinSource;
use crate::token::Module;
use crate::uri::Uri;

/// Signs with keys in PKCS#11 tokens, for tagseal.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Cli {
    /// The PKCS#11 module of the token; default: the URI's module-path.
    #[arg(long, global = true, value_name = "FILE", env = "TAGSEAL_PKCS11_MODULE")]
    module: Option<PathBuf>,
    /// Read the PIN from this file descriptor; default: TAGSEAL_PKCS11_PIN, else the terminal is asked.
    #[arg(long, global = true, value_name = "N")]
    pin_fd: Option<u32>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List tokens and the keys in them. No PIN is asked for.
    List {
        /// Which: pkcs11:token=…; default: all.
        #[arg(default_value = "pkcs11:")]
        uri: Uri,
    },
    /// Make a P-256 key in a token, with a certificate of CN=root as notary makes it.
    Generate {
        /// Where: pkcs11:token=…;id=…;object=….
        uri: Uri,
    },
    /// Put a P-256 key into a token, from unencrypted PKCS#8 in PEM; with a certificate as for `generate`.
    Import {
        /// Where: pkcs11:token=…;id=…;object=….
        uri: Uri,
        /// The key.
        file: PathBuf,
    },
    /// Sign a file: r and s over its SHA-256, in base64.
    Sign {
        /// By which key: pkcs11:token=…;id=….
        uri: Uri,
        /// The file.
        file: PathBuf,
    },
    /// What this plugin can do (JSON on standard input and output, as the others below).
    GetPluginMetadata,
    /// Describe a key.
    DescribeKey,
    /// Sign a payload.
    GenerateSignature,
    /// Make a key: tagseal's own.
    GenerateKey,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let pins = PinSource { fd: cli.pin_fd };
    let is_plugin = matches!(
        cli.command,
        Command::GetPluginMetadata | Command::DescribeKey | Command::GenerateSignature | Command::GenerateKey
    );
    let done = match cli.command {
        Command::List { uri } => list(&uri, cli.module),
        Command::Generate { uri } => generate(&uri, cli.module, &pins),
        Command::Import { uri, file } => import(&uri, cli.module, &pins, &file),
        Command::Sign { uri, file } => sign(&uri, cli.module, &pins, &file),
        Command::GetPluginMetadata => plugin::metadata(),
        Command::DescribeKey => plugin::describe_key(cli.module),
        Command::GenerateSignature => plugin::generate_signature(cli.module, &pins),
        Command::GenerateKey => plugin::generate_key(cli.module, &pins),
    };
    match done {
        Ok(text) => {
            let written = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(error) if is_plugin => {
            eprintln!("{}", plugin::error(&error));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tagseal-pkcs11: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn list(uri: &Uri, module: Option<PathBuf>) -> anyhow::Result<String> {
    let module = Module::load(uri, module)?;
    let mut text = String::new();
    for token in module.tokens(uri)? {
        text += &format!("{}\n", token.shown());
        for key in token.open(false)?.list()? {
            text += &format!("  {}\n", key.shown());
        }
    }
    Ok(if text.is_empty() { "No tokens".to_owned() } else { text })
}

fn generate(uri: &Uri, module: Option<PathBuf>, pins: &PinSource) -> anyhow::Result<String> {
    let session = Module::load(uri, module)?.token(uri)?.log_in(uri, pins)?;
    let key = session.generate(uri)?;
    Ok(format!("Made the key {} in {}\n{}", key.shown(), session.token().shown(), key.public_pem()))
}

fn import(
    uri: &Uri,
    module: Option<PathBuf>,
    pins: &PinSource,
    file: &std::path::Path,
) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = zeroize::Zeroizing::new(text);
    let secret = certificate::secret(&text).with_context(|| file.display().to_string())?;
    let session = Module::load(uri, module)?.token(uri)?.log_in(uri, pins)?;
    let key = session.import(uri, &secret)?;
    Ok(format!("Put the key {} into {}\n{}", key.shown(), session.token().shown(), key.public_pem()))
}

fn sign(
    uri: &Uri,
    module: Option<PathBuf>,
    pins: &PinSource,
    file: &std::path::Path,
) -> anyhow::Result<String> {
    let message = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let session = Module::load(uri, module)?.token(uri)?.log_in(uri, pins)?;
    let key = session.find(uri)?;
    Ok(STANDARD.encode(session.sign(&key, &message)?))
}
