//! Messages: a length of four bytes, then so many bytes.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// The longest message: a session key wrapped to hundreds of officers.
const MAX: usize = 256 * 1024;

/// Sends one message, in one piece.
pub(super) fn send(stream: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let head = u32::try_from(len).ok().filter(|_| len <= MAX).ok_or(io::ErrorKind::InvalidInput)?;
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(4 + len));
    message.extend(head.to_be_bytes());
    for part in parts {
        message.extend_from_slice(part);
    }
    stream.write_all(&message)
}

/// Receives one message; `None` where the other side hung up between two.
pub(super) fn receive(stream: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut head = [0; 4];
    if stream.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..])?;
    let len = u32::from_be_bytes(head) as usize;
    if len > MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = Zeroizing::new(vec![0; len]);
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way_and_long_ones_are_refused() {
        let mut bytes = Vec::new();
        send(&mut bytes, &[b"a", b"", b"bc"]).unwrap();
        let mut rest = bytes.as_slice();
        assert_eq!(**receive(&mut rest).unwrap().unwrap(), *b"abc");
        assert!(receive(&mut rest).unwrap().is_none());
        assert!(receive(&mut &bytes[..bytes.len() - 1]).is_err());
        assert!(receive(&mut &[0xff, 0xff, 0xff, 0xff, 0][..]).is_err());
        assert!(send(&mut Vec::new(), &[&vec![0; MAX + 1]]).is_err());
    }
}
