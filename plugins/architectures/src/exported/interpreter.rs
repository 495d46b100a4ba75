//! Executes the operations of a graph in order.

use std::collections::HashMap;

use eigenscape_formats::pt2::{Argument, Graph, MetaSize, Node, ScalarType, Size, TensorMeta};
use eigenscape_program::{Error, Result, Scope};

use super::{
    arguments::{Arguments, Given},
    array::Array,
    aten,
    emitter::Emitter,
    mutation::Views,
    name::{module, operation},
    tensor::{Data, Item, Tensor},
};

/// The numbers of samples of a translation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Samples {
    /// N, the number of samples that the network is built for.
    pub count: usize,
    /// The number of samples that the graph was exported for; `None` if it is symbolic.
    pub exported: Option<usize>,
}

/// Executes a graph, and holds the values of its names.
pub(super) struct Interpreter<'n> {
    pub values: HashMap<&'n str, Item>,
    samples: Samples,
    views: Views<'n>,
    /// The index of the last operation that uses each name.
    last_use: HashMap<&'n str, usize>,
    /// The largest allowed number of elements of constants in memory.
    limit: usize,
    kept: usize,
    /// Whether the graph's shapes are those of the values so far.
    shapes_hold: bool,
}

impl<'n> Interpreter<'n> {
    /// An interpreter with the values of the graph's inputs. `limit` bounds the number of elements
    /// of constants in memory.
    pub fn new(samples: Samples, values: HashMap<&'n str, Item>, limit: usize) -> Self {
        let (views, last_use) = (Views::default(), HashMap::new());
        Self { values, samples, views, last_use, limit, kept: 0, shapes_hold: true }
    }

    /// Executes a graph. Its results are then in `values`.
    ///
    /// # Errors
    /// Those of the operations, with the operation's name and module.
    pub fn run(&mut self, graph: &'n Graph, scope: &mut Scope) -> Result<()> {
        for (number, node) in graph.nodes.iter().enumerate() {
            for name in names(node) {
                self.last_use.insert(name, number);
            }
        }
        for output in &graph.outputs {
            each_name(output, &mut |name| {
                self.last_use.insert(name, usize::MAX);
            });
        }
        self.views.watch(graph);
        for (number, node) in graph.nodes.iter().enumerate() {
            let module = module(node);
            let result = if module.is_empty() {
                self.step(graph, node, number, scope)
            } else {
                self.step(graph, node, number, &mut scope.at(&module))
            };
            result.map_err(|error| placed(node, &module, &error))?;
            self.forget(node, number);
        }
        Ok(())
    }

    fn step(&mut self, graph: &'n Graph, node: &'n Node, number: usize, scope: &mut Scope) -> Result<()> {
        let name = operation(&node.target);
        let arguments = Arguments { operation: name, given: self.given(node)?, layout: layout(graph, node) };
        self.check_factor(&arguments)?;
        let item = if name.starts_with("higher_order.") {
            self.applied(&arguments, scope)?
        } else {
            let translate = aten::find(name).ok_or_else(|| arguments.error("is not known"))?;
            let mut emitter = self.emitter(scope);
            translate(&arguments, &mut emitter)?
        };
        self.bind(graph, node, item)?;
        let mut emitter = self.emitter(scope);
        let later = |name: &str| self.last_use.get(name).is_some_and(|last| *last > number);
        self.views.follow(node, name, &mut self.values, &mut emitter, &later)
    }

    /// Refuses a factor that may stand for the number of samples, where that is fixed in the graph
    /// and another here: `x / x.shape[0]` is written as `x / 8`.
    fn check_factor(&self, arguments: &Arguments<'n>) -> Result<()> {
        let is_factor = ["aten.mul", "aten.div", "aten.mul_", "aten.div_"].contains(&arguments.operation);
        let Some(exported) =
            self.samples.exported.filter(|exported| is_factor && *exported != self.samples.count)
        else {
            return Ok(());
        };
        let is_it = |given: &Given| matches!(given, Given::Int(number) if *number == exported as i64);
        if arguments.given.iter().any(|(_, given)| is_it(given)) {
            let problem = format!("its factor {exported} may be the number of samples, which differs here");
            return Err(arguments.error(problem));
        }
        Ok(())
    }

