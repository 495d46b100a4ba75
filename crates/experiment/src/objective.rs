//! Combines data, loss and network: which loss suits the targets, how many outputs there are, and
//! what an output means.

use std::{ops::RangeInclusive, sync::Arc};

use candle_core::{DType, Tensor};
use eigenscape_core::{Architecture, Error, Examples, Loss, LossFunction, Targets};
use eigenscape_curvature::Programs;
use eigenscape_program::{Mode, Needs, Network};

use crate::{
    capacity,
    diagnostic::Result,
    labels::{Coding, Labels, in_words, others_in_words},
    plan::RunPlan,
    shared::{Compiled, Key},
};

/// A network with its loss, and examples whose targets have the shape that the loss takes.
pub struct Objective {
    /// The programs of the network in eval mode and in train mode. The last axis of the outputs is
    /// that of classes.
    pub programs: [Arc<Programs>; 2],
    /// How the loss reads targets.
    pub labels: Labels,
    /// Training examples.
    pub train: Examples,
    /// Test examples, where there are some.
    pub test: Option<Examples>,
    /// Warnings about data that is valid but probably not intended.
    pub warnings: Vec<String>,
}

/// Chooses the loss, checks the labels, and builds the network for them.
///
/// # Errors
/// When the loss does not fit the targets, a label is neither a class nor ignored, or the network
/// does not fit the data.
pub fn objective(plan: &RunPlan, mut train: Examples, mut test: Option<Examples>) -> Result<Objective> {
    let loss = loss(plan, &train.targets)?;
    let mut labels = Labels::of(&loss);
    check_labels(plan, &labels, &train, "training")?;
    if let Some(test) = &test {
        check_labels(plan, &labels, test, "test")?;
    }
    let model = (plan.model.name.value.clone(), plan.model.parameters.clone());
    let key = Key::new(model, (loss.name().to_owned(), plan.loss.parameters.clone()), &train);
    let compiled = plan.shared.network(key, || compiled(plan, &labels, &train))?;
    labels.coding = compiled.coding;
    if compiled.classes_first {
        for examples in [&mut train].into_iter().chain(&mut test) {
            if let Targets::Values(values) = &mut examples.targets {
                *values = values.permute(classes_last(values.rank())).map_err(Error::from)?;
            }
        }
    }
    check_weights(plan, &labels, &train)?;
    let mut warnings = gaps(&labels, &train, test.as_ref())?;
    warnings.extend(one_hot(&labels, &train.targets));
    warnings.extend(averaged(&labels));
    let outputs = compiled.programs[0].network().output_shape();
    warnings.extend(open_axis(outputs, &*labels.loss, &train.targets));
    Ok(Objective { programs: compiled.programs, labels, train, test, warnings })
}

fn compiled(plan: &RunPlan, labels: &Labels, train: &Examples) -> Result<Compiled> {
    let (network, Reading { coding, classes_first }) = network(plan, labels, train)?;
    capacity::check_weights(plan, &network)?;
    let training = network.in_mode(Mode::Train).map_err(Error::from)?;
    let programs = [&network, &training].map(|network| Programs::new(network, &labels.loss));
    Ok(Compiled { programs, coding, classes_first })
}

fn loss(plan: &RunPlan, targets: &Targets) -> Result<Loss> {
    let of_classes = matches!(targets, Targets::Classes { .. });
    let loss = plan.loss.of(of_classes)?;
    let Some(named) = &plan.loss.named else { return Ok(loss.clone()) };
    let Some(problem) = unsuitable(&**loss, targets)? else { return Ok(loss.clone()) };
    let help = if of_classes {
        "save the targets as floats, or use a loss of classes".to_owned()
    } else {
        let other = plan.loss.defaults.of(false).map_or("another loss", |loss| loss.name());
        format!("use \"{other}\", or save classes as integers")
    };
    Err(named.error(problem, help).into())
}

