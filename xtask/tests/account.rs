//! The account of a run against what an allocator counts while its spectra are measured.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use eigenscape_core::Context;
use eigenscape_experiment::{check, choices::Choices, prepare};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What threads, pools and short lists take.
const BESIDE: usize = 4 << 20;

/// Bytes held at most while the probe of a file is measured, those that the account says, and those
/// that are allowed.
fn measured(memory: &str, estimator: &str) -> (usize, usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let text = format!(
        "name = \"account\"\nmemory = \"{memory}\"\n[data]\nname = \"iris\"\n[model]\nname = \"mlp\"\nwidths = [200, 200]\n\
         activation = \"tanh\"\n[[probe]]\nsamples = 90\nestimator = {estimator}\n"
    );
    fs::write(&file, text).unwrap();
    let plan = check::plan(&file, &Choices::default(), &xtask::plugins()).unwrap();
    let prepared = prepare::prepare(&plan.runs[0]).unwrap();
    let probe = &prepared.probes[0];
    let (curvature, group) = probe.matrices().next().unwrap();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let landscape = probe.landscape(None, &prepared.weights).unwrap();
    let operator = probe.operator(&landscape, curvature, group);
    let context = Context { memory: probe.memory_of_estimator(), ..Context::silent(0) };
    probe.plan.estimator.estimate(&operator, &context).unwrap();
    let held = ALLOCATOR.peak_usage() - before;
    (held, prepared.account.measuring.total(), prepared.account.allowed.bytes())
}

#[test]
fn what_is_held_is_in_the_account_and_within_what_is_allowed() {
    // What matrix products keep for each thread is made once.
    assert!(measured("100MiB", "{ name = \"lanczos\", steps = 20 }").0 > 0);
    for (memory, estimator) in [
        ("100MiB", "{ name = \"lanczos\", steps = 40, probes = 3 }"),
        ("20MiB", "{ name = \"lanczos\", steps = 40, probes = 3 }"),
        ("50MiB", "{ name = \"hutchinson\", probes = 60 }"),
        ("10MiB", "{ name = \"hutchinson\", probes = 20 }"),
        ("100MiB", "{ name = \"lanczos\", steps = 40, probes = 3 }\nresiduals = \"f32\""),
        ("10MiB", "{ name = \"hutchinson\", probes = 20 }\nresiduals = \"f32\""),
    ] {
        let (held, said, allowed) = measured(memory, estimator);
        assert!(held <= said + BESIDE, "{memory}, {estimator}: {held} bytes are held, and {said} were said");
        assert!(said <= allowed, "{memory}, {estimator}: {said} of {allowed}");
        assert!(
            said <= 3 * held + BESIDE,
            "{memory}, {estimator}: {said} bytes were said, and {held} are held"
        );
    }
}
