//! `tensors`: inputs and targets from a safetensors file, used as they are.
//!
//! | tensor | shape | type |
//! | --- | --- | --- |
//! | `x` | \[N, ...\] | float32 or float64, kept; float16 and bfloat16 become float32 |
//! | `x`, tokens | \[N, T\] | any integer, becomes float32, which holds them exactly up to 2²⁴ |
//! | a name | as `x`, of any shape \[N, ...\] | as `x`; integers become float32 |
//! | `y`, classes | \[N\], or \[N, ...\] with one per token, pixel or voxel | any integer |
//! | `y`, values | \[N, ..., C\], or \[N\] for C = 1 | float types as `x` |
//! | `x_test`, `y_test` | both or neither; as `x` and `y` except for N | the types of `x` and `y` |
//!
//! If the loss uses no targets, `y` and `y_test` may be missing.
//!
//! If the network names its inputs (the arguments of PyTorch's `forward`), they may be stored under
//! these names; several inputs become one tensor \[N, D\]. Other tensors in the file are ignored.

use std::{
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Dataset, Error, Examples, Result, Split, Targets, dataset::no_test_split, registry::Environment,
};
use eigenscape_formats::regular_file;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    input_names::InputNames,
    tensor_file::{TensorFile, multi_index},
};

/// Labels from this value on are rejected as mistakes unless `classes` is given, since each class
/// needs an output.
const MOST_INFERRED_CLASSES: u32 = 1 << 16;

/// The largest integer up to which float32 represents every integer.
const LARGEST_TOKEN: i128 = 1 << 24;

/// Parameters of `tensors`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorsParameters {
    /// The safetensors file; a relative path is first searched for next to the experiment's file.
    pub path: PathBuf,
    /// C for integer targets: the number of classes, or for tokens the size of the vocabulary. By
    /// default the largest label plus one.
    pub classes: Option<NonZeroU32>,
}

/// The settings of an experiment's file about targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes {
    /// C, where it is given.
    pub asked: Option<NonZeroU32>,
    /// The label that is not a class, which the loss ignores.
    pub ignored: Option<i64>,
    /// Whether the loss uses no targets, so that the file need not have any.
    pub needless: bool,
}

/// Examples from a file, read and checked.
#[derive(Debug, Clone)]
pub struct Tensors {
    train: Examples,
    test: Option<Examples>,
    /// The inputs' type.
    dtype: DType,
    /// Whether the inputs are tokens.
    tokens: bool,
    /// Whether the file has no targets.
    without_targets: bool,
    path: PathBuf,
}

