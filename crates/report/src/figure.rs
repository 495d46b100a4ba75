//! Figures: a drawing with its name, title and caption.

use eigenscape_core::{file_names, results::Run};

use crate::{
    RunNotes,
    data::{self, distinct},
    draw::{Drawing, svg},
    figures::{self, distances::Distances},
    plot::Plot,
    variants::Variant,
};

/// A figure of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The file name without extension: letters, digits, '-', '_' and '.'.
    pub slug: String,
    /// The title.
    pub title: String,
    /// The caption: what is shown and how it was computed.
    pub caption: String,
    /// The drawing.
    pub drawing: Drawing,
}

impl Figure {
    /// A figure whose file name is derived from `name`.
    pub fn new(name: &str, title: impl Into<String>, caption: String, drawing: Drawing) -> Self {
        Self { slug: slug(name), title: title.into(), caption, drawing }
    }

    /// The SVG document.
    pub fn svg(&self) -> String {
        svg::write(&self.drawing, &self.title)
    }
}

/// The charts of a set of runs, by section of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Charts {
    /// Densities, all curvatures on one axis.
    pub densities: Vec<Plot>,
    /// The largest eigenvalues, by rank and over the epochs.
    pub eigenvalues: Vec<Plot>,
    /// Distances, by depth and over the epochs.
    pub distances: Vec<Plot>,
    /// Losses and accuracies.
    pub training: Vec<Plot>,
}

impl Charts {
    /// The charts for which the variants have data; `classes` is the number of classes.
    pub fn of(variants: &[Variant], classes: Option<usize>) -> Self {
        let runs = || variants.iter().flat_map(|variant| variant.runs.iter().copied());
        let all = distinct(runs().flat_map(data::curvatures));
        let is_part = |curvature: &str| runs().any(|run| data::is_part(run, curvature));
        // Parts of a matrix are drawn beside it; a single number has neither a density nor
        // eigenvalues.
        let (parts, whole): (Vec<&str>, Vec<&str>) =
            all.into_iter().partition(|curvature| is_part(curvature));
        let eigenvalues = figures::eigenvalues::plot(variants, &whole, classes).into_iter();
        let eigenvalues = eigenvalues.chain(figures::over_epochs::plot(variants, &whole));
        let distances = Distances::all(variants);
        Self {
            densities: figures::density::plot(variants, &whole).into_iter().collect(),
            eigenvalues: eigenvalues.chain(figures::over_epochs::plot(variants, &parts)).collect(),
            distances: distances
                .iter()
                .flat_map(|of| of.by_depth(variants).into_iter().chain(of.over_epochs(variants)))
                .collect(),
            training: figures::training::plot(variants).into_iter().collect(),
        }
    }

    /// All charts in the order of the page.
    pub fn all(&self) -> impl Iterator<Item = &Plot> {
        [&self.densities, &self.eigenvalues, &self.distances, &self.training].into_iter().flatten()
    }
}

/// The figures that are drawn for each run by itself: where its outliers come from.
pub fn of_classes(run: &Run, notes: &RunNotes) -> Vec<Figure> {
    let whole = data::curvatures(run).into_iter().filter(|c| !data::is_part(run, c));
    let whole: Vec<_> = whole.map(|c| (c, data::spectra(run, c))).collect();
    let parts = whole.iter().filter_map(|(c, s)| figures::parts::draw(c, s, run, notes));
    parts.chain(figures::class_means::draw(run, notes)).collect()
}

/// Turns any text into a file name that needs no escapes in a link.
pub fn slug(text: &str) -> String {
    file_names::safe(text).replace(['=', ','], "-")
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_harmless_file_names() {
        assert_eq!(slug("model.name=lenet, k/3"), "model.name-lenet--k-3");
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug("…"), "unnamed");
    }
}
