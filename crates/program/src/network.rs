//! Networks: programs that can be traced for any number of samples, with their parameters.

use std::sync::Arc;

use crate::{
    ElementwiseFunction, Graph, Operation, Value,
    error::{Error, Result},
    scope::{Collected, Cut, Mask, Mode, Parameter, Scope},
    variables::Slice,
};

type Build = dyn Fn(&mut Scope, Value) -> Result<Value> + Send + Sync;

/// A network: a function that emits it for any number of samples, and its parameters and buffers.
///
/// ```
/// use eigenscape_program::{Network, nn};
/// let network = Network::new(&[4], |scope, x| {
///     let hidden = nn::linear(&mut scope.at("fc1"), x, 8, true)?;
///     let hidden = nn::activation(scope, hidden, nn::Activation::Relu)?;
///     nn::linear(&mut scope.at("fc2"), hidden, 3, true)
/// })?;
/// assert_eq!(network.parameters()[0].name, "fc1.weight");
/// assert_eq!(network.dimension(), 4 * 8 + 8 + 8 * 3 + 3);
/// # Ok::<(), eigenscape_program::Error>(())
/// ```
#[derive(Clone)]
pub struct Network {
    build: Arc<Build>,
    mode: Mode,
    sample_shape: Vec<usize>,
    output_shape: Vec<usize>,
    parameters: Vec<Parameter>,
    buffers: Vec<Parameter>,
    masks: Vec<Mask>,
    mixes_samples: Option<String>,
    may_mix_samples: bool,
    aliases: Vec<(String, String)>,
    unused: Vec<String>,
    cut: Option<Cut>,
}

/// A network as a graph, for a fixed number of samples.
#[derive(Debug, Clone)]
pub struct Traced {
    /// All operations.
    pub graph: Graph,
    /// The input \[N, ...\].
    pub x: Value,
    /// The parameters in the order of declaration.
    pub parameters: Vec<Value>,
    /// The buffers in the order of declaration.
    pub buffers: Vec<Value>,
    /// The masks in the order of declaration.
    pub masks: Vec<Value>,
    /// The value of each buffer after a training step.
    pub updates: Vec<Value>,
    /// The outputs \[N, ...\].
    pub outputs: Value,
}

