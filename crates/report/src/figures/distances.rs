//! How far each layer's spectrum is from the full network's: by depth, and over the epochs.

use eigenscape_analysis::uncertainty::Number;
use eigenscape_core::results::DistanceRecord;

use super::{
    WIDTH,
    curves::{Curves, left_out, shown},
};
use crate::{
    data::{Profile, distinct, profiles, prose},
    draw::{Axis, axis::range, names::shortened, panel::TICK_SIZE, tick_labels},
    plot::{Curve, Frame, Line, Mark, Plot, Style, suits_log},
    variants::{Variant, name},
};

/// The minimum width of a vertical label in pixels.
const NARROWEST: f64 = 14.0;

/// The distances by one metric in all variants.
pub struct Distances<'a> {
    metric: &'a str,
    /// The variant's index, the curvature, and the profile of each of its runs.
    profiles: Vec<(usize, &'a str, Vec<Profile<'a>>)>,
    layers: Vec<&'a str>,
    epochs: Vec<usize>,
}

impl<'a> Distances<'a> {
    /// One element per metric.
    pub fn all(variants: &[Variant<'a>]) -> Vec<Self> {
        let of = |variant: &Variant<'a>| variant.runs.iter().copied().flat_map(profiles).collect::<Vec<_>>();
        let all: Vec<Vec<Profile>> = variants.iter().map(of).collect();
        let metrics = distinct(all.iter().flatten().map(|profile| profile.metric));
        metrics.into_iter().map(|metric| Self::new(metric, &all)).collect()
    }

    fn new(metric: &'a str, all: &[Vec<Profile<'a>>]) -> Self {
        let ours = |profile: &&Profile| profile.metric == metric;
        let every = || all.iter().flatten().filter(ours);
        let curvatures = distinct(every().map(|profile| profile.curvature));
        let mut profiles = Vec::new();
        for (variant, of_variant) in all.iter().enumerate() {
            for curvature in &curvatures {
                let same = of_variant.iter().filter(ours).filter(|profile| profile.curvature == *curvature);
                let same: Vec<Profile> = same.cloned().collect();
                if !same.is_empty() {
                    profiles.push((variant, *curvature, same));
                }
            }
        }
        let mut epochs = distinct(every().flat_map(|profile| profile.epochs.iter().copied()));
        epochs.sort_unstable();
        Self { metric, profiles, layers: distinct(every().flat_map(|p| p.layers.iter().copied())), epochs }
    }

