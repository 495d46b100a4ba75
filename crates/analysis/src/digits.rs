//! Numbers formatted for readers, to a given number of significant digits.

/// `value` to `digits` significant digits: plain from 10⁻³ to 10⁶, otherwise as "1.234e-5"; "NaN",
/// "∞".
///
/// ```
/// # use eigenscape_analysis::significant;
/// assert_eq!(significant(275.5557, 4), "275.6");
/// assert_eq!(significant(-0.000012345, 4), "-1.234e-5");
/// ```
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "-∞".into() };
    }
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    // The exponent is taken after rounding, so that 9.9996 becomes 10.00 and not 10.000.
    let exponent: i32 = scientific.rsplit('e').next().and_then(|e| e.parse().ok()).unwrap_or(0);
    if !(-3..6).contains(&exponent) {
        return scientific;
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    format!("{value:.decimals$}")
}

/// `value ± half`, the error with two significant digits and the value to the same place: "62 ±
/// 14", "0.0068 ± 0.0011". Without an error (0), `value` to `digits` significant digits. Numbers
/// whose error is much larger than they are have one digit.
///
/// ```
/// # use eigenscape_analysis::with_error;
/// assert_eq!(with_error(61.706, 14.2, 4), "62 ± 14");
/// assert_eq!(with_error(275.6, 279.5, 4), "280 ± 280");
/// assert_eq!(with_error(0.006_812, 0.000_114, 4), "0.00681 ± 0.00011");
/// assert_eq!(with_error(8.1437, 0.0, 4), "8.144");
/// assert_eq!(with_error(3.0e-7, 2.0e-8, 4), "3.00e-7 ± 2.0e-8");
/// assert_eq!(with_error(-0.2, 60.0, 4), "0 ± 60");
/// assert_eq!(with_error(-3.0, 600.0, 4), "0 ± 600");
/// ```
#[must_use]
pub fn with_error(value: f64, half: f64, digits: usize) -> String {
    let place = |number: f64| -> Option<i32> { format!("{number:.1e}").rsplit('e').next()?.parse().ok() };
    let (Some(of_error), true) = (place(half), half > 0.0 && half.is_finite() && value.is_finite()) else {
        return significant(value, digits);
    };
    // The power of ten of the error's second digit.
    let last = of_error - 1;
    let step = 10_f64.powi(last);
    let rounded = if last > 0 { (value / step).round() * step } else { value };
    let kept = place(rounded).map_or(1, |first| (first - last + 1).clamp(1, 12)) as usize;
    let exponent = place(if value == 0.0 { half } else { value }).unwrap_or(0);
    if (-3..6).contains(&exponent) && of_error >= -6 && last <= 5 {
        let decimals = (-last).max(0) as usize;
        let half = if last > 0 { (half / step).round() * step } else { half };
        return format!("{} ± {}", fixed(rounded, decimals), fixed(half, decimals));
    }
    format!("{} ± {}", significant(rounded, kept), significant(half, 2))
}

/// `value` with this number of decimals; what is rounded to 0 has no sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let digits = text.trim_start_matches('-');
    if digits.chars().all(|c| matches!(c, '0' | '.')) { digits.to_owned() } else { text }
}
