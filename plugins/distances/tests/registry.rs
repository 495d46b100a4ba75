//! Distances by name, as in an experiment's file.

use eigenscape_core::{
    Registry, Spectrum,
    registry::{Environment, PluginError},
};

fn registry() -> Registry {
    let mut registry = Registry::default();
    eigenscape_distances::register(&mut registry);
    registry
}

#[test]
fn every_distance_is_built_from_its_defaults_and_vanishes_for_equal_spectra() {
    let registry = registry();
    let spectrum = Spectrum::exact(10, vec![1.0, 2.0, -0.5], 0).unwrap();
    let mut names = Vec::new();
    for (name, _) in registry.distances.iter() {
        let built = registry.distances.build(name, toml::Table::new(), &Environment::default()).unwrap();
        assert_eq!(built.plugin.distance(&spectrum, &spectrum).unwrap(), 0.0, "{name}");
        assert!(!built.plugin.description().contains('\n'));
        // A distance that smooths has a band, which contains its value at its own bandwidth.
        let other = Spectrum::exact(10, vec![1.0, 0.1], 0).unwrap();
        let (value, band) = (
            built.plugin.distance(&spectrum, &other).unwrap(),
            built.plugin.band(&spectrum, &other).unwrap(),
        );
        assert_eq!(band.is_empty(), name == "wasserstein");
        assert!(band.is_empty() || band.iter().any(|at| (at.0, at.1) == (0.01, value)), "{name}: {band:?}");
        names.push(name);
    }
    assert_eq!(names, ["jensen-shannon", "kl", "wasserstein", "wasserstein-density-values"]);
}

#[test]
fn swapping_one_for_another_ignores_the_other_ones_keys() {
    let table: toml::Table = toml::from_str("bandwidth = 0.02\nfloor = 1e-8\nsupport = \"unit\"").unwrap();
    let built = registry().distances.build("wasserstein", table, &Environment::default()).unwrap();
    assert_eq!(built.ignored, ["bandwidth", "floor"]);
    assert_eq!(built.plugin.description(), "1-Wasserstein distance, exact, each spectrum rescaled to [0, 1]");
}

#[test]
fn a_misspelt_key_and_a_bad_value_are_errors() {
    let build = |text: &str| {
        registry()
            .distances
            .build("kl", toml::from_str(text).unwrap(), &Environment::default())
            .err()
            .unwrap()
    };
    match build("bandwith = 0.02") {
        PluginError::Parameter { nearest, .. } => assert_eq!(nearest.as_deref(), Some("bandwidth")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(build("support = \"log\""), PluginError::Parameter { key, .. } if key == "support"));
    assert!(matches!(build("floor = 0.0"), PluginError::Build(_)));
}
