//! Convolutions: by [Winograd's filtering](super::winograd) or [directly](super::direct) where
//! these apply and pay, else as matrix products with unfolded patches for some samples at a time.
//! Grouped convolutions are evaluated by their definition.

use candle_core::DType;
use eigenscape_program::operations::{Conv2d, ConvArgument, ConvShapes};
use eigenscape_runtime::Layout;

use super::{direct, element_wise::copy, place, sum, walk::inverse, winograd};
use crate::{
    Result,
    builder::{Builder, View},
    command::{Place, Word},
    cublas::{Factor, Product, Stored},
    source::KernelSource,
};

/// The most numbers in a matrix of patches, which bounds the samples that are processed at a time.
const PATCHES: usize = 1 << 27;

/// The parts of the samples over which the weight cotangent of a grouped convolution is summed.
const PARTS: usize = 64;

/// Emits a convolution or one of its transposes; four operands give the sum of two results.
pub(super) fn emit(builder: &mut Builder, convolution: &Conv2d, args: &[View], out: &View) -> Result<()> {
    let compute = builder.compute();
    let mut operands = Vec::new();
    for arg in args {
        let at = builder.in_order(arg, compute)?;
        let step = if arg.led { arg.declared().iter().product() } else { 0 };
        operands.push(Operand { at, step });
    }
    let result = Operand { at: place(out)?, step: if out.led { out.declared().iter().product() } else { 0 } };
    let terms: Vec<[Operand; 2]> = operands.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    let lead = if out.led { builder.lead() } else { 1 };
    let work = Work { of: convolution.of, shapes: &convolution.shapes, lead, dtype: compute };
    if convolution.shapes.settings.groups > 1 {
        work.grouped(builder, &terms, result)
    } else if let Some(tile) = winograd::tile(&work, &terms, builder.tf32()) {
        winograd::emit(builder, &work, tile, &terms, result)
    } else if direct::pays(&convolution.shapes) {
        direct::emit(builder, &work, &terms, result)
    } else {
        work.by_patches(builder, &terms, result)
    }
}

/// Numbers in row-major order, and the stride of the leading axis: 0 if all its elements share the
/// numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    pub at: Place,
    pub step: usize,
}

impl Operand {
    /// The operand whose numbers begin `bytes` bytes further.
    pub fn from(self, bytes: usize) -> Self {
        Self { at: self.at.plus(bytes), ..self }
    }

    /// The operand as words of a kernel: its address and its stride.
    pub fn words(self) -> [Word; 2] {
        [self.at.into(), self.step.into()]
    }
}

/// A convolution or transpose, with its sizes.
pub(super) struct Work<'a> {
    pub of: ConvArgument,
    pub shapes: &'a ConvShapes,
    /// The size of the leading axis.
    pub lead: usize,
    pub dtype: DType,
}

