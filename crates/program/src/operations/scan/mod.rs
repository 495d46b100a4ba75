//! Recurrences: a program is applied repeatedly to its own result.

mod body;
mod cotangent;
mod linear;
mod tangent;

use std::{iter, sync::Arc};

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Affinity, Linearity, NodeRef, Primitive},
    program::Program,
    transforms::batch,
};

/// All states c₁, ..., c_T of c_t = f(c_{t−1}, x_t, w): \[T, ...\], for the initial state c₀,
/// sequences x \[T, ...\] and constants w as operands. In reverse, c_t = f(c_{t+1}, x_t, w), and
/// the initial state is c_{T+1}.
///
/// Other outputs of a recurrent cell are functions of its states and inputs, computed for all t at
/// once. A cell with several states stores them in one array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scan {
    /// f, with the state, an element of each sequence and the constants as inputs, and the next
    /// state as output.
    pub body: Arc<Program>,
    /// S, the number of sequences: inputs 1 to S of the body are their elements.
    pub sequences: usize,
    /// T, at least 1.
    pub length: usize,
    /// The order in which the sequences are processed.
    pub direction: Direction,
}

/// The order in which a [`Scan`] processes its sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first element to the last.
    Forward,
    /// From the last element to the first.
    Reverse,
}

impl Direction {
    /// The opposite direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }

    /// The positions 0 to `length` − 1 in this order.
    pub fn positions(self, length: usize) -> impl Iterator<Item = usize> {
        (0..length).map(move |step| match self {
            Self::Forward => step,
            Self::Reverse => length - 1 - step,
        })
    }
}

impl Scan {
    /// The positions along the sequences, in processing order.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.direction.positions(self.length)
    }

    /// Whether the operand with this index is a sequence.
    #[must_use]
    pub fn is_sequence(&self, operand: usize) -> bool {
        (1..=self.sequences).contains(&operand)
    }

    /// The shape of a state.
    #[must_use]
    pub fn state(&self) -> &[usize] {
        &self.body.shapes()[0]
    }

    /// The shape of an operand.
    fn operand(&self, index: usize) -> Vec<usize> {
        let length = self.is_sequence(index).then_some(self.length);
        length.into_iter().chain(self.body.shapes()[index].iter().copied()).collect()
    }

    /// Checks that the body has a state as input and only the next state as output, that both have
    /// the same shape, and that the sequences are not empty.
    fn check(&self) -> Result<()> {
        let fail = |problem: String| Err(Error::shape("scan", problem));
        let body = &*self.body;
        let &[next] = body.outputs() else {
            return fail(format!("its body has {} outputs instead of one", body.outputs().len()));
        };
        if body.inputs() <= self.sequences {
            return fail(format!("its body has no state beside {} elements", self.sequences));
        }
        if self.length == 0 {
            return fail("there is nothing to go through".to_owned());
        }
        let (from, to) = (&body.shapes()[0], &body.shapes()[next]);
        if from != to {
            return fail(format!("its body makes a state of shape {to:?} from one of shape {from:?}"));
        }
        Ok(())
    }
}

impl Primitive for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        self.check()?;
        let expected: Vec<Vec<usize>> = (0..self.body.inputs()).map(|i| self.operand(i)).collect();
        if args != expected {
            return Err(Error::shape(self.name(), format!("operands {args:?} instead of {expected:?}")));
        }
        Ok([&[self.length], self.state()].concat())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Nonlinear
    }

    fn jvp(&self, graph: &mut Graph, node: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
        tangent::tangent(self, graph, node, tangents)
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        cotangent::cotangent(self, graph, node, wrt, cotangent)
    }

    /// Joins the affinities of the states one after another, until they stop changing.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        let (mut state, mut all) = (args[0], Affinity::Constant);
        for _ in 0..self.length {
            let next = body::affinity(&self.body, &[&[state], &args[1..]].concat());
            let (before, known) = (state, all);
            (state, all) = (state.join(next), all.join(next));
            if (state, all) == (before, known) {
                break;
            }
        }
        all
    }

    /// One scan for all evaluations: its states contain those of all evaluations along a leading
    /// axis.
    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        let mut inner = Graph::default();
        let (mut inputs, mut operands) = (Vec::new(), Vec::new());
        for (i, arg) in args.iter().enumerate() {
            let led = arg.led || i == 0;
            let shape = &self.body.shapes()[i];
            let shape: Vec<usize> = led.then_some(lead).into_iter().chain(shape.iter().copied()).collect();
            inputs.push(Batched { value: inner.input("operand", &shape), led });
            operands.push(match i {
                0 => arg.repeated(graph, lead)?,
                _ if arg.led && self.is_sequence(i) => swapped(graph, arg.value)?,
                _ => arg.value,
            });
        }
        let next = batch(&mut inner, &self.body, &inputs)?[0].repeated(&mut inner, lead)?;
        let inputs: Vec<Value> = inputs.iter().map(|input| input.value).collect();
        let body = Arc::new(Program::new(&inner, &inputs, &[next])?);
        let states = graph.emit(Self { body, ..self.clone() }, &operands)?;
        swapped(graph, states)
    }
}

