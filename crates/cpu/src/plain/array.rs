//! Positions in arrays, in row-major order.

/// All positions of an array of these sizes, in row-major order.
pub(super) fn positions(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let dims = dims.to_vec();
    (0..dims.iter().product::<usize>()).map(move |index| position(index, &dims))
}

fn position(mut index: usize, dims: &[usize]) -> Vec<usize> {
    let mut position = vec![0; dims.len()];
    for (place, size) in position.iter_mut().zip(dims).rev() {
        *place = index % size;
        index /= size;
    }
    position
}

/// The row-major index of an element.
pub(super) fn index(position: &[usize], dims: &[usize]) -> usize {
    position.iter().zip(dims).fold(0, |index, (place, size)| index * size + place)
}
