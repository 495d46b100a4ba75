//! The sizes of a step: how many vectors and samples are processed at a time, and the scratch
//! memory that this takes.

use candle_core::DType;
use eigenscape_program::operations::ConvArgument;

use super::{Operand, Work};

/// The most bytes of transformed images and outputs, but at least one sample for one vector.
const IMAGES: usize = if cfg!(test) { TESTED } else { 1 << 28 };

/// The most bytes of transformed filters that have the leading axis, but at least one vector.
const FILTERS: usize = if cfg!(test) { TESTED } else { 1 << 28 };

/// The most elements of the leading axis at a time: no batch of products then has 2¹⁶ products,
/// which is more than the grid of a kernel may have along its last axis.
const MOST_VECTORS: usize = 512;

/// So few that small convolutions in tests take several parts.
const TESTED: usize = 1 << 18;

/// The numbers in all results of the products for the cotangent of a weight. Sums over tiles are
/// split into parts until there are so many, because cuBLAS computes squares of about 128 numbers
/// at a time and a card computes over a hundred of them at once.
const ENOUGH: usize = 1 << 23;

/// The fewest terms of such a part of a sum.
const FEWEST_TERMS: usize = if cfg!(test) { 8 } else { 512 };

/// Images of several channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// The rows and columns by which the first tile begins outside of the image.
    pub padding: usize,
}

impl Planes {
    fn new([_, channels, height, width]: [usize; 4], padding: usize) -> Self {
        Self { channels, height, width, padding }
    }

    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The sizes of a step.
#[derive(Debug)]
pub(super) struct Sizes {
    pub of: ConvArgument,
    pub dtype: DType,
    /// The side of a tile of outputs.
    pub tile: usize,
    /// Rows and columns of tiles per image.
    pub grid: [usize; 2],
    /// What is transformed by B, and what by A.
    pub images: Planes,
    pub outputs: Planes,
    /// O and C.
    pub weight: [usize; 2],
    pub samples: usize,
    /// The elements of the leading axis that are processed at a time.
    pub vectors: usize,
    /// The samples that are processed at a time.
    pub at_once: usize,
    /// The parts of the sum over samples, for the cotangent of a weight.
    pub parts: usize,
    /// Whether both operands of a term have the leading axis. Then all products are apart for each
    /// of its elements.
    pub apart: bool,
    /// Whether any term's first and second operand is transformed with the leading axis.
    led: [bool; 2],
}

impl Sizes {
    pub fn new(work: &Work, tile: usize, terms: &[[Operand; 2]]) -> Self {
        let (shapes, padding) = (work.shapes, work.shapes.settings.padding);
        let (images, outputs) = match work.of {
            // The cotangent of the input is a convolution of the cotangent of the result.
            ConvArgument::X => (Planes::new(shapes.y, 2 - padding), Planes::new(shapes.x, 0)),
            _ => (Planes::new(shapes.x, padding), Planes::new(shapes.y, 0)),
        };
        let apart = terms.iter().any(|[first, second]| first.step > 0 && second.step > 0);
        let second_led = |term: &[Operand; 2]| apart || term[1].step > 0;
        let led = [apart || terms.iter().any(|term| !second_led(term)), terms.iter().any(second_led)];
        let mut sizes = Self {
            of: work.of,
            dtype: work.dtype,
            tile,
            grid: [outputs.height.div_ceil(tile), outputs.width.div_ceil(tile)],
            images,
            outputs,
            weight: [shapes.w[0], shapes.w[1]],
            samples: shapes.x[0],
            vectors: 1,
            at_once: 1,
            parts: 1,
            apart,
            led,
        };
        sizes.vectors = sizes.vectors(work.lead, terms.iter().filter(|term| second_led(term)).count());
        sizes.at_once = sizes.at_once();
        sizes.parts = sizes.parts();
        sizes
    }

    /// The vectors that are processed at a time, with filters of `led_terms` terms for each.
    fn vectors(&self, lead: usize, led_terms: usize) -> usize {
        let sets = if self.of == ConvArgument::W { 1 } else { led_terms };
        let filters = sets * self.filter_points() * self.bytes();
        let by_filters = FILTERS.checked_div(filters).unwrap_or(lead);
        by_filters.min(IMAGES / (self.sample_points() * self.bytes())).clamp(1, lead.min(MOST_VECTORS))
    }

    /// The samples that are processed at a time: about the same number each time.
    fn at_once(&self) -> usize {
        let fit = (IMAGES / (self.sample_points() * self.bytes())).clamp(1, self.samples);
        self.samples.div_ceil(self.samples.div_ceil(fit))
    }

    fn parts(&self) -> usize {
        if self.of != ConvArgument::W {
            return 1;
        }
        let most = (self.at_once * self.tiles() / FEWEST_TERMS).clamp(1, self.at_once);
        let parts = ENOUGH.div_ceil(self.vectors * self.filter_points()).min(most);
        self.at_once.div_ceil(self.at_once.div_ceil(parts))
    }

    fn bytes(&self) -> usize {
        self.dtype.size_in_bytes()
    }

    /// The points of a tile.
    pub fn points(&self) -> usize {
        (self.tile + 2).pow(2)
    }

    /// The tiles of an image.
    pub fn tiles(&self) -> usize {
        self.grid.iter().product()
    }

    /// The sizes of the leading axis of a term's transformed operands, for `vectors` elements.
    pub fn leads(&self, term: &[Operand; 2], vectors: usize) -> [usize; 2] {
        match (self.apart, term[1].step > 0) {
            (true, _) => [vectors, vectors],
            (false, true) => [1, vectors],
            (false, false) => [vectors, 1],
        }
    }

    /// The size of the leading axis of all terms' transformed images, and of the transformed
    /// outputs.
    fn image_leads(&self) -> [usize; 2] {
        let lead = |led: bool| if led { self.vectors } else { 1 };
        [lead(self.led[0]), lead(self.of != ConvArgument::W || self.led[1])]
    }

    /// The numbers in a transformed sample of images and of outputs.
    fn sample_points(&self) -> usize {
        let [images, outputs] = self.image_leads();
        let channels = images * self.images.channels + outputs * self.outputs.channels;
        self.points() * self.tiles() * channels
    }

    /// The numbers in transformed filters.
    fn filter_points(&self) -> usize {
        self.points() * self.weight.iter().product::<usize>()
    }

    /// The samples that transformed images have: all parts have the same number.
    fn padded_samples(&self) -> usize {
        self.at_once.next_multiple_of(self.parts)
    }

    /// The numbers in scratch memory for images.
    pub fn images(&self) -> usize {
        self.points() * self.tiles() * self.padded_samples() * self.image_leads()[0] * self.images.channels
    }

    /// The numbers in scratch memory for outputs or their cotangents.
    pub fn outputs(&self) -> usize {
        self.points() * self.tiles() * self.padded_samples() * self.image_leads()[1] * self.outputs.channels
    }

    /// The numbers in scratch memory for sums.
    pub fn sums(&self) -> usize {
        if self.of == ConvArgument::W { self.vectors * self.parts * self.filter_points() } else { 0 }
    }

    /// The numbers in scratch memory for the filters of a term.
    pub fn filters(&self, term: &[Operand; 2]) -> usize {
        let lead = self.leads(term, self.vectors)[1];
        if self.of == ConvArgument::W { 0 } else { lead * self.filter_points() }
    }
}
