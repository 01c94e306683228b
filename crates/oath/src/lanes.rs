//! The bits of sixteen codes side by side.
//!
//! A code costs two compressions of SHA-1. One after the other they wait for themselves: the algorithm is a chain of
//! eighty steps, whatever the CPU has to offer. Sixteen chains side by side, one in each lane of a wide register, do
//! not. Nothing here is written for one CPU: the same plain code is compiled for registers of 512 and of 256 bits, where
//! the compiler puts lanes beside each other by itself. CPUs that have neither make one code after the other.

// What is to be compiled for a wider CPU must be part of the function that is.
#![allow(clippy::inline_always)]

use sha1::block_api::compress;

/// How many codes are made at a time.
pub(crate) const LANES: usize = 16;

/// One word in every lane.
pub(crate) type Word = [u32; LANES];

/// The state of SHA-1 in every lane.
type State = [Word; 5];

/// The state of SHA-1 (FIPS 180-4, section 6.1) after the inner or the outer key block of HMAC.
pub(crate) type Midstate = [u32; 5];

/// The constants of FIPS 180-4, section 4.2.1.
const K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// What stands behind a message (FIPS 180-4, section 5.1.1): a bit, and the length with the key block before it.
const END: u32 = 0x8000_0000;
const INNER_BITS: u32 = (64 + 8) * 8;
const OUTER_BITS: u32 = (64 + 20) * 8;

/// The 31 bits that the code of one counter is cut from; the judge of the lanes.
#[inline]
#[allow(clippy::many_single_char_names, reason = "the names of the standard")]
pub(crate) fn one(inner: &Midstate, outer: &Midstate, counter: u64) -> u32 {
    let mut block = [0; 64];
    block[..8].copy_from_slice(&counter.to_be_bytes());
    block[8] = 0x80;
    block[60..].copy_from_slice(&INNER_BITS.to_be_bytes());
    let mut state = *inner;
    compress(&mut state, &[block]);

    let mut block = [0; 64];
    for (bytes, word) in block.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    block[20] = 0x80;
    block[60..].copy_from_slice(&OUTER_BITS.to_be_bytes());
    let mut state = *outer;
    compress(&mut state, &[block]);
    let [a, b, c, d, e] = state;
    truncate(a, b, c, d, e)
}

