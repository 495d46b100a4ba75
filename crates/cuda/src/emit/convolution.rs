//! Convolutions: products with matrices of patches, for some samples at a time; grouped ones by
//! their definition.

use candle_core::DType;
use eigenscape_program::operations::{Conv2d, ConvArgument, ConvShapes};
use eigenscape_runtime::Layout;

use super::{element_wise::copy, place, sum, walk::inverse};
use crate::{
    Result,
    command::{Place, Word},
    compile::{Builder, View},
    cublas::{Factor, Product, Stored},
    source::KernelSource,
};

/// Numbers of a matrix of patches, at most: so many samples are taken at a time.
const PATCHES: usize = 1 << 26;

/// Parts into which the samples are cut where a grouped convolution's weight is summed over them.
const PARTS: usize = 64;

/// Emits a convolution or one of its transposes.
pub(super) fn emit(builder: &mut Builder, convolution: &Conv2d, args: &[View], out: &View) -> Result<()> {
    let shapes = &convolution.shapes;
    let compute = builder.compute();
    let (first, second) = (builder.in_order(&args[0], compute)?, builder.in_order(&args[1], compute)?);
    let led = [args[0].led, args[1].led];
    let to = place(out)?;
    let lead = if out.led { builder.lead() } else { 1 };
    let sizes = |view: &View| view.declared().iter().product::<usize>();
    let elements = [sizes(&args[0]), sizes(&args[1]), sizes(out)];
    // Many images with one weight are one batch of images.
    let images_alone = led == [true, false] && convolution.of != ConvArgument::W;
    let (runs, images) = if images_alone { (1, lead) } else { (lead, 1) };
    let bytes = compute.size_in_bytes();
    for run in 0..runs {
        let at =
            |place: Place, led: bool, count: usize| if led { place.plus(run * count * bytes) } else { place };
        let one = One {
            shapes,
            samples: shapes.x[0] * images,
            args: [at(first, led[0] && !images_alone, elements[0]), at(second, led[1], elements[1])],
            out: at(to, out.led && !images_alone, elements[2]),
            dtype: compute,
        };
        if shapes.settings.groups > 1 {
            one.grouped(builder, convolution.of)?;
        } else {
            one.by_patches(builder, convolution.of)?;
        }
    }
    Ok(())
}

/// One convolution of so many samples.
struct One<'a> {
    shapes: &'a ConvShapes,
    samples: usize,
    args: [Place; 2],
    out: Place,
    dtype: DType,
}

impl One<'_> {
    /// Rows of a matrix of patches: C·kH·kW.
    fn taps(&self) -> usize {
        self.shapes.w[1..].iter().product()
    }

    /// Positions of a sample's result.
    fn positions(&self) -> usize {
        self.shapes.y[2] * self.shapes.y[3]
    }

    /// The words that kernels of convolutions end with, for so many samples.
    fn sizes(&self, samples: usize) -> impl Iterator<Item = Word> {
        let (x, w, y, settings) = (self.shapes.x, self.shapes.w, self.shapes.y, self.shapes.settings);
        [
            samples,
            x[1],
            x[2],
            x[3],
            w[2],
            w[3],
            y[2],
            y[3],
            settings.stride,
            settings.padding,
            settings.dilation,
        ]
        .map(Word::from)
        .into_iter()
    }

    /// A kernel of so many samples; the first of `numbers` is how many elements it makes, and it
    /// divides by `divisors`.
    fn launch(
        &self,
        builder: &mut Builder,
        name: &str,
        places: &[Place],
        numbers: &[usize],
        (samples, divisors): (usize, &[usize]),
    ) -> Result<()> {
        let words = places.iter().map(|&place| Word::from(place));
        let words = words.chain(numbers.iter().map(|&number| Word::from(number)));
        let inverses = divisors.iter().map(|&divisor| Word::Number(inverse(divisor)));
        let words = words.chain(self.sizes(samples)).chain(inverses).collect();
        builder.launch(KernelSource::by_hand(name, self.dtype), numbers[0], words)
    }

    fn by_patches(&self, builder: &mut Builder, of: ConvArgument) -> Result<()> {
        let (taps, positions, bytes) = (self.taps(), self.positions(), self.dtype.size_in_bytes());
        let (image, result) = (self.shapes.x[1..].iter().product::<usize>(), self.shapes.y[1] * positions);
        let at_once = (PATCHES / (taps * positions)).clamp(1, self.samples);
        let patches = builder.scratch(taps * at_once * positions, self.dtype);
        // Where a sample is one column after the other of y as a matrix [O, n·P].
        let columns = builder.scratch(self.shapes.y[1] * at_once * positions, self.dtype);
        for start in (0..self.samples).step_by(at_once) {
            let samples = at_once.min(self.samples - start);
            let from = |place: Place, each: usize| place.plus(start * each * bytes);
            let parts = Parts { one: self, samples, patches, columns };
            match of {
                ConvArgument::Y => {
                    parts.unfold(builder, from(self.args[0], image))?;
                    parts.multiply(builder, of, self.args[1], false);
                    parts.copy_columns(builder, from(self.out, result), true)?;
                }
                ConvArgument::X => {
                    parts.copy_columns(builder, from(self.args[0], result), false)?;
                    parts.multiply(builder, of, self.args[1], false);
                    let places = [from(self.out, image), patches];
                    let divisors = [self.shapes.x[3], self.shapes.x[2], self.shapes.x[1]];
                    self.launch(builder, "fold", &places, &[samples * image], (samples, &divisors))?;
                }
                ConvArgument::W => {
                    parts.unfold(builder, from(self.args[0], image))?;
                    parts.copy_columns(builder, from(self.args[1], result), false)?;
                    parts.multiply(builder, of, self.out, start > 0);
                }
            }
        }
        Ok(())
    }

    fn grouped(&self, builder: &mut Builder, of: ConvArgument) -> Result<()> {
        let (outputs, groups) = (self.shapes.w[0], self.shapes.settings.groups);
        let [first, second] = self.args;
        let all = |shape: &[usize; 4]| shape[1..].iter().product::<usize>();
        match of {
            ConvArgument::Y => {
                let numbers = [self.samples * all(&self.shapes.y), outputs, groups];
                self.launch(builder, "grouped_y", &[self.out, first, second], &numbers, (self.samples, &[]))
            }
            ConvArgument::X => {
                let numbers = [self.samples * all(&self.shapes.x), outputs, groups];
                self.launch(builder, "grouped_x", &[self.out, first, second], &numbers, (self.samples, &[]))
            }
            ConvArgument::W => {
                let (parts, weight) = (PARTS.min(self.samples), self.shapes.w.iter().product::<usize>());
                let sums = builder.scratch(parts * weight, DType::F64);
                let numbers = [parts * weight, outputs, groups, parts];
                self.launch(builder, "grouped_w", &[sums, first, second], &numbers, (self.samples, &[]))?;
                sum::of_parts(builder, sums, [parts, weight], (self.out, self.dtype))
            }
        }
    }
}

