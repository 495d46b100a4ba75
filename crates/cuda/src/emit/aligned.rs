//! Large products in TF32 whose sizes are no multiples of four, such as those with a vocabulary of
//! 50,257 tokens: cuBLAS computes them at about a third of the rate of others. Operands are copied
//! with zeros up to multiples of four.

use candle_core::DType;
use eigenscape_runtime::Layout;

use super::{element_wise::copy, walk::inverse};
use crate::{
    Result,
    builder::{Builder, View},
    command::{Place, Word},
    cublas::{Factor, Product, Stored},
    source::KernelSource,
};

/// Sizes that cuBLAS likes are multiples of this.
const UNIT: usize = 4;

/// Operations per number of the operands from which on copying them takes less time than it saves.
const PER_NUMBER: usize = if cfg!(test) { 1 } else { 600 };

/// The fewest operations of a product for which operands are copied.
const FEWEST: usize = if cfg!(test) { 1 } else { 1 << 34 };

/// Whether a product in TF32 takes less time with copied operands.
pub(super) fn pays(product: &Product<Place>) -> bool {
    let [m, n, k] = product.sizes;
    let leading = product.factors.iter().chain([&product.result]).map(|factor| factor.leading);
    let odd = product.sizes.into_iter().chain(leading).any(|size| !size.is_multiple_of(UNIT));
    let operations = 2 * m * n * k;
    odd && product.batch == 1
        && product.dtype == DType::F32
        && operations >= FEWEST
        && operations >= PER_NUMBER * (m * k + k * n + m * n)
}

/// Emits a product with copied operands.
pub(super) fn emit(builder: &mut Builder, product: Product<Place>) -> Result<()> {
    builder.scoped(|builder| {
        let [m, n, k] = product.sizes;
        let [first, second] = product.factors;
        let first = padded(builder, first, [m, k])?;
        let second = padded(builder, transposed(second), [n, k])?;
        let sizes = product.sizes.map(|size| size.next_multiple_of(UNIT));
        let at = builder.scratch(sizes[0] * sizes[1], DType::F32);
        let result = Factor { at, stored: Stored::AsIs, leading: sizes[0], step: 0 };
        let factors = [first, transposed(second)];
        builder.multiply(Product { sizes, factors, result, accumulates: false, ..product });
        let view = |factor: &Factor<Place>| {
            let layout = Layout::in_order(&[n, factor.leading]).narrow(1, 0, m);
            View::in_order(factor.at, &[n, m], DType::F32).by(layout)
        };
        let (found, out) = (view(&result), view(&product.result));
        match product.accumulates {
            true => super::add(builder, &[out.clone(), found], &out),
            false => copy(builder, &found, &out),
        }
    })
}

fn transposed(factor: Factor<Place>) -> Factor<Place> {
    let stored = match factor.stored {
        Stored::AsIs => Stored::Transposed,
        Stored::Transposed => Stored::AsIs,
    };
    Factor { stored, ..factor }
}

/// Emits the copy of a factor, free × k, with zeros up to multiples of four; the factor itself
/// where it needs none.
fn padded(builder: &mut Builder, factor: Factor<Place>, [free, k]: [usize; 2]) -> Result<Factor<Place>> {
    let [inner, outer] = if factor.stored == Stored::AsIs { [free, k] } else { [k, free] };
    if [inner, outer, factor.leading].iter().all(|size| size.is_multiple_of(UNIT)) {
        return Ok(factor);
    }
    let [width, height] = [inner, outer].map(|size| size.next_multiple_of(UNIT));
    let (at, elements) = (builder.scratch(width * height, DType::F32), width * height);
    let words = vec![
        at.into(),
        factor.at.into(),
        elements.into(),
        width.into(),
        Word::Number(inverse(width)),
        inner.into(),
        outer.into(),
        factor.leading.into(),
    ];
    builder.launch(KernelSource::by_hand("padded", DType::F32), elements, words)?;
    Ok(Factor { at, leading: width, ..factor })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use eigenscape_cpu::Plain;
    use eigenscape_program::{Graph, operations::MatMul};
    use eigenscape_runtime::Executable;

    use crate::{Cuda, Folders, Settings};

    /// Numbers that TF32 represents and that do not repeat.
    fn noise(shape: &[usize], stream: usize) -> Tensor {
        let number = |i: usize| ((i * i * 7 + i * stream + stream) % 23) as f32 - 11.0;
        let numbers = (0..shape.iter().product::<usize>()).map(number);
        Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
    }

    /// Sums of two products in each storage order; numbers are whole, so that nothing is rounded.
    #[test]
    fn copies_up_to_multiples_of_four_change_nothing() {
        let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries().unwrap()));
        let cuda = Cuda::open(&Settings { folders, tf32: true, ..Settings::default() }).unwrap();
        for (m, n, k, odd) in
            [(8, 12, 16, false), (7, 12, 16, true), (8, 13, 16, true), (8, 12, 17, true), (5, 6, 7, true)]
        {
            for (left, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let shapes =
                    [if left == 1 { [m, k] } else { [k, m] }, if right == 1 { [n, k] } else { [k, n] }];
                let axes = MatMul { batch: vec![], contract: vec![[left, right]] };
                let mut graph = Graph::default();
                let inputs = [0, 1, 0, 1].map(|side| graph.input("factor", &shapes[side]));
                let terms = [0, 2].map(|i| graph.matmul(inputs[i], inputs[i + 1], axes.clone()).unwrap());
                let sum = graph.add(terms[0], terms[1]).unwrap();
                let program = Executable::new(&graph, &inputs, &[sum]).unwrap();
                let factors: Vec<Tensor> = (0..4).map(|i| noise(&shapes[i % 2], i)).collect();
                let mut found = None;
                let spent = cuda.profiled(|| {
                    found = Some(program.run(&cuda, factors.clone(), DType::F32)?.remove(0));
                    Ok(())
                });
                let launched = spent.unwrap().into_iter().find(|(name, _)| name == "f32_padded");
                let launched = launched.map_or(0, |(_, spent)| spent.count);
                assert!(
                    if odd { (2..=4).contains(&launched) } else { launched == 0 },
                    "{m} x {n} x {k}: {launched} copies"
                );
                let exact = factors.iter().map(|x| x.to_dtype(DType::F64).unwrap()).collect();
                let defined = program.run(&Plain::default(), exact, DType::F64).unwrap().remove(0);
                let found = found.unwrap().to_dtype(DType::F64).unwrap();
                let error = (found - defined).unwrap().abs().unwrap().max_all().unwrap();
                assert_eq!(error.to_scalar::<f64>().unwrap(), 0.0, "{m} x {n} x {k}");
            }
        }
    }
}