impl Work<'_> {
    /// Rows of a matrix of patches: C·kH·kW.
    fn taps(&self) -> usize {
        self.shapes.w[1..].iter().product()
    }

    /// Output positions of a sample.
    fn positions(&self) -> usize {
        self.shapes.y[2] * self.shapes.y[3]
    }

    /// The sizes for `samples` samples, as words that all convolution kernels take.
    fn sizes(&self, samples: usize) -> impl Iterator<Item = Word> {
        let (x, w, y, settings) = (self.shapes.x, self.shapes.w, self.shapes.y, self.shapes.settings);
        let image = [samples, x[1], x[2], x[3]].into_iter();
        let kernel = [w[2], w[3], y[2], y[3], settings.stride, settings.padding, settings.dilation];
        image.chain(kernel).map(Word::from)
    }

    /// Emits the sum over `terms`, each of two operands, by products with patches.
    fn by_patches(&self, builder: &mut Builder, terms: &[[Operand; 2]], result: Operand) -> Result<()> {
        let bytes = self.dtype.size_in_bytes();
        let sample = self.taps() * self.positions();
        let at_once = (PATCHES / (sample * self.lead)).clamp(1, self.shapes.x[0]);
        let patches = builder.scratch(self.lead * sample * at_once, self.dtype);
        let columns = self.lead * self.shapes.y[1] * at_once * self.positions();
        let columns = builder.scratch(columns, self.dtype);
        let (image, outputs) =
            (self.shapes.x[1..].iter().product::<usize>(), self.shapes.y[1] * self.positions());
        for start in (0..self.shapes.x[0]).step_by(at_once) {
            let samples = at_once.min(self.shapes.x[0] - start);
            let from = |operand: Operand, each: usize| operand.from(start * each * bytes);
            let part = Part { work: self, samples, patches, columns };
            for (index, &[first, second]) in terms.iter().enumerate() {
                let again = index > 0;
                match self.of {
                    ConvArgument::Y => {
                        part.unfold(builder, from(first, image))?;
                        part.multiply(builder, [first, second], result, again);
                    }
                    ConvArgument::X => {
                        part.copy_columns(builder, from(first, outputs), false)?;
                        part.multiply(builder, [first, second], result, again);
                    }
                    ConvArgument::W => {
                        part.unfold(builder, from(first, image))?;
                        part.copy_columns(builder, from(second, outputs), false)?;
                        part.multiply(builder, [first, second], result, again || start > 0);
                    }
                }
            }
            match self.of {
                ConvArgument::Y => part.copy_columns(builder, from(result, outputs), true)?,
                ConvArgument::X => part.fold(builder, from(result, image))?,
                ConvArgument::W => {}
            }
        }
        Ok(())
    }

    /// Emits a grouped convolution by its definition, for one element of the leading axis after the
    /// other.
    fn grouped(&self, builder: &mut Builder, terms: &[[Operand; 2]], result: Operand) -> Result<()> {
        let bytes = self.dtype.size_in_bytes();
        let all = match self.of {
            ConvArgument::Y => self.shapes.y,
            ConvArgument::X => self.shapes.x,
            ConvArgument::W => self.shapes.w,
        };
        let elements: usize = all.iter().product();
        for k in 0..self.lead {
            let at = |operand: &Operand| operand.at.plus(k * operand.step * bytes);
            let to = at(&result);
            for (index, term) in terms.iter().enumerate() {
                let [first, second] = [at(&term[0]), at(&term[1])];
                let place = if index == 0 { to } else { builder.scratch(elements, self.dtype) };
                self.grouped_once(builder, [first, second], place)?;
                if index > 0 {
                    let view = |at: Place| View::in_order(at, &[elements], self.dtype);
                    super::add(builder, &[view(to), view(place)], &view(to))?;
                }
            }
        }
        Ok(())
    }

    fn grouped_once(&self, builder: &mut Builder, [first, second]: [Place; 2], to: Place) -> Result<()> {
        let (samples, outputs, groups) = (self.shapes.x[0], self.shapes.w[0], self.shapes.settings.groups);
        let launch = |builder: &mut Builder, name: &str, to: Place, numbers: &[usize]| {
            let words = [to, first, second].map(Word::from).into_iter();
            let words = words.chain(numbers.iter().map(|&number| Word::from(number)));
            let words = words.chain(self.sizes(samples)).collect();
            builder.launch(KernelSource::by_hand(name, self.dtype), numbers[0], words)
        };
        let elements = |shape: &[usize; 4]| shape.iter().product::<usize>();
        match self.of {
            ConvArgument::Y => launch(builder, "grouped_y", to, &[elements(&self.shapes.y), outputs, groups]),
            ConvArgument::X => launch(builder, "grouped_x", to, &[elements(&self.shapes.x), outputs, groups]),
            ConvArgument::W => {
                let (parts, weight) = (PARTS.min(samples), elements(&self.shapes.w));
                let sums = builder.scratch(parts * weight, DType::F64);
                launch(builder, "grouped_w", sums, &[parts * weight, outputs, groups, parts])?;
                sum::of_parts(builder, (sums, DType::F64), [parts, weight], (to, self.dtype))
            }
        }
    }
}

/// Some samples of a convolution: their patches as matrices \[K, C·kH·kW, n·P\] and their results
/// as \[K, O, n·P\].
struct Part<'a> {
    work: &'a Work<'a>,
    samples: usize,
    patches: Place,
    columns: Place,
}

