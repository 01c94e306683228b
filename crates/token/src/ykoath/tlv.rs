//! Tag, length, value, as the applet writes them: tags of one byte, lengths of one, two or three.

use zeroize::Zeroizing;

/// Appends one. Values are shorter than 256 bytes: they go into a short command.
pub(super) fn push(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    let len = u8::try_from(value.len()).expect("drivers build short commands");
    if len > 0x7f {
        out.push(0x81);
    }
    out.push(len);
    out.extend_from_slice(value);
}

/// Room for a command of secrets: a buffer that grows leaves unwiped copies behind.
pub(super) fn secret_buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(256))
}

/// Takes an answer apart; `None` when it does not end where its last value ends, or has a length of another form.
pub(super) fn parse(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (len, header) = match *rest {
            [_, len @ ..=0x7f, ..] => (usize::from(len), 2),
            [_, 0x81, len, ..] => (usize::from(len), 3),
            [_, 0x82, high, low, ..] => (usize::from(u16::from_be_bytes([high, low])), 4),
            _ => return None,
        };
        let value = rest.get(header..header + len)?;
        found.push((rest[0], value));
        rest = &rest[header + len..];
    }
    Some(found)
}

/// The value of the only field of an answer.
pub(super) fn only(data: &[u8], tag: u8) -> Option<&[u8]> {
    match parse(data)?.as_slice() {
        [(found, value)] if *found == tag => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_have_three_forms() {
        for len in [0, 1, 0x7f] {
            let mut out = Vec::new();
            push(&mut out, 0x71, &vec![7; len]);
            assert_eq!((out.len(), only(&out, 0x71)), (len + 2, Some(vec![7; len].as_slice())));
        }
        let mut out = Vec::new();
        push(&mut out, 0x73, &[7; 0x80]);
        assert_eq!((&out[..3], out.len()), (&[0x73, 0x81, 0x80][..], 0x83));
        assert_eq!(parse(&out).unwrap(), [(0x73, &[7; 0x80][..])]);
        assert_eq!(parse(&[0x72, 0x82, 0, 1, 9]).unwrap(), [(0x72, &[9][..])]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for bad in [&[0x71][..], &[0x71, 1], &[0x71, 0x80], &[0x71, 0x83, 0, 0, 0], &[0x71, 0x82, 1], &[0x71, 0, 0x72]]
        {
            assert_eq!(parse(bad), None, "{bad:x?}");
        }
        assert_eq!(only(&[0x71, 0, 0x72, 0], 0x71), None);
        assert_eq!(only(&[], 0x71), None);
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(found) = parse(&data) {
                prop_assert!(found.iter().map(|(_, value)| value.len() + 2).sum::<usize>() <= data.len());
            }
        }

        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec((any::<u8>(), 0..=255_usize), 0..5)) {
            let mut out = Vec::new();
            for (tag, len) in &values {
                push(&mut out, *tag, &vec![*tag; *len]);
            }
            let found = parse(&out).unwrap();
            prop_assert!(found.iter().map(|(tag, value)| (*tag, value.len())).eq(values));
        }
    }
}
