//! Estimators are built by the names that an experiment's file uses.

use eigenscape_core::{
    Registry,
    registry::{Environment, PluginError},
};

fn registry() -> Registry {
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    registry
}

#[test]
fn every_estimator_is_built_from_its_defaults() {
    let registry = registry();
    let names: Vec<_> = registry
        .estimators
        .iter()
        .map(|(name, _)| {
            let built = registry.estimators.build(name, toml::Table::new(), &Environment::default()).unwrap();
            assert!(!built.plugin.description().contains('\n'));
            name
        })
        .collect();
    assert_eq!(names, ["class-structure", "dense", "gram", "hutchinson", "lanczos", "trace"]);
}

#[test]
fn swapping_lanczos_for_gram_is_a_change_of_one_word() {
    let parameters: toml::Table = toml::from_str("steps = 64\nprobes = 4\nprobe = \"gaussian\"").unwrap();
    let build =
        |name| registry().estimators.build(name, parameters.clone(), &Environment::default()).unwrap();
    let lanczos = build("lanczos");
    assert!(lanczos.ignored.is_empty());
    assert_eq!(
        lanczos.plugin.description(),
        "Lanczos, 64 steps, full reorthogonalisation, 4 Gaussian random vectors"
    );
    assert_eq!(lanczos.plugin.products(30), 120);
    assert_eq!(build("gram").ignored, ["steps", "probes", "probe"]);
}

#[test]
fn bad_parameters_are_errors_that_name_the_key() {
    let key = |text: &str| match registry().estimators.build(
        "lanczos",
        toml::from_str(text).unwrap(),
        &Environment::default(),
    ) {
        Err(PluginError::Parameter { key, .. }) => key,
        other => panic!("{:?}", other.err()),
    };
    assert_eq!(key("steps = 0"), "steps");
    assert_eq!(key("probe = \"sobol\""), "probe");
    assert_eq!(key("stepz = 3"), "stepz");
}