    fn emitter<'c, 's>(&self, scope: &'c mut Scope<'s>) -> Emitter<'c, 's> {
        let Samples { count, exported } = self.samples;
        Emitter { scope, samples: count, fixed: exported, limit: self.limit }
    }

    fn given(&self, node: &'n Node) -> Result<Vec<(&'n str, Given<'n>)>> {
        let given = |input: &'n eigenscape_formats::pt2::NamedArgument| {
            Ok((input.name.as_str(), self.resolved(&input.arg)?))
        };
        node.inputs.iter().map(given).collect()
    }

    fn resolved(&self, argument: &'n Argument) -> Result<Given<'n>> {
        Ok(match argument {
            Argument::None => Given::None,
            Argument::Tensor(name) | Argument::Symbol(name) | Argument::Int(Size::Named(name)) => {
                match self.value(name)? {
                    Item::None => Given::None,
                    Item::Tensor(tensor) => Given::Tensor(tensor.clone()),
                    Item::Tensors(tensors) => Given::Tensors(tensors.iter().cloned().map(Some).collect()),
                    Item::Int(value) => Given::Int(*value),
                    Item::Float(value) => Given::Float(*value),
                    Item::Bool(value) => Given::Bool(*value),
                }
            }
            Argument::Tensors(names) => {
                let tensors = names.iter().map(|name| self.tensor(name).map(Some));
                Given::Tensors(tensors.collect::<Result<_>>()?)
            }
            Argument::OptionalTensors(names) => {
                let tensors =
                    names.iter().map(|name| name.as_ref().map(|name| self.tensor(name)).transpose());
                Given::Tensors(tensors.collect::<Result<_>>()?)
            }
            Argument::Int(Size::Known(value)) => Given::Int(*value),
            Argument::Ints(sizes) => {
                Given::Ints(sizes.iter().map(|size| self.size(size)).collect::<Result<_>>()?)
            }
            Argument::Float(value) => Given::Float(*value),
            Argument::Floats(values) => Given::Floats(values.clone()),
            Argument::Bool(value) => Given::Bool(*value),
            Argument::Text(text) => Given::Text(text),
            Argument::Type(dtype) => Given::Type(*dtype),
            Argument::Graph(graph) => Given::Graph(graph),
            Argument::Bools(_) | Argument::Other(_) => Given::Other,
        })
    }

    fn value(&self, name: &str) -> Result<&Item> {
        let missing = || Error::shape("graph", format!("{name} is used before it is computed"));
        self.values.get(name).ok_or_else(missing)
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.value(name)? {
            Item::Tensor(tensor) => Ok(tensor.clone()),
            _ => Err(Error::shape("graph", format!("{name} is no tensor"))),
        }
    }

    fn size(&self, size: &Size) -> Result<i64> {
        match size {
            Size::Known(value) => Ok(*value),
            Size::Named(name) => match self.value(name)? {
                Item::Int(value) => Ok(*value),
                Item::Float(value) if value.fract() == 0.0 => Ok(*value as i64),
                _ => Err(Error::shape("graph", format!("{name} is no integer"))),
            },
        }
    }

    /// Executes a higher-order operation, which applies a subgraph to operands, for example with
    /// gradients disabled.
    fn applied(&mut self, arguments: &Arguments<'n>, scope: &mut Scope) -> Result<Item> {
        let place = arguments.given.iter().position(|(_, given)| matches!(given, Given::Graph(_)));
        let Some((place, Given::Graph(inner))) = place.map(|place| (place, &arguments.given[place].1)) else {
            return Err(arguments.error("applies no graph"));
        };
        let mut values = HashMap::new();
        for (input, (_, given)) in inner.inputs.iter().zip(&arguments.given[place + 1..]) {
            let item = match given {
                Given::Tensor(tensor) => Item::Tensor(tensor.clone()),
                Given::Int(value) => Item::Int(*value),
                Given::Float(value) => Item::Float(*value),
                Given::Bool(value) => Item::Bool(*value),
                _ => return Err(arguments.error("is given something that is neither tensor nor number")),
            };
            each_name(input, &mut |name| drop(values.insert(name, item.clone())));
        }
        let mut interpreter = Interpreter::new(self.samples, values, self.limit);
        interpreter.shapes_hold = self.shapes_hold;
        interpreter.run(inner, scope)?;
        self.shapes_hold = interpreter.shapes_hold;
        let mut results = Vec::new();
        for output in &inner.outputs {
            if let Argument::Tensor(name) = output {
                results.push(interpreter.tensor(name)?);
            }
        }
        let without_gradient = arguments.operation.ends_with("set_grad_enabled")
            && matches!(arguments.given.first(), Some((_, Given::Bool(false))));
        if without_gradient {
            for result in &mut results {
                if let Data::Emitted(value, _) = &mut result.data {
                    *value = scope.graph().detach(*value)?;
                }
            }
        }
        Ok(Item::Tensors(results))
    }

    /// Stores the results of an operation under their names.
    fn bind(&mut self, graph: &'n Graph, node: &'n Node, item: Item) -> Result<()> {
        let mut targets: Vec<&'n str> = Vec::new();
        node.outputs.iter().for_each(|output| each_name(output, &mut |name| targets.push(name)));
        let items: Vec<Item> = match item {
            Item::Tensors(tensors) => tensors.into_iter().map(Item::Tensor).collect(),
            single => vec![single],
        };
        // Translations omit results that are never used (indices of maxima, statistics): their
        // names get no value.
        let items = items.into_iter().chain(std::iter::repeat(Item::None));
        for (number, (name, item)) in targets.into_iter().zip(items).enumerate() {
            let item = match (item, graph.tensor_values.get(name)) {
                (Item::Tensor(tensor), Some(meta)) => {
                    self.shapes_hold &= number == 0 || !is_lstm_state_with_an_axis_more(node, &tensor, meta);
                    Item::Tensor(self.typed(tensor, meta)?)
                }
                (other, _) => other,
            };
            self.keep(name, item)?;
        }
        Ok(())
    }

    fn keep(&mut self, name: &'n str, item: Item) -> Result<()> {
        self.kept += kept(&item);
        if self.kept > self.limit {
            let problem = format!(
                "its constants take more than {} MiB, the limit for this file and these inputs; make them buffers of the \
                 module (register_buffer), which are stored in the file",
                self.limit >> 17
            );
            return Err(Error::shape("graph", problem));
        }
        self.values.insert(name, item);
        Ok(())
    }

    /// Drops the arguments of an operation that no later one uses.
    fn forget(&mut self, node: &'n Node, number: usize) {
        for name in names(node) {
            if self.last_use.get(name) == Some(&number) && !self.views.is_base(name) {
                let dropped = self.values.remove(name);
                self.kept -= dropped.map_or(0, |item| kept(&item)).min(self.kept);
            }
        }
    }

    /// Checks a result's shape against the graph, if the graph's shapes hold, and gives it the type
    /// stated there.
    fn typed(&self, tensor: Tensor, meta: &TensorMeta) -> Result<Tensor> {
        if self.shapes_hold {
            self.check_shape(tensor.shape(), &meta.sizes)?;
        }
        let data = match tensor.data {
            Data::Folded(array) => Data::Folded(rounded(array.within(self.limit), meta.dtype)?),
            emitted @ Data::Emitted(..) => emitted,
        };
        Ok(Tensor { dtype: meta.dtype, data })
    }

    fn check_shape(&self, found: &[usize], sizes: &[MetaSize]) -> Result<()> {
        let Samples { count, exported } = self.samples;
        let same = |(axis, (size, meta)): (usize, (&usize, &MetaSize))| match (meta.known(), exported) {
            (None, _) => true,
            (Some(known), _) if known == *size => true,
            // The batch axis, alone or merged with other axes.
            (Some(known), Some(exported)) => axis == 0 && product(known, count) == product(*size, exported),
            (Some(_), None) => false,
        };
        if found.len() == sizes.len() && found.iter().zip(sizes).enumerate().all(same) {
            return Ok(());
        }
        let known = |size: &MetaSize| match size {
            MetaSize::Known(number) => number.to_string(),
            MetaSize::Symbolic(_) => "N".to_owned(),
        };
        let sizes: Vec<String> = sizes.iter().map(known).collect();
        let problem = format!("its result is of shape {found:?}, and the graph says [{}]", sizes.join(", "));
        Err(Error::shape("graph", problem))
    }
}

