//! How far each layer's spectrum is from the whole network's, by depth: the paper's main figure.

use super::{
    MOST, WIDTH,
    chart::{Chart, Curve, side_by_side},
    provenance,
};
use crate::{
    data::{Profile, prose, without_common_suffix},
    draw::{Axis, Colour, Stroke, labels::evenly, legend::Sample},
    figure::Figure,
    notes::RunNotes,
};

/// The narrowest room for an upright label in pixels.
const NARROWEST: f64 = 14.0;

/// One line an epoch, the last one emphasised.
pub fn draw(profile: &Profile, notes: &RunNotes) -> Option<Figure> {
    let shown: Vec<usize> = evenly(profile.epochs.len(), MOST).into_iter().map(|i| profile.epochs[i]).collect();
    let strokes = shown.iter().enumerate().map(|(i, _)| stroke(i, shown.len()));
    let curves: Vec<Curve> = shown.iter().zip(strokes).map(|(e, s)| Curve::new(points(profile, *e), s)).collect();
    let entry = |(epoch, curve): (&usize, &Curve)| (Sample::Marked(curve.stroke), format!("epoch {epoch}"));
    let mut entries: Vec<_> = shown.iter().zip(&curves).map(entry).collect();
    entries.reverse();
    let (names, suffix) = without_common_suffix(&profile.layers);
    let chart = Chart {
        x: Axis::categories(&thinned(&names)),
        x_title: match suffix {
            Some(suffix) => format!("layer, in order of depth (each name ends in “{suffix}”)"),
            None => "layer, in order of depth".into(),
        },
        y_title: format!("{} distance to the whole network", profile.metric),
        curves,
    };
    let drawing = side_by_side(&[chart], &entries)?;
    let title = format!("Distance of each layer to the whole network: {}, {}", profile.metric, prose(profile.curvature));
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

/// The names, but only as many as have room to stand upright beside one another.
fn thinned(names: &[&str]) -> Vec<String> {
    let room = (0.75 * WIDTH / NARROWEST) as usize;
    let stride = names.len().div_ceil(room).max(1);
    names.iter().enumerate().map(|(i, name)| if i % stride == 0 { (*name).to_owned() } else { String::new() }).collect()
}

fn caption(profile: &Profile, shown: &[usize], notes: &RunNotes) -> String {
    let mut text = format!(
        "How far the {} spectrum of each layer lies from that of the whole network: the smaller, the more the layer \
         alone tells about the network.{}",
        prose(profile.curvature),
        provenance::distance(profile.metric, &notes.distances)
    );
    if let [_, .., last] = shown {
        text += &format!(" The thick line is the last epoch measured, {last}.");
    }
    if shown.len() < profile.epochs.len() {
        text += &format!(" {} of {} epochs are drawn.", shown.len(), profile.epochs.len());
    }
    text
}
