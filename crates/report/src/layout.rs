//! Tests that figures are legible: text stays inside the drawing and apart from other text.

#[path = "../tests/common/mod.rs"]
#[allow(dead_code, reason = "the integration tests use more of it")]
mod common;

use eigenscape_core::results::{ProbeRecord, Run};

use crate::{
    RunNotes,
    draw::{Anchor, Colour, Text, drawing::Shape},
    figure::{self, Charts, Figure},
    plot, sample,
    variants::Variant,
};

/// All figures of a run, the charts at each of their epochs.
fn of_run(run: &Run, notes: &RunNotes) -> Vec<Figure> {
    of_runs(std::slice::from_ref(run), notes)
}

fn of_runs(runs: &[Run], notes: &RunNotes) -> Vec<Figure> {
    let charts = Charts::of(&Variant::all(runs), notes.classes);
    let at_epochs = |plot: &plot::Plot| match &plot.epochs[..] {
        [] => vec![plot::draw::figure(plot, None)],
        epochs => epochs.iter().map(|epoch| plot::draw::figure(plot, Some(*epoch))).collect(),
    };
    charts.all().flat_map(at_epochs).chain(figure::of_classes(&runs[0], notes)).collect()
}

/// The corners of a text's box: from a fifth of an em below the baseline to three quarters above
/// it.
fn corners(text: &Text) -> [(f64, f64); 4] {
    let width = text.width();
    let left = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -0.5 * width,
        Anchor::End => -width,
    };
    let (sine, cosine) = text.angle.to_radians().sin_cos();
    let (top, bottom) = (-0.75 * text.size, 0.2 * text.size);
    [(left, top), (left + width, top), (left + width, bottom), (left, bottom)]
        .map(|(x, y)| (text.at.0 + x * cosine - y * sine, text.at.1 + x * sine + y * cosine))
}

/// Whether two boxes are separated by a line along one of their sides (the separating axis
/// theorem).
fn apart(a: &[(f64, f64); 4], b: &[(f64, f64); 4]) -> bool {
    let separates = |shape: &[(f64, f64); 4], side: usize| {
        let (from, to) = (shape[side], shape[(side + 1) % 4]);
        let along = |p: &(f64, f64)| (p.0 - from.0) * (to.1 - from.1) - (p.1 - from.1) * (to.0 - from.0);
        let span = |s: &[(f64, f64); 4]| {
            let values = s.map(|p| along(&p));
            (values.into_iter().fold(f64::MAX, f64::min), values.into_iter().fold(f64::MIN, f64::max))
        };
        let (a, b) = (span(a), span(b));
        a.1 <= b.0 || b.1 <= a.0
    };
    (0..4).any(|side| separates(a, side) || separates(b, side))
}

fn assert_legible(figure: &Figure) {
    let drawing = &figure.drawing;
    let texts =
        drawing.shapes.iter().filter_map(|s| if let Shape::Text(text) = s { Some(text) } else { None });
    let boxes: Vec<_> = texts.map(|t| (t, corners(t))).collect();
    for (i, (text, corners)) in boxes.iter().enumerate() {
        for (x, y) in corners {
            let inside = (0.0..=drawing.width).contains(x) && (0.0..=drawing.height).contains(y);
            assert!(inside, "{}: “{}” leaves the drawing", figure.slug, text.content);
        }
        for (other, others) in &boxes[..i] {
            assert!(apart(corners, others), "{}: “{}” on “{}”", figure.slug, text.content, other.content);
        }
    }
}

fn deep(layers: usize, name: impl Fn(usize) -> String, classes: usize) -> (Run, RunNotes) {
    let mut run = Run::default();
    for epoch in 0..12 {
        for layer in 0..=layers {
            let group = if layer == 0 { "full".to_owned() } else { name(layer) };
            let eigenvalues: Vec<f64> = (0..30).map(|i| 0.7_f64.powi(i) * (1.0 + layer as f64)).collect();
            run.probes.push(sample::probe(epoch, &group, "gram", 1000 * (layer + 1), &eigenvalues));
            if layer > 0 {
                run.distances.push(sample::distance(epoch, &group, "full", 1.0 / layer as f64));
            }
        }
        run.training.push(sample::trained(epoch));
    }
    (run, RunNotes { classes: Some(classes), ..RunNotes::default() })
}

