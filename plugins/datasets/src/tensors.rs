//! `tensors`: inputs and targets from a safetensors file, used as they are.
//!
//! | tensor | shape | type |
//! | --- | --- | --- |
//! | `x` | \[N, ...\] | float32 or float64, kept; float16 and bfloat16 become float32 |
//! | `y`, classes | \[N\] | any integer |
//! | `y`, values | \[N, C\], or \[N\] for C = 1 | as `x` |
//! | `x_test`, `y_test` | both or neither; as `x` and `y` but for N | the types of `x` and `y` |
//!
//! Without a test split the same examples serve as both. Other tensors of the file are not looked at.

use std::{fs, io, num::NonZeroU32, path::PathBuf};

use candle_core::{Device, Tensor};
use eigenscape_core::{Dataset, Error, Examples, Result, Split, Targets, registry::Environment};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::tensor_file::TensorFile;

/// A label from here on is taken for a mistake unless `classes` says otherwise: each class costs an output.
const MOST_INFERRED_CLASSES: u32 = 1 << 16;

/// Parameters of `tensors`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorsParameters {
    /// The safetensors file; a relative path is looked up beside the experiment's file first.
    pub path: PathBuf,
    /// C for integer targets. Without it: the largest label plus one.
    pub classes: Option<NonZeroU32>,
}

/// Examples from a file, read and checked.
#[derive(Debug, Clone)]
pub struct Tensors {
    train: Examples,
    test: Option<Examples>,
    path: PathBuf,
}

impl Tensors {
    /// Reads the file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, lacks a tensor, or a tensor has a shape, a type or an element that cannot
    /// be used.
    pub fn load(parameters: &TensorsParameters, environment: &Environment) -> Result<Self> {
        let path = environment.resolve(&parameters.path);
        let contents = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let remedy = "check `data.path`; it is looked up beside the experiment's file, then in the current folder";
                Error::input(path.display().to_string(), "there is no such file", remedy)
            }
            _ => Error::io(&path, error),
        })?;
        let name = path.display().to_string();
        let file = TensorFile::parse(&name, &contents)?;
        let train = Part::read(&file, "x", "y")?;
        let test = match (file.has("x_test"), file.has("y_test")) {
            (false, false) => None,
            // One without the other: reading it names the one that is missing.
            _ => Some(Part::read(&file, "x_test", "y_test")?),
        };
        if let Some(test) = &test {
            train.require_same_kind(test, &file)?;
        }
        let parts = [Some(&train), test.as_ref()];
        let classes = classes(&file, parts.into_iter().flatten(), parameters.classes)?;
        let examples = |part: Part| part.examples(classes);
        Ok(Self { train: examples(train)?, test: test.map(examples).transpose()?, path })
    }
}

/// One split before the number of classes is known.
struct Part {
    keys: [&'static str; 2],
    inputs: Tensor,
    targets: RawTargets,
}

enum RawTargets {
    Labels(Vec<u32>),
    Values(Tensor),
}

impl Part {
    fn read(file: &TensorFile<'_>, x: &'static str, y: &'static str) -> Result<Self> {
        let inputs = file.floats(x)?;
        if inputs.rank() < 2 || inputs.elem_count() == 0 {
            let problem = format!("its shape {:?} is not that of inputs", inputs.dims());
            return Err(file.error(
                x,
                problem,
                "save it as [N, ...] with N examples, [N, 1] for single numbers",
            ));
        }
        let count = inputs.dims()[0];
        let targets = match file.is_integer(y)? {
            true => RawTargets::Labels(labels(file, y, count)?),
            false => RawTargets::Values(values(file, y, count)?),
        };
        Ok(Self { keys: [x, y], inputs, targets })
    }

    fn require_same_kind(&self, test: &Self, file: &TensorFile<'_>) -> Result<()> {
        let like = |key: &str| format!("save it like `{key}`; only the number of examples may differ");
        if self.inputs.dtype() != test.inputs.dtype() || self.inputs.dims()[1..] != test.inputs.dims()[1..] {
            let problem = format!("it is {}, but `x` is {}", describe(&test.inputs), describe(&self.inputs));
            return Err(file.error(test.keys[0], problem, like("x")));
        }
        let problem = match (&self.targets, &test.targets) {
            (RawTargets::Labels(_), RawTargets::Labels(_)) => None,
            (RawTargets::Values(a), RawTargets::Values(b)) => {
                let same = a.dtype() == b.dtype() && a.dims()[1..] == b.dims()[1..];
                (!same).then(|| format!("it is {}, but `y` is {}", describe(b), describe(a)))
            }
            _ => Some("one of `y` and it holds class labels, the other real values".to_owned()),
        };
        problem.map_or(Ok(()), |problem| Err(file.error(test.keys[1], problem, like("y"))))
    }

