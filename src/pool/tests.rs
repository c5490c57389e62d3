use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use super::*;

mod random;

const LONG: Duration = Duration::from_secs(600);

fn part(threads: usize, jobs: usize, bytes: usize) -> Part {
    Part { threads, jobs, bytes }
}

fn pool(all: Part, share: Part) -> Pool {
    Pool::new("work", PoolLimits { all, share }, &Metrics::default())
}

type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, PoolError>> + Send>>;

/// Queues a job, and leaves it to the pool.
async fn queued<T: Send + 'static>(
    pool: &Pool,
    share: &'static str,
    bytes: usize,
    job: impl FnOnce(&StopFlag) -> T + Send + 'static,
) -> Waiting<T> {
    let pool = pool.clone();
    let mut waiting: Waiting<T> = Box::pin(async move { pool.run(share, bytes, LONG, job).await });
    let at_once = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
    match at_once {
        Poll::Pending => waiting,
        Poll::Ready(result) => Box::pin(std::future::ready(result)),
    }
}

/// A job that runs until the sender is dropped. Returns when it has begun.
async fn held(pool: &Pool, share: &'static str, bytes: usize) -> (mpsc::Sender<()>, Waiting<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (begins, begun) = oneshot::channel();
    let job = move |_: &StopFlag| {
        begins.send(()).unwrap();
        let _ = released.recv();
    };
    let waiting = queued(pool, share, bytes, job).await;
    begun.await.unwrap();
    (release, waiting)
}

