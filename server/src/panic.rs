//! What happens when an invariant is broken. Must never try to go on.

/// From now on any panic, on any thread, is logged and ends the process at once: a server that has
/// found itself wrong must not answer, vote or write once more. For processes that are nothing but
/// a server; call it after logging is set up.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(%panic, %backtrace, "a broken invariant stops the server");
        std::process::abort();
    }));
}
