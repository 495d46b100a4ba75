//! The curves and panels that the charts of spectra share.

use super::MOST;
use crate::{
    data::distinct,
    draw::labels::evenly,
    plot::Curve,
    variants::{Spectra, Variant, name},
};

/// One curve a variant and curvature.
pub struct Curves<'a> {
    keys: Vec<(usize, &'a str)>,
    /// Their names and looks.
    pub all: Vec<Curve>,
}

impl<'a> Curves<'a> {
    /// The curves of these variants and curvatures.
    pub fn new(keys: impl IntoIterator<Item = (usize, &'a str)>, variants: &[Variant]) -> Self {
        let keys: Vec<(usize, &str)> = distinct(keys);
        let curvatures = distinct(keys.iter().map(|key| key.1));
        let curve = |(colour, (variant, curvature)): (usize, &(usize, &str))| Curve {
            name: name(
                (variants.len() > 1).then(|| variants[*variant].label.as_str()),
                (curvatures.len() > 1 || variants.len() == 1).then_some(*curvature),
            ),
            colour,
            dashed: curvatures.first() != Some(curvature),
        };
        let all = keys.iter().enumerate().map(curve).collect();
        Self { keys, all }
    }

    /// The curves of these spectra.
    pub fn of(spectra: &[Spectra<'a>], variants: &[Variant]) -> Self {
        Self::new(spectra.iter().map(|one| (one.variant, one.curvature)), variants)
    }

    /// The index of a curve.
    pub fn index(&self, variant: usize, curvature: &str) -> usize {
        self.keys.iter().position(|key| *key == (variant, curvature)).unwrap_or_default()
    }

    /// The curvatures, for file names: "hessian", or "hessian-gauss-newton".
    pub fn slug(&self) -> String {
        distinct(self.keys.iter().map(|key| key.1)).join("-")
    }
}

/// At most as many of the groups as have a panel each: evenly by depth, the full network first.
pub fn thinned<'a>(groups: &[&'a str], limit: usize) -> Vec<&'a str> {
    evenly(groups.len(), limit).into_iter().map(|index| groups[index]).collect()
}

/// At most [`MOST`] of the groups.
pub fn shown<'a>(groups: &[&'a str]) -> Vec<&'a str> {
    thinned(groups, MOST)
}

/// Says that not all groups are drawn; empty if they are.
pub fn left_out(shown: usize, count: usize) -> String {
    if shown < count {
        format!(" {shown} of {count} groups are drawn; the tables have all.")
    } else {
        String::new()
    }
}
