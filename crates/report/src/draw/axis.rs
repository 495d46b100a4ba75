//! Axes, which map values to positions and have ticks at round numbers.

use super::labels::{power_of_ten, typeset};

/// The monotone transformation of values before they are placed linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// x.
    Linear,
    /// log₁₀ x, for x > 0.
    Log,
    /// sign(x) · log₁₀(1 + |x|/threshold): logarithmic on both sides of zero, linear within ±
    /// threshold.
    SignedLog {
        /// Below this absolute value the scale is linear.
        threshold: f64,
    },
}

impl Scale {
    /// The transformed value.
    #[must_use]
    pub fn forward(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::SignedLog { threshold } => {
                let decades = (value.abs() / threshold).ln_1p() / std::f64::consts::LN_10;
                decades.copysign(value)
            }
        }
    }

    /// The value at a transformed position: the inverse of [`Self::forward`].
    #[must_use]
    pub fn backward(self, position: f64) -> f64 {
        match self {
            Self::Linear => position,
            Self::Log => 10_f64.powf(position),
            Self::SignedLog { threshold } => {
                let size = threshold * (position.abs() * std::f64::consts::LN_10).exp_m1();
                size.copysign(position)
            }
        }
    }
}

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The marked value.
    pub value: f64,
    /// The label; empty for a minor tick.
    pub label: String,
}

impl Tick {
    fn new(value: f64, label: impl Into<String>) -> Self {
        Self { value, label: label.into() }
    }
}

/// A range of values on a scale, with ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    scale: Scale,
    /// The transformed lower and upper end.
    low: f64,
    high: f64,
    /// The marks, all within the range.
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// A linear axis that covers the range, widened a little, with at most about `count` ticks.
    #[must_use]
    pub fn linear((low, high): (f64, f64), count: usize) -> Self {
        let (low, high) = widen(low, high);
        let step = round_step((high - low) / count.max(1) as f64);
        let ticks = multiples(step, low, high).map(|v| Tick::new(v, linear_label(v, step))).collect();
        Self { scale: Scale::Linear, low, high, ticks }
    }

    /// A linear axis of whole numbers (epochs, ranks).
    #[must_use]
    pub fn integers((low, high): (f64, f64), count: usize) -> Self {
        let margin = 0.03 * (high - low).max(1.0);
        let step = round_step((high - low) / count.max(1) as f64).max(1.0);
        let ticks = multiples(step, low, high).map(|v| Tick::new(v, format!("{v:.0}"))).collect();
        Self { scale: Scale::Linear, low: low - margin, high: high + margin, ticks }
    }

    /// An axis of names at 0, 1, 2, ...
    #[must_use]
    pub fn categories(names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(i, name)| Tick::new(i as f64, name)).collect();
        Self { scale: Scale::Linear, low: -0.5, high: names.len().max(1) as f64 - 0.5, ticks }
    }

    /// A logarithmic axis from `low` to `high` (both positive), with at most about `count` labels,
    /// written as plain numbers where these are short.
    #[must_use]
    pub fn log(range: (f64, f64), count: usize) -> Self {
        let mut axis = Self::log_with(range, count, (count.min(4) / 2 + 1).max(2));
        let powers = |t: &Tick| t.label.is_empty() || t.label.starts_with("10");
        if axis.low >= -3.5 && axis.high <= 4.5 && axis.ticks.iter().all(powers) {
            axis.ticks
                .iter_mut()
                .filter(|t| !t.label.is_empty())
                .for_each(|t| t.label = typeset_short(t.value));
        }
        axis
    }

    /// A logarithmic axis labelled with powers of ten wherever the range contains one, so that
    /// several axes look alike.
    #[must_use]
    pub fn powers(range: (f64, f64), count: usize) -> Self {
        Self::log_with(range, count, 1)
    }

    fn log_with((low, high): (f64, f64), count: usize, enough: usize) -> Self {
        let (low, high) = (low.log10(), high.log10());
        let (low, high) = if high - low < 0.1 { (low - 0.1, high + 0.1) } else { (low, high) };
        let ticks = log_ticks(low, high, count, enough);
        Self { scale: Scale::Log, low, high, ticks }
    }

    /// A signed logarithmic axis between transformed ends (see [`Scale::SignedLog`]); `threshold`
    /// is 10^`exponent`.
    #[must_use]
    pub fn signed_log(exponent: i32, (low, high): (f64, f64), count: usize) -> Self {
        let scale = Scale::SignedLog { threshold: 10_f64.powi(exponent) };
        let stride = ((high - low) / count.max(1) as f64).ceil().max(1.0) as i32;
        // Ticks start at the first power beyond the linear part: nearer ones would overlap the
        // label 0.
        let powers = exponent + 1..=exponent + high.max(-low).ceil() as i32;
        let mut ticks = vec![Tick::new(0.0, "0")];
        for (i, power) in powers.enumerate() {
            let label = |sign| match i as i32 % stride {
                0 => format!("{sign}{}", power_of_ten(power)),
                _ => String::new(),
            };
            let value = 10_f64.powi(power);
            ticks.push(Tick::new(value, label("")));
            ticks.push(Tick::new(-value, label("−")));
        }
        let inside = |t: &Tick| (low..=high).contains(&scale.forward(t.value));
        Self { scale, low, high, ticks: ticks.into_iter().filter(inside).collect() }
    }

    /// An axis that suits the finite values: logarithmic if they are positive and span more than a
    /// factor of 30, otherwise linear, starting at 0 if that leaves less than 60 % of the axis
    /// empty. `None` without finite values.
    #[must_use]
    pub fn fitting(values: impl IntoIterator<Item = f64>, count: usize) -> Option<Self> {
        let (low, high) = range(values)?;
        if low > 0.0 && high > 30.0 * low {
            let margin = (high / low).powf(0.05);
            return Some(Self::log((low / margin, high * margin), count));
        }
        let low = if low > 0.0 && low < 0.6 * high { 0.0 } else { low };
        Some(Self::linear((low, high), count))
    }

    /// The position of a value: 0 at the low end, 1 at the high end, clamped to [−0.01, 1.01].
    #[must_use]
    pub fn position(&self, value: f64) -> f64 {
        let position = (self.scale.forward(value) - self.low) / (self.high - self.low);
        position.clamp(-0.01, 1.01)
    }

    /// The axis for the page's script: kind, ends on the transformed scale, and ticks.
    #[must_use]
    pub fn data(&self) -> serde_json::Value {
        let (kind, threshold) = match self.scale {
            Scale::Linear => ("linear", 0.0),
            Scale::Log => ("log", 0.0),
            Scale::SignedLog { threshold } => ("signed-log", threshold),
        };
        let ticks: Vec<_> =
            self.ticks.iter().map(|tick| serde_json::json!([tick.value, tick.label])).collect();
        serde_json::json!({
            "kind": kind, "threshold": threshold, "low": self.low, "high": self.high, "ticks": ticks
        })
    }

    /// Whether the axis is logarithmic, so that it has no place for values ≤ 0.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }
}