#[test]
fn the_sample_is_legible() {
    let (results, notes) = (common::lenet(), common::notes());
    let figures = of_run(&results.runs[0], &notes.runs[0]);
    // Densities, eigenvalues and two distances by depth at three epochs; five over the epochs.
    assert_eq!(figures.len(), 4 * 3 + 4);
    figures.iter().for_each(assert_legible);
}

#[test]
fn variants_side_by_side_are_legible() {
    let (runs, notes) = (common::sweep().runs, common::notes());
    of_runs(&runs, &notes.runs[0]).iter().for_each(assert_legible);
}

#[test]
fn many_layers_with_long_names_are_legible() {
    let dense = |i: usize| format!("features.denseblock{}.denselayer{i}.conv{}.weight", i / 8, i % 2 + 1);
    let plain = |i: usize| format!("features.{i}.weight");
    for layers in [1, 2, 3, 7, 12, 13, 20, 33, 60, 161] {
        for (run, notes) in [deep(layers, dense, 10), deep(layers, plain, 1000)] {
            of_run(&run, &notes).iter().for_each(assert_legible);
        }
    }
}

#[test]
fn any_magnitude_is_legible() {
    for scale in [1e-300, 1e-30, 1e-9, 1e-4, 0.03, 1.0, 700.0, 1e7, 1e30] {
        let (mut run, notes) = deep(6, |i| format!("fc{i}"), 10);
        let resize = |p: &mut ProbeRecord| {
            p.eigenvalues.iter_mut().for_each(|v| *v *= scale);
            (p.trace, p.lambda_max) = (p.trace * scale, p.lambda_max.map(|value| value * scale));
        };
        run.probes.iter_mut().for_each(resize);
        run.distances.iter_mut().for_each(|d| d.value *= scale);
        run.training.iter_mut().for_each(|t| t.train_loss *= scale);
        of_run(&run, &notes).iter().for_each(assert_legible);
    }
}

#[test]
fn parts_and_means_by_class_are_legible() {
    let layer = |i: usize| format!("features.denseblock{i}.conv1.weight");
    for (classes, groups) in [(2, 1), (3, 2), (10, 1), (10, 4), (20, 1), (3, 14)] {
        let mut run = Run::default();
        for group in (0..groups).map(|i| if i == 0 { "full".to_owned() } else { layer(i) }) {
            run.probes.extend(sample::parted(3, &group, classes));
            run.means.push(sample::means(3, &group, classes));
        }
        let notes = RunNotes { classes: Some(classes), ..RunNotes::default() };
        let figures = of_run(&run, &notes);
        let slugs: Vec<&str> = figures.iter().map(|figure| figure.slug.as_str()).collect();
        let drawn = [
            "density-gauss-newton",
            "eigenvalues-gauss-newton",
            "parts-gauss-newton",
            "class-means-gauss-newton",
        ];
        // Two classes give too few means for clusters.
        assert_eq!(slugs, drawn[..if classes > 2 { 4 } else { 3 }], "{classes} classes, {groups} groups");
        figures.iter().for_each(assert_legible);
    }
}

#[test]
fn a_class_is_drawn_with_its_cross_classes_about_it() {
    let run = Run { means: vec![sample::means(3, "full", 10)], ..Run::default() };
    let figures = of_run(&run, &RunNotes::default());
    let [figure] = figures.as_slice() else { panic!("{} figures", figures.len()) };
    let dots = |colour: Colour, radius: fn(f64) -> bool| {
        let centre = move |shape: &Shape| match shape {
            // The legend is at the right.
            Shape::Dot { centre, radius: r, colour: c } if *c == colour && radius(*r) && centre.0 < 600.0 => {
                Some(*centre)
            }
            _ => None,
        };
        figure.drawing.shapes.iter().filter_map(centre).collect::<Vec<_>>()
    };
    for class in 0..10 {
        let colour = Colour::of_class(class);
        let (means, crosses) = (dots(colour, |r| r > 8.0), dots(colour, |r| r > 5.5 && r < 8.0));
        assert_eq!((means.len(), crosses.len()), (1, 9), "class {class}");
        for (x, y) in crosses {
            let (dx, dy) = (x - means[0].0, y - means[0].1);
            let other = (0..10).filter(|other| *other != class).map(|other| {
                let (a, b) = dots(Colour::of_class(other), |r| r > 8.0)[0];
                (x - a).hypot(y - b)
            });
            assert!(
                dx.hypot(dy) < other.fold(f64::MAX, f64::min),
                "a mean of class {class} lies with another"
            );
        }
    }
}
