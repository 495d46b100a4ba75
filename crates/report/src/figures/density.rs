//! Spectral densities: one panel per group, all with a common eigenvalue axis that shows both the
//! bulk and the outliers.

use eigenscape_analysis::uncertainty::probes;
use eigenscape_core::{density::gaussian_density, results::ProbeRecord};

use super::{
    MOST, WIDTH, provenance,
    ritz::{self, NearZero},
};
use crate::{
    RunNotes,
    data::{Series, mass_at_zero, prose, rounding, wants_f64},
    draw::{
        Anchor, Axis, Colour, Drawing, Panel, Scale, Stroke, Text,
        axis::range,
        labels::{count, evenly, percent, power_of_ten, significant, typeset},
        legend::{self, Sample},
        panel::{TICK_SIZE, TITLE_SIZE},
        text,
    },
    figure::Figure,
};

/// The threshold below which the axis is linear, as a share of the largest |λ|, for exact spectra:
/// f32 arithmetic cannot distinguish smaller eigenvalues from zero.
const FINEST_EXACT: f64 = 1e-6;
/// The same threshold if any spectrum is estimated: closer to zero each Ritz value stands for many
/// eigenvalues, and bumps would be meaningless.
const FINEST_ESTIMATED: f64 = 1e-4;
/// The bandwidth is the axis' span divided by this.
const RESOLUTION: f64 = 160.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 30.0;
const HEADER: f64 = 20.0;
const GAP: f64 = 12.0;

/// One panel per group: the last epoch filled, the first one as a grey line for comparison.
pub fn draw(curvature: &str, series: &[Series], notes: &RunNotes) -> Option<Figure> {
    let shown: Vec<&Series> = evenly(series.len(), MOST).into_iter().map(|i| &series[i]).collect();
    let last = shown.iter().filter_map(|s| s.records.last()).map(|r| r.epoch).max()?;
    let first = shown.iter().filter_map(|s| s.records.first()).map(|r| r.epoch).min()?;
    let curves: Vec<Curves> = shown.iter().filter_map(|s| Curves::new(s, first, last)).collect();
    let records: Vec<&ProbeRecord> = curves.iter().flat_map(Curves::records).collect();
    let axis = EigenvalueAxis::covering(&records);
    let drawing = draw_panels(&curves, &axis, (first, last));
    let title = format!("Spectral density: {}", prose(curvature));
    let caption = caption(curvature, &curves, series.len(), &axis, (first, last), notes);
    Some(Figure::new(&format!("density-{curvature}"), title, caption, drawing))
}

/// The records of one panel.
struct Curves<'a> {
    label: &'a str,
    now: &'a ProbeRecord,
    before: Option<&'a ProbeRecord>,
}

impl<'a> Curves<'a> {
    fn new(series: &'a Series, first: usize, last: usize) -> Option<Self> {
        let now = series.at(last).or(series.records.last().copied())?;
        let before = series.at(first).filter(|r| r.epoch < now.epoch);
        Some(Self { label: &series.label, now, before })
    }

    fn records(&self) -> impl Iterator<Item = &'a ProbeRecord> {
        [Some(self.now), self.before].into_iter().flatten()
    }
}

/// The signed logarithmic axis on which densities are computed.
struct EigenvalueAxis {
    /// The axis is linear for |λ| < 10^exponent.
    exponent: i32,
    scale: Scale,
    /// The transformed ends.
    ends: (f64, f64),
    /// σ of the broadening in units of the transformed axis, which are decades away from zero.
    bandwidth: f64,
}

impl EigenvalueAxis {
    fn covering(records: &[&ProbeRecord]) -> Self {
        let finite = |v: &f64| v.is_finite();
        let values: Vec<f64> = records.iter().flat_map(|r| &r.eigenvalues).copied().filter(finite).collect();
        let finest = if records.iter().all(|r| r.exact) { FINEST_EXACT } else { FINEST_ESTIMATED };
        let exponent = threshold_exponent(&values, finest);
        let scale = Scale::SignedLog { threshold: 10_f64.powi(exponent) };
        let transformed = values.iter().map(|v| scale.forward(*v)).chain([0.0]);
        let (low, high) = range(transformed).unwrap_or((0.0, 0.0));
        let span = (high - low).max(1.0);
        let bandwidth = span / RESOLUTION;
        let ends = (low - 6.0 * bandwidth, low.max(high - span) + span + 6.0 * bandwidth);
        Self { exponent, scale, ends, bandwidth }
    }

