//! Pictures: PNG, true colour, not compressed.

use super::zip::crc32;

pub type Colour = [u8; 3];

/// The longest block that a deflate stream stores as it is.
const STORED_BYTES_MAX: usize = 0xffff;

/// A picture whose colour runs from the top left to the bottom right.
pub fn gradient(width: u32, height: u32, from: Colour, to: Colour) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        // Each line begins with its filter: none.
        pixels.push(0);
        for x in 0..width {
            pixels.extend(blend(from, to, x + y, width + height));
        }
    }
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // 8 bits per channel, RGB, the only compression, the only filters, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(b"IHDR", &header));
    png.extend(chunk(b"IDAT", &zlib_stored(&pixels)));
    png.extend(chunk(b"IEND", &[]));
    png
}

fn blend(from: Colour, to: Colour, step: u32, steps: u32) -> Colour {
    let mix = |from: u8, to: u8| ((u32::from(from) * (steps - step) + u32::from(to) * step) / steps) as u8;
    [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])]
}

fn chunk(kind: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let mut checked = kind.to_vec();
    checked.extend(bytes);
    let mut chunk = (bytes.len() as u32).to_be_bytes().to_vec();
    chunk.extend(&checked);
    chunk.extend(crc32(&checked).to_be_bytes());
    chunk
}

fn zlib_stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(STORED_BYTES_MAX);
    let last = blocks.len() - 1;
    for (number, block) in blocks.enumerate() {
        let length = block.len() as u16;
        stream.push(u8::from(number == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}
