//! A chart on the page: static figures, complete without a script and in print, and its data.

use maud::{Markup, PreEscaped, html};

use super::Picture;
use crate::plot::{Plot, data};

/// A chart with its static figures.
pub struct Chart {
    /// The chart's data as JSON.
    pub data: String,
    /// The static figure, at the last epoch if there are several.
    pub picture: Picture,
    /// (epoch, SVG) of other epochs.
    pub others: Vec<(usize, String)>,
}

impl Chart {
    /// The chart with its static figures.
    pub fn new(plot: &Plot, picture: Picture, others: Vec<(usize, String)>) -> Self {
        Self { data: data::json(plot), picture, others }
    }

    /// The chart as a figure of the page.
    pub fn render(&self, epochs: usize) -> Markup {
        let Self { data, picture, others } = self;
        html! {
            figure.chart {
                h3 { (picture.title) }
                div.static {
                    div.paper { (PreEscaped(&picture.svg)) }
                    @if !others.is_empty() {
                        details {
                            summary { "At other epochs" @if others.len() + 1 < epochs { " (" (others.len()) " of " (epochs - 1) ")" } }
                            @for (epoch, svg) in others {
                                h4 { "Epoch " (epoch) }
                                div.paper { (PreEscaped(svg)) }
                            }
                        }
                    }
                }
                div.live {}
                figcaption {
                    (super::unbroken(&picture.caption)) " "
                    span.files { a href=(picture.svg_file) { "SVG" } " · " a href=(picture.png_file) { "PNG" } }
                }
                script type="application/json" { (PreEscaped(data)) }
            }
        }
    }
}