impl Tensors {
    /// Reads the file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, lacks a tensor, or a tensor has a shape, a type or
    /// an element that cannot be used.
    pub fn load(parameters: &TensorsParameters, environment: &Environment) -> Result<Self> {
        let path = environment.resolve(&parameters.path);
        let contents = regular_file::read(&path).map_err(|error| match error.into() {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                let remedy = "check `data.path`; it is looked up beside the experiment's file, then in the current folder";
                Error::input(path.display().to_string(), "there is no such file", remedy)
            }
            other => other,
        })?;
        let classes = Classes {
            asked: parameters.classes,
            ignored: environment.ignored_label,
            needless: environment.without_targets,
        };
        Self::parse_named(&path, &contents, classes, &environment.inputs)
    }

    /// The examples in the contents of a file.
    ///
    /// # Errors
    /// As [`Tensors::load`].
    pub fn parse(path: &Path, contents: &[u8], classes: Classes) -> Result<Self> {
        Self::parse_named(path, contents, classes, &[])
    }

    /// As [`Tensors::parse`], with inputs that may have these names.
    ///
    /// # Errors
    /// As [`Tensors::load`].
    pub fn parse_named(path: &Path, contents: &[u8], classes: Classes, inputs: &[String]) -> Result<Self> {
        let name = path.display().to_string();
        let file = TensorFile::parse(&name, contents)?;
        if !classes.needless && inputs.iter().any(|input| input == "y") {
            let problem = "the network has an input of this name, which is that of the targets";
            let remedy = "rename the argument `y` of forward, and export the network again";
            return Err(file.error("y", problem, remedy));
        }
        let inputs = InputNames::of(&file, inputs);
        let without_targets = classes.needless && !file.has("y");
        let read = |inputs: &InputNames, y: &str| {
            if without_targets { Part::without_targets(&file, inputs) } else { Part::read(&file, inputs, y) }
        };
        let train = read(&inputs, "y")?;
        let of_test = inputs.of_test();
        let test = match (file.has(of_test.first()), file.has("y_test")) {
            (false, false) => None,
            (true, true) => Some(read(&of_test, "y_test")?),
            (true, false) if without_targets => Some(read(&of_test, "y_test")?),
            (inputs, _) => {
                let x_test = of_test.first();
                let [there, missing] = if inputs { [x_test, "y_test"] } else { ["y_test", x_test] };
                let problem = format!("the file has `{there}` and no such tensor");
                let remedy =
                    format!("save the test samples as x_test and y_test, or the file without `{there}`");
                return Err(file.error(missing, problem, remedy));
            }
        };
        if let Some(test) = &test {
            train.require_same_kind(test, &file)?;
        }
        let parts = [Some(&train), test.as_ref()];
        let classes = count_classes(&file, parts.into_iter().flatten(), classes)?;
        let (dtype, tokens) = (train.inputs.dtype(), file.is_integer(inputs.first())?);
        let examples = |part: Part| part.examples(classes);
        let (train, test) = (examples(train)?, test.map(examples).transpose()?);
        Ok(Self { train, test, dtype, tokens, without_targets, path: path.to_owned() })
    }
}

/// One split before the number of classes is known.
struct Part {
    keys: [String; 2],
    inputs: Tensor,
    targets: RawTargets,
}

enum RawTargets {
    /// The shape, \[N\] or \[N, ...\], and the labels.
    Labels(Vec<usize>, Vec<i64>),
    Values(Tensor),
}

impl Part {
    fn read(file: &TensorFile<'_>, names: &InputNames, y: &str) -> Result<Self> {
        let (x, inputs) = Self::inputs(file, names)?;
        let remedy = "save it as int64: the classes 0 and 1; or as float32 for real targets";
        no_truth_values(file, y, remedy)?;
        let targets = match file.is_integer(y)? {
            true => labels(file, y, inputs.dims()[0])?,
            false => RawTargets::Values(values(file, y, inputs.dims()[0])?),
        };
        Ok(Self { keys: [x, y].map(str::to_owned), inputs, targets })
    }

    /// Inputs alone, with the target 0 each, which the loss does not use.
    fn without_targets(file: &TensorFile<'_>, names: &InputNames) -> Result<Self> {
        let (x, inputs) = Self::inputs(file, names)?;
        let targets = RawTargets::Values(Tensor::zeros((inputs.dims()[0], 1), DType::F32, &Device::Cpu)?);
        Ok(Self { keys: [x, "y"].map(str::to_owned), inputs, targets })
    }

