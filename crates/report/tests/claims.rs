//! The page of a study: claims, and distances by depth over experiments.
#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use std::{fs, path::Path};

use eigenscape_core::results::{DistanceRecord, Results};
use eigenscape_report::{
    NOTES_FILE, RESULTS_FILE,
    claims::{CLAIMS_FIGURES, write},
};

/// Results of an experiment with distances by all three metrics; layer `least` of five is nearest
/// to the network.
fn experiment(name: &str, least: usize) -> Results {
    let mut results = Results { name: name.into(), ..common::lenet() };
    let run = &mut results.runs[0];
    let layers: Vec<String> = (0..5).map(|layer| format!("layer{layer}.weight")).collect();
    let value = |layer: usize| 1.0 + layer.abs_diff(least) as f64;
    run.distances = ["wasserstein", "kl", "wasserstein-density-values"]
        .into_iter()
        .flat_map(|metric| (0..5).map(move |layer| (metric, layer)))
        .map(|(metric, layer)| {
            let [metric, curvature, left, right] =
                [metric, "hessian", &layers[layer], "full"].map(String::from);
            DistanceRecord {
                epoch: 4,
                metric,
                curvature,
                left,
                right,
                value: value(layer),
                stderr: Some(0.0),
                ..DistanceRecord::default()
            }
        })
        .collect();
    results
}

/// The page made from these results.
fn page(experiments: &[Results]) -> (tempfile::TempDir, String) {
    let out = tempfile::tempdir().unwrap();
    for results in experiments {
        let folder = out.path().join(&results.name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(RESULTS_FILE), serde_json::to_string(results).unwrap()).unwrap();
        fs::write(folder.join(NOTES_FILE), serde_json::to_string(&common::notes()).unwrap()).unwrap();
    }
    let written = write(out.path(), &[]).unwrap();
    let page = fs::read_to_string(written.page).unwrap();
    (out, page)
}

fn figures(out: &Path) -> usize {
    fs::read_dir(out.join(CLAIMS_FIGURES)).map_or(0, Iterator::count)
}

#[test]
fn several_experiments_are_counted_and_drawn() {
    let experiments =
        [experiment("layerwise-a", 2), experiment("layerwise-b", 0), experiment("layerwise-c", 3)];
    let (out, page) = page(&experiments);
    assert!(page.contains("Distance by depth over the experiments"));
    assert_eq!(page.matches("2 of 3").count(), 6, "three metrics, two moments each");
    // Three of the five layers are in the middle half.
    assert_eq!(page.matches("<td>1.8</td>").count(), 6);
    assert_eq!(page.matches("title=\"layer3.weight\"><strong>0.75</strong>").count(), 6);
    assert_eq!(page.matches("title=\"layer0.weight\">0.00").count(), 6);
    assert_eq!((page.matches("<figure>").count(), page.matches("mean of 3").count()), (3, 3));
    assert_eq!(figures(out.path()), 6);
}

#[test]
fn one_experiment_has_no_mean() {
    let (_, page) = page(&[experiment("layerwise-a", 2)]);
    assert_eq!(page.matches("1 of 1").count(), 6);
    assert!(page.contains("<figure>") && !page.contains("mean of"), "{page}");
}

#[test]
fn exact_spectra_are_counted_by_themselves() {
    let mut exact = experiment("exact", 1);
    exact.runs[0].probes.retain(|probe| probe.exact || probe.group == "full");
    let mut estimated = experiment("estimated", 4);
    estimated.runs[0].probes.iter_mut().for_each(|probe| probe.exact = false);
    let (_, page) = page(&[exact, estimated]);
    assert!(page.contains("in the middle half, exact") && page.contains("in the middle half, estimated"));
    assert_eq!((page.matches("1 of 1").count(), page.matches("0 of 1").count()), (6, 6));
    assert!(page.find("estimated</td>") < page.find("exact</td>"), "estimated ones first");
}

#[test]
fn without_all_metrics_there_is_no_such_section() {
    let (out, page) = page(&[common::lenet()]);
    assert!(!page.contains("Distance by depth") && !page.contains("<figure>"));
    assert_eq!(figures(out.path()), 0);
}