    fn axis(&self) -> Axis {
        Axis::signed_log(self.exponent, self.ends, 14)
    }

    /// (λ, density per unit of the transformed axis), from left to right.
    fn density(&self, record: &ProbeRecord) -> Vec<(f64, f64)> {
        let atoms = self.atoms(record);
        let step = (self.ends.1 - self.ends.0) / POINTS as f64;
        let grid: Vec<f64> = (0..=POINTS).map(|i| self.ends.0 + i as f64 * step).collect();
        let density = gaussian_density(&atoms, &grid, self.bandwidth);
        grid.into_iter().map(|u| self.scale.backward(u)).zip(density).collect()
    }

    /// The measure on the transformed axis: the eigenvalues, or the spread mass of the Ritz values.
    fn atoms(&self, record: &ProbeRecord) -> Vec<(f64, f64)> {
        let nodes = ritz::nodes(record);
        let placed: Vec<(f64, f64)> = nodes.iter().map(|(v, w)| (self.scale.forward(*v), *w)).collect();
        if record.exact || ritz::complete(record, &nodes) {
            return placed;
        }
        ritz::spread(&placed, probes(record), 0.5 * self.bandwidth)
    }

    /// The peak height of one isolated eigenvalue of an operator of this dimension.
    fn one_eigenvalue(&self, dimension: usize) -> f64 {
        1.0 / (dimension.max(1) as f64 * self.bandwidth * (2.0 * std::f64::consts::PI).sqrt())
    }
}

/// The number of intervals of a density curve: about one per pixel.
const POINTS: usize = 800;

/// The exponent of the power of ten below which the axis is linear: from the lowest decile of the
/// |λ|, limited to between `finest` and 1e-2 times the largest.
fn threshold_exponent(values: &[f64], finest: f64) -> i32 {
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(largest) = sizes.last() else { return 0 };
    let small = sizes[sizes.len() / 10].clamp(finest * largest, 1e-2 * largest);
    // The power of ten must not underflow.
    small.log10().floor().max(-300.0) as i32
}

fn draw_panels(curves: &[Curves], axis: &EigenvalueAxis, (first, last): (usize, usize)) -> Drawing {
    let height = (420.0 / curves.len() as f64).clamp(52.0, 240.0);
    let row = HEADER + height + GAP;
    let bottom = TOP + row * curves.len() as f64;
    let x = axis.axis();
    let below = Panel::room_below(&x, WIDTH - LEFT - RIGHT) + 14.0;
    let mut drawing = Drawing::new(WIDTH, bottom + below);
    for (i, curves) in curves.iter().enumerate() {
        let top = TOP + row * i as f64 + HEADER;
        draw_panel(&mut drawing, curves, axis, (top, height));
    }
    let (width, height) = (WIDTH - LEFT - RIGHT, bottom - TOP - GAP);
    let panel = Panel { left: LEFT, top: TOP, width, height, x, y: Axis::linear((0.0, 1.0), 1) };
    panel.draw_x_labels(&mut drawing);
    panel.draw_x_title(&mut drawing, "eigenvalue λ (logarithmic on both sides of 0)");
    let at = (16.0, 0.5 * (TOP + bottom));
    drawing.text(Text::new("density per decade of |λ|", at, TITLE_SIZE, Anchor::Middle).rotated(-90.0));
    let mut entries = vec![(Sample::Patch(Colour::BLUE), format!("epoch {last}"))];
    if first < last {
        entries.push((Sample::Line(Stroke::solid(Colour::FAINT, 1.3)), format!("epoch {first}")));
        legend::row(&mut drawing, WIDTH - RIGHT, 14.0, &entries);
    }
    drawing
}

