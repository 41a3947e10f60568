//! Which blocks of a content are here: a bitmap, and nothing else in memory per block.

/// The unit in which content is fetched and remembered. Over loopback a request for so much costs hardly more than
/// one for 4 KiB; the bitmap of a file of 100 GB takes 100 KB.
pub(super) const BLOCK_BYTES: u64 = 128 << 10;

/// Largest file whose bitmap is kept (64 TiB: a bitmap of 64 MiB). No service takes larger ones.
const FILE_BYTES_MAX: u64 = 1 << 46;

/// The blocks of one content that are on the local disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    words: Vec<u64>,
    count: u64,
}

impl Blocks {
    /// How many blocks a content of so many bytes has.
    pub fn needed_for(size: u64) -> u64 {
        size.div_ceil(BLOCK_BYTES)
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn has(&self, block: u64) -> bool {
        self.words.get((block / 64) as usize).is_some_and(|word| word >> (block % 64) & 1 == 1)
    }

    /// Marks every block that lies wholly in `start..end`. `size` is the content's size, if it is known: the last
    /// block is whole although it may be short.
    pub fn mark(&mut self, start: u64, end: u64, size: Option<u64>) {
        let first = start.div_ceil(BLOCK_BYTES);
        let ends_content = size.is_some_and(|size| end >= size);
        let after_last = if ends_content { end.div_ceil(BLOCK_BYTES) } else { end / BLOCK_BYTES };
        if after_last * BLOCK_BYTES > FILE_BYTES_MAX {
            return;
        }
        for block in first..after_last {
            self.set(block);
        }
    }

    fn set(&mut self, block: u64) {
        let (word, bit) = ((block / 64) as usize, 1 << (block % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.count += 1;
        }
    }

    /// The first byte at or after `offset` that is not here.
    pub fn present_until(&self, offset: u64) -> u64 {
        let mut block = offset / BLOCK_BYTES;
        if !self.has(block) {
            return offset;
        }
        while self.has(block) {
            // Whole words first: a bitmap may have a million bits.
            let word_full = block.is_multiple_of(64) && self.words[(block / 64) as usize] == u64::MAX;
            block += if word_full { 64 } else { 1 };
        }
        block * BLOCK_BYTES
    }

    /// The first byte at or after `offset` that is here, but not after `limit`.
    pub fn absent_until(&self, offset: u64, limit: u64) -> u64 {
        let mut block = offset / BLOCK_BYTES;
        while block * BLOCK_BYTES < limit && !self.has(block) {
            let word_empty = block.is_multiple_of(64) && self.words.get((block / 64) as usize).is_none_or(|w| *w == 0);
            block += if word_empty { 64 } else { 1 };
        }
        (block * BLOCK_BYTES).clamp(offset, limit)
    }

    /// Where the last block that is here ends.
    pub fn end_of_last(&self, size: Option<u64>) -> u64 {
        let Some(word) = self.words.iter().rposition(|word| *word != 0) else { return 0 };
        let block = word as u64 * 64 + 63 - u64::from(self.words[word].leading_zeros());
        ((block + 1) * BLOCK_BYTES).min(size.unwrap_or(u64::MAX))
    }

    /// For the disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Takes back what [`Blocks::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Blocks {
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let words: Vec<u64> = bytes.chunks(8).map(word).collect();
        let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Blocks { words, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: u64 = BLOCK_BYTES;

    #[test]
    fn a_block_that_arrived_in_part_is_not_here() {
        let mut blocks = Blocks::default();
        blocks.mark(1, 3 * B - 1, None);
        assert_eq!((blocks.has(0), blocks.has(1), blocks.has(2)), (false, true, false));
        assert_eq!(blocks.count(), 1);
    }

    #[test]
    fn the_short_last_block_is_whole_when_the_size_is_known() {
        let mut blocks = Blocks::default();
        blocks.mark(0, B + 5, Some(B + 5));
        assert_eq!(blocks.count(), Blocks::needed_for(B + 5));
        assert_eq!(blocks.present_until(3), 2 * B);
    }

    #[test]
    fn the_ends_of_what_is_here_and_what_is_not_are_found_across_words() {
        let mut blocks = Blocks::default();
        blocks.mark(10 * B, 200 * B, None);
        assert_eq!(blocks.present_until(0), 0);
        assert_eq!(blocks.absent_until(5, 1000 * B), 10 * B);
        assert_eq!(blocks.present_until(10 * B + 7), 200 * B);
        assert_eq!(blocks.absent_until(200 * B, 250 * B), 250 * B);
    }

    #[test]
    fn the_disk_form_gives_the_same_blocks_back() {
        let mut blocks = Blocks::default();
        blocks.mark(0, 3 * B, None);
        blocks.mark(70 * B, 71 * B, None);
        assert_eq!(Blocks::from_bytes(&blocks.to_bytes()), blocks);
        assert_eq!(blocks.end_of_last(None), 71 * B);
        assert_eq!(Blocks::default().end_of_last(None), 0);
    }
}
