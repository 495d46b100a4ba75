//! The commands for some elements of the leading axis: transforms, products and transforms back,
//! for some samples at a time.

use eigenscape_program::operations::ConvArgument;

use super::{Operand, Scratch, Sizes, sizes::Planes};
use crate::{
    Result,
    builder::Builder,
    command::{Place, Word},
    cublas::{Factor, Product, Stored},
    emit::walk::inverse,
    source::KernelSource,
};

/// Some elements of the leading axis.
pub(super) struct Block<'a> {
    pub sizes: &'a Sizes,
    pub scratch: &'a Scratch,
    /// Their number.
    pub vectors: usize,
    /// The operands and the result, from the first of these elements on.
    pub terms: &'a [[Operand; 2]],
    pub result: Operand,
}

/// Some samples, in parts of `each`; in the last parts samples may be missing.
#[derive(Clone, Copy)]
struct Samples {
    start: usize,
    count: usize,
    parts: usize,
    each: usize,
}

/// An axis that kernels walk: its size and the stride of the operand.
type Axis = [usize; 2];

impl Block<'_> {
    pub fn emit(&self, builder: &mut Builder) -> Result<()> {
        let Sizes { of, samples, at_once, parts, .. } = *self.sizes;
        if of != ConvArgument::W {
            for (term, &filters) in self.terms.iter().zip(&self.scratch.filters) {
                self.transform_filters(builder, term, filters)?;
            }
        }
        for start in (0..samples).step_by(at_once) {
            let count = at_once.min(samples - start);
            let samples = Samples { start, count, parts, each: count.div_ceil(parts) };
            if of == ConvArgument::W {
                self.sum(builder, samples)?;
            } else {
                self.convolve(builder, samples)?;
            }
        }
        if of == ConvArgument::W { self.write_weights(builder) } else { Ok(()) }
    }

    /// Emits the results of a convolution for some samples.
    fn convolve(&self, builder: &mut Builder, samples: Samples) -> Result<()> {
        let Sizes { images, outputs, .. } = *self.sizes;
        for (i, (term, &filters)) in self.terms.iter().zip(&self.scratch.filters).enumerate() {
            let axes = self.axes(&images, [self.sizes.leads(term, self.vectors)[0], term[0].step]);
            self.transform(builder, "pixels", self.scratch.images, term[0], (&images, axes), samples)?;
            self.multiply_filters(builder, term, filters, samples, i > 0);
        }
        let axes = self.axes(&outputs, [self.vectors, self.result.step]);
        self.transform(builder, "outputs", self.scratch.outputs, self.result, (&outputs, axes), samples)
    }

    /// Emits the addition of some samples to the transformed cotangent of the weight.
    fn sum(&self, builder: &mut Builder, samples: Samples) -> Result<()> {
        let Sizes { images, outputs, .. } = *self.sizes;
        for (i, term) in self.terms.iter().enumerate() {
            let leads = self.sizes.leads(term, self.vectors);
            let axes = [[leads[0], term[0].step], channels(&images)];
            self.transform(builder, "pixels", self.scratch.images, term[0], (&images, axes), samples)?;
            let axes = self.axes(&outputs, [leads[1], term[1].step]);
            self.transform(builder, "cotangents", self.scratch.outputs, term[1], (&outputs, axes), samples)?;
            self.multiply_images(builder, leads, samples, i > 0 || samples.start > 0);
        }
        Ok(())
    }

    /// The axes of images in the order of their transforms. In a common product, vectors are
    /// further columns or rows for each channel.
    fn axes(&self, planes: &Planes, lead: Axis) -> [Axis; 2] {
        if self.sizes.apart { [lead, channels(planes)] } else { [channels(planes), lead] }
    }

    /// Emits a kernel with one thread per tile: a transform of images to points, or back.
    fn transform(
        &self,
        builder: &mut Builder,
        name: &str,
        points: Place,
        images: Operand,
        (planes, [outer, inner]): (&Planes, [Axis; 2]),
        samples: Samples,
    ) -> Result<()> {
        let ([down, across], sample) = (self.sizes.grid, planes.channels * planes.pixels());
        let images = images.from(samples.start * sample * self.sizes.dtype.size_in_bytes());
        let threads = outer[0] * inner[0] * self.columns(samples) * samples.parts;
        let mut words = vec![points.into(), images.at.into(), threads.into()];
        let sides = [planes.height, planes.width, planes.padding, across, down, samples.each, samples.count];
        words.extend(sides.into_iter().chain([inner[0], outer[0]]).map(Word::from));
        let divisors = [across, down, samples.each, inner[0], outer[0]];
        words.extend(divisors.map(|divisor| Word::Number(inverse(divisor))));
        words.extend([sample, outer[1], inner[1]].map(Word::from));
        builder.launch(self.kernel(name), threads, words)
    }

    /// Emits the transform of a term's filters. Their order is that of the inner and outer channels
    /// in the weight.
    fn transform_filters(&self, builder: &mut Builder, term: &[Operand; 2], filters: Place) -> Result<()> {
        let rotated = self.sizes.of == ConvArgument::X;
        let [o, c] = self.weight_axes();
        let lead = [self.sizes.leads(term, self.vectors)[1], term[1].step];
        // In a common product, vectors are further rows for each outer channel.
        let axes = match (self.sizes.apart, rotated) {
            (true, _) => [lead, o, c],
            (false, false) => [o, lead, c],
            (false, true) => [o, c, lead],
        };
        self.launch_filters(builder, "filters", [filters, term[1].at], usize::from(rotated), axes)
    }

    /// Emits the transform of the sums to the cotangent of the weight.
    fn write_weights(&self, builder: &mut Builder) -> Result<()> {
        let [o, c] = self.weight_axes();
        let lead = [self.vectors, self.result.step];
        let axes = if self.sizes.apart { [lead, o, c] } else { [o, lead, c] };
        let places = [self.scratch.sums, self.result.at];
        self.launch_filters(builder, "filters_transpose", places, self.sizes.parts, axes)
    }

    /// Emits a kernel with one thread per filter.
    fn launch_filters(
        &self,
        builder: &mut Builder,
        name: &str,
        places: [Place; 2],
        setting: usize,
        [a, b, c]: [Axis; 3],
    ) -> Result<()> {
        let threads = a[0] * b[0] * c[0];
        let words = places.map(Word::from).into_iter().chain([threads.into(), setting.into()]);
        let words = words.chain([b[0].into(), c[0].into()]);
        let words = words.chain([b[0], c[0]].map(|divisor| Word::Number(inverse(divisor))));
        let words = words.chain([a[1], b[1], c[1]].map(Word::from));
        builder.launch(self.kernel(name), threads, words.collect())
    }

    /// Emits the products for a convolution: the sums over inner channels.
    fn multiply_filters(
        &self,
        builder: &mut Builder,
        term: &[Operand; 2],
        filters: Place,
        samples: Samples,
        accumulates: bool,
    ) {
        let (depth, outer) = (self.sizes.images.channels, self.sizes.outputs.channels);
        let leads = self.sizes.leads(term, self.vectors);
        // Elements of the leading axis are in separate products, or among the columns or rows.
        let [batch, columns, rows] = if self.sizes.apart {
            [self.vectors, self.columns(samples), outer]
        } else {
            [1, leads[0] * self.columns(samples), leads[1] * outer]
        };
        // In column-major order the images are columns × depth, the filters depth × rows or, for
        // the cotangent of the input, the transpose of that.
        let (stored, leading) = match self.sizes.of {
            ConvArgument::X => (Stored::Transposed, rows),
            _ => (Stored::AsIs, depth),
        };
        let images =
            Factor { at: self.scratch.images, stored: Stored::AsIs, leading: columns, step: depth * columns };
        let filters = Factor { at: filters, stored, leading, step: depth * rows };
        let result =
            Factor { at: self.scratch.outputs, stored: Stored::AsIs, leading: columns, step: rows * columns };
        builder.multiply(Product {
            sizes: [columns, rows, depth],
            batch: self.sizes.points() * batch,
            factors: [images, filters],
            result,
            accumulates,
            dtype: self.sizes.dtype,
        });
    }

    /// Emits the products for the cotangent of the weight: the sums over the tiles of each part.
    fn multiply_images(&self, builder: &mut Builder, leads: [usize; 2], samples: Samples, accumulates: bool) {
        let [outer, inner] = self.sizes.weight;
        let depth = self.columns(samples);
        let [batch, columns, rows] = if self.sizes.apart {
            [self.vectors, inner, outer]
        } else {
            [1, leads[0] * inner, leads[1] * outer]
        };
        let factor = |at, stored, sides: usize| Factor { at, stored, leading: depth, step: depth * sides };
        let factors = [
            factor(self.scratch.images, Stored::Transposed, columns),
            factor(self.scratch.outputs, Stored::AsIs, rows),
        ];
        let result =
            Factor { at: self.scratch.sums, stored: Stored::AsIs, leading: columns, step: rows * columns };
        builder.multiply(Product {
            sizes: [columns, rows, depth],
            batch: self.sizes.points() * samples.parts * batch,
            factors,
            result,
            accumulates,
            dtype: self.sizes.dtype,
        });
    }

    /// The tiles of each part of the samples.
    fn columns(&self, samples: Samples) -> usize {
        samples.each * self.sizes.tiles()
    }

    /// The axes of a weight, O and C.
    fn weight_axes(&self) -> [Axis; 2] {
        let [o, c] = self.sizes.weight;
        [[o, 9 * c], [c, 9]]
    }

    fn kernel(&self, name: &str) -> KernelSource {
        KernelSource::by_hand(&format!("winograd{}_{name}", self.sizes.tile), self.sizes.dtype)
    }
}

/// The axis of channels.
fn channels(planes: &Planes) -> Axis {
    [planes.channels, planes.pixels()]
}
