//! Work cut over the processors: pure functions of values, whose results do not depend on how many there are.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does the same to each block of `size` items, on as many threads as there are processors and blocks; the results come
/// in the order of the blocks. One block is done on the thread of the caller.
pub fn blocks<T: Sync, R: Send>(items: &[T], size: NonZero<usize>, work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let blocks: Vec<&[T]> = items.chunks(size.get()).collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(blocks.len());
    if threads < 2 {
        return blocks.into_iter().map(work).collect();
    }
    // Blocks are taken as threads get free: files differ in size.
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(block) = blocks.get(at) else { return done };
            done.push((at, work(block)));
        }
    };
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
        let mine = some();
        let others = others.into_iter().flat_map(|other| match other.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        others.chain(mine).collect()
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(items: usize, size: usize) {
        let items: Vec<usize> = (0..items).collect();
        let size = NonZero::new(size).unwrap();
        let sums: Vec<usize> = items.chunks(size.get()).map(|block| block.iter().sum()).collect();
        assert_eq!(blocks(&items, size, |block| block.iter().sum::<usize>()), sums);
    }

    #[test]
    fn results_come_in_the_order_of_the_blocks() {
        case(0, 4);
        case(3, 4);
        case(4, 4);
        case(1_001, 4);
        case(1_001, 2_000);
    }
}
