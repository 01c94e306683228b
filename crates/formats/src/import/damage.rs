//! What spreadsheets do to files of tokens, recognised.

/// Whether a number was written in powers of ten (`2.3E+12`, `2,3E+12`): the last digits of a serial number or a seed
/// that was taken for a number are gone.
pub(crate) fn is_scientific(cell: &str) -> bool {
    let lower = cell.to_ascii_lowercase();
    let Some((mantissa, exponent)) = lower.split_once("e+") else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = mantissa
        .split_once(['.', ','])
        .map_or_else(|| digits(mantissa), |(whole, fraction)| digits(whole) && digits(fraction));
    number && digits(exponent) && exponent.len() <= 3
}

/// Whether a whole number was given decimals or marks between its thousands (`2300000000001.00`,
/// `2,300,000,000,001`).
pub(crate) fn is_formatted_number(cell: &str) -> bool {
    let bytes = cell.bytes();
    let marks = cell.bytes().filter(|byte| matches!(byte, b'.' | b',' | b'\'')).count();
    marks > 0
        && cell.starts_with(|first: char| first.is_ascii_digit())
        && cell.ends_with(|last: char| last.is_ascii_digit())
        && bytes.clone().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'\''))
}

/// Whether a formula failed in this cell, or was too wide for its column.
pub(crate) fn is_error(cell: &str) -> bool {
    const ERRORS: &[&str] = &["#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#DIV/0!"];
    ERRORS.iter().any(|error| cell.eq_ignore_ascii_case(error))
        || (cell.len() >= 3 && cell.bytes().all(|byte| byte == b'#'))
}

/// Whether a serial number was taken for a date (`12/01/2024`, `01-Dec-24`).
pub(crate) fn is_date(cell: &str) -> bool {
    let parts: Vec<_> = cell.split(['/', '-', '.']).collect();
    let [first, second, third] = parts[..] else { return false };
    let number = |text: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let month = |text: &str| {
        const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        MONTHS.contains(&text.to_ascii_lowercase().as_str())
    };
    number(first, 1..=2) && (number(second, 1..=2) || month(second)) && (number(third, 2..=2) || number(third, 4..=4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_what_was_always_so() {
        for damaged in ["2.3E+12", "2,30000E+12", "3E+39", "2.3e+12"] {
            assert!(is_scientific(damaged), "{damaged}");
        }
        for sound in ["2300000000001", "E+12", "ABCDEF", "1E12", "23E+A", "2.E+1", "7E+1234"] {
            assert!(!is_scientific(sound), "{sound}");
        }
        for damaged in ["2300000000001.00", "2,300,000,000,001", "2'300'000"] {
            assert!(is_formatted_number(damaged), "{damaged}");
        }
        for sound in ["2300000000001", "1.2a", ".5", "TOK-1"] {
            assert!(!is_formatted_number(sound), "{sound}");
        }
        assert!(is_error("#N/A") && is_error("####") && !is_error("#1") && !is_error("##"));
        assert!(is_date("12/01/2024") && is_date("1-Dec-24") && !is_date("1-2-345678") && !is_date("2300-1-1"));
    }
}
