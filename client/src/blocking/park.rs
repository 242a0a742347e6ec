//! A thread that sleeps until a future is done, and the question whether it may. Knows no client.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::runtime::Handle;
use tokio::task::coop;

use crate::Error;

/// More than the steps that a task may take before it must let others run.
const BUDGET: usize = 1_024;

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on this thread; its timers and tasks are the runtime's.
pub(super) fn block_on<F: Future>(runtime: &Handle, future: F) -> Result<F::Output, Error> {
    may_block()?;
    let _entered = runtime.enter();
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        // Returns at once if the waker was called meanwhile; a wake-up for nothing does no harm.
        std::thread::park();
    }
}

/// Refuses on a thread that others wait for.
pub(super) fn may_block() -> Result<(), Error> {
    if is_inside_task() {
        return Err(Error::InsideAsync);
    }
    Ok(())
}

/// True on a thread that drives an asynchronous task of tokio.
///
/// Tokio tells a runtime's threads apart only by a panic. But a thread that drives a task counts the
/// task's steps, to end its turn, and one that may block counts none: where steps run out, a task is
/// driven. The task's turn is used up by the question, which it asked by mistake.
fn is_inside_task() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut cx = Context::from_waker(Waker::noop());
    (0..BUDGET).any(|_| match coop::poll_proceed(&mut cx) {
        Poll::Ready(step) => {
            step.made_progress();
            false
        }
        Poll::Pending => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_driven_to_its_end_by_a_thread_without_a_runtime() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let answer = async {
            let task = tokio::spawn(async move { tell.send(7) });
            let told = told.await.unwrap();
            task.await.unwrap().unwrap();
            told
        };
        assert_eq!(block_on(runtime.handle(), answer), Ok(7));
    }

    #[test]
    fn a_task_is_told_that_it_must_not_block_and_a_blocking_thread_may() {
        for threads in [0, 1] {
            let runtime = match threads {
                0 => tokio::runtime::Builder::new_current_thread().build(),
                _ => tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .build(),
            };
            let runtime = runtime.unwrap();
            let handle = runtime.handle().clone();
            let refused = runtime.block_on(async { block_on(&Handle::current(), async {}) });
            assert_eq!(refused, Err(Error::InsideAsync));
            let in_task = runtime.block_on(async {
                let task = tokio::spawn(async { block_on(&Handle::current(), async {}) });
                task.await.unwrap()
            });
            assert_eq!(in_task, Err(Error::InsideAsync));
            let allowed = runtime.block_on(async {
                let task = tokio::task::spawn_blocking(move || block_on(&handle, async { 7 }));
                task.await.unwrap()
            });
            assert_eq!(allowed, Ok(7));
            let _entered = runtime.enter();
            assert_eq!(block_on(runtime.handle(), async { 7 }), Ok(7));
        }
    }
}