    fn curvatures(&self) -> Vec<&'a str> {
        distinct(self.profiles.iter().map(|(_, curvature, _)| *curvature))
    }

    fn names(&self) -> String {
        self.curvatures().into_iter().map(prose).collect::<Vec<_>>().join(", ")
    }

    /// The layers by depth, at each epoch.
    pub fn by_depth(&self, variants: &[Variant]) -> Option<Plot> {
        let curves = Curves::new(self.profiles.iter().map(|(v, c, _)| (*v, *c)), variants);
        let mut lines = Vec::new();
        for (variant, curvature, runs) in &self.profiles {
            for epoch in &self.epochs {
                let layers = self.layers.iter().enumerate();
                let mark = |(index, layer): (usize, &&str)| mark(index as f64, runs, layer, *epoch);
                let points: Vec<Mark> = layers.filter_map(mark).collect();
                let (curve, epoch) = (curves.index(*variant, curvature), Some(*epoch));
                if !points.is_empty() {
                    lines.push(Line { panel: 0, curve, epoch, points, ..Line::default() });
                }
            }
        }
        let names = shortened(&self.layers, TICK_SIZE, longest_name(self.layers.len()));
        let x_title = match (names.first(), self.layers.first()) {
            (Some(short), Some(name)) if short != name => {
                format!("group, in order of depth (“{short}” is {name})")
            }
            _ => "group, in order of depth".into(),
        };
        let (panels, lines) = super::panels(&[()], lines, |()| Frame {
            title: String::new(),
            x: Axis::categories(&thinned_names(&names)),
            x_title: x_title.clone(),
            y_title: format!("{} distance to the full network", self.metric),
        });
        (!panels.is_empty()).then(|| Plot {
            slug: self.slug("distance-by-depth"),
            title: format!("Distance of each group to the full network: {}, {}", self.metric, self.names()),
            caption: "A small distance means that the group's spectrum resembles that of the full network."
                .to_owned()
                + &self.bandwidths(&lines),
            style: Style::Line,
            names: ["group".into(), "distance".into()],
            columns: 1,
            is_log: suits_log(&lines),
            panels,
            curves: curves.all,
            epochs: self.epochs.clone(),
            places: self.layers.iter().map(|layer| (*layer).to_owned()).collect(),
            lines,
        })
    }

    /// The layers over the epochs; `None` for a single epoch. Of several variants, a panel per
    /// layer.
    pub fn over_epochs(&self, variants: &[Variant]) -> Option<Plot> {
        let ends = range(self.epochs.iter().map(|e| *e as f64)).filter(|(first, last)| first < last)?;
        let shown = shown(&self.layers);
        let by_variant = variants.len() > 1;
        let curves = Curves::new(self.profiles.iter().map(|(v, c, _)| (*v, *c)), variants);
        let curvatures = self.curvatures();
        let mut lines = Vec::new();
        for (variant, curvature, runs) in &self.profiles {
            let curve = curves.index(*variant, curvature);
            for (index, layer) in shown.iter().enumerate() {
                let marks = self.epochs.iter().filter_map(|epoch| mark(*epoch as f64, runs, layer, *epoch));
                let points: Vec<Mark> = marks.collect();
                let (panel, curve) =
                    if by_variant { (index, curve) } else { (0, curve * shown.len() + index) };
                if !points.is_empty() {
                    lines.push(Line { panel, curve, points, ..Line::default() });
                }
            }
        }
        let titles: Vec<&str> = if by_variant { shown.clone() } else { vec![""] };
        let (panels, lines) = super::panels(&titles, lines, |title| Frame {
            title: (*title).to_owned(),
            x: Axis::integers(ends, if by_variant { 4 } else { 8 }),
            x_title: "epoch".into(),
            y_title: format!("{} distance to the full network", self.metric),
        });
        let of_layers = curvatures.iter().flat_map(|curvature| {
            let several = curvatures.len() > 1;
            let curvatures = &curvatures;
            shown.iter().enumerate().map(move |(colour, layer)| Curve {
                name: name(Some(layer), several.then_some(*curvature)),
                colour,
                dashed: curvatures.first() != Some(curvature),
            })
        });
        let of_layers: Vec<Curve> = of_layers.collect();
        (!panels.is_empty()).then(|| Plot {
            slug: self.slug("distance-over-epochs"),
            title: format!("Distance to the full network over the epochs: {}, {}", self.metric, self.names()),
            caption: format!(
                "The same distances as training goes on.{}{}",
                self.bandwidths(&lines),
                left_out(shown.len(), self.layers.len())
            ),
            style: Style::Line,
            names: ["epoch".into(), "distance".into()],
            columns: panels.len().min(3),
            is_log: suits_log(&lines),
            panels,
            curves: if by_variant { curves.all } else { of_layers },
            epochs: Vec::new(),
            places: Vec::new(),
            lines,
        })
    }

    fn slug(&self, what: &str) -> String {
        crate::figure::slug(&format!("{what}-{}-{}", self.metric, self.curvatures().join("-")))
    }

    /// Explains the lines of other bandwidths, if any are drawn.
    fn bandwidths(&self, lines: &[Line]) -> String {
        let drawn = lines.iter().flat_map(|line| &line.points).any(|mark| mark.range.is_some());
        let range = self.profiles.iter().flat_map(|(.., runs)| runs).find_map(Profile::bandwidths);
        range.filter(|_| drawn).map_or(String::new(), |(low, high)| {
            let [low, high] = [low, high].map(|end| crate::draw::labels::significant(end, 1));
            format!(" Thin dashed lines: what the distance becomes at bandwidths from {low} to {high}.")
        })
    }
}

/// The mean distance of a layer over the runs.
fn mark(x: f64, runs: &[Profile], layer: &str, epoch: usize) -> Option<Mark> {
    let records: Vec<&DistanceRecord> =
        runs.iter().filter_map(|profile| profile.record(layer, epoch)).collect();
    let numbers: Vec<Number> = records.iter().map(|record| Number::distance(record)).collect();
    let mean = Number::over_runs(&numbers)?;
    let range = match records[..] {
        [record] => crate::data::band(record).map(|(low, high)| [low, high]),
        _ => None,
    };
    // No distance is negative, whatever the interval of a mean of few.
    let interval = super::interval(&mean).map(|ends| ends.map(|end| end.max(0.0)));
    Some(Mark { interval, range, ..Mark::new(x, mean.value) })
}

/// The maximum width of a name in pixels: larger for few layers, whose names are horizontal, than
/// for many, whose names are vertical.
fn longest_name(layers: usize) -> f64 {
    (0.7 * WIDTH / layers.max(1) as f64).clamp(0.8 * tick_labels::LONGEST, tick_labels::LONGEST)
}

/// Blanks out names so that the remaining ones fit side by side as vertical labels.
fn thinned_names(names: &[String]) -> Vec<String> {
    let room = (0.6 * WIDTH / NARROWEST) as usize;
    let stride = names.len().div_ceil(room).max(1);
    let keep = |(i, name): (usize, &String)| if i % stride == 0 { name.clone() } else { String::new() };
    names.iter().enumerate().map(keep).collect()
}
