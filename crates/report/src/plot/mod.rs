//! Charts as data: drawn as a static figure (`draw`), and by the page's script (`data`).

pub mod data;
pub mod draw;

use crate::draw::{Axis, Stroke, axis::range, colour::Colour};

/// A chart of panels that share their curves' names.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// The file name without extension.
    pub slug: String,
    /// The title.
    pub title: String,
    /// What is shown, for readers who know how it was computed.
    pub caption: String,
    /// How lines are drawn.
    pub style: Style,
    /// What is on the two axes, in a word, as for the columns of a table.
    pub names: [String; 2],
    /// The number of panels side by side in the static figure.
    pub columns: usize,
    /// The panels.
    pub panels: Vec<Panel>,
    /// The curves' names and looks.
    pub curves: Vec<Curve>,
    /// The epochs to choose from; empty where the epoch is on an axis.
    pub epochs: Vec<usize>,
    /// Whether the vertical axes are logarithmic at first, where they can be.
    pub is_log: bool,
    /// The names on a horizontal axis of names, in full; otherwise empty.
    pub places: Vec<String>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// How lines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line with dots where they are few.
    Line,
    /// A line over a filled area, if it is the only one.
    Area,
    /// Stems from 0 to dots; of several curves, only dots.
    Stems {
        /// As many of the first stems are marked; 0 for none, as with several curves.
        marked: usize,
    },
}

/// A panel: its title and axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The title above.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The title of the horizontal axis.
    pub x_title: String,
    /// The linear vertical axis.
    pub linear: Axis,
    /// The logarithmic vertical axis; `None` if too few values are positive.
    pub log: Option<Axis>,
    /// The title of the vertical axis.
    pub y_title: String,
}

/// The name and look of a curve in all panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The name.
    pub name: String,
    /// The index of the colour.
    pub colour: usize,
    /// Whether the line is dashed.
    pub dashed: bool,
}

/// The points of one curve in one panel at one epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// The index of the panel.
    pub panel: usize,
    /// The index of the curve.
    pub curve: usize,
    /// The epoch; `None` where the epoch is on an axis.
    pub epoch: Option<usize>,
    /// The points.
    pub points: Vec<Mark>,
    /// A remark beside the panel's title while this is the only line.
    pub remark: String,
}

/// A point with what is known of its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// The position on the horizontal axis.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The 95 % interval of the value, where it is known and not a point.
    pub interval: Option<[f64; 2]>,
    /// The range of the value over the bandwidths of a distance that smooths.
    pub range: Option<[f64; 2]>,
}

impl Mark {
    /// A point without an error.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, interval: None, range: None }
    }

    fn values(self) -> impl Iterator<Item = f64> {
        let ends = |ends: Option<[f64; 2]>| ends.into_iter().flatten();
        std::iter::once(self.y).chain(ends(self.interval)).chain(ends(self.range))
    }
}

impl Line {
    /// Whether its points are marked by dots.
    fn has_dots(&self) -> bool {
        self.points.len() <= MOST_DOTS
    }
}

/// Lines of more points have no dots: they would only thicken the line.
const MOST_DOTS: usize = 40;

impl Curve {
    /// The stroke on white paper.
    pub fn stroke(&self) -> Stroke {
        Stroke { colour: Colour::of_curve(self.colour)[0], width: 1.8, dashed: self.dashed }
    }
}

/// What a panel is, apart from its vertical axes.
pub struct Frame {
    /// The title above.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The title of the horizontal axis.
    pub x_title: String,
    /// The title of the vertical axis.
    pub y_title: String,
}

impl Frame {
    /// The panel whose vertical axes cover all of its lines at all epochs. `None` without a finite
    /// value.
    pub fn around(self, lines: &[&Line], from_zero: bool) -> Option<Panel> {
        let values = || lines.iter().flat_map(|line| &line.points).flat_map(|mark| mark.values());
        let (low, high) = range(values())?;
        let low = if from_zero || low > 0.0 && low < 0.6 * high { low.min(0.0) } else { low };
        let high = if from_zero { high.max(0.0) } else { high };
        Some(Panel {
            linear: Axis::linear((low, high), 5),
            log: logarithmic(&values().collect::<Vec<_>>()),
            title: self.title,
            x: self.x,
            x_title: self.x_title,
            y_title: self.y_title,
        })
    }
}

/// A logarithmic axis for the positive values, if most of them are.
fn logarithmic(values: &[f64]) -> Option<Axis> {
    let positive = || values.iter().copied().filter(|value| *value > 0.0);
    let (low, high) = range(positive()).filter(|(low, _)| *low > 0.0)?;
    let low = low.max(DEEPEST * high);
    let margin = (high / low).powf(0.05).max(1.05);
    (2 * positive().count() > values.len()).then(|| Axis::log((low / margin, high * margin), 5))
}

/// Values below this share of the largest do not extend a logarithmic axis.
const DEEPEST: f64 = 1e-8;

/// Whether a logarithmic axis suits the values better: all are positive, and they span more than a
/// factor of 30.
pub fn suits_log<'a>(lines: impl IntoIterator<Item = &'a Line>) -> bool {
    let marks = lines.into_iter().flat_map(|line| &line.points);
    range(marks.map(|mark| mark.y)).is_some_and(|(low, high)| low > 0.0 && high > 30.0 * low)
}

#[cfg(test)]
mod tests {
    use super::{Frame, Line, Mark, Panel, suits_log};
    use crate::draw::Axis;

    fn panel(marks: &[(f64, Option<[f64; 2]>)]) -> (Panel, Line) {
        let mark = |(x, (y, interval)): (usize, &(f64, Option<[f64; 2]>))| Mark {
            interval: *interval,
            ..Mark::new(x as f64, *y)
        };
        let line = Line { points: marks.iter().enumerate().map(mark).collect(), ..Line::default() };
        let x = Axis::integers((0.0, 1.0), 2);
        let frame = Frame { title: String::new(), x, x_title: String::new(), y_title: String::new() };
        (frame.around(&[&line], false).unwrap(), line)
    }

    #[test]
    fn bands_are_not_cut_off() {
        let (panel, line) = panel(&[(1.0, Some([-6.0, 8.0])), (70.0, Some([61.0, 79.0]))]);
        assert!(panel.linear.position(-6.0) >= 0.0 && panel.linear.position(79.0) <= 1.0);
        let log = panel.log.unwrap();
        assert!(log.position(1.0) >= 0.0 && log.position(79.0) <= 1.0, "{log:?}");
        assert!(suits_log([&line]));
    }

    #[test]
    fn what_is_not_positive_has_no_logarithmic_axis() {
        let (panel, line) = panel(&[(-1.0, None), (0.0, None), (2.0, None)]);
        assert!(panel.log.is_none() && !suits_log([&line]));
    }
}