/// Whether a final state of an LSTM is \[layers, 1, N, features\] in the graph, as PyTorch up to
/// 2.12 writes, although \[layers, N, features\] is computed. The graph's shapes of what depends
/// on such a state are wrong, too.
fn is_lstm_state_with_an_axis_more(node: &Node, state: &Tensor, meta: &TensorMeta) -> bool {
    operation(&node.target) == "aten.lstm" && meta.sizes.len() == state.shape().len() + 1
}

/// The product of two sizes, without overflow, since a file may contain any size.
fn product(a: usize, b: usize) -> u128 {
    a as u128 * b as u128
}

/// Rounds constants to f32 if that is their type in PyTorch.
fn rounded(array: Array, dtype: ScalarType) -> Result<Array> {
    match dtype {
        ScalarType::Float => array.map(|number| f64::from(number as f32)),
        _ => Ok(array),
    }
}

fn kept(item: &Item) -> usize {
    let of = |tensor: &Tensor| tensor.array().map_or(0, Array::kept);
    match item {
        Item::Tensor(tensor) => of(tensor),
        Item::Tensors(tensors) => tensors.iter().map(of).sum(),
        _ => 0,
    }
}

/// Calls `f` with the names in an argument.
pub(super) fn each_name<'n>(argument: &'n Argument, f: &mut impl FnMut(&'n str)) {
    match argument {
        Argument::Tensor(name) | Argument::Symbol(name) | Argument::Int(Size::Named(name)) => f(name),
        Argument::Tensors(names) => names.iter().for_each(|name| f(name)),
        Argument::OptionalTensors(names) => names.iter().flatten().for_each(|name| f(name)),
        Argument::Ints(sizes) => sizes.iter().for_each(|size| {
            if let Size::Named(name) = size {
                f(name);
            }
        }),
        _ => {}
    }
}

/// What the graph says of an operation's first operand.
fn layout<'n>(graph: &'n Graph, node: &Node) -> Option<&'n TensorMeta> {
    match &node.inputs.first()?.arg {
        Argument::Tensor(name) => graph.tensor_values.get(name),
        _ => None,
    }
}

/// The names in an operation's arguments.
fn names(node: &Node) -> impl Iterator<Item = &str> {
    let mut names = Vec::new();
    node.inputs.iter().for_each(|input| each_name(&input.arg, &mut |name| names.push(name)));
    names.into_iter()
}

/// Adds an operation's name, result and module to its error.
fn placed(node: &Node, module: &str, error: &Error) -> Error {
    let mut own = Vec::new();
    node.outputs.iter().for_each(|output| each_name(output, &mut |name| own.push(name)));
    let own = own.first().map(|name| format!(" ({name})")).unwrap_or_default();
    let place = if module.is_empty() { String::new() } else { format!(" in {module}") };
    Error::shape(format!("{}{own}{place}", operation(&node.target)), error.to_string())
}