/// Why the targets do not suit the loss, if they do not.
pub(crate) fn unsuitable(
    loss: &dyn LossFunction,
    targets: &Targets,
) -> eigenscape_core::Result<Option<String>> {
    let name = loss.name();
    let values = match (targets, loss.needs()) {
        (_, Needs::Nothing) | (Targets::Classes { .. }, Needs::Rows) => return Ok(None),
        (Targets::Values(values), Needs::Rows | Needs::Values) => values,
        (Targets::Classes { .. }, Needs::Values) => {
            return Ok(Some(format!("{name} needs real targets, and the data set has classes")));
        }
    };
    let range = loss.range();
    if !is_bounded(&range) {
        return Ok(None);
    }
    let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let outside = values.iter().find(|value| !range.contains(*value));
    let problem = |value| format!("{name} needs targets {}, and the data set has {value}", interval(&range));
    Ok(outside.map(problem))
}

fn is_bounded(range: &RangeInclusive<f64>) -> bool {
    range.start().is_finite() || range.end().is_finite()
}

/// A range of numbers, as text.
fn interval(range: &RangeInclusive<f64>) -> String {
    match (*range.start(), *range.end()) {
        (0.0, f64::INFINITY) => "that are not negative (soft targets)".to_owned(),
        (start, end) => format!("from {start} to {end}"),
    }
}

/// Refuses labels that are neither classes nor ignored, and a split whose labels are all ignored.
/// The data is at fault, whatever the network.
fn check_labels(plan: &RunPlan, labels: &Labels, examples: &Examples, split: &str) -> Result<()> {
    let Targets::Classes { classes, .. } = &examples.targets else { return Ok(()) };
    if labels.loss.needs() == Needs::Nothing {
        return Ok(());
    }
    let found = labels.classes(&examples.targets)?.unwrap_or_default();
    let is_class = |label: i64| usize::try_from(label).is_ok_and(|class| class < *classes);
    let mut counted = found.iter().enumerate().filter_map(|(index, label)| Some((index, (*label)?)));
    let ignored = labels.loss.coding().ignore_index;
    if let Some((index, label)) = counted.find(|(_, label)| !is_class(*label)) {
        let each = found.len() / examples.len().max(1);
        let place = if each > 1 { vec![index / each, index % each] } else { vec![index] };
        let problem = format!("the label {place:?} of the {split} split is {label}, not a class");
        let ignoring = if ignored.is_some() { Ok(&labels.loss) } else { plan.loss.defaults.of(true) };
        let name = ignoring.map_or("...", |loss| loss.name());
        let help = format!(
            "number the classes from 0, or leave such labels out of the mean: \
             loss = {{ name = \"{name}\", ignore_index = {label} }}"
        );
        return Err(plan.data_name.error(problem, help).into());
    }
    if let (Some(ignored), true) = (ignored, found.iter().all(Option::is_none)) {
        let problem = format!("every label of the {split} split is {ignored}, which the loss ignores");
        let help = "use labels that are classes, or change `loss.ignore_index`";
        return Err(plan.data_name.error(problem, help).into());
    }
    Ok(())
}

/// Refuses class weights that are not one per class, or that are 0 for all labels of the training
/// split.
fn check_weights(plan: &RunPlan, labels: &Labels, train: &Examples) -> Result<()> {
    let (Some(weight), Some(loss)) = (labels.loss.coding().weight, &plan.loss.named) else { return Ok(()) };
    let classes = train.outputs();
    if weight.len() != classes {
        let problem = format!("there are {} weights, and the data set has {classes} classes", weight.len());
        return Err(loss.error(problem, "give one weight per class, in the order of the classes").into());
    }
    let present = labels.present(&train.targets)?;
    if present.is_some_and(|present| present.iter().all(|class| weight[*class] == 0.0)) {
        let problem = "every label of the training split has the weight 0";
        return Err(loss.error(problem, "give a class that occurs a weight above 0").into());
    }
    Ok(())
}

