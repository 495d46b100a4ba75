//! Figures: a drawing, what it is called, and what to read in it.

use eigenscape_core::{Result, results::Run};

use crate::{
    data,
    draw::{Drawing, png, svg},
    figures,
    notes::RunNotes,
};

/// A figure of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The file name without extension: letters, digits, '-', '_' and '.'.
    pub slug: String,
    /// What it is called.
    pub title: String,
    /// What is seen and how it was computed.
    pub caption: String,
    /// What is drawn.
    pub drawing: Drawing,
}

impl Figure {
    /// A figure; `name` becomes a file name.
    pub fn new(name: &str, title: impl Into<String>, caption: String, drawing: Drawing) -> Self {
        Self { slug: slug(name), title: title.into(), caption, drawing }
    }

    /// The SVG document.
    pub fn svg(&self) -> String {
        svg::write(&self.drawing, &self.title)
    }

    /// The PNG file that shows the SVG.
    ///
    /// # Errors
    /// See [`png::rasterise`].
    pub fn png(svg: &str) -> Result<Vec<u8>> {
        png::rasterise(svg)
    }
}

/// The figures for which the run has data, in the report's order.
pub fn of_run(run: &Run, notes: &RunNotes) -> Vec<Figure> {
    let profiles = data::profiles(run);
    let spectra = data::curvatures(run).into_iter().map(|curvature| (curvature, data::series(run, curvature)));
    let mut all = Vec::new();
    all.extend(profiles.iter().filter_map(|p| figures::distance_by_depth::draw(p, notes)));
    all.extend(profiles.iter().filter_map(|p| figures::distance_over_epochs::draw(p, notes)));
    for (curvature, series) in spectra {
        all.extend(figures::density::draw(curvature, &series, notes));
        all.extend(figures::stems::draw(curvature, &series, notes));
        all.extend(figures::extremes_over_epochs::draw(curvature, &series, notes));
    }
    all.extend(figures::training::draw(&run.training));
    all
}

/// A file name for any text.
pub fn slug(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.chars().map(keep).take(80).collect();
    let name = name.trim_matches(|c| c == '.' || c == '-');
    if name.is_empty() { "unnamed".into() } else { name.into() }
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
