//! A chart as JSON for the page's script.

use serde_json::{Value, json};

use super::{Curve, Line, Mark, Panel, Plot, Style};

/// The chart as JSON that may stand in a `script` element: no `<` can end it.
pub fn json(plot: &Plot) -> String {
    let value = json!({
        "title": plot.title,
        "style": match plot.style { Style::Line => "line", Style::Area => "area", Style::Stems { .. } => "stems" },
        "marked": match plot.style { Style::Stems { marked } => marked, _ => 0 },
        "names": plot.names,
        "columns": plot.columns,
        "log": plot.is_log,
        "epochs": plot.epochs,
        "places": plot.places,
        "grid": shared(plot),
        "panels": plot.panels.iter().map(panel).collect::<Vec<_>>(),
        "curves": plot.curves.iter().map(curve).collect::<Vec<_>>(),
        "lines": plot.lines.iter().map(|of| line(of, shared(plot).is_some())).collect::<Vec<_>>(),
    });
    // Inside JSON, `<` occurs only in strings.
    value.to_string().replace('<', "\\u003c")
}

fn panel(panel: &Panel) -> Value {
    json!({
        "title": panel.title,
        "x": panel.x.data(),
        "xTitle": panel.x_title,
        "linear": panel.linear.data(),
        "log": panel.log.as_ref().map(crate::draw::Axis::data),
        "yTitle": panel.y_title,
    })
}

fn curve(curve: &Curve) -> Value {
    json!({ "name": curve.name, "colour": curve.colour % crate::draw::colour::CURVES.len(), "dashed": curve.dashed })
}

/// The positions on the horizontal axis, where all lines share them: densities have hundreds.
fn shared(plot: &Plot) -> Option<Vec<Value>> {
    let first = plot.lines.first().filter(|_| plot.style == Style::Area)?;
    Some(first.points.iter().map(|mark| rounded(mark.x, 6)).collect())
}

fn line(line: &Line, is_shared: bool) -> Value {
    // Densities are many, and no pixel shows more than three digits of them.
    let short = |value| if is_shared { rounded(value, 3) } else { rounded(value, 6) };
    let column = |of: fn(&Mark) -> f64| line.points.iter().map(|mark| short(of(mark))).collect::<Vec<_>>();
    let ends = |of: fn(&Mark) -> Option<[f64; 2]>, end: usize| {
        let any = line.points.iter().any(|mark| of(mark).is_some());
        any.then(|| line.points.iter().map(|mark| of(mark).map(|ends| short(ends[end]))).collect::<Vec<_>>())
    };
    json!({
        "panel": line.panel,
        "curve": line.curve,
        "epoch": line.epoch,
        "remark": line.remark,
        "x": (!is_shared).then(|| column(|mark| mark.x)),
        "y": column(|mark| mark.y),
        "low": ends(|mark| mark.interval, 0),
        "high": ends(|mark| mark.interval, 1),
        "least": ends(|mark| mark.range, 0),
        "most": ends(|mark| mark.range, 1),
    })
}

/// The number to some significant digits; `null` if it is not finite. Less than any axis shows is
/// 0.
fn rounded(value: f64, digits: usize) -> Value {
    if value == 0.0 || value.abs() < 1e-304 {
        return json!(0);
    }
    let rounded: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    json!(rounded)
}

#[cfg(test)]
mod tests {
    use super::{json, rounded};
    use crate::plot::{Plot, Style};

    #[test]
    fn numbers_are_short_and_text_cannot_end_the_script() {
        assert_eq!(rounded(1.0 / 3.0, 6).to_string(), "0.333333");
        assert_eq!(rounded(f64::NAN, 6).to_string(), "null");
        let plot = Plot {
            slug: String::new(),
            title: "</script><!--".into(),
            caption: String::new(),
            style: Style::Line,
            names: ["x".into(), "y".into()],
            columns: 1,
            panels: Vec::new(),
            curves: Vec::new(),
            epochs: Vec::new(),
            is_log: false,
            places: Vec::new(),
            lines: Vec::new(),
        };
        let text = json(&plot);
        assert!(!text.contains('<'), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["title"], "</script><!--");
    }
}
