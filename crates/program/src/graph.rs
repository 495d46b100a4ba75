//! The graph: an append-only list of operations in single-assignment form, into which every
//! transformation emits.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    error::{Error, Result},
    operation::Operation,
    primitive::NodeRef,
};

/// The largest allowed number of elements of a tensor: sizes in a user's file may be arbitrarily
/// large.
const MOST_ELEMENTS: usize = 1 << 40;

/// Refuses a tensor that is too large for any memory.
///
/// # Errors
/// When the product of the sizes, an empty axis counted as 1, is more than 2⁴⁰.
pub fn check_size(name: &str, shape: &[usize]) -> Result<()> {
    // An axis of size 0 counts as 1: the product of the other sizes must not overflow either.
    let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul((*size).max(1)));
    match elements {
        Some(count) if count <= MOST_ELEMENTS => Ok(()),
        _ => Err(Error::shape(name, format!("a tensor of shape {shape:?} is too large"))),
    }
}

/// A value of a [`Graph`]: an input or the result of an operation.
///
/// A graph and its clones share the values from before the cloning; any other graph refuses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    index: u32,
    /// Unique among all values that were ever emitted.
    stamp: u64,
}

impl Value {
    /// Its position in the graph: operands come before results.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// The origin of a value.
#[derive(Debug, Clone)]
enum Source {
    Input(String),
    Operation(Operation, Vec<Value>),
}

/// An operation on operands.
type Application = (Operation, Vec<Value>);

#[derive(Debug, Clone)]
struct Node {
    stamp: u64,
    source: Source,
    shape: Vec<usize>,
    /// Where in the network the node was emitted, for messages.
    location: Arc<str>,
}

/// A program under construction.
///
/// Operands always come before results, so that the order of values is a topological order.
/// Emitting the same operation on the same operands again gives the earlier value
/// (common-subexpression elimination). Within a module only values of that module are reused, so
/// that each module has its own activation; outside all modules, where derivatives are emitted, any
/// value is reused.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Application, Vec<Value>>,
    location: Option<Arc<str>>,
}

impl Graph {
    /// A new input.
    pub fn input(&mut self, name: impl Into<String>, shape: &[usize]) -> Value {
        self.push(Source::Input(name.into()), shape.to_vec())
    }

    /// The result of `operation` on `args`.
    ///
    /// # Errors
    /// When the operands' shapes do not fit, the result is too large, or an operand belongs to
    /// another graph.
    pub fn emit(&mut self, operation: impl Into<Operation>, args: &[Value]) -> Result<Value> {
        let operation = operation.into();
        let name = operation.rules().name();
        self.check(name, args)?;
        let key = (operation.clone(), args.to_vec());
        let location = self.location.as_deref().unwrap_or("");
        let same = self.known.get(&key).into_iter().flatten();
        let mut usable = same.filter(|value| location.is_empty() || self.location(**value) == location);
        if let Some(value) = usable.next() {
            return Ok(*value);
        }
        let shapes: Vec<&[usize]> = args.iter().map(|a| self.shape(*a)).collect();
        let shape = operation.rules().shape(&shapes)?;
        check_size(name, &shape)?;
        let value = self.push(Source::Operation(operation, args.to_vec()), shape);
        self.known.entry(key).or_default().push(value);
        Ok(value)
    }

    /// Whether a value belongs to this graph.
    #[must_use]
    pub fn contains(&self, value: Value) -> bool {
        self.node(value).is_some()
    }

    /// Refuses values of other graphs; `operation` is the name in the error.
    ///
    /// # Errors
    /// When a value belongs to another graph.
    pub fn check(&self, operation: &str, values: &[Value]) -> Result<()> {
        if values.iter().all(|value| self.contains(*value)) {
            return Ok(());
        }
        Err(Error::shape(operation, "a value of another graph is given"))
    }

    /// Returns `x` itself, for an operation that would leave it unchanged.
    pub(crate) fn unchanged(&self, x: Value) -> Result<Value> {
        self.check("identity", &[x])?;
        Ok(x)
    }

