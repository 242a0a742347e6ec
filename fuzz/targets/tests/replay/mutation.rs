//! Changes of inputs such as a fuzzer makes, from a seed. Must never know what an input is for.

/// A stream of changes.
pub(crate) struct Mutator<'a> {
    state: u64,
    inputs: &'a [Vec<u8>],
}

/// Numbers at which decoders change their minds.
const EDGES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];

impl<'a> Mutator<'a> {
    /// Changes that take pieces from `inputs`.
    pub(crate) fn new(seed: u64, inputs: &'a [Vec<u8>]) -> Self {
        Self {
            state: seed,
            inputs,
        }
    }

    /// The input with some changes.
    pub(crate) fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let count = self.below(9);
        let end = (at + count).min(bytes.len());
        match self.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            2 if at < bytes.len() => bytes[at] = EDGES[self.below(EDGES.len())],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => {
                let noise: Vec<u8> = (0..count).map(|_| self.next() as u8).collect();
                bytes.splice(at..end, noise);
            }
            _ => {
                let other = &self.inputs[self.below(self.inputs.len())];
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// SplitMix64: the same noise at each run.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
