//! From results to the page and its figures: what is drawn, and the files that are written.

use std::path::Path;

use eigenscape_analysis::{against_trace::AgainstTrace, batches};
use eigenscape_core::{
    Result,
    notes::{Notes, RunNotes},
    results::{Results, Run},
};
use maud::Markup;

use crate::{
    FIGURES_FOLDER, REPORT_FILE,
    draw::{self, labels::evenly},
    figure::{self, Charts, Figure, slug},
    figures,
    files::Staging,
    html::{self, Files, Picture, Section, chart::Chart},
    plot::{self, Plot},
    variants::Variant,
};

/// A chart has static figures at this many epochs.
const MOST_EPOCHS: usize = 6;

/// Writes the page and its figures into `dir`.
///
/// # Errors
/// As of [`crate::write()`].
pub fn write(
    results: &Results,
    experiments: &[(String, String)],
    notes: &Notes,
    beside: &[String],
    dir: &Path,
) -> Result<()> {
    let measured = &results.runs;
    let results = &batches::averaged(results);
    let variants = Variant::all(&results.runs);
    let mut staging = Staging::in_folder(dir)?;
    let classes = notes.runs.iter().find_map(|run| run.classes);
    let charts = charts(&Charts::of(&variants, classes), &mut staging)?;
    let mut sections = Vec::new();
    for (index, (run, measured)) in results.runs.iter().zip(measured).enumerate() {
        let notes = notes.runs.get(index).cloned().unwrap_or_default();
        sections.push(section(run, measured, notes, (index, results.runs.len()), &mut staging)?);
    }
    let against_trace = AgainstTrace::all(&results.runs);
    let pictures = figures::against_trace::draw(&against_trace)
        .into_iter()
        .map(|figure| write_figure(figure, FIGURES_FOLDER, &mut staging))
        .collect::<Result<_>>()?;
    let report = html::Report {
        results,
        measured,
        variants: &variants,
        charts,
        sections,
        generalisation: html::Generalisation { against_trace, figures: pictures },
        experiments,
        notes,
        beside,
    };
    let page = html::page(&report);
    staging.add(REPORT_FILE, page.as_bytes())?;
    staging.publish()
}

/// What is drawn of one run: with several runs, also its charts by itself, as files.
fn section<'a>(
    run: &'a Run,
    measured: &'a Run,
    notes: RunNotes,
    (index, count): (usize, usize),
    staging: &mut Staging,
) -> Result<Section<'a>> {
    let folder = match count {
        1 => FIGURES_FOLDER.to_owned(),
        _ => format!("{FIGURES_FOLDER}/{:02}-{}", index + 1, slug(&run.name)),
    };
    let alone = [Variant { label: String::new(), runs: vec![run], diverged: 0 }];
    let charts = if count > 1 { Charts::of(&alone, notes.classes) } else { Charts::default() };
    let mut files = Vec::new();
    for plot in charts.all() {
        let picture = write_figure(plot::draw::figure(plot, plot.epochs.last().copied()), &folder, staging)?;
        files.push(Files { title: picture.title, svg: picture.svg_file, png: picture.png_file });
    }
    let pictures = figure::of_classes(run, &notes);
    let pictures =
        pictures.into_iter().map(|figure| write_figure(figure, &folder, staging)).collect::<Result<_>>()?;
    Ok(Section { run, measured, notes, pictures, files })
}

fn charts(charts: &Charts, staging: &mut Staging) -> Result<html::Charts> {
    let mut rendered =
        |plots: &[Plot]| plots.iter().map(|plot| chart(plot, staging)).collect::<Result<Vec<Markup>>>();
    Ok(html::Charts {
        densities: rendered(&charts.densities)?,
        eigenvalues: rendered(&charts.eigenvalues)?,
        distances: rendered(&charts.distances)?,
        training: rendered(&charts.training)?,
    })
}

fn chart(plot: &Plot, staging: &mut Staging) -> Result<Markup> {
    let last = plot.epochs.last().copied();
    let picture = write_figure(plot::draw::figure(plot, last), FIGURES_FOLDER, staging)?;
    let drawn = evenly(plot.epochs.len(), MOST_EPOCHS).into_iter().map(|index| plot.epochs[index]);
    let others = drawn.filter(|epoch| Some(*epoch) != last);
    let others = others.map(|epoch| (epoch, plot::draw::figure(plot, Some(epoch)).svg())).collect();
    Ok(Chart::new(plot, picture, others).render(plot.epochs.len()))
}

/// Writes a figure as SVG and PNG into the folder.
///
/// # Errors
/// When it cannot be written.
pub fn write_figure(figure: Figure, folder: &str, staging: &mut Staging) -> Result<Picture> {
    let file = staging.unused(&format!("{folder}/{}", figure.slug));
    let (svg_file, png_file) = (format!("{file}.svg"), format!("{file}.png"));
    let svg = figure.svg();
    staging.add(&svg_file, svg.as_bytes())?;
    staging.add(&png_file, &draw::png::rasterise(&figure.drawing)?)?;
    Ok(Picture { title: figure.title, caption: figure.caption, svg, svg_file, png_file })
}
