//! Places in a tensor, given by indices along some of its axes.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{Result, operations::PutRows};

use crate::exported::{
    arguments::Arguments,
    array::{Array, common_shape},
    emitter::Emitter,
    tensor::Tensor,
};

/// The largest allowed number of places along the indexed axes: the numbers of places must be
/// different in f32.
const MOST_PLACES: usize = 1 << 24;

/// Places in a tensor.
pub(super) struct Places {
    /// The tensor's shape.
    shape: Vec<usize>,
    /// The axes that have an index.
    axes: Vec<usize>,
    /// The shape that all indices are broadcast to.
    common: Vec<usize>,
    /// For each place, its number among all places along `axes`, in row-major order.
    numbers: Tensor,
}

impl Places {
    /// The places at the indices `all`, each with its axis, in a tensor of this shape.
    pub fn new(
        arguments: &Arguments,
        emit: &mut Emitter,
        shape: &[usize],
        all: &[(usize, Tensor)],
    ) -> Result<Self> {
        let axes: Vec<usize> = all.iter().map(|(axis, _)| *axis).collect();
        if axes.iter().any(|axis| *axis >= shape.len()) {
            return Err(arguments.error(format!("there are more indices than axes of {shape:?}")));
        }
        let mut common = Vec::new();
        for (_, index) in all {
            common = common_shape(&common, index.shape())?;
        }
        let own: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let count = own.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if count.is_none_or(|count| count > MOST_PLACES) {
            return Err(arguments.error(format!("picks among more than 2^24 places, of shape {own:?}")));
        }
        let numbers = numbers(arguments, emit, all, &own)?;
        let numbers = emit.broadcast(&numbers, &common)?;
        Ok(Self { shape: shape.to_vec(), axes, common, numbers })
    }

    /// The places of an index \[.., J, ..\] along one axis, as in `gather`: along every other axis,
    /// each place is its own.
    pub fn along(
        arguments: &Arguments,
        emit: &mut Emitter,
        shape: &[usize],
        axis: usize,
        index: &Tensor,
    ) -> Result<Self> {
        if index.rank() != shape.len() {
            return Err(arguments.error(format!("an index {:?} into {shape:?}", index.shape())));
        }
        let mut all = Vec::with_capacity(shape.len());
        for own in 0..shape.len() {
            if own == axis {
                all.push((own, index.clone()));
            } else {
                let mut counted = vec![1; shape.len()];
                counted[own] = index.shape()[own];
                let counted = emit.array(&counted, |at| at[own] as f64)?;
                all.push((own, Tensor::folded(ScalarType::LONG, counted)));
            }
        }
        Self::new(arguments, emit, shape, &all)
    }

    /// The axes without an index.
    fn rest(&self) -> impl Iterator<Item = usize> {
        (0..self.shape.len()).filter(|axis| !self.axes.contains(axis))
    }

    fn sizes(&self, axes: impl Iterator<Item = usize>) -> Vec<usize> {
        axes.map(|axis| self.shape[axis]).collect()
    }

    /// The number of places along the indexed axes, and of elements along the others.
    fn table(&self) -> [usize; 2] {
        let count = |axes: Vec<usize>| axes.iter().product();
        [count(self.sizes(self.axes.iter().copied())), count(self.sizes(self.rest()))]
    }

    /// The order of the axes \[common.., rest..\] in PyTorch's result: if the indexed axes are
    /// adjacent, those of the index are in their place.
    fn order(&self) -> Vec<usize> {
        let (common, rest) = (self.common.len(), self.shape.len() - self.axes.len());
        let adjacent = self.axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let before = if adjacent { self.axes[0] } else { 0 };
        (common..common + before).chain(0..common).chain(common + before..common + rest).collect()
    }

    /// The shape of the elements at the places, in PyTorch's order of axes.
    pub fn shape(&self) -> Vec<usize> {
        let sizes = [self.common.clone(), self.sizes(self.rest())].concat();
        self.order().into_iter().map(|axis| sizes[axis]).collect()
    }

    /// The elements of x at the places.
    pub fn take(&self, emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
        let order: Vec<usize> = self.axes.iter().copied().chain(self.rest()).collect();
        let table = emit.permute(x, &order)?;
        let table = emit.reshape(&table, &self.table())?;
        let taken = emit.take(&table, &self.numbers)?;
        let taken = emit.reshape(&taken, &[self.common.clone(), self.sizes(self.rest())].concat())?;
        emit.permute(&taken, &self.order())
    }

