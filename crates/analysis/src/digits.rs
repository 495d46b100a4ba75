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
