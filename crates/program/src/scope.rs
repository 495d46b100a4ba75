//! Scopes: the module tree that names a network's parameters, as in PyTorch and Candle's
//! `VarBuilder`.

use std::ops::Range;

use crate::{
    Graph, Value,
    error::{Error, Result},
    graph::check_size,
    init::{Init, InitRules},
    variables::Slice,
};

/// A named tensor of a network: a parameter, or a buffer (running statistics) that is not trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// PyTorch's name, `features.0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its initial distribution.
    pub init: Init,
    /// Whether it is held fixed: it is trained, and in a group, only where somebody names it.
    pub frozen: bool,
}

impl Parameter {
    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// A mask of a network in train mode: data for each sample, constant in every derivative.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// The module that it belongs to.
    pub module: String,
    /// Its shape for one sample.
    pub shape: Vec<usize>,
    /// The probability that an element is 1/`keep` and not 0.
    pub keep: f64,
}

/// Everything declared through the scopes of one network.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub graph: Graph,
    pub parameters: Vec<(Parameter, Value)>,
    pub buffers: Vec<(Parameter, Value)>,
    pub masks: Vec<(Mask, Value)>,
    pub mode: Mode,
    /// The number of samples, N.
    pub samples: usize,
    /// Buffers, each with its value after a training step.
    pub updates: Vec<(Value, Value)>,
    /// The first module in which samples are coupled (batch normalisation in train mode).
    pub mixes_samples: Option<String>,
    /// Whether samples may be coupled although no module says so.
    pub may_mix_samples: bool,
    /// Second names of tied weights, each with the parameter's name.
    pub aliases: Vec<(String, String)>,
    /// Names in a checkpoint that the network ignores.
    pub unused: Vec<String>,
    /// The parameter that is declared in pieces.
    pub cut: Option<Cut>,
}

/// A parameter that is declared in pieces along an axis.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    /// The parameter's name.
    pub name: String,
    /// The piece that matters; the others are what is before and after it.
    pub slice: Slice,
    /// The pieces joined again, and these, once the parameter was declared.
    pub joined: Option<(Value, Vec<Value>)>,
}

impl Cut {
    /// The pieces, if `value` is these joined again.
    pub fn pieces_of(&self, value: Value) -> Option<&[Value]> {
        let (joined, pieces) = self.joined.as_ref()?;
        (*joined == value).then_some(pieces.as_slice())
    }

    /// The name of a piece.
    pub fn piece(&self, range: &Range<usize>) -> String {
        let before = ":, ".repeat(self.slice.axis);
        format!("{}[{before}{}:{}]", self.name, range.start, range.end)
    }
}

/// Training or evaluation, for layers that behave differently in the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Batch normalisation uses its running statistics; dropout is the identity.
    #[default]
    Eval,
    /// Batch normalisation uses the statistics of the batch; dropout multiplies by masks.
    Train,
}

/// A module of a network under construction: emits operations, and declares parameters under the
/// module's name.
pub struct Scope<'a> {
    collected: &'a mut Collected,
    prefix: String,
    rules: InitRules,
}

impl<'a> Scope<'a> {
    pub(crate) fn root(collected: &'a mut Collected) -> Self {
        Self { collected, prefix: String::new(), rules: InitRules::PYTORCH }
    }