/// How a network's outputs for one example are read.
pub(crate) struct Reading {
    pub coding: Coding,
    /// Whether classes lie along the first axis, as in PyTorch, and not along the last.
    pub classes_first: bool,
}

/// How outputs of a shape are read for the targets; `None` if they do not fit.
///
/// If the shapes leave it open, classes lie along the last axis for tokens, and along the first
/// axis for pixels and voxels.
pub(crate) fn reading(outputs: &[usize], loss: &dyn LossFunction, targets: &Targets) -> Option<Reading> {
    let class = |classes_first| Some(Reading { coding: Coding::Class, classes_first });
    if loss.needs() == Needs::Nothing {
        return Some(Reading { coding: Coding::Unused(outputs.to_vec()), classes_first: false });
    }
    match targets {
        Targets::Values(values) => {
            let own = &values.dims()[1..];
            let [last, first] = target_shapes(outputs, loss).map(|shape| shape.as_deref() == Some(own));
            match (first, last) {
                (true, true) => class(loss.compares_classes() && outputs.len() > 2),
                (false, false) => None,
                (first, _) => class(first),
            }
        }
        Targets::Classes { labels, classes } => {
            let places = &labels.dims()[1..];
            let count = |shape: &[usize]| shape.iter().product::<usize>();
            if loss.takes_binary_labels() && *classes <= 2 && count(outputs) == count(places) {
                let coding = Coding::Binary(outputs.to_vec());
                return Some(Reading { coding, classes_first: false });
            }
            let last = outputs == [places, &[*classes]].concat();
            let first = !places.is_empty() && outputs == [&[*classes], places].concat();
            match (first, last) {
                (true, true) => class(places.len() > 1),
                (false, false) => None,
                (first, _) => class(first),
            }
        }
    }
}

/// The shapes of one example's real targets for outputs of this shape: with classes along the last
/// axis, and along the first.
pub(crate) fn target_shapes(outputs: &[usize], loss: &dyn LossFunction) -> [Option<Vec<usize>>; 2] {
    let first = || {
        let turned = outputs.iter().skip(1).chain(outputs.first()).copied().collect::<Vec<_>>();
        let mut shape = loss.target_shape(&turned).ok()?;
        let axes = shape.len().min(1);
        shape.rotate_right(axes);
        Some(shape)
    };
    [loss.target_shape(outputs).ok(), (outputs.len() > 1).then(first).flatten()]
}

/// The numbers of outputs that the network may need, the likeliest first.
fn outputs(loss: &dyn LossFunction, examples: &Examples) -> Vec<usize> {
    let binary = match &examples.targets {
        Targets::Classes { labels, classes } if loss.takes_binary_labels() && *classes <= 2 => {
            // One logit per label: for a row of labels, for a pixel, or for the channels of an
            // image.
            Some(match *labels.dims() {
                [_, outputs] | [_, outputs, _, _] => outputs,
                _ => 1,
            })
        }
        _ => None,
    };
    binary.into_iter().chain([loss.outputs(examples.outputs())]).collect()
}

/// Builds the network, with classes along the last axis of its outputs.
fn network(plan: &RunPlan, labels: &Labels, examples: &Examples) -> Result<(Network, Reading)> {
    let loss = &*labels.loss;
    let shape = examples.inputs.dims().get(1..).unwrap_or_default();
    let (mut refusal, mut misfit) = (None, None);
    for outputs in outputs(loss, examples) {
        let architecture = Arc::clone(&plan.model.architecture);
        let network = match build(architecture, shape, outputs, false) {
            Ok(network) => network,
            Err(error) => {
                refusal.get_or_insert(error);
                continue;
            }
        };
        match reading(network.output_shape(), loss, &examples.targets) {
            Some(reading) if reading.classes_first => {
                let architecture = Arc::clone(&plan.model.architecture);
                return Ok((build(architecture, shape, outputs, true).map_err(Error::from)?, reading));
            }
            Some(reading) => return Ok((network, reading)),
            None => drop(misfit.get_or_insert(network)),
        }
    }
    let name = &plan.model.name;
    let (problem, help) = match (misfit, refusal) {
        (Some(network), _) => misfits(plan, network.output_shape(), &examples.targets)?,
        (None, refusal) => {
            let why = refusal.map(|error| error.to_string()).unwrap_or_default();
            let help = "correct the settings in [model], choose another architecture, or prepare the data differently";
            let problem = format!("`{}` cannot be built for inputs of shape {shape:?}: {why}", name.value);
            let of_classes = match &examples.targets {
                Targets::Values(values) if are_whole(values)? => {
                    "the targets are whole numbers: if they are classes, save them as integers, as in y.long(); \
                     otherwise "
                }
                _ => "",
            };
            (problem, of_classes.to_owned() + help)
        }
    };
    // The network may be right if the labels skip class numbers for which it needs no outputs.
    let gaps = gaps(labels, examples, None)?.concat();
    let help = if gaps.is_empty() { help } else { format!("{gaps}; otherwise {help}") };
    Err(name.error(problem, help).into())
}

