//! Operations on rows, and on elements and rows by index.

use candle_core::DType;
use eigenscape_program::operations::{Argmax, PutRows, ScatterAdd};

use super::{
    element_wise::{self, Code},
    place, sum,
};
use crate::{
    Result,
    builder::{Builder, View},
    command::{Place, Word},
    source::KernelSource,
};

/// An operand in row-major order, and the stride of its leading axis: 0 if there is none.
fn ordered(builder: &mut Builder, view: &View, dtype: DType) -> Result<(Place, usize)> {
    let at = builder.in_order(view, dtype)?;
    let step = if view.led { view.declared().iter().product() } else { 0 };
    Ok((at, step))
}

/// Numbers and the indices into them, both in row-major order.
fn both(builder: &mut Builder, args: &[View]) -> Result<[(Place, usize); 2]> {
    let compute = builder.compute();
    Ok([ordered(builder, &args[0], compute)?, ordered(builder, &args[1], DType::U32)?])
}

fn kernel(builder: &Builder, name: &str) -> KernelSource {
    KernelSource::by_hand(name, builder.compute())
}

/// Emits the argmax of each row, by parts: neighbouring threads read neighbouring numbers.
pub(super) fn argmax(builder: &mut Builder, argmax: &Argmax, x: &View, out: &View) -> Result<()> {
    let (compute, rows) = (builder.compute(), out.layout.elements());
    let x_at = builder.in_order(x, compute)?;
    let size = x.layout.dims.last().copied().unwrap_or(1);
    let parts = parts(size);
    let (most, at) = (builder.scratch(rows * parts, compute), builder.scratch(rows * parts, DType::U32));
    let sizes = [rows * parts, size, parts].map(Word::from);
    let words = |to: Place| [to, x_at].map(Word::from).into_iter().chain(sizes);
    builder.launch(kernel(builder, "largest"), rows * parts, words(most).collect())?;
    let words = words(at).chain([most.into(), argmax.slack.0.into()]).collect();
    builder.launch(kernel(builder, "first_near"), rows * parts, words)?;
    let words = vec![place(out)?.into(), at.into(), rows.into(), parts.into()];
    builder.launch(kernel(builder, "first_of_parts"), rows, words)
}

/// The number of threads that share a row of this many numbers.
fn parts(size: usize) -> usize {
    size.div_ceil(64).min(64)
}

/// Emits the differences of each row from one of its elements, which are gathered first.
pub(super) fn differences(builder: &mut Builder, args: &[View], out: &View) -> Result<()> {
    let Rows { places: [_, x, index], sizes } = Rows::new(builder, args, out)?;
    let [elements, size, rows, x_step, index_step] = sizes;
    let (picked, all) = (builder.scratch(elements / size, out.dtype), elements / size);
    let words = [picked, x, index].map(Word::from).into_iter();
    let words = words.chain([all, 1, size, rows, x_step, index_step].map(Word::from)).collect();
    builder.launch(kernel(builder, "gather"), all, words)?;
    let mut dims = out.layout.dims.clone();
    dims.last_mut().into_iter().for_each(|last| *last = 1);
    let picked = View { led: out.led, ..View::in_order(picked, &dims, out.dtype) };
    element_wise::emit(builder, &Code::subtract(), &[args[0].clone(), picked], out)
}

/// Emits the transpose of `differences`: a copy, in which one element of each row is replaced by
/// minus the sum of the others.
pub(super) fn differences_transpose(builder: &mut Builder, args: &[View], out: &View) -> Result<()> {
    let Rows { places: [to, x, index], sizes } = Rows::new(builder, args, out)?;
    let [elements, size, rows, x_step, index_step] = sizes;
    let all = elements / size;
    let parts = parts(size);
    let partial = builder.scratch(parts * all, DType::F64);
    let sums = builder.scratch(all, DType::F64);
    let words = [partial, x, index].map(Word::from).into_iter();
    let numbers = [parts * all, size, all, rows, x_step, index_step, parts];
    let words = words.chain(numbers.map(Word::from)).collect();
    builder.launch(kernel(builder, "others"), parts * all, words)?;
    sum::of_parts(builder, (partial, DType::F64), [parts, all], (sums, DType::F64))?;
    element_wise::copy(builder, &args[0], out)?;
    let words = [to, index, sums].map(Word::from).into_iter();
    let words = words.chain([all, size, rows, index_step].map(Word::from)).collect();
    builder.launch(kernel(builder, "put_minus"), all, words)
}

