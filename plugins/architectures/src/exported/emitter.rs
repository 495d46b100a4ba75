//! The basic operations of which all others are composed. On constant tensors they are evaluated
//! immediately; otherwise they are emitted into the program.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{
    ElementwiseFunction as Function, Error, Graph, Mode, Real, Result, Scope, Value, operations::MatMul,
};

use super::{
    array::{Array, common_shape},
    tensor::{Data, Tensor},
};

/// Emits operations in a module of the network.
pub(super) struct Emitter<'c, 's> {
    /// The module.
    pub scope: &'c mut Scope<'s>,
    /// N, the number of samples that the network is built for.
    pub samples: usize,
    /// The number of samples that the graph was exported for; `None` if it is symbolic.
    pub fixed: Option<usize>,
    /// The largest allowed number of elements of a constant in memory.
    pub limit: usize,
}

/// Clamps a finite number to the range of f32. Masks contain numbers like `-1e300` in place of −∞;
/// in f32 they would become infinite, and 0 · ∞ is NaN.
fn within_f32(number: f64) -> f64 {
    let most = f64::from(f32::MAX);
    if number.is_finite() { number.clamp(-most, most) } else { number }
}

impl Emitter<'_, '_> {
    pub fn mode(&self) -> Mode {
        self.scope.mode()
    }

    pub fn graph(&mut self) -> &mut Graph {
        self.scope.graph()
    }

    /// A constant by a formula for the element at each position.
    pub fn array(&self, shape: &[usize], element: impl FnMut(&[usize]) -> f64) -> Result<Array> {
        Array::by(self.limit, shape, element)
    }

    /// A value of the program as a tensor.
    pub fn tensor(&self, dtype: ScalarType, value: Value) -> Tensor {
        Tensor::emitted(dtype, value, &self.scope.shape(value))
    }

    /// A tensor as a value of the program.
    pub fn value(&mut self, tensor: &Tensor) -> Result<Value> {
        match &tensor.data {
            Data::Emitted(value, _) => Ok(*value),
            Data::Folded(array) => self.written(array),
        }
    }

    fn written(&mut self, array: &Array) -> Result<Value> {
        let graph = self.graph();
        if let Some(number) = array.constant() {
            return graph.fill(within_f32(number), array.shape());
        }
        let compact = array.compact();
        let numbers: Vec<f64> = compact.elements()?.into_iter().map(within_f32).collect();
        let literal = graph.literal(compact.shape(), numbers)?;
        graph.broadcast(literal, array.shape())
    }

    /// Applies `fold` to a constant tensor, and `emit` to a value of the program.
    fn either(
        &mut self,
        x: &Tensor,
        fold: impl FnOnce(&Array) -> Result<Array>,
        emit: impl FnOnce(&mut Graph, Value) -> Result<Value>,
    ) -> Result<Tensor> {
        match &x.data {
            Data::Folded(array) => Ok(Tensor::folded(x.dtype, fold(array)?)),
            Data::Emitted(value, _) => {
                let result = emit(self.graph(), *value)?;
                Ok(self.tensor(x.dtype, result))
            }
        }
    }

    pub fn reshape(&mut self, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
        self.either(x, |array| array.reshape(shape), |graph, value| graph.reshape(value, shape))
    }

    pub fn permute(&mut self, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
        self.either(x, |array| Ok(array.permute(axes)), |graph, value| graph.permute(value, axes))
    }

    /// Broadcasts x to `shape`: along axes of size 1, and along new leading axes.
    pub fn broadcast(&mut self, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
        let emit = |graph: &mut Graph, value: Value| {
            let own = graph.shape(value).to_vec();
            let new = shape.len().saturating_sub(own.len());
            let aligned: Vec<usize> = std::iter::repeat_n(1, new).chain(own).collect();
            let value = graph.reshape(value, &aligned)?;
            graph.broadcast(value, shape)
        };
        self.either(x, |array| array.broadcast(shape), emit)
    }

    /// `len` elements along an axis, from `start` on.
    pub fn slice(&mut self, x: &Tensor, axis: usize, start: usize, len: usize) -> Result<Tensor> {
        let size = x.shape().get(axis).copied().unwrap_or(0);
        if start.checked_add(len).is_none_or(|end| end > size) || axis >= x.rank() {
            let problem = format!("{:?} has no {len} elements from {start} on along axis {axis}", x.shape());
            return Err(Error::shape("slice", problem));
        }
        self.either(
            x,
            |array| Ok(array.slice(axis, start, 1, len)),
            |graph, value| graph.slice(value, axis, start, len),
        )
    }

