//! The workspace of convolutions: transformed filters, interleaved samples with a border, and
//! partial sums of several tasks.

use candle_core::DType;
use eigenscape_program::operations::{Conv2d, ConvArgument, ConvShapes};

use eigenscape_runtime::{Layout, Operand};

use super::{PANEL, VECTOR, array};

/// The most tasks that share a sum.
const TASKS: usize = 8;

/// The fewest and the most samples that are interleaved at a time; between these, as many as fit in
/// 64 MiB.
const SIDE_BY_SIDE: [usize; 2] = [16, 144];

/// Bytes in addition to the operands in row-major order and the result.
pub(super) fn workspace(convolution: &Conv2d, args: &[Operand], result: &Layout, compute: DType) -> usize {
    let lead = if args.iter().any(|arg| arg.led) { result.dims[0] } else { 1 };
    let (terms, samples) = (args.len() / 2, convolution.shapes.x[0]);
    let sizes = Sizes { shapes: &convolution.shapes, compute, lead, terms, samples };
    match (convolution.of, sizes.is_transformed()) {
        (ConvArgument::W, true) => sizes.transformed_sums(),
        (ConvArgument::W, false) => sizes.sums(),
        (of, true) => sizes.filters(of == ConvArgument::X),
        (of, false) => {
            // Few samples are unfolded, and the terms of a sum are then computed one by one.
            let one_by_one = if terms > 1 { array(result.elements(), compute) } else { 0 };
            let few = lead * samples < SIDE_BY_SIDE[0];
            one_by_one.max(if few { 0 } else { sizes.images_and_outputs(of == ConvArgument::X) })
        }
    }
}

/// Sizes of a convolution.
struct Sizes<'a> {
    shapes: &'a ConvShapes,
    compute: DType,
    lead: usize,
    /// The number of convolutions that are summed.
    terms: usize,
    samples: usize,
}

impl Sizes<'_> {
    fn whole_vectors(&self, count: usize) -> usize {
        count.next_multiple_of(VECTOR / self.compute.size_in_bytes())
    }

    /// The number of elements of the filters.
    fn weight(&self) -> usize {
        self.shapes.w.iter().product()
    }

    /// Whether Winograd's transforms are used.
    fn is_transformed(&self) -> bool {
        const FEWEST: usize = 12;
        let settings = &self.shapes.settings;
        let plain = (settings.stride, settings.dilation, settings.groups) == (1, 1, 1);
        plain
            && settings.padding <= 2
            && self.shapes.w[2..] == [3, 3]
            && self.shapes.x[1].min(self.shapes.w[0]) >= FEWEST
            && self.shapes.y[2] * self.shapes.y[3] > 0
    }

    /// Bytes of transformed filters, 16 points each, for several elements of the leading axis at a
    /// time, with the outer channels padded to whole panels.
    fn filters(&self, is_transpose: bool) -> usize {
        const AT_A_TIME: usize = 1 << 24;
        let (channels, outputs) = (self.shapes.x[1], self.shapes.w[0]);
        let (inner, outer) = if is_transpose { (outputs, channels) } else { (channels, outputs) };
        let count = (AT_A_TIME / self.weight().max(1)).clamp(1, self.lead);
        let panels = outer.next_multiple_of(PANEL / self.compute.size_in_bytes());
        self.terms * count * array(16 * inner * panels, self.compute)
    }

    /// Bytes of the partial sums of several tasks, at 16 points.
    fn transformed_sums(&self) -> usize {
        const SUMS: usize = 4 << 20;
        const MOST_LANES: usize = 16;
        let (inner, outer) = (self.shapes.x[1], self.shapes.w[0]);
        let bytes = 16 * outer * inner * self.compute.size_in_bytes();
        let channels = outer.div_ceil(bytes.div_ceil(SUMS).clamp(1, TASKS));
        let shares = outer.div_ceil(channels);
        let parts = (TASKS / shares).clamp(1, self.samples.max(1));
        array(shares * parts * 16 * channels * inner.next_multiple_of(MOST_LANES), self.compute)
    }

    /// Bytes of images with their borders, for interleaved samples.
    fn images(&self) -> usize {
        let [_, channels, height, width] = self.shapes.x;
        let border = 2 * self.shapes.settings.padding;
        let pixels = channels * (height + border) * (width + border);
        array(pixels * self.whole_vectors(self.side_by_side()), self.compute)
    }

    /// The number of samples that are interleaved at a time.
    fn side_by_side(&self) -> usize {
        const BYTES: usize = 64 << 20;
        let [fewest, most] = SIDE_BY_SIDE;
        let of_sample = |shape: &[usize]| shape[1..].iter().product::<usize>();
        let numbers = of_sample(&self.shapes.x) + of_sample(&self.shapes.y);
        let fit = BYTES / (numbers * self.compute.size_in_bytes()).max(1);
        (self.lead * self.samples).min(fit.clamp(fewest, most))
    }

    /// Bytes of the interleaved images of all terms; for the transpose in the input, of the outputs
    /// of all terms and of the images to which they are added.
    fn images_and_outputs(&self, is_transpose: bool) -> usize {
        if !is_transpose {
            return self.terms * self.images();
        }
        let pixels: usize = self.shapes.y[1..].iter().product();
        let outputs = array(pixels * self.whole_vectors(self.side_by_side()), self.compute);
        self.terms * outputs + self.images()
    }

    /// Bytes of the partial sums of several tasks, in whole vectors of output channels. If a group
    /// has few output channels, at least those of separate sums for each sample lane, together with
    /// one term's images.
    fn sums(&self) -> usize {
        const NUMBERS: usize = 1 << 24;
        let groups = self.shapes.settings.groups;
        let (outputs, weight) = (self.shapes.w[0] / groups, self.weight());
        let lanes = VECTOR / self.compute.size_in_bytes();
        let narrow = self.lead * weight * lanes * TASKS.min(self.shapes.y[2]);
        let narrow = array(narrow, self.compute) + self.images();
        let count = weight / self.shapes.w[0].max(1) * groups * self.whole_vectors(outputs);
        // With narrower vectors there may be more tasks.
        let all = (TASKS * count).min((2 * count).max(NUMBERS)).min(self.samples.max(1) * count);
        let wide = array(all, self.compute);
        if 2 * outputs <= lanes { wide.max(narrow) } else { wide }
    }
}