/// The places of the result, the rows and their indices; and the sizes: elements of the result, C,
/// R, and the leading-axis strides of rows and indices.
struct Rows {
    places: [Place; 3],
    sizes: [usize; 5],
}

impl Rows {
    fn new(builder: &mut Builder, args: &[View], out: &View) -> Result<Self> {
        let [(x, x_step), (index, index_step)] = both(builder, args)?;
        let (size, elements) = (args[0].layout.dims.last().copied().unwrap_or(1), out.layout.elements());
        let rows: usize = args[1].declared().iter().product();
        Ok(Self { places: [place(out)?, x, index], sizes: [elements, size, rows, x_step, index_step] })
    }
}

/// Emits the elements of each row at the given indices.
pub(super) fn gather(builder: &mut Builder, args: &[View], out: &View) -> Result<()> {
    let [(x, x_step), (index, index_step)] = both(builder, args)?;
    let (rows, size, picks) = (args[0].declared()[0], args[0].declared()[1], args[1].declared()[1]);
    let elements = out.layout.elements();
    let words = [place(out)?.into(), x.into(), index.into()].into_iter();
    let words = words.chain([elements, picks, size, rows, x_step, index_step].map(Word::from)).collect();
    builder.launch(kernel(builder, "gather"), elements, words)
}

/// Emits the rows of a table at the given indices.
pub(super) fn take(builder: &mut Builder, args: &[View], out: &View) -> Result<()> {
    let [(table, table_step), (index, index_step)] = both(builder, args)?;
    let (rows, width) = (args[0].declared()[0], args[0].declared()[1]);
    let picks: usize = args[1].declared().iter().product();
    let elements = out.layout.elements();
    let words = [place(out)?.into(), table.into(), index.into()].into_iter();
    let words = words.chain([elements, picks, width, rows, table_step, index_step].map(Word::from)).collect();
    builder.launch(kernel(builder, "take"), elements, words)
}

/// Emits sums of the elements of each row that have the same index.
pub(super) fn scatter_add(
    builder: &mut Builder,
    scatter: &ScatterAdd,
    args: &[View],
    out: &View,
) -> Result<()> {
    let (rows, picks) = (args[1].declared()[0], args[1].declared()[1]);
    put_at(builder, args, out, Sizes { rows, picks, width: 1, positions: scatter.size })
}

/// Emits sums of the rows that have the same index.
pub(super) fn put(builder: &mut Builder, put: &PutRows, args: &[View], out: &View) -> Result<()> {
    let picks = args[1].declared().iter().product();
    let width = args[0].layout.dims.last().copied().unwrap_or(1);
    put_at(builder, args, out, Sizes { rows: 1, picks, width, positions: put.rows })
}

/// Sizes: in each of `rows` rows, `picks` pieces of `width` numbers each go to `positions`
/// positions.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    picks: usize,
    width: usize,
    positions: usize,
}

fn put_at(builder: &mut Builder, args: &[View], out: &View, sizes: Sizes) -> Result<()> {
    let [(x, x_step), (index, index_step)] = both(builder, args)?;
    let Sizes { rows, picks, width, positions } = sizes;
    let to = place(out)?;
    builder.zero(to, out.layout.elements() * out.dtype.size_in_bytes());
    let indices = args[1].layout.elements();
    let (next, first) = (builder.scratch(indices, DType::U32), builder.scratch(indices, DType::U32));
    let words = vec![next.into(), first.into(), index.into(), indices.into(), picks.into()];
    builder.launch(kernel(builder, "chains"), indices, words)?;
    let lead = if out.led { builder.lead() } else { 1 };
    let elements = lead * rows * picks * width;
    let words = [to, x, index, next, first].map(Word::from).into_iter();
    let sizes = [elements, picks, width, rows, positions, x_step, index_step];
    let words = words.chain(sizes.map(Word::from)).collect();
    builder.launch(kernel(builder, "put"), elements, words)
}
