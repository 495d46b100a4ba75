//! The plans of valid files.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::PathBuf;

use candle_core::DType;
use eigenscape_core::{Curvature, GroupSelector, registry::Environment};
use eigenscape_experiment::{
    check,
    checkpoint::Selection,
    choices::{Choices, Profile},
    diagnostic::Source,
    document::Node,
    optimizer::{Optimizer, Sgd},
    plan::{ExperimentPlan, RunPlan, Samples},
    schema,
};
use eigenscape_program::ClassCoding;

const FULL: &str = r#"
name = "layerwise"
seed = 7
loss = "mean-squared-error"
[data]
name = "fashion-mnist"
[model]
name = "lenet"
[train]
epochs = 3
batch_size = 256
optimizer = { name = "sgd", lr = 1e-2 }
schedule = { name = "multi-step", milestones = [1, 2], gamma = 0.5 }
[[probe]]
at = "every-epoch"
samples_per_class = 10
groups = ["full", "fc*"]
curvature = ["hessian", "gauss-newton"]
estimator = { name = "lanczos", steps = 64 }
dtype = "f64"
[[probe]]
at = [3, 0, 3]
samples = "all"
groups = "layers"
estimator = "gram"
[[distance]]
name = "kl"
"#;

fn plan(text: &str, flags: &[&str]) -> ExperimentPlan {
    let document = Node::parse(&Source::new("experiment.toml", text)).unwrap();
    let choices =
        Choices { set: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Choices::default() };
    check::document_plan(&document, &Environment::default(), &choices, &common::registry()).unwrap()
}

#[test]
fn a_checkpoint_and_a_loss_are_words_or_tables() {
    let given = |flags: &[&str]| {
        let run = plan(FULL, flags).runs.remove(0);
        (run.model.checkpoint.map(|checkpoint| checkpoint.value), run.loss.named.unwrap().value)
    };
    let (checkpoint, loss) = given(&["model.checkpoint=Cargo.toml", "loss=cross-entropy"]);
    let path: PathBuf = "Cargo.toml".into();
    let expected = Selection { path: path.clone(), written: path, ..Selection::default() };
    assert_eq!(checkpoint, Some(expected.clone()));
    let coding = ClassCoding { ignore_index: Some(-100), ..ClassCoding::default() };
    assert_eq!((loss.name(), loss.coding()), ("cross-entropy", coding));
    let (checkpoint, loss) = given(&[
        r#"model.checkpoint={path = "Cargo.toml", key = "model", strip_prefix = ["a.", "b."]}"#,
        r#"loss={name = "cross-entropy", label_smoothing = 0.1, ignore_index = 3}"#,
    ]);
    let strip_prefix = vec!["a.".to_owned(), "b.".to_owned()];
    assert_eq!(checkpoint, Some(Selection { key: Some("model".to_owned()), strip_prefix, ..expected }));
    let coding = ClassCoding { smoothing: 0.1, ignore_index: Some(3), weight: None };
    assert_eq!(loss.coding(), coding);
    let (_, loss) = given(&[]);
    assert_eq!((loss.name(), loss.coding()), ("mse", ClassCoding::default()));
}

#[test]
fn every_key_arrives() {
    let plan = plan(FULL, &[]);
    assert_eq!((plan.name.as_str(), plan.directory.to_str()), ("layerwise", Some("runs/layerwise")));
    let [run] = plan.runs.as_slice() else { panic!("one run expected") };
    assert_eq!((run.name.as_str(), run.seed, run.epochs()), ("", 7, 3));
    let train = run.train.as_ref().unwrap();
    let sgd = Sgd { lr: 1e-2, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 };
    assert_eq!((train.batch_size.get(), train.optimizer), (256, Optimizer::Sgd(sgd)));
    let rates: Vec<f64> = (0..4).map(|completed| train.schedule.rate(1.0, completed, 0, 1)).collect();
    assert_eq!(rates, [1.0, 0.5, 0.25, 0.25]);
    let [first, second] = run.probes.as_slice() else { panic!("two probes expected") };
    assert_eq!(first.epochs, [1, 2, 3]);
    assert!(matches!(first.samples.value, Samples::PerClass(n) if n.get() == 10));
    let groups: Vec<_> = first.groups.iter().map(|group| group.value.clone()).collect();
    assert_eq!(groups, [GroupSelector::Full, GroupSelector::Glob("fc*".to_owned())]);
    assert_eq!(first.curvatures, [Curvature::Hessian, Curvature::GaussNewton]);
    assert_eq!((first.dtype, second.dtype), (DType::F64, DType::F32));
    assert_eq!((second.epochs.as_slice(), second.samples.value), ([0, 3].as_slice(), Samples::All));
    assert!(plan.warnings.is_empty());
}