/// The largest magnitude that an axis shows.
pub const LARGEST: f64 = 1e300;

/// The smallest and the largest value that can be placed. Ignores values that are not finite or
/// exceed 1e300 in absolute value, so that differences are finite; values below 1e-304 in absolute
/// value count as 0.
pub fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    const SMALLEST: f64 = 1e-304;
    let placed =
        values.into_iter().filter(|v| v.abs() <= LARGEST).map(|v| if v.abs() < SMALLEST { 0.0 } else { v });
    placed.fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// The range with a margin, except at a zero end; never empty.
fn widen(low: f64, high: f64) -> (f64, f64) {
    let span = high - low;
    if span <= 1e-9 * low.abs().max(high.abs()) {
        let around = if high == 0.0 { 1.0 } else { 0.1 * high.abs() };
        return (low - around, high + around);
    }
    let margin = 0.05 * span;
    (if low == 0.0 { 0.0 } else { low - margin }, if high == 0.0 { 0.0 } else { high + margin })
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    if !(step > 0.0 && step.is_finite()) {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

fn multiples(step: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let slack = 1e-9 * step;
    let first = ((low - slack) / step).ceil() as i64;
    let last = ((high + slack) / step).floor() as i64;
    (first..=last).map(move |i| i as f64 * step)
}

fn linear_label(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs().max(step) >= 1e5 || step < 1e-4 {
        // As many digits as distinguish neighbouring ticks.
        let digits = (value.abs() / step).log10().floor().max(0.0) as usize + 1;
        return typeset(value, digits);
    }
    let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// Ticks of a logarithmic axis: at powers of ten if the range has `enough` of them, otherwise at 1,
/// 2 and 5 times powers of ten, otherwise at round steps.
fn log_ticks(low: f64, high: f64, count: usize, enough: usize) -> Vec<Tick> {
    let decades = (high.floor() - low.ceil()).max(-1.0) as usize + 1;
    if decades >= enough {
        let stride = decades.div_ceil(count.max(1)) as i32;
        // Labels on multiples of the stride stay put when the range changes a little.
        let label = |p: i32| if p.rem_euclid(stride) == 0 { power_of_ten(p) } else { String::new() };
        let mut ticks: Vec<Tick> =
            (low.ceil() as i32..=high.floor() as i32).map(|p| Tick::new(10_f64.powi(p), label(p))).collect();
        if decades <= 4 && count > 3 {
            ticks.extend(between_powers(low, high));
        }
        return ticks;
    }
    let inside = |v: &f64| (low..=high).contains(&v.log10());
    let candidates = |mantissas: &'static [f64]| {
        (low.floor() as i32..=high.floor() as i32)
            .flat_map(move |p| mantissas.iter().map(move |m| m * 10_f64.powi(p)))
            .filter(inside)
            .collect::<Vec<_>>()
    };
    let values = [&[1.0, 2.0, 5.0] as &[f64], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]]
        .into_iter()
        .map(candidates)
        .find(|values| values.len() >= 3);
    let values = values.unwrap_or_else(|| {
        let (low, high) = (10_f64.powf(low), 10_f64.powf(high));
        multiples(round_step((high - low) / count.max(1) as f64), low, high).collect()
    });
    values.into_iter().map(|v| Tick::new(v, typeset_short(v))).collect()
}

/// Unlabelled ticks at 2, 3, ..., 9 times the powers of ten.
fn between_powers(low: f64, high: f64) -> impl Iterator<Item = Tick> {
    let values = (low.floor() as i32..=high.floor() as i32)
        .flat_map(|p| (2..10).map(move |m| f64::from(m) * 10_f64.powi(p)));
    values.filter(move |v| (low..=high).contains(&v.log10())).map(|v| Tick::new(v, ""))
}

/// A round number without trailing zeros.
fn typeset_short(value: f64) -> String {
    if !(1e-3..1e5).contains(&value) {
        return typeset(value, 1);
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Axis, Scale};

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.label.as_str()).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&Axis::linear((0.0, 38.0), 5)), ["0", "10", "20", "30"]);
        assert_eq!(labels(&Axis::linear((-2.5, 1.0), 4)), ["−2", "−1", "0", "1"]);
        assert_eq!(
            labels(&Axis::linear((0.0, 0.07), 4)),
            ["0.00", "0.02", "0.04", "0.06"].map(|l| if l == "0.00" { "0" } else { l })
        );
        assert_eq!(labels(&Axis::linear((0.0, 4e-6), 3)), ["0", "2×10⁻⁶", "4×10⁻⁶"]);
        assert_eq!(labels(&Axis::integers((0.0, 4.0), 8)), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(&Axis::integers((3.0, 3.0), 8)), ["3"]);
    }

    #[test]
    fn log_ticks_follow_the_span() {
        assert_eq!(labels(&Axis::log((1e-5, 1.0), 6)), ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]);
        assert_eq!(labels(&Axis::log((0.9, 60.0), 6)), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(labels(&Axis::log((1e-12, 1.0), 4)), ["10⁻¹²", "10⁻⁸", "10⁻⁴", "10⁰"]);
        assert!(labels(&Axis::log((110.0, 130.0), 4)).len() >= 2);
    }

    #[test]
    fn the_signed_logarithm_is_odd_and_linear_at_zero() {
        let scale = Scale::SignedLog { threshold: 1e-6 };
        assert_eq!(scale.forward(0.0), 0.0);
        assert_eq!(scale.forward(-3.0), -scale.forward(3.0));
        // Within the threshold the slope is 1/(threshold ln 10); far beyond it one decade is one
        // unit.
        let slope = scale.forward(1e-12) / 1e-12;
        assert!((slope * 1e-6 * std::f64::consts::LN_10 - 1.0).abs() < 1e-5);
        assert!((scale.forward(10.0) - scale.forward(1.0) - 1.0).abs() < 1e-6);
        for value in [-38.0, -1e-9, 0.0, 2.5e-6, 7.0] {
            assert!((scale.backward(scale.forward(value)) - value).abs() <= 1e-13 * f64::abs(value));
        }
    }

    #[test]
    fn signed_ticks_lie_on_both_sides() {
        let axis = Axis::signed_log(-2, (-2.5, 3.5), 12);
        let mut shown = labels(&axis);
        shown.sort_unstable();
        assert_eq!(shown, ["0", "10¹", "10⁰", "10⁻¹", "−10⁰", "−10⁻¹"]);
    }

    proptest! {
        #[test]
        fn every_axis_has_ticks_inside_it(a in -1e9..1e9f64, b in -1e9..1e9f64, power in -12..12i32) {
            let scale = 10_f64.powi(power);
            let axis = Axis::fitting([a * scale, b * scale, f64::NAN], 5).unwrap();
            prop_assert!(!axis.ticks.is_empty() && axis.ticks.len() < 50, "{axis:?}");
            for tick in &axis.ticks {
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&axis.position(tick.value)), "{axis:?}");
            }
            prop_assert!((0.0..=1.0).contains(&axis.position(a * scale)));
        }
    }
}
