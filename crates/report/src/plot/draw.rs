//! A chart as a static figure, at one of its epochs.

use super::{Curve, Line, Mark, Plot, Style};
use crate::{
    draw::{
        Anchor, Axis, Colour, Drawing, Panel, Stroke, Text,
        legend::{self, Entry, Sample},
        names::shortened,
        panel::{TICK_SIZE, TITLE_SIZE},
        text,
    },
    figure::Figure,
    figures::{LEGEND_NAME, WIDTH},
};

const TOP: f64 = 6.0;
const HEADER: f64 = 24.0;
const GAP: f64 = 12.0;
const RIGHT: f64 = 10.0;
const TITLE_ROOM: f64 = 32.0;
const X_TITLE: f64 = 24.0;
const LEGEND_LIMIT: f64 = 240.0;
const LEGEND_GAP: f64 = 22.0;

/// The figure at an epoch, or at the only one.
pub fn figure(plot: &Plot, epoch: Option<usize>) -> Figure {
    Figure {
        slug: plot.slug.clone(),
        title: plot.title.clone(),
        caption: plot.caption.clone(),
        drawing: Sheet::new(plot, epoch).draw(),
    }
}

/// A plot at one epoch, and the room that its parts take.
struct Sheet<'a> {
    plot: &'a Plot,
    epoch: Option<usize>,
    legend: Vec<Entry>,
    /// The width without the legend.
    width: f64,
    /// Whether panels stand close below one another and share their horizontal axis.
    stacked: bool,
}

impl<'a> Sheet<'a> {
    fn new(plot: &'a Plot, epoch: Option<usize>) -> Self {
        let legend = entries(plot);
        let legend_width = match legend[..] {
            [] => 0.0,
            _ => legend::column_width(&legend, LEGEND_LIMIT) + LEGEND_GAP,
        };
        let stacked = plot.columns == 1 && plot.panels.len() > 1;
        Self { plot, epoch, legend, width: WIDTH - RIGHT - legend_width, stacked }
    }