#[test]
fn words_in_a_list_of_times_move_with_the_training() {
    let text = FULL.replace("at = [3, 0, 3]", "at = ['end', 1, 'start']");
    for (epochs, times) in [(3, &[0, 1, 3][..]), (7, &[0, 1, 7]), (1, &[0, 1])] {
        let flags = [format!("train.epochs={epochs}"), "train.schedule.name=constant".to_owned()];
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["probe.0.at=end"]).collect();
        let text = text.replace("milestones = [1, 2], gamma = 0.5", "warmup_steps = 1");
        assert_eq!(plan(&text, &flags).runs[0].probes[1].epochs, times, "{epochs}");
    }
}

#[test]
fn without_training_there_is_one_time() {
    for at in ["start", "end", "every-epoch"] {
        let text = format!(
            "name = 'x'\ndata.name = 'fashion-mnist'\nmodel.name = 'mlp'\n[[probe]]\nat = '{at}'\nsamples = 5\nestimator = 'gram'"
        );
        assert_eq!(plan(&text, &[]).runs[0].probes[0].epochs, [0], "{at}");
    }
}

#[test]
fn swapping_an_estimator_is_one_word() {
    let swapped = plan(&FULL.replace("name = \"lanczos\"", "name = \"gram\""), &[]);
    assert_eq!(swapped.runs[0].probes[0].estimator_name.value, "gram");
    assert_eq!(swapped.warnings, ["estimator `gram` has no use for the key `steps`: ignored"]);
}

#[test]
fn flags_come_first() {
    let plan = plan(
        FULL,
        &["train.epochs=5", "model.name=mlp", "probe.0.samples_per_class=3", "probe.estimator.name=lanczos"],
    );
    let run = &plan.runs[0];
    assert_eq!((run.epochs(), run.model.name.value.as_str()), (5, "mlp"));
    assert!(matches!(run.probes[0].samples.value, Samples::PerClass(n) if n.get() == 3));
    let estimators = run.probes.iter().map(|probe| probe.estimator_name.value.as_str());
    assert_eq!(estimators.collect::<Vec<_>>(), ["lanczos", "lanczos"]);
}

#[test]
fn a_sweep_is_every_combination() {
    let sweep = "[sweep]\n\"model.name\" = [\"lenet\", \"mlp\"]\nseed = [1, 2]\n";
    let plan = plan(&format!("{FULL}{sweep}"), &[]);
    let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["model=lenet,seed=1", "model=lenet,seed=2", "model=mlp,seed=1", "model=mlp,seed=2"]);
    assert_eq!(plan.runs[2].model.name.value, "mlp");
    assert_eq!(plan.runs[3].seed, 2);
}

#[test]
fn the_resolved_experiment_is_the_same_experiment() {
    for flags in [&[][..], &["train.epochs=4"], &["sweep.seed=[1,2]"]] {
        let first = plan(FULL, flags);
        let second = plan(&first.resolved, &[]);
        assert_eq!(first.resolved, second.resolved);
        assert_eq!(first.runs.len(), second.runs.len());
    }
    let resolved = plan(FULL, &[]).resolved;
    for default in ["device = \"cpu\"", "momentum = 0.0", "probes = 1", "between = \"layers-and-full\""] {
        assert!(resolved.contains(default), "{default} is not in\n{resolved}");
    }
}

/// The schema of the optional key `train`, with this definition.
fn schema_of(schema: &serde_json::Value, name: &str) -> serde_json::Value {
    let mut property = schema["then"]["properties"]["train"].clone();
    property["anyOf"][0]["$ref"] = format!("#/$defs/{name}").into();
    property
}

