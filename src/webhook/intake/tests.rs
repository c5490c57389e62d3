use std::convert::Infallible;

use futures::stream;
use futures::{FutureExt as _, StreamExt as _};

use super::*;

const MOST: usize = 1 << 20;
const HEAD: usize = limits::REQUEST_HEAD;
const LARGE: usize = limits::SMALL_BODY + 1;

/// Room for one of the largest bodies, and for one small one.
fn intake() -> Intake {
    Intake::new(MOST, MOST + HEAD, limits::SMALL_BODY + HEAD)
}

fn sent(bytes: usize) -> Request {
    Request::new(Body::from(vec![b' '; bytes]))
}

/// A body that announces nothing, and sends so many bytes before it is held back.
fn held_back(bytes: usize) -> Request {
    let sent = stream::once(async move { Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes])) });
    Request::new(Body::from_stream(sent.chain(stream::pending())))
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn status(intake: &Intake, request: Request) -> u16 {
    match intake.read(request, later()).await {
        Ok(_) => 200,
        Err(response) => response.status().as_u16(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_announced_takes_room_until_it_is_answered() {
    let intake = intake();
    let first = intake.read(sent(LARGE), later()).await.unwrap();
    assert_eq!(first.bytes.len(), LARGE);
    assert_eq!(status(&intake, sent(MOST - LARGE - HEAD + 1)).await, 503);
    assert_eq!(status(&intake, sent(MOST - LARGE - HEAD)).await, 200);
    drop(first);
    assert_eq!(status(&intake, sent(MOST)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_room_waits_for_it_a_second() {
    let intake = intake();
    let first = intake.read(sent(MOST), later()).await.unwrap();
    let begun = Instant::now();
    let refusal = intake.read(sent(LARGE), later()).await.unwrap_err();
    assert_eq!((refusal.status(), begun.elapsed()), (StatusCode::SERVICE_UNAVAILABLE, PATIENCE));
    let body = axum::body::to_bytes(refusal.into_body(), 1000).await.unwrap();
    assert_eq!(body, "tagseal is busy: too many bytes of requests are in flight; try again\n");
    let waiting = intake.read(sent(LARGE), later());
    let (second, ()) = tokio::join!(waiting, async { drop(first) });
    assert_eq!(second.unwrap().bytes.len(), LARGE);
    // Nobody waits for longer than his caller does.
    let _first = intake.read(sent(MOST), later()).await.unwrap();
    let begun = Instant::now();
    let soon = begun + Duration::from_millis(10);
    assert!(intake.read(sent(LARGE), soon).await.is_err());
    assert_eq!(begun.elapsed(), Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_held_back_gives_its_room_back() {
    let intake = intake();
    let begun = Instant::now();
    let held = intake.read(held_back(LARGE), later());
    let mut held = std::pin::pin!(held);
    assert!(held.as_mut().now_or_never().is_none());
    // It announced nothing, and so has the room of the largest.
    assert_eq!(status(&intake, sent(LARGE)).await, 503);
    assert_eq!(held.await.unwrap_err().status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(begun.elapsed(), limits::BODY_TIME);
    assert_eq!(status(&intake, sent(MOST)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn small_bodies_do_not_wait_behind_large_ones() {
    let intake = intake();
    let large = intake.read(sent(MOST), later()).await.unwrap();
    let waiting = intake.read(sent(MOST), later());
    let mut waiting = std::pin::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    let begun = Instant::now();
    let small = intake.read(sent(limits::SMALL_BODY), later()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(large);
    let _large = waiting.await.unwrap();
    assert_eq!(status(&intake, sent(1)).await, 503);
    drop(small);
    assert_eq!(status(&intake, sent(1)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn small_bodies_have_what_the_large_ones_leave() {
    let intake = intake();
    let _small = intake.read(sent(limits::SMALL_BODY), later()).await.unwrap();
    let begun = Instant::now();
    let _second = intake.read(sent(limits::SMALL_BODY), later()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_line_of_those_who_wait_is_bounded() {
    let intake = intake();
    let _first = intake.read(sent(MOST), later()).await.unwrap();
    let wait = || intake.read(sent(LARGE), later());
    let mut line: Vec<_> = (0..limits::REQUESTS_WAITING).map(|_| Box::pin(wait())).collect();
    assert!(line.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
    let begun = Instant::now();
    assert_eq!(wait().await.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    line.pop();
    assert!(Box::pin(wait()).as_mut().now_or_never().is_none(), "there is a place in the line again");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_several_pieces_is_put_together_and_one_that_is_too_large_refused() {
    let pieces = |sizes: &[usize]| {
        let sizes: Vec<_> = sizes.iter().map(|size| Ok::<_, Infallible>(vec![b'x'; *size])).collect();
        Request::new(Body::from_stream(stream::iter(sizes)))
    };
    let intake = intake();
    let arrived = intake.read(pieces(&[3, 0, 4]), later()).await.unwrap();
    assert_eq!(arrived.bytes, "x".repeat(7));
    drop(arrived);
    for request in [sent(MOST + 1), pieces(&[MOST, 1]), pieces(&[MOST + 1])] {
        let refusal = intake.read(request, later()).await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let body = axum::body::to_bytes(refusal.into_body(), 1000).await.unwrap();
        assert_eq!(body, "the body is larger than 1048576 bytes\n");
    }
    assert_eq!(status(&intake, pieces(&[MOST])).await, 200);
}
