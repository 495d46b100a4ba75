//! Transposes of matrices, by blocks that stay in registers.

/// Rows and columns of a block.
const BLOCK: usize = 16;

/// `to`\[j, i\] = `from`\[i, j\] for `rows` × `columns`, rows `from_stride` and `to_stride` apart.
///
/// Always inlined, so that it is compiled for the instructions of the kernel that it is part of.
#[inline(always)]
pub(super) fn transpose<T: Copy + Default>(
    [rows, columns]: [usize; 2],
    from: &[T],
    from_stride: usize,
    to: &mut [T],
    to_stride: usize,
) {
    for j in (0..columns).step_by(BLOCK) {
        for i in (0..rows).step_by(BLOCK) {
            let from = &from[i * from_stride + j..];
            let to = &mut to[j * to_stride + i..];
            if i + BLOCK <= rows && j + BLOCK <= columns {
                block(from, from_stride, to, to_stride);
            } else {
                let (rows, columns) = (BLOCK.min(rows - i), BLOCK.min(columns - j));
                for j in 0..columns {
                    let to = &mut to[j * to_stride..][..rows];
                    to.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * from_stride + j]);
                }
            }
        }
    }
}

#[inline(always)]
fn block<T: Copy + Default>(from: &[T], from_stride: usize, to: &mut [T], to_stride: usize) {
    let mut block = [[T::default(); BLOCK]; BLOCK];
    for (i, row) in block.iter_mut().enumerate() {
        row.copy_from_slice(&from[i * from_stride..][..BLOCK]);
    }
    for j in 0..BLOCK {
        let column: [T; BLOCK] = std::array::from_fn(|i| block[i][j]);
        to[j * to_stride..][..BLOCK].copy_from_slice(&column);
    }
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn moves_every_element_of_whole_and_of_cut_blocks() {
        for (rows, columns) in [(16, 32), (17, 5), (3, 40), (1, 1), (33, 19)] {
            let (from_stride, to_stride) = (columns + 3, rows + 2);
            let from: Vec<f32> = (0..rows * from_stride).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * to_stride];
            transpose([rows, columns], &from, from_stride, &mut to, to_stride);
            for j in 0..columns {
                for i in 0..rows {
                    assert_eq!(to[j * to_stride + i], from[i * from_stride + j]);
                }
                assert!(to[j * to_stride + rows..][..2].iter().all(|&x| x == -1.0));
            }
        }
    }
}