    pub fn concat(&mut self, parts: &[Tensor], axis: usize) -> Result<Tensor> {
        let dtype = parts.first().map_or(ScalarType::Double, |part| part.dtype);
        let arrays: Option<Vec<Array>> = parts.iter().map(|part| part.array().cloned()).collect();
        if let Some(arrays) = arrays {
            return Ok(Tensor::folded(dtype, Array::concat(&arrays, axis)?));
        }
        let values = parts.iter().map(|part| self.value(part)).collect::<Result<Vec<_>>>()?;
        let joined = self.graph().concat(&values, axis)?;
        Ok(self.tensor(dtype, joined))
    }

    /// The sum over `axes`, which remain with size 1.
    pub fn sum(&mut self, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
        self.either(x, |array| array.reduce(axes, 0.0, |a, b| a + b), |graph, value| graph.sum(value, axes))
    }

    /// An element-wise function: `fold` for constants, `emit` for values of the program.
    pub fn map(
        &mut self,
        x: &Tensor,
        fold: impl Fn(f64) -> f64,
        emit: impl FnOnce(&mut Graph, Value) -> Result<Value>,
    ) -> Result<Tensor> {
        self.either(x, |array| array.map(fold), emit)
    }

    /// Applies `emit` to the tensor as a value of the program, even if it is constant.
    pub fn layer(
        &mut self,
        x: &Tensor,
        emit: impl FnOnce(&mut Scope, Value) -> Result<Value>,
    ) -> Result<Tensor> {
        let value = self.value(x)?;
        let result = emit(self.scope, value)?;
        Ok(self.tensor(x.dtype, result))
    }

    /// An element-wise function of two tensors, which are broadcast to a common shape.
    fn zip(
        &mut self,
        [x, y]: [&Tensor; 2],
        fold: impl Fn(f64, f64) -> f64,
        emit: impl FnOnce(&mut Graph, Value, Value) -> Result<Value>,
    ) -> Result<Tensor> {
        let dtype = promoted(x, y);
        if let (Some(a), Some(b)) = (x.array(), y.array()) {
            return Ok(Tensor::folded(dtype, a.zip(b, fold)?));
        }
        let shape = common_shape(x.shape(), y.shape())?;
        let (x, y) = (self.broadcast(x, &shape)?, self.broadcast(y, &shape)?);
        let (x, y) = (self.value(&x)?, self.value(&y)?);
        let result = emit(self.graph(), x, y)?;
        Ok(self.tensor(dtype, result))
    }

    pub fn add(&mut self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.zip([x, y], |a, b| a + b, Graph::add)
    }

    pub fn sub(&mut self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        if y.array().is_some() {
            let negative = self.scale(y, -1.0)?;
            return self.add(x, &negative);
        }
        self.zip([x, y], |a, b| a - b, Graph::sub)
    }

    pub fn mul(&mut self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        for [x, factor] in [[x, y], [y, x]] {
            let number = factor.array().and_then(Array::constant);
            if let (Some(number), None) = (number, x.array()) {
                let shape = common_shape(x.shape(), factor.shape())?;
                let scaled = self.scale(x, within_f32(number))?;
                let scaled = scaled.of_type(promoted(&scaled, factor));
                return self.broadcast(&scaled, &shape);
            }
        }
        self.zip([x, y], |a, b| a * b, Graph::mul)
    }

    /// x / y; as x · (1/y) unless both are constant.
    pub fn div(&mut self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        if x.array().is_some() && y.array().is_some() {
            return self.zip([x, y], |a, b| a / b, Graph::mul);
        }
        let inverse = self.function(y, Function::Recip, f64::recip)?;
        self.mul(x, &inverse)
    }

    pub fn scale(&mut self, x: &Tensor, factor: f64) -> Result<Tensor> {
        self.map(x, |a| a * factor, |graph, value| graph.scale(value, factor))
    }

    /// x + `by`.
    pub fn shift(&mut self, x: &Tensor, by: f64) -> Result<Tensor> {
        if by == 0.0 {
            return Ok(x.clone());
        }
        self.add(x, &Tensor::folded(x.dtype, Array::filled(&[], by)))
    }

    /// An element-wise function of the program; `fold` evaluates it for constants.
    pub fn function(&mut self, x: &Tensor, function: Function, fold: impl Fn(f64) -> f64) -> Result<Tensor> {
        self.map(x, fold, |graph, value| graph.function(function, value))
    }

