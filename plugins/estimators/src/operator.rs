//! Checks that every estimator makes of an operator, and reading its products into vectors.

use std::slice::from_ref;

use candle_core::{Device, Storage, Tensor};
use eigenscape_core::{CurvatureOperator, Error, Result};

use crate::float::Float;

/// The operator's dimension P; an error where it is 0.
pub(crate) fn dimension(operator: &dyn CurvatureOperator) -> Result<usize> {
    match operator.dimension() {
        0 => Err(Error::input(operator.description(), "has no parameters", "choose a group that has some")),
        dimension => Ok(dimension),
    }
}

/// The products with the rows of `vectors` \[K, P\] (row-major), one vector per row.
pub(crate) fn products<T: Float>(
    operator: &dyn CurvatureOperator,
    vectors: Vec<T>,
    dimension: usize,
) -> Result<Vec<Vec<T>>> {
    let shape = (vectors.len() / dimension, dimension);
    let product = operator.apply(&Tensor::from_vec(vectors, shape, &Device::Cpu)?)?;
    check_shape(operator, product.dims(), shape.0)?;
    rows(&product)
}

/// vᵀHv for each row v of `vectors` \[K, P\] (row-major). Vectors and products stay in the memory
/// of the operator's backend.
pub(crate) fn quadratic_forms<T: Float>(
    operator: &dyn CurvatureOperator,
    vectors: Vec<T>,
    dimension: usize,
) -> Result<Vec<f64>> {
    let Some(backend) = operator.backend().filter(|backend| !backend.is_host()) else {
        let products = products(operator, vectors.clone(), dimension)?;
        let dot = |(v, w): (&[T], &Vec<T>)| v.iter().zip(w).map(|(v, w)| v.widen() * w.widen()).sum();
        return Ok(vectors.chunks(dimension).zip(&products).map(dot).collect());
    };
    let shape = (vectors.len() / dimension, dimension);
    let vectors = backend.place(&Tensor::from_vec(vectors, shape, &Device::Cpu)?)?;
    let products = operator.apply_placed(&vectors)?;
    check_shape(operator, products.dims(), shape.0)?;
    let mut forms = Vec::with_capacity(shape.0);
    for (v, w) in backend.rows(&vectors)?.iter().zip(backend.rows(&products)?) {
        forms.extend(backend.dots(from_ref(v), &w)?);
    }
    Ok(forms)
}

/// Refuses products whose shape is not \[`vectors`, P\].
pub(crate) fn check_shape(operator: &dyn CurvatureOperator, found: &[usize], vectors: usize) -> Result<()> {
    let shape = (vectors, operator.dimension());
    if found == [shape.0, shape.1] {
        return Ok(());
    }
    Err(Error::input(
        operator.description(),
        format!("the products with {shape:?} vectors have the shape {found:?}"),
        "report this: an operator's products have the shape of its vectors",
    ))
}

/// The error for a product (or factor) with NaN or infinite values.
pub(crate) fn not_finite(operator: &dyn CurvatureOperator) -> Error {
    Error::input(
        operator.description(),
        "has NaN or infinite values",
        "check the parameters and the data for NaN or infinite values; did the training diverge?",
    )
}

/// The rows of a matrix, each copied once.
fn rows<T: Float>(matrix: &Tensor) -> Result<Vec<Vec<T>>> {
    let (_, columns) = matrix.dims2()?;
    let matrix = matrix.to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = matrix.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(candle_core::Error::Msg("a tensor on the CPU without CPU storage".to_owned()).into());
    };
    let values = &storage.as_slice::<T>()?[layout.start_offset()..][..layout.shape().elem_count()];
    Ok(values.chunks(columns).map(<[T]>::to_vec).collect())
}
