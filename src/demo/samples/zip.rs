//! Zip archives without compression, and the checksums they share with PNG.

/// A file within an archive.
pub struct Member<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
}

/// 1 January 1980, the oldest date the format knows.
const DATE: u16 = (1 << 5) | 1;
/// Version 2.0 of the format is needed to unpack.
const VERSION: u16 = 20;

/// An archive of these files, stored as they are.
pub fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let offset = archive.len() as u32;
        let facts = facts(member);
        archive.extend(b"PK\x03\x04");
        archive.extend(&facts);
        archive.extend(member.name.as_bytes());
        archive.extend(member.bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&facts);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(end_record(members.len() as u16, directory.len() as u32, start));
    archive
}

/// The fields that local and central headers share, from the version to the length of the extra field.
fn facts(member: &Member<'_>) -> Vec<u8> {
    let size = (member.bytes.len() as u32).to_le_bytes();
    let mut facts = Vec::new();
    facts.extend(VERSION.to_le_bytes());
    // No flags, method "stored", midnight.
    facts.extend([0; 6]);
    facts.extend(DATE.to_le_bytes());
    facts.extend(crc32(member.bytes).to_le_bytes());
    facts.extend(size);
    facts.extend(size);
    facts.extend((member.name.len() as u16).to_le_bytes());
    facts.extend([0; 2]);
    facts
}

fn end_record(members: u16, directory_bytes: u32, directory_start: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(members.to_le_bytes());
    end.extend(members.to_le_bytes());
    end.extend(directory_bytes.to_le_bytes());
    end.extend(directory_start.to_le_bytes());
    end.extend([0; 2]);
    end
}

/// CRC-32 as of ISO 3309, used by zip and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