/// The network of an architecture. With `classes_first`, the outputs' first axis is moved to the
/// end.
pub(crate) fn build(
    architecture: Arc<dyn Architecture>,
    shape: &[usize],
    outputs: usize,
    classes_first: bool,
) -> eigenscape_program::Result<Network> {
    Network::new(shape, move |scope, x| {
        let y = architecture.build(scope, x, outputs)?;
        if !classes_first {
            return Ok(y);
        }
        let axes = classes_last(scope.shape(y).len());
        scope.graph().permute(y, &axes)
    })
}

/// The permutation of axes from \[N, C, ...\] to \[N, ..., C\].
pub(crate) fn classes_last(rank: usize) -> Vec<usize> {
    [0].into_iter().chain(2..rank).chain([1]).collect()
}

/// The problem and the remedy for outputs that do not fit the targets.
fn misfits(plan: &RunPlan, outputs: &[usize], targets: &Targets) -> Result<(String, String)> {
    let name = &plan.model.name;
    let (has, help) = match targets {
        Targets::Values(values) if are_whole(values)? => (
            format!("targets for {:?}", &values.dims()[1..]),
            "the targets are whole numbers: if they are classes, save them as integers, as in y.long(); otherwise choose an architecture \
             that fits the targets"
                .to_owned(),
        ),
        Targets::Values(values) => (
            format!("targets for {:?}", &values.dims()[1..]),
            "choose an architecture that fits the targets".to_owned(),
        ),
        Targets::Classes { labels, classes } => (
            format!("labels of shape {:?} with {classes} classes each", &labels.dims()[1..]),
            perhaps(outputs, labels, *classes).or_else(|| more(outputs, labels, *classes)).unwrap_or_default()
                + "choose an architecture that gives [C] for one label per sample, [T, C] for tokens, [C, H, W] for pixels; \
                   targets in the outputs' shape (soft ones) are saved as floats",
        ),
    };
    let problem =
        format!("`{}` gives outputs of shape {outputs:?} for a sample, and the data has {has}", name.value);
    Ok((problem, help))
}

/// Whether real targets are non-negative whole numbers, and so may have been meant as classes.
fn are_whole(values: &Tensor) -> eigenscape_core::Result<bool> {
    let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    Ok(values.iter().all(|value| *value >= 0.0 && value.fract() == 0.0))
}

/// A hint at the loss that may have been meant, if outputs do not fit labels.
fn perhaps(outputs: &[usize], labels: &Tensor, classes: usize) -> Option<String> {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let is_binary = classes <= 2 && count(outputs) == count(&labels.dims()[1..]);
    is_binary.then(|| "for one logit per label set loss = \"binary-cross-entropy\"; otherwise ".to_owned())
}

