//! [`Module`], [`Token`]: from a module to a token that is logged in.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};

use crate::pin::PinSource;
use crate::uri::Uri;

/// A module, loaded.
pub struct Module {
    context: Pkcs11,
    path: PathBuf,
}

/// A token that is plugged in.
pub struct Token {
    context: Pkcs11,
    slot: Slot,
    info: TokenInfo,
}

/// A session with a token.
pub struct Open {
    pub(crate) session: Session,
    pub(crate) pin: Option<cryptoki::types::AuthPin>,
    token: Token,
}

impl Module {
    /// Loads the module that the URI names, or else this one.
    pub fn load(uri: &Uri, named: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = uri.module.clone().or(named).context(
            "no PKCS#11 module is named: set TAGSEAL_PKCS11_MODULE, or write ?module-path=FILE into the URI",
        )?;
        let context =
            Pkcs11::new(&path).with_context(|| format!("cannot load the module {}", path.display()))?;
        context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .with_context(|| format!("cannot start the module {}", path.display()))?;
        Ok(Self { context, path })
    }

    /// The tokens that the URI fits.
    pub fn tokens(&self, uri: &Uri) -> anyhow::Result<Vec<Token>> {
        let mut tokens = Vec::new();
        for slot in self.context.get_slots_with_token()? {
            let info = self.context.get_token_info(slot)?;
            let fits =
                |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
            if info.token_initialized()
                && fits(&uri.token, info.label())
                && fits(&uri.serial, info.serial_number())
            {
                tokens.push(Token { context: self.context.clone(), slot, info });
            }
        }
        Ok(tokens)
    }

    /// The one token that the URI means.
    pub fn token(&self, uri: &Uri) -> anyhow::Result<Token> {
        let mut tokens = self.tokens(uri)?;
        match (tokens.pop(), tokens.is_empty()) {
            (Some(token), true) => Ok(token),
            (None, _) => match &uri.token {
                Some(label) => {
                    bail!("there is no token {label:?} behind {}: plug it in", self.path.display())
                }
                None => bail!("there is no such token behind {}: plug it in", self.path.display()),
            },
            (Some(last), false) => {
                let all: Vec<String> = tokens.iter().chain([&last]).map(Token::shown).collect();
                bail!("several tokens fit, say which with token= or serial= in the URI: {}", all.join(", "))
            }
        }
    }
}

impl Token {
    /// `label (serial)`.
    pub fn shown(&self) -> String {
        format!("{} (serial {})", self.info.label(), self.info.serial_number())
    }

    /// Opens a session, without a PIN.
    pub fn open(self, writes: bool) -> anyhow::Result<Open> {
        let session = match writes {
            true => self.context.open_rw_session(self.slot)?,
            false => self.context.open_ro_session(self.slot)?,
        };
        Ok(Open { session, pin: None, token: self })
    }

    /// Opens a session and logs in. A PIN is tried once.
    pub fn log_in(self, uri: &Uri, pins: &PinSource) -> anyhow::Result<Open> {
        let label = self.info.label().to_owned();
        if self.info.user_pin_locked() {
            bail!("the PIN of the token {label} is locked: unlock it with the PUK");
        }
        let pin = pins.pin(uri, &label)?;
        let mut open = self.open(true)?;
        match open.session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                bail!("the PIN of the token {label} is wrong; it was tried once{}", open.token.tries_left())
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                bail!("the PIN of the token {label} is locked: unlock it with the PUK")
            }
            Err(error) => return Err(error).with_context(|| format!("cannot log in to the token {label}")),
        }
        open.pin = Some(pin);
        Ok(open)
    }

    /// What the token tells of the tries that are left, beginning with a separator.
    fn tries_left(&self) -> &'static str {
        match self.context.get_token_info(self.slot) {
            Ok(info) if info.user_pin_locked() => ", and the PIN is locked now: unlock it with the PUK",
            Ok(info) if info.user_pin_final_try() => ", and one try is left before the token locks",
            Ok(info) if info.user_pin_count_low() => ", and few tries are left before the token locks",
            _ => "",
        }
    }
}

impl Open {
    /// The token.
    pub fn token(&self) -> &Token {
        &self.token
    }
}