    /// The inputs, with the name of the first tensor of them.
    fn inputs<'n>(file: &TensorFile<'_>, names: &'n InputNames) -> Result<(&'n str, Tensor)> {
        let (x, inputs) = (names.first(), names.read(file)?);
        if inputs.elem_count() == 0 {
            let problem = format!("it is empty: its shape is {:?}", inputs.dims());
            return Err(file.error(x, problem, "save at least one sample, and no axis of length 0"));
        }
        if inputs.rank() < 2 {
            let problem = format!("its shape {:?} is not that of inputs", inputs.dims());
            return Err(file.error(
                x,
                problem,
                "save it as [N, ...] with N samples, [N, 1] for single numbers",
            ));
        }
        no_truth_values(file, x, "save it as float32: 0 and 1")?;
        Ok((x, inputs))
    }

    fn require_same_kind(&self, test: &Self, file: &TensorFile<'_>) -> Result<()> {
        let like = |key: &str| format!("save it like `{key}`; only the number of samples may differ");
        if self.inputs.dtype() != test.inputs.dtype() || self.inputs.dims()[1..] != test.inputs.dims()[1..] {
            let problem = format!("it is {}, but `x` is {}", describe(&test.inputs), describe(&self.inputs));
            return Err(file.error(&test.keys[0], problem, like(&self.keys[0])));
        }
        let problem = match (&self.targets, &test.targets) {
            (RawTargets::Labels(a, _), RawTargets::Labels(b, _)) => {
                (a[1..] != b[1..]).then(|| format!("its shape is {b:?}, but that of `y` is {a:?}"))
            }
            (RawTargets::Values(a), RawTargets::Values(b)) => {
                let same = a.dtype() == b.dtype() && a.dims()[1..] == b.dims()[1..];
                (!same).then(|| format!("it is {}, but `y` is {}", describe(b), describe(a)))
            }
            _ => Some("one of `y` and it holds class labels, the other real values".to_owned()),
        };
        problem.map_or(Ok(()), |problem| Err(file.error(&test.keys[1], problem, like("y"))))
    }

    fn examples(self, classes: usize) -> Result<Examples> {
        let targets = match self.targets {
            RawTargets::Values(values) => Targets::Values(values),
            RawTargets::Labels(shape, labels) => {
                Targets::Classes { labels: Tensor::from_vec(labels, shape, &Device::Cpu)?, classes }
            }
        };
        Ok(Examples { inputs: self.inputs.into(), targets })
    }
}

fn no_truth_values(file: &TensorFile<'_>, key: &str, remedy: &str) -> Result<()> {
    if file.is_boolean(key)? {
        return Err(file.error(key, "its elements are truth values (BOOL)", remedy));
    }
    Ok(())
}

fn describe(tensor: &Tensor) -> String {
    format!("{:?} {:?}", tensor.dtype(), tensor.dims())
}

/// Tokens in float32, which represents them exactly.
pub(crate) fn tokens(file: &TensorFile<'_>, key: &str, of_any_shape: bool) -> Result<Tensor> {
    let stored = file.integers(key)?;
    if stored.shape.len() != 2 && !of_any_shape {
        let problem = format!(
            "its elements are {}, not floats, and its shape {:?} is not that of tokens",
            stored.name, stored.shape
        );
        let remedy =
            "save it as float32 or float64, normalised as the network is to see it, or as tokens [N, T]";
        return Err(file.error(key, problem, remedy));
    }
    let exact = |(index, token): (usize, i128)| {
        if (0..=LARGEST_TOKEN).contains(&token) {
            return Ok(token as f32);
        }
        let problem = format!("the element {} is {token}, not a token", multi_index(index, &stored.shape));
        Err(file.error(key, problem, "number the tokens from 0, below 2^24"))
    };
    let values: Vec<f32> = stored.values.into_iter().enumerate().map(exact).collect::<Result<_>>()?;
    Ok(Tensor::from_vec(values, stored.shape.as_slice(), &Device::Cpu)?)
}

fn labels(file: &TensorFile<'_>, key: &str, count: usize) -> Result<RawTargets> {
    let stored = file.integers(key)?;
    if stored.shape.first() != Some(&count) || stored.values.is_empty() {
        let problem = format!(
            "its shape is {:?}, but the labels of {count} inputs are [{count}], those of their tokens or pixels [{count}, ...]",
            stored.shape
        );
        let remedy = "save one integer per sample, token or pixel, or floats [N, C] for real targets";
        return Err(file.error(key, problem, remedy));
    }
    let narrow = |(index, label): (usize, i128)| {
        i64::try_from(label).map_err(|_| {
            let problem =
                format!("the element {} is {label}, not a class", multi_index(index, &stored.shape));
            file.error(key, problem, "number the classes from 0")
        })
    };
    let values = stored.values.into_iter().enumerate().map(narrow).collect::<Result<_>>()?;
    Ok(RawTargets::Labels(stored.shape.clone(), values))
}