#[test]
fn the_schema_knows_the_plugins() {
    let schema = schema::experiment(&common::registry());
    let lanczos = schema["$defs"]["EstimatorTable"]["oneOf"].as_array().unwrap().iter();
    let lanczos = lanczos.clone().find(|one| one["properties"]["name"]["const"] == "lanczos").unwrap();
    assert_eq!(lanczos["properties"]["steps"]["default"], 128);
    let text = schema.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(schema.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    // Inherited keys may be left out; entries of lists are complete.
    assert_eq!(schema["then"]["required"], serde_json::json!(["name", "data", "model"]));
    assert_eq!(schema["then"]["properties"]["train"], schema_of(&schema, "Train"));
    assert_eq!(schema["properties"]["train"], schema_of(&schema, "Partial-Train"));
    let is_whole = |name: &str| schema["$defs"][name]["required"].is_array();
    assert_eq!([is_whole("Train"), is_whole("Partial-Train"), is_whole("Probe")], [true, false, true]);
    assert_eq!(schema["properties"]["probe"]["items"]["$ref"], "#/$defs/Probe");
    let file = schema::kinds(&common::registry()).remove(0).plugins.remove(1);
    assert_eq!((&*file.name, file.keys[0].required, file.keys[0].kind.as_str()), ("file", true, "string"));
}

const SWEEP: &str = r#"
seed = 3
reruns = 2
[profile.small]
train.epochs = 2
"probe.0.at" = "end"
"probe.1.at" = "end"
[[sweep.case]]
name = "plain"
[[sweep.case]]
name = "longer"
"train.epochs" = 9
"model.name" = "mlp"
"profile.small".seed = 40
[sweep]
"train.batch_size" = [8, 16]
"#;

/// [`FULL`] with the tables of [`SWEEP`].
fn swept() -> String {
    let (keys, tables) = SWEEP.split_once("[profile").unwrap();
    let own = FULL.replace("seed = 7", keys);
    // [sweep] must not be opened after [[sweep.case]].
    let (profile, sweep) = tables.split_once("[[sweep").unwrap();
    let (cases, lists) = sweep.split_once("[sweep]").unwrap();
    format!("{own}\n[sweep]{lists}\n[[sweep{cases}\n[profile{profile}")
}

#[test]
fn cases_lists_and_reruns_are_combined() {
    let plan = plan(&swept(), &[]);
    let names: Vec<(&str, &str)> =
        plan.runs.iter().map(|run| (run.name.as_str(), run.variant.as_str())).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], ("plain,batch_size=8,seed=3", "plain,batch_size=8"));
    assert_eq!(names[1], ("plain,batch_size=8,seed=4", "plain,batch_size=8"));
    assert_eq!(names[7], ("longer,batch_size=16,seed=41", "longer,batch_size=16"));
    // The profile overrides the case, and the case may add to the profile.
    let of = |index: usize| (plan.runs[index].epochs(), plan.runs[index].model.name.value.as_str());
    assert_eq!((of(0), of(7)), ((2, "lenet"), (2, "mlp")));
    assert!(plan.runs.iter().all(|run| run.probes[0].epochs == [2]));
    let shortened = plan.profile.unwrap();
    let changes =
        ["train.epochs = 2 instead of 3", "train.epochs = 2 instead of 9", "seed = 40 instead of 3"];
    for change in changes {
        assert!(shortened.changes.iter().any(|found| found == change), "{:?}", shortened.changes);
    }
    // The resolved experiment gives the same plan with any profile.
    let document = Node::parse(&Source::new("experiment.toml", plan.resolved.as_str())).unwrap();
    let choices = Choices { profile: Profile::Full, ..Choices::default() };
    let again =
        check::document_plan(&document, &Environment::default(), &choices, &common::registry()).unwrap();
    let settings = |plan: &[RunPlan]| -> Vec<(String, String)> {
        plan.iter().map(|run| (run.name.clone(), run.settings.clone())).collect()
    };
    assert_eq!(settings(&again.runs), settings(&plan.runs));
}

/// The names of the runs, and the warnings.
fn once(tables: &str, flags: &[&str]) -> (Vec<String>, Vec<String>) {
    let plan = plan(&format!("{FULL}{tables}"), flags);
    (plan.runs.into_iter().map(|run| run.name).collect(), plan.warnings)
}

#[test]
fn runs_of_equal_settings_are_one_run() {
    let cases: &[(&str, &[&str], &[&str], &str)] = &[
        ("[sweep]\nseed = [1, 2, 1]", &[], &["seed=1", "seed=2"], "`seed=1` is asked for again"),
        (
            "[sweep]\n\"train.optimizer.lr\" = [1e-3, 0.001, 1e-2]",
            &[],
            &["lr=0.001", "lr=0.01"],
            "`lr=0.001` is asked for again",
        ),
        (
            "[sweep]\n\"train.optimizer.lr\" = [1, 1.0]",
            &[],
            &["lr=1"],
            "`lr=1.0` has the same settings as `lr=1`",
        ),
        (
            "[sweep]\n\"probe.0.estimator\" = [\"gram\", { name = \"gram\" }]",
            &[],
            &["estimator=gram"],
            "has the same settings as `estimator=gram`",
        ),
        (
            "[[sweep.case]]\nname = \"a\"\n[[sweep.case]]\nname = \"b\"\n\"train.epochs\" = 3",
            &[],
            &["a"],
            "`b` has the same settings as `a`",
        ),
        (
            "[[sweep.case]]\nname = \"a\"\nseed = 1\n[[sweep.case]]\nname = \"b\"\nseed = 2",
            &["reruns=2"],
            &["a,seed=1", "a,seed=2", "b,seed=3"],
            "`b,seed=2` has the same settings as `a,seed=2`",
        ),
    ];
    for (tables, flags, names, words) in cases {
        let (runs, warnings) = once(tables, flags);
        assert_eq!(runs, *names, "{tables}");
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{tables}: {warnings:?}");
    }
    let (runs, warnings) = once("[sweep]\n\"train.batch_size\" = [1, 2]", &["reruns=2"]);
    assert_eq!((runs.len(), warnings.len()), (4, 0));
}

