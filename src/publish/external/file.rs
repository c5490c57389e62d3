//! The file that the trust directory keeps of an external key. It holds no secret, but a command that is run: whoever may write it
//! decides what signs, so it is as private as a key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ExternalKey, Program};
use crate::publish::key::PublicForm;
use crate::publish::key_file::KeyHeader;
use crate::tuf::Gun;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    version: u32,
    role: Option<String>,
    repository: Option<String>,
    key_type: String,
    public_key: String,
    command: Vec<String>,
    #[serde(rename = "keyID")]
    key_id: String,
    plugin_config: BTreeMap<String, String>,
    key_spec: String,
    timeout_seconds: u64,
}

pub(super) fn parse(text: &str) -> Result<ExternalKey, String> {
    let file: File = serde_json::from_str(text).map_err(|error| format!("is no external key: {error}"))?;
    if file.version != VERSION {
        return Err(format!("has version {}, and this tagseal knows version {VERSION}", file.version));
    }
    let public = PublicForm::from_metadata(&file.key_type, &file.public_key);
    let public = public.map_err(|error| format!("has no usable public key: {error}"))?;
    let program = Program::new(file.command, Duration::from_secs(file.timeout_seconds));
    let gun = file.repository.as_deref().map(Gun::new).transpose();
    Ok(ExternalKey {
        header: KeyHeader {
            role: file.role,
            gun: gun.map_err(|error| format!("names no repository: {error}"))?,
        },
        public,
        program: program.ok_or("names no command")?,
        plugin_id: file.key_id,
        plugin_config: file.plugin_config,
        key_spec: file.key_spec,
    })
}

pub(super) fn text(key: &ExternalKey) -> String {
    let file = File {
        version: VERSION,
        role: key.header.role.clone(),
        repository: key.header.gun.as_ref().map(ToString::to_string),
        key_type: key.public.keytype().to_owned(),
        public_key: key.public.public().to_owned(),
        command: key.program.words().to_vec(),
        key_id: key.plugin_id.clone(),
        plugin_config: key.plugin_config.clone(),
        key_spec: key.key_spec.clone(),
        timeout_seconds: key.program.patience().as_secs(),
    };
    // Strings and numbers always have a JSON form.
    serde_json::to_string_pretty(&file).map(|text| text + "\n").unwrap_or_default()
}