/// A hint at the number of classes, if the network has outputs for more than the labels show.
fn more(outputs: &[usize], labels: &Tensor, classes: usize) -> Option<String> {
    let places = &labels.dims()[1..];
    let of = |(count, others): (&usize, &[usize])| (others == places && *count > classes).then_some(*count);
    let count = outputs.split_last().and_then(of).or_else(|| outputs.split_first().and_then(of))?;
    Some(format!(
        "if there are {count} classes, of which the labels have the first {classes}, say so: classes = {count} in [data]; otherwise "
    ))
}

/// The label of pixels that belong to no class, in many data sets.
const VOID: usize = 255;

/// The remedy for the label [`VOID`].
const VOID_HELP: &str =
    "if the label 255 stands for none, set loss = { name = \"cross-entropy\", ignore_index = 255 }";

/// A warning that a loss of numbers treats these targets as classes.
fn one_hot(labels: &Labels, targets: &Targets) -> Option<String> {
    let of_numbers = labels.loss.needs() == Needs::Rows && !labels.loss.compares_classes();
    let classes = matches!(targets, Targets::Classes { .. }) && labels.coding == Coding::Class;
    (of_numbers && classes).then(|| {
        let name = labels.loss.name();
        format!("{name} takes integer targets as classes and one-hot encodes them: save numbers as floats")
    })
}

/// A warning that the shapes leave open which axis has the classes: for outputs \[T, C\] and \[C,
/// L\] of an example, with soft targets of this shape, or with as many labels as there are classes.
fn open_axis(outputs: &[usize], loss: &dyn LossFunction, targets: &Targets) -> Option<String> {
    let is_open = match targets {
        Targets::Values(values) => loss.compares_classes() && values.dims()[1..] == *outputs,
        Targets::Classes { labels, classes } => {
            labels.dims()[1..] == [*classes] && outputs == [*classes; 2] && !loss.takes_binary_labels()
        }
    };
    (is_open && outputs.len() == 2).then(|| {
        format!(
            "outputs {outputs:?} of a sample do not show which axis has the classes: the last is taken, as for tokens, while \
             cross_entropy of PyTorch takes the first"
        )
    })
}

/// A warning that several outputs of a network are taken for the loss of an example.
fn averaged(labels: &Labels) -> Option<String> {
    let Coding::Unused(shape) = &labels.coding else { return None };
    let count: usize = shape.iter().product();
    (count > 1).then(|| {
        let name = labels.loss.name();
        format!("{name} takes one number per sample as its loss, and the network gives {count}, of shape {shape:?}: their mean is used")
    })
}