/// The same of sixteen counters, from `first` on, under one key.
pub(crate) fn sixteen(inner: &Midstate, outer: &Midstate, first: u64) -> Word {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            #[allow(unsafe_code)]
            // SAFETY: the function is safe on every CPU with AVX-512F, which this one was just found to have.
            return unsafe { with_avx512(inner, outer, first) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            #[allow(unsafe_code)]
            // SAFETY: the function is safe on every CPU with AVX2, which this one was just found to have.
            return unsafe { with_avx2(inner, outer, first) };
        }
    }
    one_by_one(inner, outer, first)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn with_avx512(inner: &Midstate, outer: &Midstate, first: u64) -> Word {
    side_by_side(inner, outer, first)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2(inner: &Midstate, outer: &Midstate, first: u64) -> Word {
    side_by_side(inner, outer, first)
}

fn one_by_one(inner: &Midstate, outer: &Midstate, first: u64) -> Word {
    counters(first).map(|counter| one(inner, outer, counter))
}

/// `first` and the fifteen after it; there is nothing after the last counter, so its lanes hold what nobody asks for.
#[inline(always)]
fn counters(first: u64) -> [u64; LANES] {
    let mut all = [first; LANES];
    for (counter, lane) in all.iter_mut().zip(0..) {
        *counter = first.wrapping_add(lane);
    }
    all
}

#[inline(always)]
#[allow(clippy::many_single_char_names, reason = "the names of the standard")]
fn side_by_side(inner: &Midstate, outer: &Midstate, first: u64) -> Word {
    const NOTHING: Word = [0; LANES];
    let counters = counters(first);
    let mut message = [NOTHING; 16];
    // Halves of the counter, cut where they are meant to be.
    message[0] = lanes(|lane| (counters[lane] >> 32) as u32);
    message[1] = lanes(|lane| (counters[lane] & 0xffff_ffff) as u32);
    message[2] = [END; LANES];
    message[15] = [INNER_BITS; LANES];
    let digest = rounds(inner.map(|word| [word; LANES]), message);

    let mut message = [NOTHING; 16];
    message[..5].copy_from_slice(&digest);
    message[5] = [END; LANES];
    message[15] = [OUTER_BITS; LANES];
    let [a, b, c, d, e] = rounds(outer.map(|word| [word; LANES]), message);
    lanes(|lane| truncate(a[lane], b[lane], c[lane], d[lane], e[lane]))
}

/// Dynamic truncation (RFC 4226, section 5.3): four bytes, from where the last half-byte says, without the sign.
#[inline(always)]
#[allow(clippy::many_single_char_names, reason = "the names of the standard")]
fn truncate(a: u32, b: u32, c: u32, d: u32, e: u32) -> u32 {
    let (word, shift) = (e & 0x0c, (e & 0x03) * 8);
    // Chosen among all instead of by index: lanes cannot look things up.
    let mask = |is: bool| u32::from(is).wrapping_neg();
    let [first, second, third, fourth] = [0x00, 0x04, 0x08, 0x0c].map(|one| mask(word == one));
    let high = (a & first) | (b & second) | (c & third) | (d & fourth);
    let low = (b & first) | (c & second) | (d & third) | (e & fourth);
    // In two steps, for a shift by 32 bits is none.
    (high << shift | low >> 1 >> (31 - shift)) & 0x7fff_ffff
}

/// The compression of SHA-1 (FIPS 180-4, section 6.1.2) in every lane.
#[inline(always)]
#[allow(clippy::many_single_char_names, reason = "the names of the standard")]
fn rounds(start: State, mut w: [Word; 16]) -> State {
    let [mut a, mut b, mut c, mut d, mut e] = start;
    for t in 0..80 {
        if t >= 16 {
            let mixed = xor(xor(w[(t + 13) % 16], w[(t + 8) % 16]), xor(w[(t + 2) % 16], w[t % 16]));
            w[t % 16] = rotate(mixed, 1);
        }
        let f = match t / 20 {
            0 => three(b, c, d, |b, c, d| d ^ (b & (c ^ d))),
            2 => three(b, c, d, |b, c, d| (b & c) | (d & (b | c))),
            _ => three(b, c, d, |b, c, d| b ^ c ^ d),
        };
        let next = add(add(add(rotate(a, 5), f), add(e, [K[t / 20]; LANES])), w[t % 16]);
        (a, b, c, d, e) = (next, a, rotate(b, 30), c, d);
    }
    let [h0, h1, h2, h3, h4] = start;
    [add(h0, a), add(h1, b), add(h2, c), add(h3, d), add(h4, e)]
}

// Each of these becomes one instruction, or two.

#[inline(always)]
fn xor(a: Word, b: Word) -> Word {
    lanes(|lane| a[lane] ^ b[lane])
}

#[inline(always)]
fn add(a: Word, b: Word) -> Word {
    lanes(|lane| a[lane].wrapping_add(b[lane]))
}

#[inline(always)]
fn rotate(a: Word, bits: u32) -> Word {
    lanes(|lane| a[lane].rotate_left(bits))
}

#[inline(always)]
fn three(a: Word, b: Word, c: Word, f: impl Fn(u32, u32, u32) -> u32) -> Word {
    lanes(|lane| f(a[lane], b[lane], c[lane]))
}

/// The same in every lane.
#[inline(always)]
fn lanes(word: impl Fn(usize) -> u32) -> Word {
    let mut all = [0; LANES];
    for (lane, place) in all.iter_mut().enumerate() {
        *place = word(lane);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The lanes as this CPU has them, and as one without wide registers would compute them, against SHA-1 as
        /// it is.
        #[test]
        fn every_lane_is_what_one_alone_is(
            inner: Midstate, outer: Midstate,
            first in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX) - 7), Just(u64::MAX - 7)],
        ) {
            let expected = one_by_one(&inner, &outer, first);
            prop_assert_eq!(sixteen(&inner, &outer, first), expected);
            prop_assert_eq!(side_by_side(&inner, &outer, first), expected);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                #[allow(unsafe_code)]
                // SAFETY: this CPU has AVX2.
                let narrow = unsafe { with_avx2(&inner, &outer, first) };
                prop_assert_eq!(narrow, expected);
            }
        }
    }
}
