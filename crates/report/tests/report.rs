//! The report as a reader gets it: files that are whole and well-formed, or one error and no files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use eigenscape_core::results::{Band, ClaimRecord, Results, Run, Verdict};
use eigenscape_report::{
    EXPERIMENT_FILE, FIGURES_FOLDER, NOTES_FILE, Note, Notes, REPORT_FILE, RESULTS_FILE, RunNotes, rebuild,
    write,
};

fn written(results: &Results, notes: &Notes) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    write(results, common::EXPERIMENT, notes, dir.path()).unwrap();
    let page = fs::read_to_string(dir.path().join(REPORT_FILE)).unwrap();
    assert_balanced(&page);
    for path in files_below(dir.path()) {
        match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => assert_figure(&path),
            Some("png" | "html") => {}
            _ => panic!("{} is left over", path.display()),
        }
    }
    (dir, page)
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// The SVG is XML with numbers for coordinates; the PNG beside it has twice its size.
fn assert_figure(path: &Path) {
    let svg = fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes().filter(|a| a.name() != "font-family") {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{}: {value}", path.display());
        }
    }
    let side = |name: &str| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
    let png = fs::read(path.with_extension("png")).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let big_endian = |at: usize| f64::from(u32::from_be_bytes(png[at..at + 4].try_into().unwrap()));
    assert!((big_endian(16) - 2.0 * side("width")).abs() <= 2.0, "{}", path.display());
    assert!((big_endian(20) - 2.0 * side("height")).abs() <= 2.0, "{}", path.display());
}

