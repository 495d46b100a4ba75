//! Parquet's hybrid of run lengths and packed bits, for small numbers that repeat: whether rows have
//! a value, and the indices of words in a dictionary.

/// Numbers that are packed together.
const PACKED: usize = 8;

/// Bits that a number below `count` takes, and at least one.
pub(super) fn width(count: usize) -> u8 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1) as u8
}

/// The numbers, each of at most `width` bits: runs of equal ones by their length, others packed.
pub(super) fn encoded(numbers: &[u64], width: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = numbers;
    while !rest.is_empty() {
        let equal = equal(rest);
        let count = if equal >= PACKED || equal == rest.len() {
            bytes.extend(varint((equal as u64) << 1));
            let number = rest[0].to_le_bytes();
            bytes.extend(&number[..usize::from(width).div_ceil(8)]);
            equal
        } else {
            // Only the last group may be incomplete: readers know how many numbers there are.
            let groups = mixed(rest).div_ceil(PACKED);
            bytes.extend(varint((groups as u64) << 1 | 1));
            let count = rest.len().min(groups * PACKED);
            bytes.extend(packed(&rest[..count], groups, width));
            count
        };
        rest = &rest[count..];
    }
    bytes
}

/// How many numbers at the beginning are equal.
fn equal(numbers: &[u64]) -> usize {
    numbers.iter().take_while(|number| **number == numbers[0]).count()
}

/// How many numbers there are before the next run that is worth its own entry; all but the last
/// group are complete.
fn mixed(numbers: &[u64]) -> usize {
    let mut count = 0;
    while count < numbers.len() && (count == 0 || equal(&numbers[count..]) < PACKED) {
        count += PACKED;
    }
    count.min(numbers.len())
}

/// Numbers in groups of eight, the least significant bit first.
fn packed(numbers: &[u64], groups: usize, width: u8) -> Vec<u8> {
    let mut bytes = vec![0; groups * usize::from(width)];
    for (index, number) in numbers.iter().enumerate() {
        for bit in 0..usize::from(width) {
            let place = index * usize::from(width) + bit;
            bytes[place / 8] |= u8::from(number >> bit & 1 == 1) << (place % 8);
        }
    }
    bytes
}

/// A number in groups of seven bits, the least significant first.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what [`encoded`] writes, as the format says.
    fn decoded(mut bytes: &[u8], width: u8, count: usize) -> Vec<u64> {
        let take = |bytes: &mut &[u8]| {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            u64::from(*first)
        };
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let (mut header, mut shift) = (0, 0);
            loop {
                let byte = take(&mut bytes);
                header |= (byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let number =
                    (0..u32::from(width.div_ceil(8))).map(|i| take(&mut bytes) << (8 * i)).sum::<u64>();
                numbers.extend(std::iter::repeat_n(number, (header >> 1) as usize));
            } else {
                let length = (header >> 1) as usize * usize::from(width);
                let (group, rest) = bytes.split_at(length);
                bytes = rest;
                let bit = |place: usize| u64::from(group[place / 8] >> (place % 8) & 1);
                let number = |i: usize| {
                    (0..usize::from(width)).map(|b| bit(i * usize::from(width) + b) << b).sum::<u64>()
                };
                numbers.extend((0..(header >> 1) as usize * PACKED).map(number));
            }
        }
        assert!(bytes.is_empty());
        numbers.truncate(count);
        numbers
    }

    #[test]
    fn what_is_written_is_read() {
        let mut state = 1_u64;
        for length in 0..200 {
            for (width, longest) in [(1, 1), (1, 30), (2, 3), (9, 12), (17, 40)] {
                let mut numbers = Vec::new();
                while numbers.len() < length {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let number = (state >> 33) & ((1 << width) - 1);
                    let times = 1 + (state >> 20) as usize % longest;
                    numbers.extend(std::iter::repeat_n(number, times.min(length - numbers.len())));
                }
                let bytes = encoded(&numbers, width);
                assert_eq!(decoded(&bytes, width, length), numbers, "{length} of {width} bits");
            }
        }
    }

    #[test]
    fn equal_numbers_take_no_space() {
        assert_eq!(encoded(&[3; 1000], 2), [0xd0, 0x0f, 3]);
        assert_eq!([1, 2, 3, 256, 257].map(width), [1, 1, 2, 8, 9]);
    }
}