    /// The scope of the child module `name`.
    pub fn at(&mut self, name: impl std::fmt::Display) -> Scope<'_> {
        let prefix = self.full_name(name);
        Scope { collected: self.collected, prefix, rules: self.rules }
    }

    /// The same module, with `rules` for the initialisation of its layers and of its children's.
    pub fn with_init(&mut self, rules: InitRules) -> Scope<'_> {
        Scope { collected: self.collected, prefix: self.prefix.clone(), rules }
    }

    /// The initialisation rules of this scope.
    #[must_use]
    pub fn init_rules(&self) -> InitRules {
        self.rules
    }

    /// The mode in which the network is built.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.collected.mode
    }

    /// Declares `value` as the buffer's value after a training step.
    pub fn update(&mut self, buffer: Value, value: Value) {
        self.collected.updates.push((buffer, value));
    }

    /// Declares that one sample's output of this module depends on other samples, so that a
    /// Jacobian has no separate rows for each sample.
    pub fn mixes_samples(&mut self) {
        self.collected.mixes_samples.get_or_insert_with(|| self.prefix.clone());
    }

    /// The graph into which the network is emitted; operations emitted through it belong to this
    /// module.
    pub fn graph(&mut self) -> &mut Graph {
        self.collected.graph.set_location(&self.prefix);
        &mut self.collected.graph
    }

    /// The shape of a value.
    #[must_use]
    pub fn shape(&self, value: Value) -> Vec<usize> {
        self.collected.graph.shape(value).to_vec()
    }

    /// Declares a parameter of this module; declaring a name again gives the same value (weight
    /// sharing).
    ///
    /// # Errors
    /// When the name was declared before with another shape, or the tensor is too large.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Value> {
        let name = self.full_name(name);
        if self.collected.cut.as_ref().is_some_and(|cut| cut.name == name) {
            return self.declare_in_pieces(shape, init);
        }
        declare(&mut self.collected.graph, &mut self.collected.parameters, name, shape, init)
    }

    /// Declares the parameter that is cut, and joins its pieces.
    fn declare_in_pieces(&mut self, shape: &[usize], init: Init) -> Result<Value> {
        let Collected { graph, parameters, cut, .. } = &mut *self.collected;
        let Some(cut) = cut else { return Err(Error::shape("parameter", "none is cut")) };
        if let Some((joined, _)) = cut.joined {
            return Ok(joined);
        }
        let (Slice { axis, range, .. }, name) = (&cut.slice, &cut.name);
        let size = shape.get(*axis).copied().unwrap_or(0);
        if range.is_empty() || range.end > size {
            let problem = format!("its shape {shape:?} has no part {range:?} along axis {axis}");
            return Err(Error::shape(format!("parameter {name}"), problem));
        }
        let mut pieces = Vec::new();
        for range in cut.slice.pieces(size) {
            let mut shape = shape.to_vec();
            shape[*axis] = range.len();
            pieces.push(declare(graph, parameters, cut.piece(&range), &shape, init)?);
        }
        let joined = graph.concat(&pieces, *axis)?;
        cut.joined = Some((joined, pieces));
        Ok(joined)
    }

    /// Declares that PyTorch's `state_dict` also lists `parameter` as this module's tensor `name`
    /// (tied weights).
    ///
    /// # Errors
    /// When the value is not a parameter.
    pub fn alias(&mut self, name: &str, parameter: Value) -> Result<()> {
        let alias = self.full_name(name);
        let Collected { cut, parameters, aliases, .. } = &mut *self.collected;
        let cut = cut.as_ref().filter(|cut| cut.pieces_of(parameter).is_some());
        let declared = parameters.iter().find(|(_, value)| *value == parameter);
        let name = cut.map(|cut| &cut.name).or(declared.map(|(declared, _)| &declared.name));
        let Some(name) = name else {
            return Err(Error::shape(format!("alias {alias}"), "its value is not a parameter"));
        };
        aliases.push((alias, name.clone()));
        Ok(())
    }

    /// Declares that a parameter is held fixed (PyTorch's `requires_grad = False`).
    pub fn freeze(&mut self, parameter: Value) {
        let pieces = self.collected.cut.as_ref().and_then(|cut| cut.pieces_of(parameter));
        let values = pieces.unwrap_or(std::slice::from_ref(&parameter));
        let declared = self.collected.parameters.iter_mut().filter(|(_, value)| values.contains(value));
        declared.for_each(|(declared, _)| declared.frozen = true);
    }

    /// Declares a tensor `name` of this module that PyTorch's `state_dict` lists and this network
    /// does not load: a constant that the network computes itself, or a counter. A checkpoint may
    /// contain it or not.
    pub fn unused(&mut self, name: &str) {
        let name = self.full_name(name);
        self.collected.unused.push(name);
    }

    /// Declares that samples may be coupled by operations along their axis, which nobody has looked
    /// for: whoever evaluates samples apart from each other compares them first.
    pub fn may_mix_samples(&mut self) {
        self.collected.may_mix_samples = true;
    }

    /// Declares a buffer of this module.
    ///
    /// # Errors
    /// When the name was declared before with another shape, or the tensor is too large.
    pub fn buffer(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Value> {
        let name = self.full_name(name);
        declare(&mut self.collected.graph, &mut self.collected.buffers, name, shape, init)
    }

    /// Declares a mask \[N, `shape`...\] of this module: an input whose elements are 0 or 1/`keep`,
    /// the latter with probability `keep`. Each call declares a new mask.
    pub fn mask(&mut self, shape: &[usize], keep: f64) -> Value {
        let mask = Mask { module: self.prefix.clone(), shape: shape.to_vec(), keep };
        let full: Vec<usize> = std::iter::once(self.collected.samples).chain(shape.iter().copied()).collect();
        let value = self.collected.graph.input(format!("mask of {}", self.prefix), &full);
        self.collected.masks.push((mask, value));
        value
    }

    fn full_name(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

fn declare(
    graph: &mut Graph,
    declared: &mut Vec<(Parameter, Value)>,
    name: String,
    shape: &[usize],
    init: Init,
) -> Result<Value> {
    if let Some((before, value)) = declared.iter().find(|(before, _)| before.name == name) {
        return if before.shape == shape {
            Ok(*value)
        } else {
            let problem = format!("declared with shapes {:?} and {shape:?}", before.shape);
            Err(Error::shape(format!("parameter {name}"), problem))
        };
    }
    check_size(&format!("parameter {name}"), shape)?;
    let value = graph.input(name.clone(), shape);
    declared.push((Parameter { name, shape: shape.to_vec(), init, frozen: false }, value));
    Ok(value)
}
