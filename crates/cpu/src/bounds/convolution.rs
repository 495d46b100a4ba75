//! The workspace of convolutions: transformed filters, interleaved samples with a border, and
//! partial sums of several tasks.

use candle_core::DType;
use eigenscape_program::operations::{Conv2d, ConvArgument, ConvShapes};
use eigenscape_runtime::{Layout, Operand};

use super::{PANEL, VECTOR, array};
use crate::{
    evaluate::geometry,
    kernels::{
        MOST_LANES,
        conv_limits::{
            INTERLEAVED, INTERLEAVED_BYTES, POINTS, SUMS, TASKS, TRANSFORMED_FILTERS, TRANSFORMED_SUMS,
        },
    },
};

/// Bytes in addition to the operands in row-major order and the result.
pub(super) fn workspace(convolution: &Conv2d, args: &[Operand], result: &Layout, compute: DType) -> usize {
    let lead = if args.iter().any(|arg| arg.led) { result.dims[0] } else { 1 };
    let (terms, samples) = (args.len() / 2, convolution.shapes.x[0]);
    let sizes = Sizes { shapes: &convolution.shapes, compute, lead, terms, samples };
    match (convolution.of, geometry(sizes.shapes).is_transformed()) {
        (ConvArgument::W, true) => sizes.transformed_sums(),
        (ConvArgument::W, false) => sizes.sums(),
        (of, true) => sizes.filters(of == ConvArgument::X),
        (of, false) => {
            // Few samples are unfolded, and the terms of a sum are then computed one by one.
            let one_by_one = if terms > 1 { array(result.elements(), compute) } else { 0 };
            let few = lead * samples < INTERLEAVED[0];
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

    /// Bytes of transformed filters for several elements of the leading axis at a
    /// time, with the outer channels padded to whole panels.
    fn filters(&self, is_transpose: bool) -> usize {
        let (channels, outputs) = (self.shapes.x[1], self.shapes.w[0]);
        let (inner, outer) = if is_transpose { (outputs, channels) } else { (channels, outputs) };
        let count = (TRANSFORMED_FILTERS / self.weight().max(1)).clamp(1, self.lead);
        let panels = outer.next_multiple_of(PANEL / self.compute.size_in_bytes());
        self.terms * count * array(POINTS * inner * panels, self.compute)
    }

    /// Bytes of the partial sums of several tasks, at all points.
    fn transformed_sums(&self) -> usize {
        let (inner, outer) = (self.shapes.x[1], self.shapes.w[0]);
        let bytes = POINTS * outer * inner * self.compute.size_in_bytes();
        let channels = outer.div_ceil(bytes.div_ceil(TRANSFORMED_SUMS).clamp(1, TASKS));
        let shares = outer.div_ceil(channels);
        let parts = (TASKS / shares).clamp(1, self.samples.max(1));
        array(shares * parts * POINTS * channels * inner.next_multiple_of(MOST_LANES), self.compute)
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
        let [fewest, most] = INTERLEAVED;
        let of_sample = |shape: &[usize]| shape[1..].iter().product::<usize>();
        let numbers = of_sample(&self.shapes.x) + of_sample(&self.shapes.y);
        let fit = INTERLEAVED_BYTES / (numbers * self.compute.size_in_bytes()).max(1);
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
        let groups = self.shapes.settings.groups;
        let (outputs, weight) = (self.shapes.w[0] / groups, self.weight());
        let lanes = VECTOR / self.compute.size_in_bytes();
        let narrow = self.lead * weight * lanes * TASKS.min(self.shapes.y[2]);
        let narrow = array(narrow, self.compute) + self.images();
        let count = weight / self.shapes.w[0].max(1) * groups * self.whole_vectors(outputs);
        // With narrower vectors there may be more tasks.
        let all = (TASKS * count).min((2 * count).max(SUMS)).min(self.samples.max(1) * count);
        let wide = array(all, self.compute);
        if 2 * outputs <= lanes { wide.max(narrow) } else { wide }
    }
}
