//! Figures: a drawing with its name, title and caption.

use eigenscape_core::{file_names, results::Run};

use crate::{
    RunNotes, data,
    draw::{Drawing, svg},
    figures,
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

/// The figures for which the run has data, in the report's order.
pub fn of_run(run: &Run, notes: &RunNotes) -> Vec<Figure> {
    let profiles = data::profiles(run);
    let measured: Vec<_> = data::curvatures(run).into_iter().map(|c| (c, data::series(run, c))).collect();
    // Parts of a matrix are drawn beside it; a single number has neither a density nor eigenvalues.
    let whole = data::curvatures(run).into_iter().filter(|c| !data::is_part(run, c));
    let whole: Vec<_> = whole.map(|c| (c, data::spectra(run, c))).collect();
    let mut all = Vec::new();
    all.extend(whole.iter().filter_map(|(c, s)| figures::density::draw(c, s, notes)));
    all.extend(whole.iter().filter_map(|(c, s)| figures::stems::draw(c, s, notes)));
    all.extend(whole.iter().filter_map(|(c, s)| figures::parts::draw(c, s, run, notes)));
    all.extend(figures::class_means::draw(run, notes));
    all.extend(profiles.iter().filter_map(|p| figures::distance_by_depth::draw(p, notes)));
    all.extend(profiles.iter().filter_map(|p| figures::distance_over_epochs::draw(p, notes)));
    all.extend(measured.iter().filter_map(|(c, s)| figures::extremes_over_epochs::draw(c, s, notes)));
    all.extend(figures::training::draw(&run.training));
    all
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
