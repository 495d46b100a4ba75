//! Numbers formatted for readers.

use eigenscape_analysis::uncertainty::Number;
pub use eigenscape_analysis::{significant, with_error};

/// [`significant`] with a typographic minus and power of ten, for figures.
#[must_use]
pub fn typeset(value: f64, digits: usize) -> String {
    let plain = significant(value, digits);
    let text = match plain.split_once('e') {
        Some((mantissa, exponent)) => {
            format!("{mantissa}×10{}", superscript(exponent.parse().unwrap_or(0)))
        }
        None => plain,
    };
    text.replace('-', "−")
}

/// A text of numbers with a typographic minus before negative ones: "−2.5 [−3, 1e-7]".
#[must_use]
pub fn signed(text: &str) -> String {
    let mut before = ' ';
    let sign = |c: char| {
        let is_sign = c == '-' && !before.is_alphanumeric();
        before = c;
        if is_sign { '−' } else { c }
    };
    text.chars().map(sign).collect()
}

/// A number with half of its 95 % interval, rounded where the error's second digit is: "62 ± 14";
/// "62.31 ± ?" if the interval is unknown, all `digits` where there is no error.
#[must_use]
pub fn with_interval(number: Number, digits: usize) -> String {
    match number.half_width() {
        None => format!("{} ± ?", significant(number.value, digits)),
        Some(half) => with_error(number.value, half, digits),
    }
}

/// 10 to the power of `exponent`, as "10⁻⁵".
#[must_use]
pub fn power_of_ten(exponent: i32) -> String {
    format!("10{}", superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    let raised = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32(u32::from('⁰') + u32::from(digit) - u32::from('0')).unwrap_or(digit),
    };
    exponent.to_string().chars().map(raised).collect()
}

/// A count with a comma between thousands: "61,706".
#[must_use]
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in percent. Only an exact 0 or 1 is written as 0 % or 100 %.
#[must_use]
pub fn percent(share: f64) -> String {
    let text = format!("{:.2} %", 100.0 * share);
    match text.as_str() {
        "100.00 %" if share < 1.0 => "> 99.99 %".into(),
        "100.00 %" => "100 %".into(),
        "0.00 %" if share > 0.0 => "< 0.01 %".into(),
        "0.00 %" => "0 %".into(),
        _ => text,
    }
}

/// At most `limit` of the indices below `count`, evenly spaced, including the first and the last.
#[must_use]
pub fn evenly(count: usize, limit: usize) -> Vec<usize> {
    if count <= limit || limit < 2 {
        return (0..count.min(limit.max(1))).collect();
    }
    (0..limit).map(|i| (i * (count - 1) + (limit - 1) / 2) / (limit - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::{count, evenly, percent, power_of_ten, signed, significant, typeset};

    #[test]
    fn significant_digits() {
        let shown = [0.0, 9.9996, 0.0012345, 123456.7, 1e6, 1e-300, -2.5469].map(|v| significant(v, 4));
        assert_eq!(shown, ["0", "10.00", "0.001234", "123457", "1.000e6", "1.000e-300", "-2.547"]);
        assert_eq!([f64::NAN, f64::NEG_INFINITY].map(|v| significant(v, 4)), ["NaN", "-∞"]);
        assert_eq!(typeset(-1.5e-12, 2), "−1.5×10⁻¹²");
        assert_eq!(signed("-2.5 ± 1e-7 [-3, -1e-7]"), "−2.5 ± 1e-7 [−3, −1e-7]");
    }

    #[test]
    fn counts_and_shares() {
        assert_eq!(
            [0, 999, 1000, 61706, 28_149_514].map(count),
            ["0", "999", "1,000", "61,706", "28,149,514"]
        );
        let shares = [0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0].map(percent);
        assert_eq!(shares, ["0 %", "< 0.01 %", "50.00 %", "> 99.99 %", "100 %"]);
        assert_eq!(power_of_ten(-16), "10⁻¹⁶");
    }

    #[test]
    fn evenly_keeps_both_ends() {
        assert_eq!(evenly(3, 10), [0, 1, 2]);
        assert_eq!(evenly(60, 4), [0, 20, 39, 59]);
        assert!(evenly(0, 10).is_empty());
        for limit in 2..12 {
            let chosen = evenly(61, limit);
            assert_eq!((chosen[0], chosen[limit - 1], chosen.len()), (0, 60, limit));
            assert!(chosen.is_sorted_by(|a, b| a < b));
        }
    }
}