/// x with its first two axes swapped.
fn swapped(graph: &mut Graph, x: Value) -> Result<Value> {
    let rank = graph.shape(x).len();
    graph.permute(x, &[1, 0].into_iter().chain(2..rank).collect::<Vec<_>>())
}

impl Graph {
    /// All states \[T, ...\] of the recurrence c_t = f(c_{t−1}, x_t, w) (in reverse c_t =
    /// f(c_{t+1}, x_t, w)) from the initial state `start`, with `sequences` x \[T, ...\] and
    /// `constants` w. `body` emits f into a separate graph; its arguments are that graph, the
    /// state, the elements and the constants.
    ///
    /// ```
    /// use eigenscape_program::{Graph, operations::Direction};
    /// let mut graph = Graph::default();
    /// let [start, x, w] = [("start", &[2][..]), ("x", &[5, 2]), ("w", &[2])]
    ///     .map(|(name, shape)| graph.input(name, shape));
    /// let states = graph.scan(start, &[x], &[w], Direction::Forward, |graph, state, x, w| {
    ///     let decayed = graph.mul(state, w[0])?;
    ///     graph.add(decayed, x[0])
    /// })?;
    /// assert_eq!(graph.shape(states), [5, 2]);
    /// # Ok::<(), eigenscape_program::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no sequence, the sequences have different lengths, `body` fails, or the next
    /// state has another shape than the state.
    pub fn scan(
        &mut self,
        start: Value,
        sequences: &[Value],
        constants: &[Value],
        direction: Direction,
        body: impl FnOnce(&mut Self, Value, &[Value], &[Value]) -> Result<Value>,
    ) -> Result<Value> {
        let operands: Vec<Value> = iter::once(start).chain([sequences, constants].concat()).collect();
        self.check("scan", &operands)?;
        let length = sequences.first().and_then(|sequence| self.shape(*sequence).first().copied());
        let length = length.ok_or_else(|| Error::shape("scan", "it needs a sequence [T, ...]"))?;
        let mut inner = Self::default();
        let mut input = |value: &Value, axes: usize| {
            inner.input("operand", self.shape(*value).get(axes..).unwrap_or_default())
        };
        let state = input(&start, 0);
        let elements: Vec<Value> = sequences.iter().map(|value| input(value, 1)).collect();
        let fixed: Vec<Value> = constants.iter().map(|value| input(value, 0)).collect();
        let next = body(&mut inner, state, &elements, &fixed)?;
        let inputs: Vec<Value> = iter::once(state).chain([elements, fixed].concat()).collect();
        let body = Arc::new(Program::new(&inner, &inputs, &[next])?);
        self.emit(Scan { body, sequences: sequences.len(), length, direction }, &operands)
    }

    /// The state of `states` \[T, ...\] that is computed last in this direction.
    ///
    /// # Errors
    /// When `states` is a scalar or empty.
    pub fn last_state(&mut self, states: Value, direction: Direction) -> Result<Value> {
        let &[length, ref state @ ..] = self.shape(states) else {
            return Err(Error::shape("last state", "a scalar has no states"));
        };
        let state = state.to_vec();
        let last = match direction {
            Direction::Forward => length.saturating_sub(1),
            Direction::Reverse => 0,
        };
        let last = self.slice(states, 0, last, 1)?;
        self.reshape(last, &state)
    }
}