/// Warnings about classes without a training label, and about those of them that have a test label.
fn gaps(labels: &Labels, train: &Examples, test: Option<&Examples>) -> Result<Vec<String>> {
    let Targets::Classes { classes, .. } = train.targets else { return Ok(Vec::new()) };
    let present = labels.present(&train.targets)?.unwrap_or_default();
    let is_void = classes == VOID + 1 && !present.contains(&(VOID - 1));
    let hint = if is_void { format!("; {VOID_HELP}") } else { String::new() };
    let missing = others_in_words(classes, &present)
        .map(|missing| format!("of the {classes} classes no training sample has {missing}{hint}"));
    let tested = test.map(|test| labels.present(&test.targets)).transpose()?.flatten().unwrap_or_default();
    let unseen = in_words(tested.difference(&present).copied())
        .map(|unseen| format!("the test split has {unseen}, which no training sample has"));
    Ok(missing.into_iter().chain(unseen).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use eigenscape_losses::{
        binary_cross_entropy, cross_entropy,
        gaussian_nll::{GaussianNll, GaussianNllParameters},
        mean_squared_error,
        output::Output,
    };

    use super::*;

    fn labels(shape: &[usize], classes: usize) -> Targets {
        Targets::Classes { labels: Tensor::zeros(shape, DType::U32, &Device::Cpu).unwrap(), classes }
    }

    /// The reading as a word: "first", "last", "binary", "unused" or "none".
    fn read(outputs: &[usize], loss: &Loss, targets: &Targets) -> &'static str {
        match reading(outputs, &**loss, targets) {
            None => "none",
            Some(Reading { coding: Coding::Binary(_), .. }) => "binary",
            Some(Reading { coding: Coding::Unused(_), .. }) => "unused",
            Some(reading) => {
                if reading.classes_first {
                    "first"
                } else {
                    "last"
                }
            }
        }
    }

    #[test]
    fn the_shapes_tell_where_the_classes_lie() {
        let (entropy, binary) = (&cross_entropy(), &binary_cross_entropy());
        for (outputs, loss, targets, expected) in [
            (&[3][..], entropy, labels(&[5], 3), "last"),
            (&[4, 3], entropy, labels(&[5, 4], 3), "last"),
            (&[3, 4], entropy, labels(&[5, 4], 3), "first"),
            (&[3, 3], entropy, labels(&[5, 3], 3), "last"),
            (&[3, 8, 6], entropy, labels(&[5, 8, 6], 3), "first"),
            (&[8, 6, 3], entropy, labels(&[5, 8, 6], 3), "last"),
            (&[3, 3, 3], entropy, labels(&[5, 3, 3], 3), "first"),
            (&[2, 3, 4, 5], entropy, labels(&[1, 3, 4, 5], 2), "first"),
            (&[3], entropy, labels(&[5, 8, 6], 3), "none"),
            (&[1], binary, labels(&[5], 2), "binary"),
            (&[4], binary, labels(&[5, 4], 2), "binary"),
            (&[1, 8, 6], binary, labels(&[5, 8, 6], 2), "binary"),
            (&[2], binary, labels(&[5], 2), "last"),
            (&[7], binary, labels(&[5], 7), "last"),
            (&[1], entropy, labels(&[5], 2), "none"),
        ] {
            assert_eq!(read(outputs, loss, &targets), expected, "{outputs:?} {loss:?}");
        }
        let soft = Targets::Values(Tensor::zeros((5, 3, 8, 6), DType::F32, &Device::Cpu).unwrap());
        assert_eq!(read(&[3, 8, 6], entropy, &soft), "first");
        assert_eq!(read(&[3, 8, 6], &mean_squared_error(), &soft), "last");
        assert_eq!(read(&[8, 6, 3], entropy, &soft), "none");
        // Means and variances: twice as many outputs, along either axis.
        let gaussian: Loss = Arc::new(GaussianNll::new(GaussianNllParameters::default()).unwrap());
        for (outputs, expected) in
            [(&[3, 8, 12][..], "last"), (&[6, 8, 6], "first"), (&[3, 8, 6], "none"), (&[8, 6, 6], "none")]
        {
            assert_eq!(read(outputs, &gaussian, &soft), expected, "{outputs:?}");
        }
        let one = Targets::Values(Tensor::zeros((5, 3), DType::F32, &Device::Cpu).unwrap());
        assert_eq!((read(&[6], &gaussian, &one), read(&[3], &gaussian, &one)), ("last", "none"));
        let output: Loss = Arc::new(Output);
        assert_eq!(read(&[7], &output, &one), "unused");
    }

    #[test]
    fn an_axis_of_classes_that_shapes_leave_open_is_a_warning() {
        let is_open = |outputs: &[usize], loss: &Loss, targets: &Targets| {
            open_axis(outputs, &**loss, targets).is_some()
        };
        let entropy = cross_entropy();
        let values =
            |shape: &[usize]| Targets::Values(Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
        let labels = |shape: &[usize], classes| Targets::Classes {
            labels: Tensor::zeros(shape, DType::U32, &Device::Cpu).unwrap(),
            classes,
        };
        assert!(is_open(&[3, 5], &entropy, &values(&[8, 3, 5])));
        assert!(is_open(&[3, 3], &entropy, &labels(&[8, 3], 3)));
        assert!(!is_open(&[3, 5], &entropy, &labels(&[8, 5], 3)));
        assert!(!is_open(&[3], &entropy, &values(&[8, 3])));
        assert!(!is_open(&[3, 5], &mean_squared_error(), &values(&[8, 3, 5])));
    }
}