    fn node(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.index()).filter(|node| node.stamp == value.stamp)
    }

    /// The shape of a value; \[\] for a value of another graph, which no operation accepts.
    #[must_use]
    pub fn shape(&self, value: Value) -> &[usize] {
        self.node(value).map_or(&[], |node| &node.shape)
    }

    /// The operation that computes a value; `None` for an input, or a value of another graph.
    #[must_use]
    pub fn operation(&self, value: Value) -> Option<NodeRef> {
        match &self.node(value)?.source {
            Source::Input(_) => None,
            Source::Operation(operation, args) => {
                Some(NodeRef { operation: operation.clone(), args: args.clone(), output: value })
            }
        }
    }

    /// The operands of a value; none for an input.
    #[must_use]
    pub fn args(&self, value: Value) -> &[Value] {
        match self.node(value).map(|node| &node.source) {
            Some(Source::Operation(_, args)) => args,
            Some(Source::Input(_)) | None => &[],
        }
    }

    /// A value's operation and module, for messages: "tanh in 3.body.1".
    #[must_use]
    pub fn describe(&self, value: Value) -> String {
        let Some(node) = self.node(value) else { return "a value of another graph".to_owned() };
        match &node.source {
            Source::Input(name) => format!("input {name}"),
            Source::Operation(operation, _) if node.location.is_empty() => {
                operation.rules().name().to_owned()
            }
            Source::Operation(operation, _) => {
                format!("{} in {}", operation.rules().name(), node.location)
            }
        }
    }

    /// The module in which a value was emitted, by its full name.
    #[must_use]
    pub fn location(&self, value: Value) -> &str {
        self.node(value).map_or("", |node| &node.location)
    }

    /// Sets the module of nodes that are emitted from here on.
    pub fn set_location(&mut self, location: &str) {
        if self.location.as_deref() != Some(location) {
            self.location = Some(location.into());
        }
    }

    /// The values that `outputs` depend on, in topological order, `outputs` included. The search
    /// includes `stops` but does not continue to their operands.
    #[must_use]
    pub fn ancestors(&self, outputs: &[Value], stops: &[Value]) -> Vec<Value> {
        let mut seen = vec![false; self.nodes.len()];
        let stops = self.marked(stops);
        let mut stack = outputs.to_vec();
        while let Some(value) = stack.pop() {
            if self.contains(value)
                && !std::mem::replace(&mut seen[value.index()], true)
                && !stops[value.index()]
            {
                stack.extend(self.args(value));
            }
        }
        let values = (0_u32..).zip(&self.nodes).map(|(index, node)| Value { index, stamp: node.stamp });
        values.zip(seen).filter(|(_, seen)| *seen).map(|(value, _)| value).collect()
    }

    /// For every value of the graph, whether it is one of `values`.
    pub(crate) fn marked(&self, values: &[Value]) -> Vec<bool> {
        let mut marked = vec![false; self.nodes.len()];
        let own = values.iter().filter(|value| self.contains(**value));
        own.for_each(|value| marked[value.index()] = true);
        marked
    }

    /// For every value of the graph, whether it is one of `inputs` or depends on one.
    #[must_use]
    pub fn dependents(&self, inputs: &[Value]) -> Vec<bool> {
        let mut depends = self.marked(inputs);
        for index in 0..self.nodes.len() {
            if let Source::Operation(_, args) = &self.nodes[index].source {
                depends[index] |= args.iter().any(|a| depends[a.index()]);
            }
        }
        depends
    }

    fn push(&mut self, source: Source, shape: Vec<usize>) -> Value {
        static STAMPS: AtomicU64 = AtomicU64::new(0);
        let stamp = STAMPS.fetch_add(1, Ordering::Relaxed);
        // The index cannot overflow: a graph of 2³² operations does not fit in memory.
        let value = Value { index: self.nodes.len() as u32, stamp };
        let location = self.location.clone().unwrap_or_else(|| "".into());
        self.nodes.push(Node { stamp, source, shape, location });
        value
    }
}