fn values(file: &TensorFile<'_>, key: &str, count: usize) -> Result<Tensor> {
    let stored = file.floats(key)?;
    match *stored.dims() {
        [n] if n == count => Ok(stored.unsqueeze(1)?),
        [n, ref rest @ ..] if n == count && !rest.contains(&0) => Ok(stored),
        ref shape => {
            let problem =
                format!("its shape is {shape:?}, but the targets of {count} inputs are [{count}, ..., C]");
            Err(file.error(key, problem, "save the outputs that the network should have for each sample"))
        }
    }
}

/// The number of classes C: as given, otherwise the largest label of all splits plus one, without
/// ignored labels. 0 for real targets.
fn count_classes<'a>(
    file: &TensorFile<'_>,
    parts: impl Iterator<Item = &'a Part>,
    Classes { asked, ignored, .. }: Classes,
) -> Result<usize> {
    let mut classes = asked.map_or(0, NonZeroU32::get);
    for part in parts {
        let key = part.keys[1].as_str();
        let RawTargets::Labels(shape, labels) = &part.targets else {
            let conflict = || file.error(key, "it holds real values, not classes", "remove `data.classes`");
            return if asked.is_some() { Err(conflict()) } else { Ok(0) };
        };
        let limit = asked.map_or(MOST_INFERRED_CLASSES, NonZeroU32::get);
        let mut counted = labels.iter().enumerate().filter(|(_, label)| Some(**label) != ignored).peekable();
        if counted.peek().is_none() {
            let problem = format!("every label is {}, which the loss ignores", labels[0]);
            return Err(file.error(
                key,
                problem,
                "save labels that are classes, or change `loss.ignore_index`",
            ));
        }
        for (index, &label) in counted {
            let class = u32::try_from(label).ok().filter(|class| *class < limit);
            let class =
                class.ok_or_else(|| no_class(file, key, (multi_index(index, shape), label), limit))?;
            if asked.is_none() {
                classes = classes.max(class + 1);
            }
        }
    }
    if asked.is_none() && classes < 2 {
        return Err(file.error("y", "every label is 0", "give the number of classes as `data.classes`"));
    }
    Ok(classes as usize)
}

/// The error for a label, with its position, that is neither a class nor ignored.
fn no_class(file: &TensorFile<'_>, key: &str, (place, label): (String, i64), limit: u32) -> Error {
    let ignore = format!(
        "leave such labels out of the mean: ignore_index = {label} in [loss], for a loss that has this key (docs/experiments.md)"
    );
    if label < 0 {
        let problem = format!("the element {place} is {label}, not a class");
        return file.error(key, problem, format!("number the classes from 0, or {ignore}"));
    }
    let problem = format!("the element {place} is {label}, but there are at most {limit} classes");
    let remedy = format!("number the classes from 0 without gaps, raise `data.classes`, or {ignore}");
    file.error(key, problem, remedy)
}

impl Dataset for Tensors {
    fn examples(&self, split: Split) -> Result<Examples> {
        match split {
            Split::Train => Ok(self.train.clone()),
            Split::Test => self.test.clone().ok_or_else(|| no_test_split(self.path.display().to_string())),
        }
    }

    fn has_test_split(&self) -> bool {
        self.test.is_some()
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        let train = &self.train;
        let outputs = match train.targets {
            Targets::Classes { classes, .. } => format!("{classes} classes"),
            Targets::Values(_) if self.without_targets => "no targets".to_owned(),
            Targets::Values(_) => format!("{} real targets", train.outputs()),
        };
        let test = match &self.test {
            Some(test) => format!("{} test samples", test.len()),
            None => "no test split".to_owned(),
        };
        let shape = &train.inputs.dims()[1..];
        let inputs = if self.tokens {
            format!("tokens {shape:?}")
        } else {
            format!("inputs {shape:?} of type {:?}", self.dtype)
        };
        format!(
            "tensors of {}, used as they are: {} training samples and {test}, {inputs}, {outputs}",
            self.path.display(),
            train.len(),
        )
    }
}