    fn examples(self, classes: usize) -> Result<Examples> {
        let targets = match self.targets {
            RawTargets::Values(values) => Targets::Values(values),
            RawTargets::Labels(labels) => {
                let count = labels.len();
                Targets::Classes { labels: Tensor::from_vec(labels, count, &Device::Cpu)?, classes }
            }
        };
        Ok(Examples { inputs: self.inputs, targets })
    }
}

fn describe(tensor: &Tensor) -> String {
    format!("{:?} {:?}", tensor.dtype(), tensor.dims())
}

fn labels(file: &TensorFile<'_>, key: &str, count: usize) -> Result<Vec<u32>> {
    let stored = file.integers(key)?;
    if stored.shape != [count] {
        let problem =
            format!("its shape is {:?}, but the labels of {count} inputs are [{count}]", stored.shape);
        return Err(file.error(
            key,
            problem,
            "save one integer an example, or floats [N, C] for real targets",
        ));
    }
    let narrow = |(index, label): (usize, i128)| {
        u32::try_from(label).map_err(|_| {
            let problem = format!("the element [{index}] is {label}, not a class");
            file.error(key, problem, "number the classes from 0, and leave out examples without a class")
        })
    };
    stored.values.into_iter().enumerate().map(narrow).collect()
}

fn values(file: &TensorFile<'_>, key: &str, count: usize) -> Result<Tensor> {
    let stored = file.floats(key)?;
    match *stored.dims() {
        [n] if n == count => Ok(stored.unsqueeze(1)?),
        [n, c] if n == count && c > 0 => Ok(stored),
        ref shape => {
            let problem =
                format!("its shape is {shape:?}, but the targets of {count} inputs are [{count}, C]");
            Err(file.error(key, problem, "save one row of targets an example"))
        }
    }
}

/// C: as asked for, otherwise the largest label of all splits plus one. Of no use, and 0, for real targets.
fn classes<'a>(
    file: &TensorFile<'_>,
    parts: impl Iterator<Item = &'a Part>,
    asked: Option<NonZeroU32>,
) -> Result<usize> {
    let mut classes = asked.map_or(0, NonZeroU32::get);
    for part in parts {
        let key = part.keys[1];
        let RawTargets::Labels(labels) = &part.targets else {
            let conflict = || file.error(key, "it holds real values, not classes", "remove `data.classes`");
            return if asked.is_some() { Err(conflict()) } else { Ok(0) };
        };
        let limit = asked.map_or(MOST_INFERRED_CLASSES, NonZeroU32::get);
        if let Some(index) = labels.iter().position(|label| *label >= limit) {
            let problem =
                format!("the element [{index}] is {}, but there are at most {limit} classes", labels[index]);
            let remedy = "number the classes from 0 without gaps, or raise `data.classes`";
            return Err(file.error(key, problem, remedy));
        }
        if asked.is_none() {
            classes = classes.max(labels.iter().max().map_or(0, |label| label + 1));
        }
    }
    if asked.is_none() && classes < 2 {
        return Err(file.error("y", "every label is 0", "give the number of classes as `data.classes`"));
    }
    Ok(classes as usize)
}

impl Dataset for Tensors {
    fn examples(&self, split: Split) -> Result<Examples> {
        match split {
            Split::Train => Ok(self.train.clone()),
            Split::Test => Ok(self.test.as_ref().unwrap_or(&self.train).clone()),
        }
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        let train = &self.train;
        let outputs = match train.targets {
            Targets::Classes { classes, .. } => format!("{classes} classes"),
            Targets::Values(_) => format!("{} real targets", train.outputs()),
        };
        let test = match &self.test {
            Some(test) => format!("{} test examples", test.len()),
            None => "the same as test examples".to_owned(),
        };
        format!(
            "tensors of {}, used as they are: {} training examples and {test}, inputs {:?} of type {:?}, {outputs}",
            self.path.display(),
            train.len(),
            &train.inputs.dims()[1..],
            train.inputs.dtype(),
        )
    }
}
