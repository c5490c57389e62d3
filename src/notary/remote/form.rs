//! [`Form`]: files as the body of an upload (Notary v1, "Upload"; RFC 7578).

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::header::HeaderValue;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::notary::fault::Fault;
use crate::tuf::RoleName;

/// A multipart form.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) content_type: HeaderValue,
    pub(super) body: Bytes,
}

impl Form {
    /// One part for each file, in this order, named as notary's clients name them.
    pub(super) fn of(files: &[(RoleName, Bytes)]) -> Result<Self, Fault> {
        let unavailable = |_| Fault::Setup { cause: "the system has no random numbers".to_owned() };
        let mut random = [0; 24];
        // So many random bytes stand in no file.
        SystemRandom::new().fill(&mut random).map_err(unavailable)?;
        let boundary: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::bounded(files, &boundary)
    }

    fn bounded(files: &[(RoleName, Bytes)], boundary: &str) -> Result<Self, Fault> {
        let size: usize = files.iter().map(|(role, file)| 256 + role.as_str().len() + file.len()).sum();
        let mut body = BytesMut::with_capacity(size + 64);
        for (role, file) in files {
            // A role's name has nothing that a quoted string would have to escape. Its slashes stay.
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.put_slice(head.as_bytes());
            body.put_slice(file);
            body.put_slice(b"\r\n");
        }
        body.put_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        let content_type = content_type.map_err(|error| Fault::Setup { cause: error.to_string() })?;
        Ok(Self { content_type, body: body.freeze() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(RoleName, Bytes)> {
        let file = |role: &str, body: &'static str| {
            (RoleName::parse(role).unwrap(), Bytes::from_static(body.as_bytes()))
        };
        vec![file("targets/releases", "{\"a\":1}"), file("targets", "")]
    }

    #[test]
    fn every_file_is_a_part_and_slashes_stay() {
        let form = Form::bounded(&files(), "b").unwrap();
        assert_eq!(form.content_type, "multipart/form-data; boundary=b");
        let expected = "--b\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"targets/releases\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             {\"a\":1}\r\n\
             --b\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"targets\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             \r\n\
             --b--\r\n";
        assert_eq!(form.body, expected.as_bytes());
    }

    #[test]
    fn no_two_forms_have_one_boundary() {
        let form = || Form::of(&files()).unwrap().content_type;
        assert_ne!(form(), form());
        assert_eq!(form().len(), "multipart/form-data; boundary=".len() + 48);
    }
}
