//! The sizes that are literals in a kernel's source.

use std::fmt::Write;

use candle_core::DType;
use eigenscape_program::operations::{ConvArgument, ConvShapes};

use super::{Operand, Work};
use crate::source::c_type;

/// Bytes of the sums that a thread keeps in registers: with pixels and weights beside them, it
/// takes about 128 registers, of which two blocks of threads fit into a multiprocessor.
const SUMS: usize = 320;

/// The most bytes of a row of a tile. A row of the image is read as a whole if it is not longer.
const ROW: usize = 128;

/// Bytes that a thread reads or writes at a time.
const VECTOR: usize = 16;

const ROWS: &str = include_str!("../../source/direct_row.cu");

/// A convolution of stride 1 with images, whose result has the positions of a tile.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub dtype: DType,
    /// Channels, height and width.
    pub image: [usize; 3],
    pub result: [usize; 3],
    /// Height and width.
    pub kernel: [usize; 2],
    /// Zeros above and to the left of the image; negative if its border is left out.
    before: [i64; 2],
    dilation: usize,
}

impl Sizes {
    pub fn new(work: &Work) -> Self {
        let ConvShapes { x, w, y, settings } = work.shapes;
        let (kernel, padding) = ([w[2], w[3]], settings.padding as i64);
        let behind = |[_, channels, height, width]: [usize; 4]| [channels, height, width];
        let (image, result, before) = match work.of {
            // The cotangent of the image at h sums up the outputs at h + padding − dilation·i, for
            // the rows i of the kernel: with the rows in reverse order, a convolution.
            ConvArgument::X => {
                let before = kernel.map(|side| ((side - 1) * settings.dilation) as i64 - padding);
                (behind(*y), behind(*x), before)
            }
            ConvArgument::Y | ConvArgument::W => (behind(*x), behind(*y), [padding; 2]),
        };
        Self { dtype: work.dtype, image, result, kernel, before, dilation: settings.dilation }
    }

    /// The numbers in `bytes` bytes.
    fn numbers(&self, bytes: usize) -> usize {
        bytes / self.dtype.size_in_bytes()
    }

    /// The sums that a thread keeps in registers.
    pub fn sums(&self) -> usize {
        self.numbers(SUMS)
    }

    /// Columns of a tile, and tiles in a row of the result.
    pub fn columns(&self) -> [usize; 2] {
        let width = self.result[2];
        if width <= self.numbers(ROW) {
            return [width, 1];
        }
        let columns = even(width, self.numbers(ROW)).next_multiple_of(self.numbers(VECTOR));
        [columns, width.div_ceil(columns)]
    }

    /// The kernel's body: `text`, with these sizes and `literals` as constants, for these images
    /// and results.
    pub fn body(&self, text: &str, operands: [&[Operand]; 2], literals: &[(&str, usize)]) -> String {
        let [[channels, height, width], [outputs, out_height, out_width]] = [self.image, self.result];
        let vector = self.vector(width, operands[0]);
        let out_vector = self.vector(out_width, operands[1]);
        let [columns, segments] = self.columns();
        // A row is read from the last vector that begins at or before its first pixel.
        let first = (-self.before[1]).div_euclid(vector as i64) * vector as i64;
        let all = [
            ("CHANNELS", channels),
            ("HEIGHT", height),
            ("WIDTH", width),
            ("OUTPUTS", outputs),
            ("OUT_HEIGHT", out_height),
            ("OUT_WIDTH", out_width),
            ("KERNEL_HEIGHT", self.kernel[0]),
            ("KERNEL_WIDTH", self.kernel[1]),
            ("DILATION", self.dilation),
            ("COLUMNS", columns),
            ("SEGMENTS", segments),
            ("VECTOR", vector),
            ("OUT_VECTOR", out_vector),
        ];
        let all = all.iter().chain(literals).map(|&(name, number)| (name, number as i64));
        let signed = [("ABOVE", self.before[0]), ("FIRST", first), ("SKIPPED", -self.before[1] - first)];
        let mut body = format!("    typedef {} T;\n    enum {{\n", c_type(self.dtype));
        for (name, number) in all.chain(signed) {
            // Writing to a string cannot fail.
            let _ = writeln!(body, "        {name} = {number},");
        }
        let aligned = |vector| vector * self.dtype.size_in_bytes();
        let _ = writeln!(
            body,
            "    }};\n    struct ALIGNED({}) vector {{ T of[VECTOR]; }};\n    struct ALIGNED({}) out_vector {{ T \
             of[OUT_VECTOR]; }};",
            aligned(vector),
            aligned(out_vector),
        );
        body + ROWS + text
    }

    /// The most numbers, a power of two, of which all rows of this width are aligned vectors.
    fn vector(&self, width: usize, operands: &[Operand]) -> usize {
        let bytes = self.dtype.size_in_bytes();
        let aligned = |vector: usize| {
            let fits = |start: usize| start.is_multiple_of(vector * bytes);
            let mut operands = operands.iter();
            fits(width * bytes) && operands.all(|one| fits(one.at.offset) && fits(one.step * bytes))
        };
        let mut vector = self.numbers(VECTOR);
        while vector > 1 && !aligned(vector) {
            vector /= 2;
        }
        vector
    }
}

/// The size of equal parts of `all`, of at most `most` each.
pub(super) fn even(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most.max(1)))
}
