//! The page in a browser: no error, every control changes what it should, print is complete.
//! Skipped where no Chromium is installed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use std::{fs, path::Path, process::Command};

use eigenscape_core::results::{ClaimRecord, Results, Verdict};
use eigenscape_report::{Notes, REPORT_FILE, write};
use serde_json::Value;

/// The first browser of these that is installed.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        eprintln!("skipped: no Chromium is installed, the page is not tried in a browser");
    }
    found
}

/// What the checks found in the page, in a window of this width: faults, and how many charts,
/// tables, choices and sliders there were.
fn checked(browser: &str, page: &str, width: u32) -> (Vec<String>, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let script = |code: &str| format!("<script>{code}</script>");
    let (watch, check) = (include_str!("browser/watch.js"), include_str!("browser/check.js"));
    let page = page.replacen("<title>", &(script(watch) + "<title>"), 1);
    let end = page.rfind("</body>").unwrap();
    let page = format!("{}{}{}", &page[..end], script(check), &page[end..]);
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--dump-dom", "--enable-logging=stderr", "--virtual-time-budget=60000"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--window-size={width},900"))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let Some((_, rest)) = dom.split_once("<pre id=\"result\">") else { panic!("no result\n{log}") };
    let json = rest.split_once("</pre>").unwrap().0;
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let result: Value = serde_json::from_str(&json).unwrap();
    let words = |value: &Value| value.as_str().unwrap().to_owned();
    let mut faults: Vec<String> = result["faults"].as_array().unwrap().iter().map(words).collect();
    faults.extend(log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned));
    let counts = result["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
    (faults, counts.collect())
}

fn written(results: &Results, notes: &Notes) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(results, common::EXPERIMENT, notes, folder.path()).unwrap();
    read(folder.path())
}

fn read(folder: &Path) -> String {
    fs::read_to_string(folder.join(REPORT_FILE)).unwrap()
}

#[test]
fn every_control_of_a_run_works() {
    let Some(browser) = browser() else { return };
    let page = written(&common::lenet(), &common::notes());
    for width in [1300, 500] {
        let (faults, counts) = checked(browser, &page, width);
        assert!(faults.is_empty(), "{width}: {faults:#?}");
        // Density, eigenvalues, both over the epochs, two distances twice, training; four sliders.
        assert_eq!((counts[0], counts[3]), (8, 4));
        assert!(counts[1] >= 5, "{counts:?}");
    }
}

#[test]
fn every_control_of_variants_side_by_side_works() {
    let Some(browser) = browser() else { return };
    let mut results = common::sweep();
    results.claims = [Verdict::Holds, Verdict::DoesNotHold, Verdict::Undecided, Verdict::NotMeasured]
        .map(|verdict| ClaimRecord {
            claim: "A claim".into(),
            paper: None,
            check: "a check".into(),
            measured: "a number".into(),
            verdict,
        })
        .to_vec();
    let mut notes = common::notes();
    notes.runs = vec![notes.runs[0].clone(); results.runs.len()];
    let page = written(&results, &notes);
    for width in [1300, 500] {
        let (faults, counts) = checked(browser, &page, width);
        assert!(faults.is_empty(), "{width}: {faults:#?}");
        assert_eq!((counts[0], counts[3]), (8, 4));
    }
}

/// Variants of different lengths are shown at their own last epochs at first.
#[test]
fn variants_of_different_lengths_are_side_by_side() {
    let Some(browser) = browser() else { return };
    let mut results = common::sweep();
    let variant = results.runs[0].variant.clone();
    for run in results.runs.iter_mut().filter(|run| run.variant == variant) {
        run.probes.retain(|probe| probe.epoch < 4);
        run.distances.retain(|distance| distance.epoch < 4);
    }
    let mut notes = common::notes();
    notes.runs = vec![notes.runs[0].clone(); results.runs.len()];
    let page = written(&results, &notes);
    let (faults, counts) = checked(browser, &page, 1300);
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(counts[3], 4);
}

/// The checks are checks: a page with a fault has faults.
#[test]
fn a_broken_page_is_noticed() {
    let Some(browser) = browser() else { return };
    let page = written(&common::lenet(), &common::notes());
    let broken = page.replace("if (shown) state.hidden.delete(index);", "if (shown) return;");
    assert_ne!(page, broken);
    let (faults, _) = checked(browser, &broken, 1300);
    assert!(faults.iter().any(|fault| fault.contains("does not come back")), "{faults:#?}");
    let loud = page.replace("forEach(makeChoice);", "forEach(makeChoice);\nconsole.error(\"loud\");");
    let (faults, _) = checked(browser, &loud, 1300);
    assert!(faults.iter().any(|fault| fault.contains("loud")), "{faults:#?}");
}