impl Part<'_> {
    /// n·P.
    fn width(&self) -> usize {
        self.samples * self.work.positions()
    }

    /// The number of matrices of an operand: 1 if all elements of the leading axis share it.
    fn count(&self, operand: Operand) -> usize {
        if operand.step == 0 { 1 } else { self.work.lead }
    }

    fn launch(
        &self,
        builder: &mut Builder,
        name: &str,
        places: [Place; 2],
        [elements, step]: [usize; 2],
        divisors: &[usize],
    ) -> Result<()> {
        let words = places.map(Word::from).into_iter().chain([elements.into()]);
        let inverses = divisors.iter().map(|&divisor| Word::Number(inverse(divisor)));
        let words = words.chain(self.work.sizes(self.samples)).chain(inverses).chain([step.into()]).collect();
        builder.launch(KernelSource::by_hand(name, self.work.dtype), elements, words)
    }

    fn unfold(&self, builder: &mut Builder, images: Operand) -> Result<()> {
        let (x, w, y) = (self.work.shapes.x, self.work.shapes.w, self.work.shapes.y);
        let elements = self.count(images) * self.work.taps() * self.width();
        let neighbours =
            [("unfold4", 4), ("unfold2", 2)].into_iter().find(|(_, each)| y[3].is_multiple_of(*each));
        let (name, each) = neighbours.unwrap_or(("unfold", 1));
        let divisors = [y[3] / each, y[2], self.samples, w[3], w[2], x[1]];
        self.launch(builder, name, [self.patches, images.at], [elements / each, images.step], &divisors)
    }

    fn fold(&self, builder: &mut Builder, images: Operand) -> Result<()> {
        let x = self.work.shapes.x;
        let elements = self.count(images) * self.samples * x[1..].iter().product::<usize>();
        let divisors = [x[3], x[2], x[1], self.samples];
        self.launch(builder, "fold", [images.at, self.patches], [elements, images.step], &divisors)
    }

    /// Copies results \[K, n, O, P\] from columns \[K, O, n, P\], or back.
    fn copy_columns(&self, builder: &mut Builder, results: Operand, to_results: bool) -> Result<()> {
        let (outputs, positions) = (self.work.shapes.y[1], self.work.positions());
        let lead = self.count(results);
        let dims = [lead, self.samples, outputs, positions];
        let mut layout = Layout::in_order(&dims);
        layout.strides[0] = results.step;
        let results = View::in_order(results.at, &dims, self.work.dtype).by(layout);
        let columns = Layout::in_order(&[lead, outputs, self.samples, positions]).permute(&[0, 2, 1, 3]);
        let columns = View::in_order(self.columns, &dims, self.work.dtype).by(columns);
        if to_results { copy(builder, &columns, &results) } else { copy(builder, &results, &columns) }
    }

    /// Emits the products that give the columns, the patches or the weight: one per element of the
    /// leading axis, or a single one in which that axis multiplies the outputs.
    fn multiply(&self, builder: &mut Builder, args: [Operand; 2], result: Operand, accumulates: bool) {
        let (of, lead, width, taps) = (self.work.of, self.work.lead, self.width(), self.work.taps());
        let mut outputs = self.work.shapes.y[1];
        // In column-major order the columns are n·P × O, the patches n·P × taps, the weight taps ×
        // O.
        let matrix = |at: Place, stored: Stored, leading: usize, all: usize, led: bool| {
            let step = if led { leading * all } else { 0 };
            Factor { at, stored, leading, step }
        };
        let (images_led, results_led, weight) = match of {
            ConvArgument::Y => (args[0].step > 0, result.step > 0, args[1]),
            ConvArgument::X => (result.step > 0, args[0].step > 0, args[1]),
            ConvArgument::W => (args[0].step > 0, args[1].step > 0, result),
        };
        let weight_led = weight.step > 0;
        let mut batch = lead;
        // Several weights or cotangents on the same patches: a single product with more outputs.
        if weight_led && results_led && !images_led && of != ConvArgument::X {
            outputs *= lead;
            batch = 1;
        }
        let columns = |stored| matrix(self.columns, stored, width, outputs, results_led);
        let patches = |stored| matrix(self.patches, stored, width, taps, images_led);
        let weight = |stored| matrix(weight.at, stored, taps, outputs, weight_led);
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
        builder.multiply(Product { sizes, batch, factors, result, accumulates, dtype: self.work.dtype });
    }
}
