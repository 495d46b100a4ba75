//! The inputs of a network.

use std::collections::{BTreeMap, HashMap};

use eigenscape_core::{Error, ModelInput, Result};
use eigenscape_formats::pt2::{MetaSize, Package, Range, ScalarType};
use eigenscape_program::{Error as ProgramError, Scope, Value};

use super::tensor::{Item, Tensor};

/// The tensor arguments of `forward`, in order.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The name in the graph, the element type and the sizes of each input.
    all: Vec<(String, ScalarType, Vec<MetaSize>)>,
    named: Vec<ModelInput>,
    /// The range of each symbol among the sizes.
    ranges: BTreeMap<String, Range>,
}

impl Inputs {
    /// The inputs of a package; `file` is the file's name for errors.
    pub fn of(file: &str, package: &Package) -> Result<Self> {
        let (mut all, mut named) = (Vec::new(), Vec::new());
        for (place, arg) in package.inputs().into_iter().enumerate() {
            let meta = package.graph.tensor_values.get(arg).filter(|meta| !meta.sizes.is_empty());
            let Some(meta) = meta else {
                let problem = format!("its input {arg} has no axis of samples");
                return Err(Error::input(file, problem, "export it with inputs [N, ...]"));
            };
            all.push((arg.to_owned(), meta.dtype, meta.sizes.clone()));
            let name = package.arguments.get(place).cloned().unwrap_or_else(|| arg.to_owned());
            named.push(ModelInput { name, shape: meta.sizes[1..].iter().map(MetaSize::known).collect() });
        }
        if all.is_empty() {
            return Err(Error::input(
                file,
                "its forward is given no tensor",
                "export it with inputs [N, ...]",
            ));
        }
        Ok(Self { all, named, ranges: package.ranges.clone() })
    }

    /// The inputs under the names of `forward`'s arguments.
    pub fn named(&self) -> &[ModelInput] {
        &self.named
    }

    /// The known lengths of the axes of an example's inputs.
    pub fn sides(&self) -> impl Iterator<Item = usize> {
        self.all.iter().flat_map(|(_, _, sizes)| sizes[1..].iter().filter_map(MetaSize::known))
    }

    /// Whether there is one input alone, which is x itself.
    pub fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// The number of samples that the graph was exported for; `None` if it is symbolic.
    pub fn exported(&self) -> Option<usize> {
        self.all.iter().find_map(|(_, _, sizes)| sizes[0].known())
    }

    /// The Python value of `dynamic_shapes` with which the number of samples is symbolic.
    pub fn dynamic_shapes(&self) -> String {
        let each = |input: &ModelInput| format!("\"{}\": {{0: torch.export.Dim(\"batch\")}}", input.name);
        format!("{{{}}}", self.named.iter().map(each).collect::<Vec<_>>().join(", "))
    }

    /// Binds x to the graph's inputs. A single input is x \[N, ...\] itself. Several inputs are
    /// slices of x \[N, D\], in which each row concatenates the flattened inputs of a sample.
    ///
    /// # Errors
    /// When the shape of x does not match the graph's inputs.
    pub fn bind<'n>(
        &'n self,
        scope: &mut Scope,
        x: Value,
        values: &mut HashMap<&'n str, Item>,
    ) -> Result<(), ProgramError> {
        let shape = scope.shape(x);
        if let [(arg, dtype, sizes)] = self.all.as_slice() {
            check(&shape, sizes)?;
            self.check_symbols(&shape, sizes)?;
            values.insert(arg, Item::Tensor(Tensor::emitted(*dtype, x, &shape)));
            return Ok(());
        }
        let samples = shape.first().copied().unwrap_or(1);
        let mut start = 0;
        for (arg, dtype, sizes) in &self.all {
            let own = sizes[1..].iter().map(MetaSize::known).collect::<Option<Vec<_>>>();
            let own = own.ok_or_else(|| {
                ProgramError::shape(
                    "inputs",
                    format!("the input {arg} has a symbolic size besides the number of samples"),
                )
            })?;
            let len = own.iter().fold(1, |len: usize, size| len.saturating_mul(*size));
            let graph = scope.graph();
            let part = graph.slice(x, 1, start, len).map_err(|_| self.misfit(&shape))?;
            let own = [&[samples], own.as_slice()].concat();
            let part = graph.reshape(part, &own)?;
            values.insert(arg, Item::Tensor(Tensor::emitted(*dtype, part, &own)));
            start = start.saturating_add(len);
        }
        if shape.get(1) == Some(&start) { Ok(()) } else { Err(self.misfit(&shape)) }
    }

    /// Refuses sizes of an example outside of the range that the graph has for their symbol, and
    /// different sizes for one symbol.
    fn check_symbols(&self, shape: &[usize], sizes: &[MetaSize]) -> Result<(), ProgramError> {
        let name = self.named.first().map_or("x", |input| input.name.as_str());
        let batch = sizes.first().and_then(MetaSize::symbol);
        let mut known: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (axis, (&size, meta)) in shape.iter().zip(sizes).enumerate().skip(1) {
            let Some(symbol) = meta.symbol().filter(|symbol| Some(*symbol) != batch) else { continue };
            let (first, other) = *known.entry(symbol).or_insert((axis, size));
            if size != other {
                let problem = format!(
                    "the axes {first} and {axis} of the argument `{name}` have the same size in the graph, and \
                     have {other} and {size} here"
                );
                return Err(ProgramError::shape("input", problem));
            }
            let Range { min_val, max_val } = self.ranges.get(symbol).copied().unwrap_or_default();
            let is_above = min_val.is_none_or(|least| size as i64 >= least);
            if is_above && max_val.is_none_or(|most| size as i64 <= most) {
                continue;
            }
            let most = max_val.map_or("any number".to_owned(), |most| most.to_string());
            let problem = format!(
                "the argument `{name}` has the size {size} along its axis {axis}, and the network was exported \
                 for sizes from {} to {most}: export it for others by torch.export.Dim(..., min=..., max=...)",
                min_val.unwrap_or(0)
            );
            return Err(ProgramError::shape("input", problem));
        }
        Ok(())
    }

    fn misfit(&self, shape: &[usize]) -> ProgramError {
        let names: Vec<&str> = self.named.iter().map(|input| input.name.as_str()).collect();
        let problem = format!(
            "the network has the inputs {}: the data must have them under these names, and a sample has the shape {:?}",
            names.join(", "),
            shape.get(1..).unwrap_or_default()
        );
        ProgramError::shape("inputs", problem)
    }
}

/// Refuses examples whose shape differs from that in the graph.
fn check(shape: &[usize], sizes: &[MetaSize]) -> Result<(), ProgramError> {
    let (own, expected) = (shape.get(1..).unwrap_or_default(), &sizes[1..]);
    let fits = |(size, meta): (&usize, &MetaSize)| meta.known().is_none_or(|known| known == *size);
    if own.len() == expected.len() && own.iter().zip(expected).all(fits) {
        return Ok(());
    }
    let size = |meta: &MetaSize| meta.known().map_or("any".to_owned(), |known| known.to_string());
    let expected: Vec<String> = expected.iter().map(size).collect();
    let problem = format!(
        "the network was exported for samples of shape [{}], and these are {own:?}",
        expected.join(", ")
    );
    Err(ProgramError::shape("input", problem))
}
