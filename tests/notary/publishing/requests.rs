//! What is sent: one upload, methods and paths; and what is not sent at all.

use super::*;

#[tokio::test]
async fn an_upload_is_one_post_of_a_form_with_a_part_for_each_file() {
    let server = Server::http(|_| Answer::ok("")).await;
    assert_eq!(remote(&server).upload(&files()).await, Ok(()));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    // The slash at the end is the server's condition.
    assert_eq!(seen[0].line, format!("POST {FOLDER}"));
    let boundary =
        seen[0].header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |role: &str, file: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{file}\r\n"
        )
    };
    let expected = part("root", "{\"r\":1}") + &part("targets/releases", "{\"t\":\"é\"}");
    assert_eq!(seen[0].body, format!("{expected}--{boundary}--\r\n"));
    assert_eq!(seen[0].header("content-length").unwrap(), seen[0].body.len().to_string());
    assert_eq!(seen[0].header("transfer-encoding"), None);
}

#[tokio::test]
async fn every_request_has_its_method_and_path() {
    let server = Server::http(|seen| match seen.line.contains("root.json") {
        true => Answer::status(404, &[], r#"{"errors":[{"code":"METADATA_NOT_FOUND"}]}"#),
        false => Answer::ok("{}"),
    })
    .await;
    let remote = Publisher::at(&format!("{}/notary/", server.url())).remote();
    assert_eq!(remote.fetch(&root()).await, Ok(None));
    let timestamp = FileName { role: role("timestamp"), selector: Selector::Current };
    let fetched = remote.fetch(&Fetch { file: timestamp, max_bytes: 2 }).await;
    assert_eq!(fetched, Ok(Some(Bytes::from_static(b"{}"))));
    let key = Ok(Bytes::from_static(b"{}"));
    assert_eq!(remote.server_key(&role("snapshot")).await, key);
    assert_eq!(remote.rotate_server_key(&role("timestamp")).await, key);
    assert_eq!(remote.delete().await, Ok(()));
    assert_eq!(remote.upload(&files()).await, Ok(()));
    let expected = [
        format!("GET /notary{FOLDER}root.json"),
        format!("GET /notary{FOLDER}timestamp.json"),
        format!("GET /notary{FOLDER}snapshot.key"),
        format!("POST /notary{FOLDER}timestamp.key"),
        format!("DELETE /notary{FOLDER}"),
        format!("POST /notary{FOLDER}"),
    ];
    assert_eq!(server.lines(), expected);
    for seen in &server.seen()[..3] {
        assert_eq!(seen.header("cache-control"), Some("no-cache"), "{}", seen.line);
    }
    let lengths: Vec<_> =
        server.seen()[2..5].iter().map(|seen| seen.header("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths, [None, Some("0".to_owned()), Some("0".to_owned())]);
}

#[tokio::test]
async fn what_no_client_would_take_is_not_sent() {
    let server = Server::http(|_| Answer::ok("")).await;
    let file = |bytes| (role("targets/a"), Bytes::from(vec![b' '; bytes]));
    let too_large =
        |what: &str, bytes, max_bytes| Err(RemoteError::TooLarge { what: what.to_owned(), bytes, max_bytes });
    let most = 16 << 20;
    let outcome = remote(&server).upload(&[file(most + 1)]).await;
    assert_eq!(outcome, too_large("targets/a", most + 1, most));
    let outcome = remote(&server).upload(&vec![file(most); 5]).await;
    assert_eq!(outcome, too_large("the upload", 5 * most, 4 * most));
    assert_eq!(server.accepted(), 0);
}
