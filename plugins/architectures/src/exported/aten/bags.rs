//! Sums, means and maxima of bags of rows of a table.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Result};

use super::{elementwise::larger, logic::equal, places::Places, reduction, sorting::gathered};
use crate::exported::{
    arguments::{Arguments, Given},
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The rows of the table at the indices of each bag, combined. The row `padding_idx` is in no bag,
/// and an empty bag gives zeros.
pub fn embedding_bag(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (table, indices) = (arguments.tensor("weight")?, arguments.tensor("indices")?);
    let bags = Bags::of(arguments, emit, indices.shape().iter().product())?;
    let indices = bags.spread(arguments, emit, indices)?;
    let taken = emit.take(table, &indices)?;
    let members = members(arguments, emit, &bags, &indices, table.shape()[0])?;
    let members = column(emit, &members)?;
    let combined = match arguments.int_or("mode", 0)? {
        0 => {
            let weights = match arguments.optional_tensor("per_sample_weights")? {
                Some(weights) => {
                    let weights = bags.spread(arguments, emit, weights)?;
                    let weights = column(emit, &weights)?;
                    emit.mul(&weights, &members)?
                }
                None => members,
            };
            sum(emit, &taken, &weights)?
        }
        1 => {
            let sums = sum(emit, &taken, &members)?;
            let count = emit.sum(&members, &[1])?;
            let one = Tensor::folded(count.dtype, Array::filled(&[], 1.0));
            let count = larger(emit, &count, &one)?;
            let count = emit.function(&count, Function::Recip, f64::recip)?;
            emit.mul(&sums, &count)?
        }
        2 => max(arguments, emit, &taken, &members)?,
        mode => return Err(arguments.error(format!("its mode {mode} is not known"))),
    };
    let shape = [bags.shape[0], table.shape()[1]];
    Ok(emit.reshape(&combined, &shape)?.of_type(table.dtype).into())
}

/// Where the elements of bags are in a list.
struct Bags {
    /// The number of bags, and of elements of the largest.
    shape: [usize; 2],
    /// For each element of each bag its place in the list, and whether there is one; `None` if the
    /// list is all bags, of equal sizes, one after the other.
    places: Option<[Array; 2]>,
}

impl Bags {
    /// The bags of a list of `total` indices.
    fn of(arguments: &Arguments, emit: &Emitter, total: usize) -> Result<Self> {
        let problem = "its offsets depend on the inputs: give the indices as a matrix, a row for each bag";
        let offsets = arguments.tensor("offsets")?.array().ok_or_else(|| arguments.error(problem))?;
        let mut bounds: Vec<i64> = offsets.elements()?.into_iter().map(|offset| offset as i64).collect();
        if !arguments.bool_or("include_last_offset", false)? {
            bounds.push(i64::try_from(total).unwrap_or(i64::MAX));
        }
        let bounds = arguments.sizes(&bounds)?;
        let is_ordered = bounds.windows(2).all(|bag| bag[0] <= bag[1]);
        if !is_ordered || bounds.last().is_none_or(|end| *end > total) {
            return Err(arguments.error(format!("its offsets are not those of bags of {total} indices")));
        }
        let starts = &bounds[..bounds.len() - 1];
        let size = |bag: usize| bounds[bag + 1] - bounds[bag];
        let largest = (0..starts.len()).map(size).max().unwrap_or(0);
        let shape = [starts.len(), largest];
        if largest > 0
            && starts.len().checked_mul(largest) == Some(total)
            && (0..starts.len()).all(|bag| size(bag) == largest)
        {
            return Ok(Self { shape, places: None });
        }
        let is_there = |at: &[usize]| at[1] < size(at[0]);
        let places =
            emit.array(&shape, |at| if is_there(at) { (starts[at[0]] + at[1]) as f64 } else { 0.0 })?;
        let there = emit.array(&shape, |at| f64::from(u8::from(is_there(at))))?;
        Ok(Self { shape, places: Some([places, there]) })
    }

    /// A list as a matrix with a row for each bag; shorter rows are filled up.
    fn spread(&self, arguments: &Arguments, emit: &mut Emitter, list: &Tensor) -> Result<Tensor> {
        match &self.places {
            None => emit.reshape(list, &self.shape),
            Some([places, _]) => {
                let places = Tensor::folded(ScalarType::LONG, places.clone());
                Places::new(arguments, emit, list.shape(), &[(0, places)])?.take(emit, list)
            }
        }
    }
}

/// 1 for each index \[B, S\] that counts, and 0 for others.
fn members(
    arguments: &Arguments,
    emit: &mut Emitter,
    bags: &Bags,
    indices: &Tensor,
    rows: usize,
) -> Result<Tensor> {
    let there = match &bags.places {
        Some([_, there]) => there.clone(),
        None => Array::filled(&bags.shape, 1.0),
    };
    let there = Tensor::folded(ScalarType::Double, there);
    let given = arguments.optional_int("padding_idx")?;
    // Of PyTorch's two functions, this one counts a negative row from the end.
    let from_end = arguments.operation == "aten.embedding_bag";
    let padding = given.map(|row| if row < 0 && from_end { row + rows as i64 } else { row });
    let Some(padding) = padding.filter(|row| *row >= 0) else { return Ok(there) };
    let padding = Tensor::folded(ScalarType::LONG, Array::filled(&[], padding as f64));
    let is_padding = equal(emit, indices, &padding)?;
    let counts = emit.one_minus(&is_padding)?;
    emit.mul(&counts, &there)
}

/// A matrix [B, S] as [B, S, 1].
fn column(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    emit.reshape(x, &[x.shape(), &[1]].concat())
}

/// Σ over the elements of each bag of weight times row: [B, 1, D].
fn sum(emit: &mut Emitter, taken: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let weighted = emit.mul(taken, weights)?;
    emit.sum(&weighted, &[1])
}

/// The largest number of each column of each bag: [B, D, 1]. It is gathered by its place, because
/// what no bag has counts as −∞.
fn max(arguments: &Arguments, emit: &mut Emitter, taken: &Tensor, members: &Tensor) -> Result<Tensor> {
    let least = Tensor::folded(taken.dtype, Array::filled(&[], f64::NEG_INFINITY));
    let known = emit.choose(members, taken, &least)?;
    let given = vec![("self", Given::Tensor(known)), ("dim", Given::Int(1)), ("keepdim", Given::Bool(true))];
    let of_bags = Arguments { operation: arguments.operation, given, layout: None };
    let Item::Tensors(both) = reduction::max(&of_bags, emit)? else {
        return Err(arguments.error("has no largest elements"));
    };
    let swapped = [0, 2, 1];
    let (rows, places) = (emit.permute(taken, &swapped)?, emit.permute(&both[1], &swapped)?);
    let largest = gathered(emit, &rows, &places)?;
    let count = emit.sum(members, &[1])?;
    let some = emit.is_positive(&count)?;
    emit.mul(&largest, &some)
}
