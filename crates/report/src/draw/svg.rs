//! Drawings as SVG text.

use std::fmt::Write;

use maud::{Markup, PreEscaped, Render, html};

use super::{Anchor, Drawing, Point, Stroke, Text, drawing::Shape, text::FAMILIES};

/// The drawing as a complete SVG document; `title` is the text for screen readers.
#[must_use]
pub fn write(drawing: &Drawing, title: &str) -> String {
    let (width, height) = (number(drawing.width), number(drawing.height));
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } font-family=(FAMILIES) {
            title { (printable(title)) }
            rect width="100%" height="100%" fill="#ffffff" {}
            @for shape in &drawing.shapes { (shape) "\n" }
        }
    };
    svg.into_string()
}

impl Render for Shape {
    fn render(&self) -> Markup {
        match self {
            Self::Line { points, stroke } => line(points, *stroke),
            Self::Area { points, colour, opacity } => html! {
                path d={ (path(points)) "Z" } fill=(colour) fill-opacity=(number(*opacity)) {}
            },
            Self::Dot { centre: (x, y), radius, colour } => html! {
                circle cx=(number(*x)) cy=(number(*y)) r=(number(*radius)) fill=(colour) {}
            },
            Self::Text(text) => write_text(text),
        }
    }
}

fn line(points: &[Point], stroke: Stroke) -> Markup {
    let dashes = stroke.dashed.then(|| format!("{0} {0}", number(3.0 * stroke.width)));
    html! {
        path d=(path(points)) fill="none" stroke=(stroke.colour) stroke-width=(number(stroke.width))
            stroke-linejoin="round" stroke-dasharray=[dashes] {}
    }
}

fn write_text(text: &Text) -> Markup {
    let (x, y) = (number(text.at.0), number(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let rotation = (text.angle != 0.0).then(|| format!("rotate({} {x} {y})", number(text.angle)));
    html! {
        text x=(x) y=(y) font-size=(number(text.size)) fill=(text.colour) text-anchor=(anchor)
            transform=[rotation] { (printable(&text.content)) }
    }
}

fn path(points: &[Point]) -> PreEscaped<String> {
    let mut path = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{command}{} {}", number(*x), number(*y));
    }
    PreEscaped(path)
}

/// A coordinate to a hundredth of a pixel, without needless zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// The text with characters that XML forbids even when escaped replaced by U+FFFD.
fn printable(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{number, write};
    use crate::draw::{Anchor, Colour, Drawing, Stroke, Text};

    #[test]
    fn text_is_escaped() {
        let mut drawing = Drawing::new(100.0, 50.0);
        drawing.text(Text::new("a<b> & \"c\" \u{0}", (1.0, 2.5), 12.0, Anchor::End).rotated(-90.0));
        let svg = write(&drawing, "<title>");
        assert!(svg.contains("a&lt;b&gt; &amp; &quot;c&quot; \u{fffd}"), "{svg}");
        assert!(svg.contains("<title>&lt;title&gt;</title>"), "{svg}");
        assert!(svg.contains("rotate(-90 1 2.5)"), "{svg}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, -0.001, 2.5, 7.62939].map(number), ["1", "0", "2.5", "7.63"]);
    }

    #[test]
    fn a_line_needs_two_points() {
        let mut drawing = Drawing::new(10.0, 10.0);
        drawing.line(vec![(0.0, 0.0)], Stroke::solid(Colour::INK, 1.0));
        assert!(drawing.shapes.is_empty());
    }
}