    /// max(x, 0)
    pub fn relu(&mut self, x: &Tensor) -> Result<Tensor> {
        self.function(x, Function::Relu, |x| if x > 0.0 { x } else { 0.0 })
    }

    /// 1 where x > 0, and 0 elsewhere.
    pub fn is_positive(&mut self, x: &Tensor) -> Result<Tensor> {
        let step = Function::Step { slope: Real(0.0) };
        self.function(x, step, |x| f64::from(u8::from(x > 0.0)))
    }

    /// 1 − x
    pub fn one_minus(&mut self, x: &Tensor) -> Result<Tensor> {
        self.map(x, |x| 1.0 - x, Graph::one_minus)
    }

    /// The general matrix product of two tensors.
    pub fn product(&mut self, x: &Tensor, y: &Tensor, axes: MatMul) -> Result<Tensor> {
        let dtype = promoted(x, y);
        if let (Some(a), Some(b)) = (x.array(), y.array()) {
            return Ok(Tensor::folded(dtype, a.matmul(b, &axes)?));
        }
        let (x, y) = (self.value(x)?, self.value(y)?);
        let product = self.graph().matmul(x, y, axes)?;
        Ok(self.tensor(dtype, product))
    }

    /// `yes` where `condition` is 1, and `no` where it is 0.
    ///
    /// Unless the condition is constant, both operands are computed and multiplied by 1 or 0. A
    /// constant operand −∞ would give NaN there (0 · ∞), so it is replaced by the logarithm of the
    /// opposite condition, which is −∞ where the operand is chosen and 0 elsewhere.
    pub fn choose(&mut self, condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
        let dtype = promoted(yes, no);
        let shape = common_shape(yes.shape(), no.shape())?;
        let shape = common_shape(condition.shape(), &shape)?;
        let not = self.one_minus(condition)?;
        let one = self.chosen(condition, &not, yes)?;
        let other = self.chosen(&not, condition, no)?;
        let sum = self.add(&one, &other)?.of_type(dtype);
        self.broadcast(&sum, &shape)
    }

    /// x where `condition` is 1, and 0 elsewhere. `not` is 1 − `condition`.
    fn chosen(&mut self, condition: &Tensor, not: &Tensor, x: &Tensor) -> Result<Tensor> {
        if let (Some(a), Some(b)) = (condition.array(), x.array()) {
            let chosen = a.zip(b, |condition, x| if condition == 0.0 { 0.0 } else { x })?;
            return Ok(Tensor::folded(x.dtype, chosen));
        }
        if x.array().and_then(Array::constant) == Some(f64::NEG_INFINITY) {
            let shape = common_shape(condition.shape(), x.shape())?;
            let log = self.function(not, Function::Log, f64::ln)?;
            return self.broadcast(&log, &shape);
        }
        self.mul(condition, x)
    }

    /// The rows of a table \[V, D\] at the places in an index tensor of any shape.
    pub fn take(&mut self, table: &Tensor, index: &Tensor) -> Result<Tensor> {
        let width = table.shape()[1];
        let shape = [index.shape(), &[width]].concat();
        if let (Some(rows), Some(index)) = (table.array(), index.array()) {
            let last = index.shape().len();
            let (count, mut outside) = (table.shape()[0], false);
            let taken = self.array(&shape, |at| {
                let row = index.at(&at[..last]);
                if row >= 0.0 && row < count as f64 {
                    rows.at(&[row as usize, at[last]])
                } else {
                    outside = true;
                    0.0
                }
            })?;
            return if outside { Err(no_row(count)) } else { Ok(Tensor::folded(table.dtype, taken)) };
        }
        let (rows, index) = (self.value(table)?, self.value(index)?);
        let taken = self.graph().take(rows, index)?;
        Ok(self.tensor(table.dtype, taken))
    }
}

fn no_row(count: usize) -> Error {
    Error::shape("index", format!("an index is not one of {count} places"))
}

/// The result type of two operands: a floating-point type takes precedence over an integer type,
/// and that over booleans. This is sufficient, because the graph states the exact type of each
/// result.
fn promoted(x: &Tensor, y: &Tensor) -> ScalarType {
    match (x.dtype, y.dtype) {
        (a, b) if a.is_float() == b.is_float() => {
            if a == ScalarType::Bool {
                b
            } else {
                a
            }
        }
        (a, _) if a.is_float() => a,
        (_, b) => b,
    }
}
