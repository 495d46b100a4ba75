//! Slices of parameters as groups: blocks of the network that is cut there.

use std::borrow::Cow;

use eigenscape_program::{Slice, Variables};
use eigenscape_runtime::Result;

use super::MeanLoss;

impl MeanLoss {
    /// This loss and the group, or, for a slice of a parameter, the same loss of the network in
    /// which the slice is a parameter of its own.
    pub(super) fn around<'a>(&'a self, group: &'a Variables) -> Result<(Cow<'a, Self>, Cow<'a, Variables>)> {
        let Variables::Slice(slice) = group else { return Ok((Cow::Borrowed(self), Cow::Borrowed(group))) };
        let (loss, index) = self.cut(slice)?;
        Ok((Cow::Owned(loss), Cow::Owned(Variables::Parameters(vec![index]))))
    }

    /// The same loss of the network that is cut at a slice, and the slice's index among the
    /// parameters.
    fn cut(&self, slice: &Slice) -> Result<(Self, usize)> {
        let (programs, index) = self.programs.cut(slice)?;
        let mut point = self.point.clone();
        let mut parameters = Vec::with_capacity(point.parameters.len() + 2);
        for (number, parameter) in point.parameters.iter().enumerate() {
            if number == slice.parameter {
                for range in slice.pieces(parameter.dims()[slice.axis]) {
                    parameters.push(parameter.narrow(slice.axis, range.start, range.len())?);
                }
            } else {
                parameters.push(parameter.clone());
            }
        }
        point = point.with_parameters(parameters);
        Ok((Self { programs, point, ..self.clone() }, index))
    }
}
