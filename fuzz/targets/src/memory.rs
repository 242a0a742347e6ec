//! How much memory an input may take: counted by the allocator of whatever program links this
//! package, libFuzzer's and the tests' alike. Must never know what is decoded.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a target may hold at once, whatever the input: errors' texts, and other threads' noise.
const FLOOR_BYTES: usize = 64 << 10;

/// A bound on the memory that an input of some length may take at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// For each byte of the input.
    pub per_byte: usize,
    /// Besides.
    pub fixed: usize,
}

impl Bound {
    /// So much for each byte, and little besides.
    pub const fn per_byte(per_byte: usize) -> Self {
        let fixed = FLOOR_BYTES;
        Self { per_byte, fixed }
    }

    /// The same with so much besides.
    pub const fn and(self, fixed: usize) -> Self {
        Self { fixed, ..self }
    }

    fn of(self, length: usize) -> usize {
        length.saturating_mul(self.per_byte) + self.fixed
    }
}

/// Runs `decode` for an input of `length` bytes.
///
/// # Panics
///
/// If it holds more memory at once than `bound` allows.
pub fn within<T>(bound: Bound, length: usize, decode: impl FnOnce() -> T) -> T {
    let (value, taken) = measure(decode);
    let allowed = bound.of(length);
    assert!(
        taken <= allowed,
        "{length} bytes of input took {taken} bytes of memory, but {allowed} are allowed"
    );
    value
}

/// Runs something and says how much memory it held at once. Other threads are counted too.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = run();
    (value, ALLOCATOR.peak_usage().saturating_sub(before))
}