async fn refusal(pool: &Pool, share: &str, bytes: usize) -> Option<Full> {
    match pool.run(share, bytes, LONG, |_| ()).await {
        Err(PoolError::Refused(full)) => Some(full),
        Ok(()) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_job_has_a_result_and_a_panic_is_one() {
    let pool = pool(part(1, 1, 1), part(1, 1, 1));
    assert_eq!(pool.run("a", 1, LONG, |_| 7).await, Ok(7));
    let panicked = pool.run("a", 1, LONG, |_| panic!("index {} of nothing", 3)).await;
    assert_eq!(panicked, Err::<(), _>(PoolError::Panicked("index 3 of nothing".to_owned())));
    assert_eq!(pool.run("a", 1, LONG, |stop| stop.is_set()).await, Ok(false));
    assert_eq!(pool.progress(), Progress { returned: 3, waiting: 0 });
}

#[tokio::test]
async fn each_bound_refuses_what_is_beyond_it_and_nobody_else() {
    let pool = pool(part(1, 3, 100), part(1, 2, 60));
    let (release, running) = held(&pool, "a", 30).await;
    // What runs is not in the queue, but its bytes count.
    assert_eq!(refusal(&pool, "a", 31).await, Some(Full::BytesOfShare));
    let first = queued(&pool, "a", 10, |_| ()).await;
    let second = queued(&pool, "a", 20, |_| ()).await;
    assert_eq!(refusal(&pool, "a", 0).await, Some(Full::JobsOfShare));
    assert_eq!(refusal(&pool, "b", 41).await, Some(Full::Bytes));
    let third = queued(&pool, "b", 40, |_| ()).await;
    assert_eq!(refusal(&pool, "c", 0).await, Some(Full::Jobs));
    assert_eq!(pool.progress().waiting, 3);
    drop(release);
    for done in [running, first, second, third] {
        assert_eq!(done.await, Ok(()));
    }
    // Whoever has a result finds the room that its job had.
    assert_eq!(refusal(&pool, "a", 61).await, Some(Full::BytesOfShare));
    assert_eq!(refusal(&pool, "a", 60).await, None);
}

#[tokio::test]
async fn shares_take_turns() {
    let pool = pool(part(1, 10, 0), part(1, 10, 0));
    let (release, _running) = held(&pool, "a", 0).await;
    let (begins, begun) = mpsc::channel();
    let mut jobs = Vec::new();
    for (share, name) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")] {
        let begins = begins.clone();
        jobs.push(queued(&pool, share, 0, move |_| begins.send(name).unwrap()).await);
    }
    drop((release, begins));
    for job in jobs {
        assert_eq!(job.await, Ok(()));
    }
    // a runs already when the others come: it has its next turn after them.
    assert_eq!(begun.iter().collect::<Vec<_>>(), ["b1", "c1", "a1", "b2", "a2", "a3"]);
}

#[tokio::test]
async fn a_share_cannot_hold_more_threads_than_its_part() {
    let pool = pool(part(2, 10, 0), part(1, 10, 0));
    let (release, running) = held(&pool, "a", 0).await;
    let (begins, begun) = mpsc::channel::<()>();
    let second = queued(&pool, "a", 0, move |_| drop(begins)).await;
    // The other thread is there for others, however long it takes.
    for n in 0..100 {
        assert_eq!(pool.run("b", 0, LONG, move |_| n).await, Ok(n));
    }
    assert_eq!(begun.try_recv(), Err(mpsc::TryRecvError::Empty));
    drop(release);
    assert_eq!((running.await, second.await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_job_leaves_the_queue_with_its_caller() {
    let pool = pool(part(1, 1, 10), part(1, 1, 10));
    let (release, running) = held(&pool, "a", 0).await;
    let (begins, begun) = mpsc::channel::<()>();
    let waiting = queued(&pool, "a", 10, move |_| begins.send(())).await;
    assert_eq!(refusal(&pool, "b", 0).await, Some(Full::Jobs));
    drop(waiting);
    // What it held is dropped, and its room is another's.
    assert_eq!(begun.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    let next = queued(&pool, "b", 10, |_| ()).await;
    drop(release);
    assert_eq!((running.await, next.await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_job_that_runs_is_told_to_stop_when_its_caller_leaves() {
    let metrics = Metrics::default();
    let pool = Pool::new("work", PoolLimits { all: part(1, 1, 1), share: part(1, 1, 1) }, &metrics);
    let (begins, begun) = oneshot::channel();
    let (stops, stopped) = oneshot::channel();
    let job = move |stop: &StopFlag| {
        begins.send(()).unwrap();
        while !stop.is_set() {
            std::thread::yield_now();
        }
        stops.send(()).unwrap();
    };
    let running = queued(&pool, "a", 1, job).await;
    begun.await.unwrap();
    // It occupies its room until it returns.
    assert_eq!(refusal(&pool, "b", 1).await, Some(Full::Bytes));
    drop(running);
    stopped.await.unwrap();
    let page = metrics.render();
    for line in [
        "tagseal_pool_jobs_total{pool=\"work\",result=\"stopped\"} 1",
        "tagseal_pool_jobs_total{pool=\"work\",result=\"refused\"} 1",
        "tagseal_pool_jobs_total{pool=\"work\",result=\"done\"} 0",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
}

#[tokio::test]
async fn a_job_has_its_time_and_then_is_told_to_stop() {
    let pool = pool(part(1, 1, 0), part(1, 1, 0));
    let (stops, stopped) = oneshot::channel();
    let job = move |stop: &StopFlag| {
        while !stop.is_set() {
            std::thread::yield_now();
        }
        stops.send(()).unwrap();
    };
    let late = pool.run("a", 0, Duration::ZERO, job).await;
    assert_eq!(late, Err(PoolError::TimedOut(Duration::ZERO)));
    stopped.await.unwrap();
    // Its time runs from when it begins: one that waits for longer is done all the same.
    let (release, running) = held(&pool, "a", 0).await;
    let next = queued(&pool, "a", 0, |_| 7).await;
    drop(release);
    assert_eq!((running.await, next.await), (Ok(()), Ok(7)));
}

#[tokio::test]
async fn what_a_pool_holds_is_measured() {
    let metrics = Metrics::default();
    let pool = Pool::new("work", PoolLimits { all: part(1, 9, 99), share: part(1, 9, 99) }, &metrics);
    let (release, running) = held(&pool, "a", 3).await;
    let waiting = queued(&pool, "b", 4, |_| panic!("on purpose")).await;
    let shows = |lines: [&str; 3]| {
        let page = metrics.render();
        for line in lines {
            assert!(page.contains(line), "{line} is not in {page}");
        }
    };
    shows([
        "tagseal_pool_queue{pool=\"work\",state=\"waiting\"} 1",
        "tagseal_pool_queue{pool=\"work\",state=\"running\"} 1",
        "tagseal_pool_bytes{pool=\"work\"} 7",
    ]);
    drop(release);
    assert_eq!(running.await, Ok(()));
    assert_eq!(waiting.await, Err::<(), _>(PoolError::Panicked("on purpose".to_owned())));
    shows([
        "tagseal_pool_jobs_total{pool=\"work\",result=\"done\"} 1",
        "tagseal_pool_jobs_total{pool=\"work\",result=\"panicked\"} 1",
        "tagseal_pool_bytes{pool=\"work\"} 0",
    ]);
}

#[test]
fn the_bounds_leave_room_for_more_than_one_share() {
    for cores in [1, 2, 16] {
        let PoolLimits { all, share } = PoolLimits::for_cores(cores);
        assert!(all.threads >= cores && share.threads >= 1 && share.threads < all.threads);
        assert!(share.jobs < all.jobs && share.bytes < all.bytes);
    }
}
