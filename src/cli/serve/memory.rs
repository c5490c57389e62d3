//! Gives memory that is free back to the system.

use std::hint::black_box;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// Bytes: so large a block has a page of the allocator for itself.
const BLOCK: usize = 1 << 20;

/// The allocator returns free pages a second after they became free, but only when some thread frees another page. A
/// process that has nothing to do would keep what a burst of work needed. So a block is allocated and freed each second;
/// nothing is written to it, so it costs no memory.
pub async fn give_back() {
    loop {
        tokio::time::sleep(EVERY).await;
        drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
    }
}