    /// A tensor with the elements of x added up at the places, and 0 elsewhere. x is broadcast to
    /// the shape of the elements at the places.
    pub fn put(&self, emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
        let x = emit.broadcast(x, &self.shape())?;
        let x = emit.permute(&x, &inverse(&self.order()))?;
        let [rows, width] = self.table();
        let picks = self.common.iter().product();
        let x = emit.reshape(&x, &[picks, width])?;
        let numbers = emit.reshape(&self.numbers, &[picks])?;
        let sums = put_rows(emit, &x, &numbers, rows)?;
        let order: Vec<usize> = self.axes.iter().copied().chain(self.rest()).collect();
        let sums = emit.reshape(&sums, &self.sizes(order.iter().copied()))?;
        emit.permute(&sums, &inverse(&order))
    }

    /// `whole` with the elements of x at the places. PyTorch does not define what is at a place
    /// that is named several times; here it is the mean.
    pub fn set(&self, emit: &mut Emitter, whole: &Tensor, x: &Tensor) -> Result<Tensor> {
        let one = Tensor::folded(x.dtype, Array::filled(&[], 1.0));
        let counts = self.put(emit, &one)?;
        let named = emit.is_positive(&counts)?;
        let sums = self.put(emit, x)?;
        let unnamed = emit.one_minus(&named)?;
        let counts = emit.add(&counts, &unnamed)?;
        let means = if counts.array().is_some_and(all_one) { sums } else { emit.div(&sums, &counts)? };
        Ok(emit.choose(&named, &means, whole)?.of_type(whole.dtype))
    }
}

fn all_one(array: &Array) -> bool {
    array.compact().elements().is_ok_and(|all| all.iter().all(|count| *count == 1.0))
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
    inverse
}

/// The rows of x \[I, D\] added up at the places in `index` \[I\] of a table of so many rows.
fn put_rows(emit: &mut Emitter, x: &Tensor, index: &Tensor, rows: usize) -> Result<Tensor> {
    if let (Some(x_array), Some(index)) = (x.array(), index.array()) {
        let width = x.shape()[1];
        let mut sums = Array::filled(&[rows, width], 0.0).elements()?;
        let numbers = x_array.elements()?;
        for (place, row) in index.elements()?.into_iter().enumerate() {
            for column in 0..width {
                sums[row as usize * width + column] += numbers[place * width + column];
            }
        }
        return Ok(Tensor::folded(x.dtype, Array::new(&[rows, width], sums)));
    }
    let (values, index) = (emit.value(x)?, emit.value(index)?);
    let sums = emit.graph().emit(PutRows { rows }, &[values, index])?;
    Ok(emit.tensor(x.dtype, sums))
}

/// The number of the place that indices along axes of these sizes name together.
fn numbers(
    arguments: &Arguments,
    emit: &mut Emitter,
    places: &[(usize, Tensor)],
    sizes: &[usize],
) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for ((_, index), &size) in places.iter().zip(sizes) {
        let from_start = non_negative(arguments, emit, index, size)?;
        total = Some(match total {
            None => from_start,
            Some(total) => {
                let total = emit.scale(&total, size as f64)?;
                emit.add(&total, &from_start)?
            }
        });
    }
    total.ok_or_else(|| arguments.error("has no index"))
}

/// Places counted from the start; negative ones are counted from the end. Constants are checked
/// here, computed ones when they are used.
fn non_negative(arguments: &Arguments, emit: &mut Emitter, index: &Tensor, size: usize) -> Result<Tensor> {
    let Some(array) = index.array() else {
        let opposite = emit.scale(index, -1.0)?;
        let from_end = emit.is_positive(&opposite)?;
        let whole = emit.scale(&from_end, size as f64)?;
        return emit.add(index, &whole);
    };
    let array = array.map(|place| if place < 0.0 { place + size as f64 } else { place })?;
    let lowest = array.compact().elements()?.into_iter().fold(0.0_f64, f64::min);
    let highest = array.compact().elements()?.into_iter().fold(0.0_f64, f64::max);
    if lowest < 0.0 || (highest >= size as f64 && !array.shape().contains(&0)) {
        return Err(arguments.error(format!("an index is not one of {size} places")));
    }
    Ok(Tensor::folded(index.dtype, array))
}