    fn draw(&self) -> Drawing {
        let rows: Vec<_> = self.plot.panels.chunks(self.plot.columns.max(1)).collect();
        let height = self.row_height(rows.len());
        let mut tops = vec![TOP];
        let mut placed = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let labelled = !self.stacked || index + 1 == rows.len();
            let top = tops[index] + HEADER;
            let panels = self.place(row, top, height);
            let labels = panels.iter().map(|panel| Panel::room_below(&panel.x, panel.width));
            let titled = labelled && (index + 1 == rows.len() || self.plot.columns > 1);
            let below = if titled { labels.fold(0.0, f64::max) + X_TITLE } else { 0.0 };
            tops.push(top + height + below + GAP);
            placed.extend(panels.into_iter().map(|panel| (panel, labelled)));
        }
        let bottom = tops.last().copied().unwrap_or(TOP);
        let legend_height = TOP + HEADER + legend::height(&self.legend) + GAP;
        let mut drawing = Drawing::new(WIDTH, bottom.max(legend_height));
        for (index, (panel, labelled)) in placed.iter().enumerate() {
            self.draw_panel(&mut drawing, index, panel, *labelled);
        }
        if self.stacked {
            self.draw_shared_title(&mut drawing, &placed);
        }
        let corner = (self.width + LEGEND_GAP, TOP + HEADER);
        legend::column(&mut drawing, corner, WIDTH - RIGHT - corner.0, &self.legend);
        drawing
    }

    fn row_height(&self, rows: usize) -> f64 {
        match self.plot.style {
            Style::Area => (460.0 / rows as f64).clamp(52.0, 240.0),
            Style::Stems { .. } if rows > 1 => 130.0,
            _ if rows > 1 => 170.0,
            _ => 280.0,
        }
    }

    fn y_axis(&self, panel: &super::Panel) -> Axis {
        panel.log.as_ref().filter(|_| self.plot.is_log).unwrap_or(&panel.linear).clone()
    }

    /// The panels of a row side by side; those of a shorter last row are wider.
    fn place(&self, row: &[super::Panel], top: f64, height: f64) -> Vec<Panel> {
        // Stacked panels have a common left side.
        let all = if self.stacked { &self.plot.panels[..] } else { row };
        let rooms = all.iter().map(|panel| Panel::label_room(&self.y_axis(panel)));
        let margin = rooms.fold(0.0, f64::max) + TITLE_ROOM;
        let pitch = self.width / row.len() as f64;
        let place = |(index, panel): (usize, &super::Panel)| Panel {
            left: pitch * index as f64 + margin,
            top,
            width: pitch - margin - GAP,
            height,
            x: panel.x.clone(),
            y: self.y_axis(panel),
        };
        row.iter().enumerate().map(place).collect()
    }

    fn draw_panel(&self, drawing: &mut Drawing, index: usize, panel: &Panel, labelled: bool) {
        let of = &self.plot.panels[index];
        if labelled {
            panel.draw_axes(drawing);
            panel.draw_x_title(drawing, &text::fit(&of.x_title, TITLE_SIZE, panel.width + TITLE_ROOM));
        } else {
            panel.draw_axes_unlabelled_below(drawing);
        }
        if !self.stacked {
            panel.draw_y_title(drawing, &self.y_title(&of.y_title, panel.height));
        }
        let lines: Vec<&Line> =
            self.plot.lines.iter().filter(|line| line.panel == index && line.epoch == self.epoch).collect();
        let only = matches!(lines[..], [_]);
        let curve = |line: &Line| &self.plot.curves[line.curve];
        let bars = matches!(self.plot.style, Style::Stems { .. });
        lines.iter().for_each(|line| draw_bands(drawing, panel, line, curve(line), bars));
        match self.plot.style {
            Style::Stems { marked } if only => {
                lines.iter().for_each(|line| draw_stems(drawing, panel, line, curve(line), marked));
            }
            Style::Stems { .. } => lines.iter().for_each(|line| draw_dots(drawing, panel, line, curve(line))),
            style => {
                for line in &lines {
                    draw_line(drawing, panel, line, curve(line), only && style == Style::Area);
                }
            }
        }
        self.draw_header(drawing, of, panel, if only { &lines[0].remark } else { "" });
    }

    /// The title of a vertical axis, or a word for it where the axis is shorter.
    fn y_title(&self, title: &str, height: f64) -> String {
        let word = self.plot.names[1].as_str();
        let fits = text::width(title, TITLE_SIZE) <= height;
        text::fit(if fits || word == "value" { title } else { word }, TITLE_SIZE, height)
    }

    fn draw_header(&self, drawing: &mut Drawing, of: &super::Panel, panel: &Panel, remark: &str) {
        let y = panel.top - 7.0;
        let remark = Text::new(remark, (panel.right(), y), TICK_SIZE, Anchor::End).coloured(Colour::AXIS);
        let room = panel.width - remark.width() - 16.0;
        if !remark.content.is_empty() && room > 60.0 {
            let title = text::fit(&of.title, TITLE_SIZE, room);
            drawing.text(Text::new(title, (panel.left, y), TITLE_SIZE, Anchor::Start));
            drawing.text(remark);
        } else {
            let title = text::fit(&of.title, TITLE_SIZE, panel.width);
            drawing.text(Text::new(title, (panel.left, y), TITLE_SIZE, Anchor::Start));
        }
    }

    /// The title of the vertical axes of stacked panels, which may be lower than it is long.
    fn draw_shared_title(&self, drawing: &mut Drawing, placed: &[(Panel, bool)]) {
        let (Some((first, _)), Some((last, _))) = (placed.first(), placed.last()) else { return };
        let (top, bottom) = (first.top, last.bottom());
        let title = text::fit(&self.plot.panels[0].y_title, TITLE_SIZE, bottom - top);
        drawing
            .text(Text::new(title, (16.0, 0.5 * (top + bottom)), TITLE_SIZE, Anchor::Middle).rotated(-90.0));
    }
}

/// The legend; empty for a single curve without marks.
fn entries(plot: &Plot) -> Vec<Entry> {
    let marked = match plot.style {
        Style::Stems { marked } if marked > 0 && plot.curves.len() == 1 => marked,
        _ if plot.curves.len() < 2 => return Vec::new(),
        _ => 0,
    };
    if marked > 0 {
        let colour = |curve: &Curve| Sample::Dot(curve.stroke().colour);
        return vec![
            (Sample::Dot(Colour::VERMILLION), format!("the {marked} largest")),
            (colour(&plot.curves[0]), "the others".into()),
        ];
    }
    let names: Vec<&str> = plot.curves.iter().map(|curve| curve.name.as_str()).collect();
    let sample = |curve: &Curve| match plot.style {
        Style::Stems { .. } => Sample::Dot(curve.stroke().colour),
        _ => Sample::Line(curve.stroke()),
    };
    // Names of parameters have components that can be left out, names in words have not.
    let is_words = names.iter().any(|name| name.contains(' '));
    let names = match is_words {
        true => names.iter().map(|name| (*name).to_owned()).collect(),
        false => shortened(&names, TICK_SIZE, LEGEND_NAME),
    };
    plot.curves.iter().map(sample).zip(names).collect()
}