fn draw_panel(drawing: &mut Drawing, curves: &Curves, axis: &EigenvalueAxis, (top, height): (f64, f64)) {
    let now = axis.density(curves.now);
    let before = curves.before.map(|r| axis.density(r)).unwrap_or_default();
    let floor = axis.one_eigenvalue(curves.now.dimension) * if curves.now.exact { 0.3 } else { 0.03 };
    let peak = now.iter().chain(&before).map(|p| p.1).fold(10.0 * floor, f64::max);
    let y = Axis::powers((floor, 2.0 * peak), 3);
    let panel = Panel { left: LEFT, top, width: WIDTH - LEFT - RIGHT, height, x: axis.axis(), y };
    panel.draw_axes_unlabelled_below(drawing);

    let mut area = vec![panel.at(now[0].0, floor)];
    area.extend(now.iter().map(|p| panel.at(p.0, p.1.max(floor))));
    area.push(panel.at(now[now.len() - 1].0, floor));
    drawing.area(area, Colour::BLUE, 0.25);
    panel.draw_line(drawing, &above(&before, floor), Stroke::solid(Colour::FAINT, 1.3));
    panel.draw_line(drawing, &above(&now, floor), Stroke::solid(Colour::BLUE, 1.5));

    let remark = Text::new(mass(curves.now), (panel.right(), top - 5.0), TICK_SIZE, Anchor::End);
    let room = panel.width - remark.width() - 20.0;
    let label = text::fit(curves.label, TITLE_SIZE, room);
    drawing.text(Text::new(label, (LEFT, top - 5.0), TITLE_SIZE, Anchor::Start));
    drawing.text(remark.coloured(Colour::AXIS));
}

/// The dimension, and the mass at or near zero that the curve cannot show.
fn mass(record: &ProbeRecord) -> String {
    let dimension = count(record.dimension);
    if record.exact {
        return match (mass_at_zero(record), rounding(record)) {
            (0.0, _) => format!("{dimension} eigenvalues, none 0"),
            (zero, None) => format!("{dimension} eigenvalues, {} of them 0", percent(zero)),
            (zero, Some(bound)) => {
                let bound = significant(bound, 1);
                format!("{dimension} eigenvalues, {} below rounding (|λ| < {bound})", percent(zero))
            }
        };
    }
    match ritz::near_zero(record) {
        Some(NearZero { share, radius }) => {
            format!("{dimension} eigenvalues, {} within ±{}", roughly(share), typeset(radius, 2))
        }
        None => format!("{dimension} eigenvalues"),
    }
}

/// An estimated share in whole percent.
fn roughly(share: f64) -> String {
    match 100.0 * share {
        percent if percent >= 99.5 => "over 99 %".into(),
        percent if percent < 0.5 => "under 1 %".into(),
        percent => format!("about {percent:.0} %"),
    }
}

/// The curve, clipped at the floor; NaN where neither the point nor a neighbour is above it.
fn above(curve: &[(f64, f64)], floor: f64) -> Vec<(f64, f64)> {
    let visible = |i: usize| {
        let around = i.saturating_sub(1)..(i + 2).min(curve.len());
        curve[around].iter().any(|p| p.1 > floor)
    };
    let point = |(i, (x, y)): (usize, &(f64, f64))| (*x, if visible(i) { y.max(floor) } else { f64::NAN });
    curve.iter().enumerate().map(point).collect()
}

fn caption(
    curvature: &str,
    curves: &[Curves],
    count: usize,
    axis: &EigenvalueAxis,
    (first, last): (usize, usize),
    notes: &RunNotes,
) -> String {
    let mut text = format!(
        "Density of the eigenvalues of the {} at epoch {last}{}, on a logarithmic scale. The eigenvalue axis is \
         sign(λ) log₁₀(1 + |λ|/{threshold}): logarithmic on both sides, linear for |λ| below {threshold}. Each \
         eigenvalue is broadened on that axis by a Gaussian with σ = {} (in decades), so that the area under a curve is \
         the share of eigenvalues there.",
        prose(curvature),
        if first < last { format!(" (filled) and at epoch {first} (grey)") } else { String::new() },
        significant(axis.bandwidth, 2),
        threshold = power_of_ten(axis.exponent),
    );
    let (exact, estimated): (Vec<&Curves>, Vec<&Curves>) = curves.iter().partition(|c| c.now.exact);
    if !exact.is_empty() {
        text += " Where the spectrum is exact, the share of the eigenvalues that rounding does not tell from 0 is stated above \
                 the panel and not drawn, and a single eigenvalue rises to 3.3 times the lower end of its panel.";
        if exact.iter().any(|c| wants_f64(c.now)) {
            text += " With dtype = \"f64\" fewer eigenvalues are below rounding.";
        }
    }
    if !estimated.is_empty() {
        text += " Where it is estimated, each Ritz value stands for the mass between its neighbours and is spread over \
                 that interval: nothing finer is known, least of all near 0, where the share of the mass and the \
                 interval in which it lies are stated above the panel.";
    }
    if curves.len() < count {
        text += &format!(" {} of {count} groups are drawn.", curves.len());
    }
    let records = curves.iter().map(|c| c.now);
    format!("{text} {}", provenance::spectra(records, &notes.estimators))
}