/// Asserts that every element that must be closed is closed, in order.
fn assert_balanced(page: &str) {
    const VOID: [&str; 1] = ["meta"];
    let mut open = Vec::new();
    // The style sheet and the doctype are not markup.
    let (head, rest) = page.split_once("<style>").unwrap();
    let body = without_scripts(rest.split_once("</style>").unwrap().1);
    for tag in
        [head.trim_start_matches("<!DOCTYPE html>"), &body].iter().flat_map(|part| part.split('<').skip(1))
    {
        let name: String = tag.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
            None if VOID.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The page with empty scripts. All scripts and data are in the page.
fn without_scripts(page: &str) -> String {
    let mut parts = page.split("<script");
    let mut kept = parts.next().unwrap().to_owned();
    for part in parts {
        let (attributes, rest) = part.split_once('>').unwrap();
        assert!(attributes.is_empty() || attributes == " type=\"application/json\"", "{attributes}");
        kept += &format!("<script{attributes}></script>{}", rest.split_once("</script>").unwrap().1);
    }
    kept
}

#[test]
fn a_run_has_its_figures_tables_and_notes() {
    let (dir, page) = written(&common::lenet(), &common::notes());
    let names = [
        "density-hessian",
        "eigenvalues-hessian",
        "distance-by-depth-wasserstein-hessian",
        "distance-by-depth-kl-hessian",
        "distance-over-epochs-wasserstein-hessian",
        "distance-over-epochs-kl-hessian",
        "trace-and-lambda-max-hessian",
        "training",
    ];
    for name in names {
        for extension in ["svg", "png"] {
            let link = format!("{FIGURES_FOLDER}/{name}.{extension}");
            assert!(dir.path().join(&link).is_file(), "{link}");
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
        }
    }
    assert_eq!(files_below(&dir.path().join(FIGURES_FOLDER)).len(), 2 * names.len());
    for text in
        ["280 ± 280", "<h1>layerwise-lenet</h1>", "fc3.weight", "6,000 training", "[[probe]]", "61,706"]
    {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let (_, page) = written(&common::lenet(), &common::notes());
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http:", "https:", "//", "src=", "@import", "url(", "<link", "fetch(", "XMLHttp"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Scripts and data are in the page, and it forbids itself to load anything.
    without_scripts(&page);
    assert!(
        page.contains(
            "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\""
        )
    );
}

#[test]
fn only_what_was_measured_is_shown() {
    let mut results = common::lenet();
    let run = &mut results.runs[0];
    run.distances.clear();
    run.training.clear();
    run.probes.retain(|p| p.epoch == 4);
    let (dir, page) = written(&results, &Notes::default());
    let figures = files_below(&dir.path().join(FIGURES_FOLDER));
    let names: Vec<_> = figures.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    let kept =
        ["density-hessian.png", "density-hessian.svg", "eigenvalues-hessian.png", "eigenvalues-hessian.svg"];
    assert_eq!(names, kept);
    for absent in ["Distances", "Test accuracy", "Training", "How it was computed"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn nothing_measured_is_a_page_that_says_so() {
    let (_, page) = written(
        &Results { name: "empty".into(), runs: vec![Run::default()], ..Results::default() },
        &Notes::default(),
    );
    assert!(page.contains("Nothing was measured.") && !page.contains("<h3>"));
    let (_, page) = written(&Results::default(), &Notes::default());
    assert!(page.contains("no runs"));
}

#[test]
fn a_sweep_is_side_by_side_and_has_a_folder_a_run() {
    let mut results = common::lenet();
    results.runs.push(results.runs[0].clone());
    results.runs[0].name = "model.name=lenet".into();
    results.runs[1].name = "model.name=a/../b".into();
    let (dir, page) = written(&results, &common::notes());
    assert!(dir.path().join("figures/01-model.name-lenet/training.svg").is_file());
    assert!(dir.path().join("figures/02-model.name-a-..-b/training.png").is_file());
    assert!(dir.path().join("figures/training.svg").is_file(), "both in one figure");
    assert!(
        page.contains("id=\"run-2\"") && page.contains("href=\"figures/02-model.name-a-..-b/training.svg\"")
    );
    assert!(page.contains("model.name = lenet, training") && page.contains("model.name = a/../b, training"));
}

#[test]
fn runs_with_different_traces_are_set_against_their_generalisation() {
    let mut results = common::lenet();
    for shrunk in [0.5, 0.25] {
        let mut run = results.runs[0].clone();
        run.probes.iter_mut().for_each(|probe| probe.trace *= shrunk);
        for loss in run.training.iter_mut().filter_map(|record| record.test_loss.as_mut()) {
            *loss *= 1.0 + shrunk;
        }
        results.runs.push(run);
    }
    let (dir, page) = written(&results, &common::notes());
    assert!(dir.path().join("figures/against-trace-hessian.png").is_file());
    assert!(page.contains("test loss on the trace (Hessian)") && page.contains("a run, of 3"));
    // All accuracies are equal: no line can be fitted, and no panel is drawn.
    assert!(!page.contains("test accuracy on the trace"));
}

/// Half of the 95 % interval: 12.7, 3.18 and 2.36 standard errors of 22 for two, four and eight
/// probes; unknown for one probe.
#[test]
fn intervals_are_students_and_an_unknown_error_is_called_unknown() {
    let page_with = |probes, stderr| {
        let mut results = common::lenet();
        for probe in results.runs[0].probes.iter_mut().filter(|probe| !probe.exact && probe.epoch == 4) {
            (probe.probes, probe.trace_stderr) = (Some(probes), stderr);
        }
        written(&results, &common::notes()).1
    };
    for (probes, half) in [(2, "280 ± 280"), (4, "276 ± 70"), (8, "276 ± 52")] {
        let page = page_with(probes, Some(22.0));
        assert!(page.matches(half).count() >= 2, "{half}");
        assert!(page.contains("95 % interval"));
    }
    let page = page_with(1, None);
    assert!(page.contains("275.6 ± ?") && page.contains("one random vector has no standard error"));
}

/// An estimator of a single number gives no eigenvalues, hence neither a density nor a largest one.
#[test]
fn a_number_is_shown_as_a_trace_and_nothing_else() {
    let mut results = common::lenet();
    let run = &mut results.runs[0];
    run.distances.clear();
    run.training.clear();
    for probe in &mut run.probes {
        probe.estimator = if probe.exact { "trace" } else { "hutchinson" }.into();
        (probe.value, probe.value_stderr) = (Some(probe.trace), probe.trace_stderr);
        (probe.lambda_max, probe.lambda_min) = (None, None);
        (probe.eigenvalues, probe.weights) = (Vec::new(), Vec::new());
    }
    let (dir, page) = written(&results, &common::notes());
    let figures = files_below(&dir.path().join(FIGURES_FOLDER));
    let names: Vec<_> = figures.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["trace-hessian.png", "trace-hessian.svg"]);
    assert!(page.contains("280 ± 280"));
    for absent in ["argest eigenvalue", "Outliers", "density"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

/// The Kullback-Leibler divergence at other bandwidths is drawn, and its range is stated.
#[test]
fn a_distance_has_its_band_over_bandwidths() {
    let mut results = common::lenet();
    for distance in results.runs[0].distances.iter_mut().filter(|d| d.metric == "kl") {
        let values = vec![3.21 * distance.value, distance.value, 0.25 * distance.value];
        distance.band = Some(Band { bandwidths: vec![0.002, 0.01, 0.05], values });
    }
    let (dir, page) = written(&results, &common::notes());
    let ends = |metric: &str| {
        let file = format!("{FIGURES_FOLDER}/distance-by-depth-{metric}-hessian.svg");
        fs::read_to_string(dir.path().join(file)).unwrap().matches("stroke-dasharray").count()
    };
    assert_eq!((ends("kl"), ends("wasserstein")), (2, 0));
    for text in
        ["at bandwidths from 0.002 to 0.05", "over bandwidths)", "the least and the largest that a distance"]
    {
        assert!(page.contains(text), "{text}");
    }
}

/// Results of earlier versions have neither numbers of probes nor bands.
#[test]
fn results_of_earlier_versions_are_read() {
    let mut value = serde_json::to_value(common::lenet()).unwrap();
    for probe in value["runs"][0]["probes"].as_array_mut().unwrap() {
        assert!(probe.as_object_mut().unwrap().remove("probes").is_some() || probe["exact"] == true);
    }
    let results: Results = serde_json::from_value(value).unwrap();
    let (_, page) = written(&results, &common::notes());
    assert!(page.contains("280 ± 280") && page.contains("Largest eigenvalue"));
}

#[test]
fn what_users_write_is_escaped() {
    const HOSTILE: &str = "</title><script>alert('1')</script>&\"\u{7}";
    let mut results = common::lenet();
    results.name = HOSTILE.into();
    let run = &mut results.runs[0];
    run.name = HOSTILE.into();
    for probe in &mut run.probes {
        for text in [&mut probe.curvature, &mut probe.estimator] {
            *text = HOSTILE.into();
        }
        if probe.group != "full" {
            probe.group.push_str(HOSTILE);
        }
    }
    for distance in &mut run.distances {
        (distance.metric, distance.curvature) = (HOSTILE.into(), HOSTILE.into());
        distance.left.push_str(HOSTILE);
    }
    let hostile = || vec![Note::new(HOSTILE, HOSTILE)];
    let run_notes = RunNotes {
        key: String::new(),
        classes: Some(10),
        lines: hostile(),
        estimators: hostile(),
        distances: hostile(),
    };
    let notes = Notes { lines: hostile(), runs: vec![run_notes], ..Notes::default() };
    let dir = tempfile::tempdir().unwrap();
    write(&results, HOSTILE, &notes, dir.path()).unwrap();
    let page = fs::read_to_string(dir.path().join(REPORT_FILE)).unwrap();
    assert_balanced(&page);
    // Neither in the markup nor in the data of the charts.
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;"));
    assert!(page.contains("\\u003cscript>alert") && !without_scripts(&page).contains("alert('1')\""));
    let figures = files_below(&dir.path().join(FIGURES_FOLDER));
    assert!(figures.len() > 10);
    figures.iter().filter(|f| f.extension().is_some_and(|e| e == "svg")).for_each(|f| assert_figure(f));
}

#[test]
fn degenerate_spectra_are_drawn_without_complaint() {
    let spectra: [&[f64]; 12] = [
        &[],
        &[0.0],
        &[0.0, 0.0, 0.0],
        &[2.0],
        &[-2.0],
        &[1.0, 1.0, 1.0],
        &[-1.0, -2.0, -30.0],
        &[1e-300],
        &[1e300, -1e300],
        &[f64::MAX, f64::MIN_POSITIVE, -f64::MAX],
        &[5e-324, 0.0],
        &[f64::INFINITY, 1.0, f64::NAN],
    ];
    for (i, eigenvalues) in spectra.into_iter().enumerate() {
        for (exact, epochs) in [(true, [4, 4]), (false, [0, 4])] {
            let mut results = common::lenet();
            results.runs[0].probes.retain(|p| epochs.contains(&p.epoch));
            degrade(&mut results.runs[0], eigenvalues, exact, i);
            written(&results, &common::notes());
        }
    }
}

/// Gives every group these eigenvalues, and the distances and training losses their extremes.
fn degrade(run: &mut Run, eigenvalues: &[f64], exact: bool, variant: usize) {
    let first = eigenvalues.first().copied();
    let last = eigenvalues.last().copied();
    for probe in &mut run.probes {
        probe.exact = exact;
        probe.eigenvalues = eigenvalues.to_vec();
        probe.weights = vec![1.0 / 150.0; eigenvalues.len()];
        (probe.lambda_max, probe.lambda_min) = (first.or(Some(0.0)), last.or(Some(0.0)));
        probe.trace = eigenvalues.iter().sum();
        probe.trace_stderr = [None, Some(0.0), Some(f64::MAX), Some(f64::NAN)][variant % 4];
        probe.dimension = [0, 1, 150][variant % 3];
    }
    run.distances.iter_mut().for_each(|d| d.value = first.unwrap_or(0.0));
    run.training.iter_mut().for_each(|t| t.train_loss = last.unwrap_or(f64::NAN));
}

#[test]
fn an_unwritable_place_is_one_error_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "here").unwrap();
    let error = write(&common::lenet(), "", &Notes::default(), &file.join("run")).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");

    let run = root.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join(FIGURES_FOLDER), "in the way").unwrap();
    let error = write(&common::lenet(), "", &Notes::default(), &run).unwrap_err().to_string();
    assert!(error.contains(FIGURES_FOLDER), "{error}");
    assert_eq!(files_below(root.path()), [file, run.join(FIGURES_FOLDER)]);
}

#[test]
fn a_report_is_rebuilt_from_its_directory_and_is_the_same() {
    let (results, notes) = (common::lenet(), common::notes());
    let (dir, page) = written(&results, &notes);
    let put = |file: &str, text: String| fs::write(dir.path().join(file), text).unwrap();
    put(RESULTS_FILE, serde_json::to_string(&results).unwrap());
    put(EXPERIMENT_FILE, common::EXPERIMENT.into());
    put(NOTES_FILE, serde_json::to_string(&notes).unwrap());
    let before: Vec<_> = files_below(dir.path()).into_iter().map(|f| fs::read(f).unwrap()).collect();
    rebuild(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(REPORT_FILE)).unwrap(), page);
    let after: Vec<_> = files_below(dir.path()).into_iter().map(|f| fs::read(f).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn rebuilding_says_which_file_is_missing_or_broken() {
    let dir = tempfile::tempdir().unwrap();
    let error = rebuild(dir.path()).unwrap_err().to_string();
    assert!(error.contains(RESULTS_FILE) && error.contains("help:"), "{error}");
    fs::write(dir.path().join(RESULTS_FILE), "{\"name\": \"a\", \"runs\": [").unwrap();
    let error = rebuild(dir.path()).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains(RESULTS_FILE), "{error}");
    assert_eq!(files_below(dir.path()).len(), 1);
}

#[test]
fn a_number_of_the_wrong_type_is_named_by_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let mut value = serde_json::to_value(common::lenet()).unwrap();
    value["runs"][0]["probes"][3]["trace"] = serde_json::Value::Null;
    fs::write(dir.path().join(RESULTS_FILE), value.to_string()).unwrap();
    let error = rebuild(dir.path()).unwrap_err().to_string();
    assert!(error.contains("runs[0].probes[3].trace: expected a number, found null"), "{error}");
}

/// Variants and seeds are in one figure, the Hessian and the Gauss-Newton matrix on one axis.
#[test]
fn variants_and_curvatures_are_side_by_side() {
    let results = common::sweep();
    let mut notes = common::notes();
    notes.runs = vec![notes.runs[0].clone(); results.runs.len()];
    let (dir, page) = written(&results, &notes);
    let shown = page.matches("<figure class=\"chart\">").count();
    assert_eq!(shown, 8, "as many as for one run");
    assert!(dir.path().join("figures/density-hessian-gauss-newton.svg").is_file());
    for name in ["strength = 0.0, Hessian", "strength = 0.001, Gauss-Newton"] {
        assert!(page.contains(&format!("\"name\":\"{name}\"")), "{name}");
    }
    // One block a curvature, each with a row a variant.
    for block in
        ["<h3>Hessian</h3>", "<h3>Gauss-Newton</h3>", "Hessian, by variant", "Gauss-Newton, by variant"]
    {
        assert_eq!(page.matches(block).count(), if block.starts_with('<') { 1 } else { 2 }, "{block}");
    }
    // What all runs share is said once.
    assert_eq!(page.matches("6,000 training and 1,000 test images").count(), 1);
    assert_eq!(page.matches("full reorthogonalisation").count(), 1);
}

#[test]
fn the_parts_of_the_page_are_in_order_and_in_its_contents() {
    let (_, page) = written(&common::sweep(), &common::notes());
    let order =
        ["summary", "densities", "eigenvalues", "distances", "outliers", "depth", "training", "numbers"];
    let places: Vec<_> = order.map(|id| page.find(&format!("<section id=\"{id}\">"))).to_vec();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    for id in order {
        assert!(page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    assert!(!page.contains("href=\"#claims\""), "nothing was claimed");
}

/// ± has one meaning, which is said once.
#[test]
fn the_meaning_of_intervals_is_said_once() {
    let (_, page) = written(&common::lenet(), &common::notes());
    assert_eq!(page.matches("Student").count(), 1);
}

#[test]
fn one_epoch_has_no_sum_over_epochs_and_empty_columns_are_left_out() {
    let mut results = common::lenet();
    let (_, page) = written(&results, &common::notes());
    assert!(page.contains("summed over epochs") && !page.contains("orthogonality loss"));
    let run = &mut results.runs[0];
    run.probes.retain(|probe| probe.epoch == 4);
    run.distances.retain(|distance| distance.epoch == 4);
    run.probes[0].orthogonality_loss = Some(3.2e-4);
    let (_, page) = written(&results, &common::notes());
    assert!(!page.contains("summed over epochs"));
    for text in ["orthogonality loss</th>", "3.2e-4", "its orthogonality loss is 3.2e-4", "16 or 8 bits"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_claim_has_its_verdict_in_words_with_a_sign_and_a_colour() {
    let claim = |verdict| ClaimRecord {
        claim: "A claim".into(),
        paper: None,
        check: "a check".into(),
        measured: "a number".into(),
        verdict,
    };
    let verdicts = [Verdict::Holds, Verdict::DoesNotHold, Verdict::Undecided, Verdict::NotMeasured];
    let results = Results { claims: verdicts.map(claim).to_vec(), ..common::lenet() };
    let (_, page) = written(&results, &common::notes());
    for (class, sign, words) in [
        ("holds", "✓", "holds"),
        ("fails", "✗", "does not hold"),
        ("open", "?", "undecided"),
        ("open", "–", "not measured"),
    ] {
        let verdict = format!(
            "<span class=\"verdict {class}\"><span aria-hidden=\"true\">{sign} </span>{words}</span>"
        );
        assert!(page.contains(&verdict), "{verdict}");
    }
    let place = |id: &str| page.find(&format!("<section id=\"{id}\">"));
    assert!(place("summary") < place("claims") && place("claims") < place("densities"));
}