fn points(line: &Line) -> Vec<(f64, f64)> {
    line.points.iter().map(|mark| (mark.x, mark.y)).collect()
}

/// Draws the intervals, as a band or as `bars`, and the range over bandwidths.
fn draw_bands(drawing: &mut Drawing, panel: &Panel, line: &Line, curve: &Curve, bars: bool) {
    let colour = curve.stroke().colour;
    let ends = |of: fn(&Mark) -> Option<[f64; 2]>, mark: &Mark| {
        // What reaches below a logarithmic axis ends at its lower side.
        let least = if panel.y.is_log() { f64::MIN_POSITIVE } else { f64::MIN };
        let [low, high] = of(mark)?;
        Some((mark.x, low.max(least), high))
    };
    if bars || matches!(line.points[..], [_]) {
        let bar = |mark: &Mark| {
            let [low, high] = mark.interval?;
            Some((mark.x, f64::midpoint(low, high), 0.5 * (high - low)))
        };
        panel.draw_error_bars(drawing, &line.points.iter().filter_map(bar).collect::<Vec<_>>(), colour);
    } else {
        let band: Vec<_> = line.points.iter().filter_map(|mark| ends(|mark| mark.interval, mark)).collect();
        panel.draw_band(drawing, &band, colour);
    }
    for end in [0, 1] {
        let range = |mark: &Mark| mark.range.map(|range| (mark.x, range[end]));
        let range: Vec<_> = line.points.iter().filter_map(range).collect();
        panel.draw_line(drawing, &range, Stroke::dashed(colour, 0.9));
    }
}

fn draw_line(drawing: &mut Drawing, panel: &Panel, line: &Line, curve: &Curve, filled: bool) {
    let points = points(line);
    let floor = if panel.y.is_log() { f64::MIN_POSITIVE } else { 0.0 };
    if filled {
        panel.draw_band(
            drawing,
            &points.iter().map(|(x, y)| (*x, floor, y.max(floor))).collect::<Vec<_>>(),
            curve.stroke().colour,
        );
    }
    panel.draw_line(drawing, &above(&points, panel), curve.stroke());
    if line.has_dots() {
        panel.draw_dots(drawing, &points, 2.8, curve.stroke().colour);
    }
}

/// The points, without those below the end of a logarithmic axis whose neighbours are below it,
/// too: the curve is not drawn along that end.
fn above(points: &[(f64, f64)], panel: &Panel) -> Vec<(f64, f64)> {
    let inside = |index: usize| panel.y.position(points[index].1) > 0.0;
    let seen = |index: usize| {
        (index.saturating_sub(1)..(index + 2).min(points.len())).any(inside) || !panel.y.is_log()
    };
    let point = |(index, (x, y)): (usize, &(f64, f64))| (*x, if seen(index) { *y } else { f64::NAN });
    points.iter().enumerate().map(point).collect()
}

fn draw_dots(drawing: &mut Drawing, panel: &Panel, line: &Line, curve: &Curve) {
    panel.draw_dots(drawing, &points(line), 2.2, curve.stroke().colour);
}

fn draw_stems(drawing: &mut Drawing, panel: &Panel, line: &Line, curve: &Curve, marked: usize) {
    let (first, second) = (panel.at(1.0, 0.0).0, panel.at(2.0, 0.0).0);
    let (width, radius) = (1.4_f64.min(0.5 * (second - first)), 2.4_f64.min(0.6 * (second - first)));
    let foot = if panel.y.is_log() { f64::MIN_POSITIVE } else { 0.0 };
    for (index, mark) in line.points.iter().enumerate() {
        if panel.y.is_log() && mark.y <= 0.0 {
            continue;
        }
        let colour = if index < marked { Colour::VERMILLION } else { curve.stroke().colour };
        let ends = vec![panel.at(mark.x, foot), panel.at(mark.x, mark.y)];
        drawing.line(ends, Stroke::solid(colour, width));
        drawing.dot(panel.at(mark.x, mark.y), radius, colour);
    }
}