impl Network {
    /// The network that `build` emits for inputs \[N, `sample_shape`...\], in eval mode.
    ///
    /// # Errors
    /// When `build` fails.
    pub fn new(
        sample_shape: &[usize],
        build: impl Fn(&mut Scope, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::with_mode(sample_shape, Mode::Eval, build)
    }

    /// The network that `build` emits for inputs \[N, `sample_shape`...\], in the given mode.
    ///
    /// # Errors
    /// When `build` fails.
    pub fn with_mode(
        sample_shape: &[usize],
        mode: Mode,
        build: impl Fn(&mut Scope, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Result<Self> {
        let build: Arc<Build> = Arc::new(build);
        let (collected, _, outputs) = collect(&build, mode, sample_shape, 1, None)?;
        let output_shape = match collected.graph.shape(outputs) {
            [1, rest @ ..] => rest.to_vec(),
            other => {
                let problem = format!(
                    "one sample gives outputs of shape {other:?}, not [1, ...]: return a row for each sample, as losses with \
                     reduction=\"none\" do"
                );
                return Err(Error::shape("network", problem));
            }
        };
        let strip = |declared: Vec<(Parameter, Value)>| declared.into_iter().map(|(p, _)| p).collect();
        Ok(Self {
            build,
            mode,
            sample_shape: sample_shape.to_vec(),
            output_shape,
            parameters: strip(collected.parameters),
            buffers: strip(collected.buffers),
            masks: masks(collected.masks),
            mixes_samples: collected.mixes_samples,
            may_mix_samples: collected.may_mix_samples,
            aliases: collected.aliases,
            unused: collected.unused,
            cut: None,
        })
    }

    /// The same network in another mode.
    ///
    /// # Errors
    /// When it cannot be built in that mode.
    pub fn in_mode(&self, mode: Mode) -> Result<Self> {
        let (collected, ..) = collect(&self.build, mode, &self.sample_shape, 1, self.cut.as_ref())?;
        let (masks, mixes_samples) = (masks(collected.masks), collected.mixes_samples);
        Ok(Self { mode, masks, mixes_samples, ..self.clone() })
    }

    /// The same network with one parameter declared in up to three pieces: what is before the slice
    /// along its axis, the slice, and what is after it. Pieces are named `weight[0:3]`, and
    /// `weight[:, 0:3]` along the second axis. Also returns the slice's index in
    /// [`Self::parameters`].
    ///
    /// # Errors
    /// When the network has no such parameter or slice, or a parameter is cut already.
    pub fn cut(&self, slice: &Slice) -> Result<(Self, usize)> {
        let refuse = |problem: &str| Err(Error::shape(format!("slice {slice:?}"), problem));
        let Some(Parameter { name, .. }) = self.parameters.get(slice.parameter) else {
            return refuse("the network has no such parameter");
        };
        if self.cut.is_some() {
            return refuse("a parameter is cut already");
        }
        let cut = Cut { name: name.clone(), slice: slice.clone(), joined: None };
        let piece = cut.piece(&slice.range);
        let (collected, ..) = collect(&self.build, self.mode, &self.sample_shape, 1, Some(&cut))?;
        let parameters: Vec<Parameter> = collected.parameters.into_iter().map(|(p, _)| p).collect();
        let Some(index) = parameters.iter().position(|parameter| parameter.name == piece) else {
            return refuse("the parameter has no such slice");
        };
        Ok((Self { parameters, cut: Some(cut), ..self.clone() }, index))
    }

    /// The parameters in the order of declaration.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The buffers (running statistics) in the order of declaration.
    #[must_use]
    pub fn buffers(&self) -> &[Parameter] {
        &self.buffers
    }

    /// Second names of tied weights in PyTorch's `state_dict`, as pairs (second name, name here).
    /// Tied weights are one parameter, which a checkpoint may list twice.
    #[must_use]
    pub fn aliases(&self) -> &[(String, String)] {
        &self.aliases
    }

    /// Names in PyTorch's `state_dict` that a checkpoint may contain and that the network ignores
    /// (masks, counters).
    #[must_use]
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The masks (dropout) in the order of declaration; none in eval mode.
    #[must_use]
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    /// P, the number of scalars in all parameters.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// The shape of one sample's input.
    #[must_use]
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }

    /// The shape of one sample's output.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.output_shape
    }

    /// The first module in which one sample's output depends on other samples, if there is one.
    #[must_use]
    pub fn mixes_samples(&self) -> Option<&str> {
        self.mixes_samples.as_deref()
    }

    /// Whether one sample's output may depend on other samples although [`Self::mixes_samples`]
    /// knows of no such module: the operations come from elsewhere (an exported graph).
    #[must_use]
    pub fn may_mix_samples(&self) -> bool {
        self.may_mix_samples
    }

    /// Whether the computation of the outputs applies `function` to some value.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn applies(&self, function: ElementwiseFunction) -> Result<bool> {
        let Traced { graph, outputs, .. } = self.trace(1)?;
        let is_it = |value| graph.operation(value).is_some_and(|node| is(&node.operation, function));
        Ok(graph.ancestors(&[outputs], &[]).into_iter().any(is_it))
    }

    /// The network as a graph, for this number of samples.
    ///
    /// # Errors
    /// When it cannot be built at this size.
    pub fn trace(&self, samples: usize) -> Result<Traced> {
        let (collected, x, outputs) =
            collect(&self.build, self.mode, &self.sample_shape, samples, self.cut.as_ref())?;
        let values = |declared: &[(Parameter, Value)]| declared.iter().map(|(_, v)| *v).collect();
        let (parameters, buffers): (_, Vec<Value>) =
            (values(&collected.parameters), values(&collected.buffers));
        let update = |buffer: &Value| {
            let update = collected.updates.iter().rev().find(|(updated, _)| updated == buffer);
            update.map_or(*buffer, |(_, value)| *value)
        };
        let updates = buffers.iter().map(update).collect();
        let masks = collected.masks.iter().map(|(_, value)| *value).collect();
        Ok(Traced { graph: collected.graph, x, parameters, buffers, masks, updates, outputs })
    }
}

/// Whether an operation is this function, or a recurrence of it.
fn is(operation: &Operation, function: ElementwiseFunction) -> bool {
    match operation {
        Operation::Scan(scan) => scan.body.steps().iter().any(|step| is(&step.operation, function)),
        other => *other == function.into(),
    }
}

fn masks(declared: Vec<(Mask, Value)>) -> Vec<Mask> {
    declared.into_iter().map(|(mask, _)| mask).collect()
}

fn collect(
    build: &Arc<Build>,
    mode: Mode,
    sample_shape: &[usize],
    samples: usize,
    cut: Option<&Cut>,
) -> Result<(Collected, Value, Value)> {
    let mut collected = Collected { mode, samples, cut: cut.cloned(), ..Collected::default() };
    let shape: Vec<usize> = std::iter::once(samples).chain(sample_shape.iter().copied()).collect();
    let x = collected.graph.input("x", &shape);
    let outputs = build(&mut Scope::root(&mut collected), x)?;
    collected.graph.set_location("");
    Ok((collected, x, outputs))
}
