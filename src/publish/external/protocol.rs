//! The commands that a signing program is asked, and their answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{ExternalError, ExternalFault, Program};
use crate::publish::key::PublicForm;

/// The version of the contract that requests name.
const CONTRACT: &str = "1.0";
/// The hash of Notary v1, whatever the key.
pub(super) const HASH: &str = "SHA-256";
/// The kinds of key that the plugins' specification signs SHA-256 with.
const FITTING: [&str; 2] = ["EC-256", "RSA-2048"];
const DESCRIBE: &str = "describe-key";
const GENERATE: &str = "generate-key";
const SIGN: &str = "generate-signature";

/// What a program says of a key.
pub(super) struct Description {
    pub(super) key_spec: String,
    pub(super) public_key: Option<PublicForm>,
}

/// What a program signed.
pub(super) struct Signed {
    pub(super) signature: Vec<u8>,
    /// The key of the first certificate.
    pub(super) certificate: Option<PublicForm>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    contract_version: &'static str,
    key_id: &'a str,
    plugin_config: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    sign: Option<SignRequest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignRequest<'a> {
    key_spec: &'a str,
    hash_algorithm: &'static str,
    payload: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeAnswer {
    key_id: Option<String>,
    key_spec: String,
    public_key: Option<String>,
    #[serde(default)]
    hash_algorithms: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignAnswer {
    key_id: Option<String>,
    signature: String,
    signing_algorithm: Option<String>,
    #[serde(default)]
    certificate_chain: Option<Vec<String>>,
}

/// Has the program make a key of this ID: a command of tagseal's own.
pub(super) fn generate(program: &Program, key_id: &str) -> Result<(), ExternalError> {
    let plugin_config = &BTreeMap::new();
    let request = Request { contract_version: CONTRACT, key_id, plugin_config, sign: None };
    let _: serde_json::Value = ask(program, GENERATE, &request)?;
    Ok(())
}

/// `describe-key`.
pub(super) fn describe(
    program: &Program,
    key_id: &str,
    plugin_config: &BTreeMap<String, String>,
) -> Result<Description, ExternalError> {
    let request = Request { contract_version: CONTRACT, key_id, plugin_config, sign: None };
    let answer: DescribeAnswer = ask(program, DESCRIBE, &request)?;
    check_key(program, DESCRIBE, key_id, answer.key_id.as_deref())?;
    let fits = FITTING.contains(&&*answer.key_spec) || answer.hash_algorithms.iter().any(|hash| hash == HASH);
    if !fits {
        return Err(program.fails(ExternalFault::KeySpec { spec: answer.key_spec }));
    }
    let public_key = answer.public_key.map(|pem| PublicForm::from_pem(&pem)).transpose();
    let public_key = public_key.map_err(|error| program.fails(ExternalFault::Key(error.to_string())))?;
    Ok(Description { key_spec: answer.key_spec, public_key })
}

/// `generate-signature`, as the program gives it.
pub(super) fn generate_signature(
    program: &Program,
    key_id: &str,
    plugin_config: &BTreeMap<String, String>,
    key_spec: &str,
    message: &[u8],
) -> Result<Signed, ExternalError> {
    let sign = SignRequest { key_spec, hash_algorithm: HASH, payload: STANDARD.encode(message) };
    let request = Request { contract_version: CONTRACT, key_id, plugin_config, sign: Some(sign) };
    let answer: SignAnswer = ask(program, SIGN, &request)?;
    check_key(program, SIGN, key_id, answer.key_id.as_deref())?;
    let algorithm = answer.signing_algorithm.unwrap_or_default();
    if !matches!(&*algorithm, "ECDSA-SHA-256" | "RSASSA-PSS-SHA-256") {
        return Err(program.fails(ExternalFault::Algorithm { algorithm }));
    }
    let malformed = |why: String| program.fails(ExternalFault::Malformed { command: SIGN, why });
    let signature = STANDARD.decode(&answer.signature);
    let signature = signature.map_err(|error| malformed(format!("its signature is no base64: {error}")))?;
    let chain = answer.certificate_chain.unwrap_or_default();
    let certificate = chain.first().map(|der| {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", der.trim());
        PublicForm::from_pem(&pem).map_err(|error| malformed(format!("its certificate: {error}")))
    });
    Ok(Signed { signature, certificate: certificate.transpose()? })
}

fn check_key(
    program: &Program,
    command: &'static str,
    asked: &str,
    answered: Option<&str>,
) -> Result<(), ExternalError> {
    match answered {
        Some(other) if other != asked => {
            let why = format!("it speaks of the key {}", crate::foreign::Quoted(other));
            Err(program.fails(ExternalFault::Malformed { command, why }))
        }
        _ => Ok(()),
    }
}

fn ask<T: for<'de> Deserialize<'de>>(
    program: &Program,
    command: &'static str,
    request: &Request<'_>,
) -> Result<T, ExternalError> {
    let malformed = |why: String| program.fails(ExternalFault::Malformed { command, why });
    let request = serde_json::to_vec(request).map_err(|error| malformed(error.to_string()))?;
    let answer = program.ask(command, request)?;
    serde_json::from_slice(&answer)
        .map_err(|error| malformed(crate::foreign::plain(&error.to_string(), 200).into_owned()))
}
