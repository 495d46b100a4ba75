//! The graph: an append-only list of operations in single-assignment form, into which every transformation emits.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    error::{Error, Result},
    primitive::{NodeRef, Primitive, Storage},
};

/// No memory holds a tensor of more elements; sizes in a user's file may be any.
const MOST_ELEMENTS: usize = 1 << 40;

/// Refuses a tensor that no memory holds.
pub(crate) fn check_size(name: &str, shape: &[usize]) -> Result<()> {
    // An empty axis makes strides no smaller.
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
    /// No two values that were emitted have the same.
    stamp: u64,
}

impl Value {
    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}

/// What stands behind a value.
#[derive(Debug, Clone)]
enum Source {
    Input(String),
    Operation(Arc<dyn Primitive>, Vec<Value>),
}

/// An operation on operands.
type Application = (Arc<dyn Primitive>, Vec<Value>);

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
/// Operands always come before results, so that the order of values is a topological order. An operation that was
/// emitted before on the same operands gives its earlier value (common-subexpression elimination): within a module that module's
/// own, so that each module has its activation, and outside of all modules, where derivatives are emitted, anyone's.
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

    /// The result of `primitive` on `args`.
    ///
    /// # Errors
    /// When the operands' shapes do not fit, or one is a value of another graph.
    pub fn emit(&mut self, primitive: Arc<dyn Primitive>, args: &[Value]) -> Result<Value> {
        self.check(primitive.name(), args)?;
        let key = (primitive.clone(), args.to_vec());
        let location = self.location.as_deref().unwrap_or("");
        let same = self.known.get(&key).into_iter().flatten();
        let mut usable = same.filter(|value| location.is_empty() || self.location(**value) == location);
        if let Some(value) = usable.next() {
            return Ok(*value);
        }
        let shapes: Vec<&[usize]> = args.iter().map(|a| self.shape(*a)).collect();
        let shape = primitive.shape(&shapes)?;
        check_size(primitive.name(), &shape)?;
        let value = self.push(Source::Operation(primitive, args.to_vec()), shape);
        self.known.entry(key).or_default().push(value);
        Ok(value)
    }

    /// Whether a value is one of this graph.
    #[must_use]
    pub fn contains(&self, value: Value) -> bool {
        self.node(value).is_some()
    }

    /// Refuses values of another graph.
    pub(crate) fn check(&self, operation: &str, values: &[Value]) -> Result<()> {
        if values.iter().all(|value| self.contains(*value)) {
            return Ok(());
        }
        Err(Error::shape(operation, "a value of another graph is given"))
    }

    /// `x` itself, where an operation changes nothing.
    pub(crate) fn unchanged(&self, x: Value) -> Result<Value> {
        self.check("identity", &[x])?;
        Ok(x)
    }

    fn node(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.index()).filter(|node| node.stamp == value.stamp)
    }

    /// The shape of a value; that of a scalar for a value of another graph, which nothing can be emitted on.
    #[must_use]
    pub fn shape(&self, value: Value) -> &[usize] {
        self.node(value).map_or(&[], |node| &node.shape)
    }

    /// The operation that computes a value; `None` for an input, or a value of another graph.
    #[must_use]
    pub fn operation(&self, value: Value) -> Option<NodeRef> {
        match &self.node(value)?.source {
            Source::Input(_) => None,
            Source::Operation(primitive, args) => {
                Some(NodeRef { primitive: primitive.clone(), args: args.clone(), output: value })
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

    /// What a value is and where in the network it stands, for messages: "tanh in 3.body.1".
    #[must_use]
    pub fn describe(&self, value: Value) -> String {
        let Some(node) = self.node(value) else { return "a value of another graph".to_owned() };
        match &node.source {
            Source::Input(name) => format!("input {name}"),
            Source::Operation(primitive, _) if node.location.is_empty() => primitive.name().to_owned(),
            Source::Operation(primitive, _) => format!("{} in {}", primitive.name(), node.location),
        }
    }

    /// The module in which a value was emitted, by its full name.
    #[must_use]
    pub(crate) fn location(&self, value: Value) -> &str {
        self.node(value).map_or("", |node| &node.location)
    }

    /// Sets the place in the network that [`Self::describe`] gives for nodes emitted from now on.
    pub fn set_location(&mut self, location: &str) {
        if self.location.as_deref() != Some(location) {
            self.location = Some(location.into());
        }
    }

    /// The values that `outputs` depend on and that are not behind one of `stops`, in topological order, `outputs` included.
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

    /// For every value whether it is one of `values`.
    pub(crate) fn marked(&self, values: &[Value]) -> Vec<bool> {
        let mut marked = vec![false; self.nodes.len()];
        let own = values.iter().filter(|value| self.contains(**value));
        own.for_each(|value| marked[value.index()] = true);
        marked
    }

    /// The value in whose memory the elements of `value` lie, itself unless it is a view; `None` where no memory is needed.
    pub(crate) fn stored_in(&self, value: Value) -> Option<Value> {
        let storage = |value: Value| match self.node(value).map(|node| &node.source) {
            Some(Source::Operation(primitive, _)) => primitive.storage(),
            Some(Source::Input(_)) | None => Storage::New,
        };
        let Some(&viewed) = self.args(value).first() else {
            return (storage(value) == Storage::New).then_some(value);
        };
        match storage(value) {
            Storage::New => Some(value),
            // What is not stored in order is copied.
            Storage::Same if storage(viewed) == Storage::Strided => Some(value),
            Storage::Same | Storage::Strided => self.stored_in(viewed),
        }
    }

    /// What has to be kept so that `value` can be had again at no cost: what it views, or what it is [made again](crate::ElementWise::is_made_again)
    /// from; `None` where no memory is needed.
    pub(crate) fn kept_for(&self, value: Value) -> Option<Value> {
        let stored = self.stored_in(value)?;
        let made_again = self.operation(stored).and_then(|node| {
            let operation = node.primitive.element_wise()?;
            operation.is_made_again().then(|| node.args[0])
        });
        made_again.map_or(Some(stored), |operand| self.kept_for(operand))
    }

    /// For every value whether it depends on one of `inputs`.
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
        // A program of four billion operations does not fit in memory long before the index overflows.
        let value = Value { index: self.nodes.len() as u32, stamp };
        let location = self.location.clone().unwrap_or_else(|| "".into());
        self.nodes.push(Node { stamp, source, shape, location });
        value
    }
}