#[test]
fn flags_and_a_missing_probe_are_said() {
    let set = plan(FULL, &["train.epochs=5", "probe.0.dtype=f32", "seed = 9"]).set;
    assert_eq!(
        set,
        [
            "train.epochs=5 (3 in the file)",
            "probe.0.dtype=f32 (\"f64\" in the file)",
            "seed = 9 (7 in the file)"
        ]
    );
    assert!(plan(FULL, &[]).set.is_empty());
    let (start, _) = FULL.split_once("[[probe]]").unwrap();
    assert_eq!(
        plan(start, &[]).warnings,
        ["there is no [[probe]]: the network is trained, and no curvature is measured"]
    );
}

#[test]
fn a_claim_over_training_says_where_it_begins() {
    let claim = "\n[[expect]]\nclaim = 'it falls'\nquantity = 'trace'\nis = 'falls'\n";
    let words = |text: &str| plan(&format!("{text}{claim}"), &[]).expectations[0].words();
    assert_eq!(words(FULL), "trace of full (hessian): falls over training");
    let every = FULL.replace("at = [3, 0, 3]", "at = \"every-epoch\"");
    assert_eq!(
        words(&every),
        "trace of full (hessian): falls from epoch 1 on; epoch 0, before training, is not measured"
    );
}

#[test]
fn a_checkpoint_can_be_renamed_from_anywhere() {
    let rename = |text: &str, flags: &[&str]| {
        let checkpoint = plan(text, flags).runs.remove(0).model.checkpoint.unwrap().value;
        (format!("{:?}", checkpoint.rename), checkpoint.transpose, checkpoint.path)
    };
    let inline =
        r#"model.checkpoint={ path = "Cargo.toml", rename = { "fc1.*" = "0.*" }, transpose = "*.weight" }"#;
    let expected = rename(FULL, &[inline]);
    assert!(expected.0.contains("fc1.*") && expected.1 == ["*.weight"], "{expected:?}");
    let table = |keys: &str| FULL.replace("name = \"lenet\"\n", &format!("name = \"lenet\"\n{keys}\n"));
    let own =
        "[model.checkpoint]\npath = 'Cargo.toml'\ntranspose = ['*.weight']\n[model.checkpoint.rename]\n";
    for text in [
        table(&format!("{own}'fc1.*' = '0.*'")),
        // Unquoted dotted keys are nested tables.
        table(&format!("{own}fc1.'*' = '0.*'")),
        table(
            "checkpoint = 'Cargo.toml'\n[profile.small.model.checkpoint]\ntranspose = '*.weight'\nrename = { 'fc1.*' = '0.*' }",
        ),
        format!(
            "{FULL}[[sweep.case]]\nname = 'a'\nmodel.checkpoint = {{ path = 'Cargo.toml', transpose = '*.weight', rename = {{ 'fc1.*' = '0.*' }} }}"
        ),
        format!(
            "{FULL}[sweep]\n'model.checkpoint' = [{{ path = 'Cargo.toml', transpose = '*.weight', rename = {{ 'fc1.*' = '0.*' }} }}]"
        ),
    ] {
        assert_eq!(rename(&text, &[]), expected, "{text}");
        let resolved = plan(&text, &[]).resolved;
        assert_eq!(rename(&resolved, &[]), expected, "{resolved}");
    }
    let flags = [
        "model.checkpoint=Cargo.toml",
        "model.checkpoint.transpose=*.weight",
        r#"model.checkpoint.rename={"fc1.*" = "0.*"}"#,
    ];
    assert_eq!(rename(FULL, &flags), expected);
}

#[test]
fn flags_win_over_the_profile() {
    let plan = plan(&swept(), &["train.epochs=5", "reruns=1"]);
    assert_eq!(plan.runs.len(), 4);
    assert!(plan.runs.iter().all(|run| run.epochs() == 5));
}