/// Some samples of a convolution: their patches as a matrix [C·kH·kW, n·P] and their results as one
/// [O, n·P].
struct Parts<'a> {
    one: &'a One<'a>,
    samples: usize,
    patches: Place,
    columns: Place,
}

impl Parts<'_> {
    fn width(&self) -> usize {
        self.samples * self.one.positions()
    }

    fn unfold(&self, builder: &mut Builder, image: Place) -> Result<()> {
        let numbers = [self.one.taps() * self.width()];
        let (w, y) = (self.one.shapes.w, self.one.shapes.y);
        let divisors = [y[3], y[2], self.samples, w[3], w[2]];
        self.one.launch(builder, "unfold", &[self.patches, image], &numbers, (self.samples, &divisors))
    }

    /// Results [n, O, P] from columns [O, n, P], or the other way round.
    fn copy_columns(&self, builder: &mut Builder, results: Place, to_results: bool) -> Result<()> {
        let (outputs, positions) = (self.one.shapes.y[1], self.one.positions());
        let dims = [self.samples, outputs, positions];
        let results = View::in_order(results, &dims, self.one.dtype);
        let columns = Layout::in_order(&[outputs, self.samples, positions]).permute(&[1, 0, 2]);
        let columns = View::in_order(self.columns, &dims, self.one.dtype).by(columns);
        if to_results { copy(builder, &columns, &results) } else { copy(builder, &results, &columns) }
    }

    /// The product that makes the columns, the patches, or the weight at `weight`.
    fn multiply(&self, builder: &mut Builder, of: ConvArgument, weight: Place, accumulates: bool) {
        let (outputs, taps, width) = (self.one.shapes.y[1], self.one.taps(), self.width());
        let factor = |at: Place, stored: Stored, leading: usize| Factor { at, stored, leading, step: 0 };
        // In column-major order the columns are n·P × O, the patches n·P × taps, the weight taps × O.
        let columns = |stored| factor(self.columns, stored, width);
        let patches = |stored| factor(self.patches, stored, width);
        let weight = |stored| factor(weight, stored, taps);
        let (sizes, factors, result) = match of {
            ConvArgument::Y => {
                let factors = [patches(Stored::AsIs), weight(Stored::AsIs)];
                ([width, outputs, taps], factors, columns(Stored::AsIs))
            }
            ConvArgument::X => {
                let factors = [columns(Stored::AsIs), weight(Stored::Transposed)];
                ([width, taps, outputs], factors, patches(Stored::AsIs))
            }
            ConvArgument::W => {
                let factors = [patches(Stored::Transposed), columns(Stored::AsIs)];
                ([taps, outputs, width], factors, weight(Stored::AsIs))
            }
        };
        builder.multiply(Product { sizes, batch: 1, factors, result, accumulates, dtype: self.one.dtype });
    }
}
