//! Bodies that are announced and held back.

use futures::future::join_all;

use super::process::Process;

/// What a request may carry.
const BODY: usize = 8 << 20;

/// Holds back the end of a body on each of so many connections; says how each ended.
async fn held_back(process: &Process, connections: usize, header: &str, path: &str, sent: &[u8]) -> Vec<u16> {
    let one = async |_| {
        let mut connection = process.connect().await;
        connection.announce(path, header, sent).await;
        connection.answer().await.0
    };
    join_all((0..connections).map(one)).await
}

fn were_given_up(answers: &[u16]) {
    assert!(answers.iter().all(|status| [408, 503].contains(status)), "{answers:?}");
}

#[test]
fn a26_a_hundred_bodies_that_are_held_back_stay_within_the_budget() {
    let body = vec![b' '; BODY - 1];
    Process::start(&[]).attacked(async |process| {
        let header = format!("content-length: {BODY}");
        were_given_up(&held_back(process, 100, &header, "/validate", &body).await);
        were_given_up(&held_back(process, 30, &header, "/policies", &body).await);
    });
}

#[test]
fn a26_bodies_without_an_announced_length_count_as_the_largest() {
    let body = [b"7ffffe\r\n".as_slice(), &vec![b' '; 0x007f_fffe]].concat();
    Process::start(&[]).attacked(async |process| {
        were_given_up(&held_back(process, 100, "transfer-encoding: chunked", "/mutate", &body).await);
    });
}

#[test]
fn a26_many_small_bodies_that_are_held_back_leave_room() {
    let body = vec![b' '; 60_000];
    Process::start(&[]).attacked(async |process| {
        were_given_up(&held_back(process, 300, "content-length: 60001", "/validate", &body).await);
    });
}
