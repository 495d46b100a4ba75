//! How far each layer's spectrum is from the whole network's, over the epochs.

use super::{
    LEGEND_NAME, MOST,
    chart::{Chart, Curve, side_by_side},
    provenance,
};
use crate::{
    RunNotes,
    data::{Profile, prose},
    draw::{
        Axis, Colour, Stroke,
        labels::{evenly, significant},
        legend::Entry,
        names::shortened,
        panel::TICK_SIZE,
    },
    figure::Figure,
};

/// One line per layer, coloured by depth; `None` for a single epoch.
pub fn draw(profile: &Profile, notes: &RunNotes) -> Option<Figure> {
    let [first, .., last] = profile.epochs[..] else { return None };
    let shown = evenly(profile.layers.len(), MOST);
    let curve = |&i: &usize| {
        let stroke = Stroke::solid(Colour::of_order(i, profile.layers.len()), 1.8);
        let value = |epoch: &usize| profile.value(profile.layers[i], *epoch).unwrap_or(f64::NAN);
        let band = |epoch: &usize| {
            let (low, high) = profile.band(profile.layers[i], *epoch)?;
            Some((*epoch as f64, low, high))
        };
        let bar = |epoch: &usize| {
            let layer = profile.layers[i];
            Some((*epoch as f64, profile.value(layer, *epoch)?, profile.error(layer, *epoch)?))
        };
        Curve {
            band: profile.epochs.iter().filter_map(band).collect(),
            errors: profile.epochs.iter().filter_map(bar).collect(),
            ..Curve::new(profile.epochs.iter().map(|e| (*e as f64, value(e))).collect(), stroke)
        }
    };
    let curves: Vec<Curve> = shown.iter().map(curve).collect();
    let names: Vec<&str> = shown.iter().map(|&i| profile.layers[i]).collect();
    let short = shortened(&names, TICK_SIZE, LEGEND_NAME);
    let key = provenance::shortening(&short, names);
    let entries: Vec<Entry> = curves.iter().map(Curve::sample).zip(short).collect();
    let chart = Chart {
        x: Axis::integers((first as f64, last as f64), 10),
        x_title: "epoch".into(),
        y_title: format!("{} distance to the whole network", profile.metric),
        curves,
    };
    let drawing = side_by_side(&[chart], &entries)?;
    let title = format!(
        "Distance to the whole network over the epochs: {}, {}",
        profile.metric,
        prose(profile.curvature)
    );
    let name = format!("distance-over-epochs-{}-{}", profile.metric, profile.curvature);
    Some(Figure::new(&name, title, caption(profile, shown.len(), notes) + &key, drawing))
}

fn caption(profile: &Profile, shown: usize, notes: &RunNotes) -> String {
    let count = profile.layers.len();
    let thinned =
        if shown < count { format!(" {shown} of {count} groups are drawn.") } else { String::new() };
    let band = profile.bandwidths().map_or(String::new(), |(low, high)| {
        let [low, high] = [low, high].map(|bandwidth| significant(bandwidth, 1));
        format!(" Areas: what each becomes at bandwidths from {low} to {high}.")
    });
    format!(
        "The same distances ({}, {}) as training goes on; the colour runs from the first group (dark) to the last \
         (light).{band}{}{thinned}{}",
        profile.metric,
        prose(profile.curvature),
        provenance::errors(profile),
        provenance::distance(profile.metric, &notes.distances)
    )
}
