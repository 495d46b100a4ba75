//! Notes for the report on how the results were computed.

use std::num::NonZero;

use eigenscape_core::{
    Targets,
    notes::{Note, Notes, ProfileNote, RunNotes},
    number::short,
};

use crate::{
    labels::Labels,
    plan::{ExperimentPlan, RegularizerPlan, Samples, Take},
    prepare::{Prepared, PreparedProbe},
    sampling,
};

/// The maximum number of groups that are listed one by one.
const LISTED: usize = 12;

/// The notes that apply to all runs.
#[must_use]
pub fn of_plan(plan: &ExperimentPlan, seconds: f64, runs: Vec<RunNotes>) -> Notes {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut lines = vec![
        Note::new("Version", format!("Eigenscape {}", eigenscape_version::VERSION)),
        Note::new(
            "Machine",
            format!("{threads} threads, {} {}", std::env::consts::ARCH, std::env::consts::OS),
        ),
        Note::new("Wall-clock time of the last call", format!("{seconds:.1} s")),
    ];
    lines.extend(plan.warnings.iter().map(|warning| Note::new("Warning", warning)));
    let profile = plan.profile.as_ref().map(|shortened| ProfileNote {
        name: shortened.profile.to_owned(),
        changes: shortened.changes.clone(),
    });
    Notes { lines, profile, set: plan.set.clone(), runs }
}

/// The notes that apply to one run.
#[must_use]
pub fn of_run(prepared: &Prepared) -> RunNotes {
    let plan = prepared.plan;
    let mut lines = settings(prepared);
    lines.extend(prepared.probes.iter().map(|probe| Note::new("Spectra", spectra(probe))));
    let warnings = prepared.warnings.iter().chain(&prepared.missing);
    lines.extend(warnings.map(|warning| Note::new("Warning", warning)));
    let estimator = |probe: &PreparedProbe| {
        Note::new(&probe.plan.estimator_name.value, probe.plan.estimator.description())
    };
    let distances = plan.distances.iter().map(|plan| Note::new(&plan.name, plan.description()));
    RunNotes {
        key: String::new(),
        classes: match &prepared.train.targets {
            Targets::Classes { classes, .. } => Some(*classes),
            Targets::Values(_) => None,
        },
        lines,
        estimators: prepared.probes.iter().map(estimator).collect(),
        distances: distances.collect(),
    }
}

/// Notes on data, network, loss and training of a run.
#[must_use]
pub fn settings(prepared: &Prepared) -> Vec<Note> {
    let plan = prepared.plan;
    let network = prepared.network();
    let mut lines = vec![
        Note::new("Data", plan.data.description()),
        Note::new("Samples", examples(prepared)),
        Note::new("Model", plan.model.architecture.description()),
        Note::new(
            "Network",
            format!("{} parameters in {} tensors", network.dimension(), network.parameters().len()),
        ),
        Note::new("Loss", loss_text(&prepared.labels)),
        Note::new("Seed", plan.seed.to_string()),
    ];
    lines.extend(plan.device.iter().map(|device| Note::new("Device", device)));
    if let Some(checkpoint) = &plan.model.checkpoint {
        lines.push(Note::new("Checkpoint", checkpoint.value.path.display().to_string()));
        lines.extend(prepared.checkpoint_notes.iter().map(|note| Note::new("Checkpoint", note)));
    }
    if let Some(train) = &plan.train {
        let (optimizer, schedule) = (train.optimizer.description(), train.schedule.description());
        let text = format!("{optimizer}; epochs {}, batch size {}{schedule}", train.epochs, train.batch_size);
        lines.push(Note::new("Training", text));
        lines.extend(train.regularizers.iter().map(penalty));
    }
    lines
}

/// The numbers of examples: "1000 training, 200 test".
fn examples(prepared: &Prepared) -> String {
    let test = match &prepared.test {
        Some(test) => format!("{} test", test.len()),
        None => "no test split: test loss and accuracy are unknown".to_owned(),
    };
    format!("{} training, {test}", prepared.train.len())
}

/// A penalty: "0.001 times the trace of ..., every 50 steps of an epoch, once 10 epochs are
/// completed".
fn penalty(plan: &RegularizerPlan) -> Note {
    let RegularizerPlan { regularizer, strength, every, from_epoch, .. } = plan;
    let when = match every.get() {
        1 => "in every step".to_owned(),
        every => format!("every {every} steps of an epoch"),
    };
    let from =
        if *from_epoch > 0 { format!(", once {from_epoch} epochs are completed") } else { String::new() };
    let strength = short(*strength);
    Note::new("Penalty", format!("{strength} times {}, {when}{from}", regularizer.description()))
}

/// The matrices of a probe: "hessian of full, by lanczos, on 100 training examples drawn at random,
/// in f32".
fn spectra(probe: &PreparedProbe) -> String {
    let plan = probe.plan;
    let curvatures: Vec<String> = plan.curvatures.iter().map(ToString::to_string).collect();
    let groups: Vec<&str> = probe.groups.iter().map(|group| group.name.as_str()).collect();
    let groups = if groups.len() > LISTED { format!("{} groups", groups.len()) } else { groups.join(", ") };
    format!(
        "{} of {groups}, by {}{}, on {}, in {}",
        curvatures.join(" and "),
        plan.estimator_name.value,
        eigenvectors(probe),
        sample(probe),
        plan.types()
    )
}

/// The eigenvectors of a probe: " with 5 eigenvectors each", or nothing.
#[must_use]
pub fn eigenvectors(probe: &PreparedProbe) -> String {
    match probe.plan.eigenvectors.map(NonZero::get) {
        None => String::new(),
        Some(1) => " with 1 eigenvector each".to_owned(),
        Some(count) => format!(" with {count} eigenvectors each"),
    }
}

/// The examples of a probe: "100 training examples drawn at random", with augmentation, batches and
/// weight decay.
#[must_use]
pub fn sample(probe: &PreparedProbe) -> String {
    let plan = probe.plan;
    let which = match (plan.samples.value, plan.take) {
        (Samples::All, _) => "",
        (Samples::Count(_), Take::Random) => " drawn at random",
        (Samples::Count(_), Take::First) => ", the first",
        (Samples::PerClass(each), Take::Random) => &format!(", {each} of each class, drawn at random"),
        (Samples::PerClass(each), Take::First) => &format!(", the first {each} of each class"),
    };
    let mut text = format!("{} {} samples{which}", probe.samples(), sampling::split_name(plan.split));
    if plan.augment {
        text += ", augmented";
    }
    if let Some(batches) = plan.batches {
        text = format!("{batches} batches of {text}");
    }
    if plan.weight_decay != 0.0 {
        text += &format!(", with the weight decay {} of the loss", short(plan.weight_decay));
    }
    text
}

/// The loss with its non-default settings, and the meaning of binary labels.
pub(crate) fn loss_text(labels: &Labels) -> String {
    let bits = if labels.is_binary() { ", labels 0 and 1 for one output each" } else { "" };
    labels.loss.description() + bits
}
