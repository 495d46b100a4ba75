//! How far each layer's spectrum is from the whole network's, by depth: the paper's main figure.

use super::{
    WIDTH,
    chart::{Chart, Curve, side_by_side},
    provenance,
};
use crate::{
    RunNotes,
    data::{Profile, prose},
    draw::{
        Axis, Colour, Stroke,
        labels::{evenly, significant},
        names::shortened,
        panel::TICK_SIZE,
        tick_labels,
    },
    figure::Figure,
};

/// The minimum width of a vertical label in pixels.
const NARROWEST: f64 = 14.0;
/// The maximum number of lines: more would hide one another.
const MOST_EPOCHS: usize = 6;

/// One line per epoch, the last one emphasised.
pub fn draw(profile: &Profile, notes: &RunNotes) -> Option<Figure> {
    let shown: Vec<usize> =
        evenly(profile.epochs.len(), MOST_EPOCHS).into_iter().map(|i| profile.epochs[i]).collect();
    let strokes = shown.iter().enumerate().map(|(i, _)| stroke(i, shown.len()));
    let mut curves: Vec<Curve> =
        shown.iter().zip(strokes).map(|(e, s)| Curve::new(points(profile, *e), s)).collect();
    if let (Some(last), Some(epoch)) = (curves.last_mut(), shown.last()) {
        let layers = profile.layers.iter().enumerate();
        let ends = layers.filter_map(|(i, layer)| Some((i as f64, profile.band(layer, *epoch)?)));
        last.band = ends.map(|(x, (low, high))| (x, low, high)).collect();
        let bars = profile.layers.iter().enumerate();
        let bar = |(i, layer): (usize, &&str)| {
            Some((i as f64, profile.value(layer, *epoch)?, profile.error(layer, *epoch)?))
        };
        last.errors = bars.filter_map(bar).collect();
    }
    let entry = |(epoch, curve): (&usize, &Curve)| (curve.sample(), format!("epoch {epoch}"));
    let mut entries: Vec<_> = shown.iter().zip(&curves).map(entry).collect();
    entries.reverse();
    let names = shortened(&profile.layers, TICK_SIZE, longest_name(profile.layers.len()));
    let chart = Chart {
        x_title: match (names.first(), profile.layers.first()) {
            (Some(short), Some(name)) if short != name => {
                format!("group, in order of depth (“{short}” is {name})")
            }
            _ => "group, in order of depth".into(),
        },
        x: Axis::categories(&thinned(names)),
        y_title: format!("{} distance to the whole network", profile.metric),
        curves,
    };
    let drawing = side_by_side(&[chart], &entries)?;
    let title = format!(
        "Distance of each group to the whole network: {}, {}",
        profile.metric,
        prose(profile.curvature)
    );
    let name = format!("distance-by-depth-{}-{}", profile.metric, profile.curvature);
    Some(Figure::new(&name, title, caption(profile, &shown, notes), drawing))
}

fn stroke(index: usize, count: usize) -> Stroke {
    if index + 1 == count {
        Stroke::solid(Colour::VERMILLION, 2.6)
    } else {
        Stroke::solid(Colour::of_order(index, count.max(3) - 1), 1.4)
    }
}

fn points(profile: &Profile, epoch: usize) -> Vec<(f64, f64)> {
    let value = |layer: &&str| profile.value(layer, epoch).unwrap_or(f64::NAN);
    profile.layers.iter().map(value).enumerate().map(|(i, v)| (i as f64, v)).collect()
}

/// The maximum width of a name in pixels: larger for few layers, whose names are horizontal, than
/// for many, whose names are vertical.
fn longest_name(layers: usize) -> f64 {
    (0.7 * WIDTH / layers.max(1) as f64).clamp(0.8 * tick_labels::LONGEST, tick_labels::LONGEST)
}

/// Blanks out names so that the remaining ones fit side by side as vertical labels.
fn thinned(names: Vec<String>) -> Vec<String> {
    let room = (0.75 * WIDTH / NARROWEST) as usize;
    let stride = names.len().div_ceil(room).max(1);
    names
        .into_iter()
        .enumerate()
        .map(|(i, name)| if i % stride == 0 { name } else { String::new() })
        .collect()
}

fn caption(profile: &Profile, shown: &[usize], notes: &RunNotes) -> String {
    let mut text = format!(
        "How far the {} spectrum of each group lies from that of the whole network: the smaller, the more the group \
         alone tells about the network.{}",
        prose(profile.curvature),
        provenance::distance(profile.metric, &notes.distances)
    );
    if let [_, .., last] = shown {
        text += &format!(" The thick line is the last epoch measured, {last}.");
    }
    if let Some((low, high)) = profile.bandwidths() {
        text += &format!(
            " The area is what the distance at the last epoch becomes at bandwidths from {} to {}.",
            significant(low, 1),
            significant(high, 1)
        );
    }
    text += &provenance::errors(profile);
    if shown.len() < profile.epochs.len() {
        text += &format!(" {} of {} epochs are drawn.", shown.len(), profile.epochs.len());
    }
    text
}
