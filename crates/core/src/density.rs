//! Densities of spectra, computed from the atoms by Gaussian broadening when needed.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// The density of a measure after convolution with a Gaussian of standard deviation `sigma`,
///
/// ρ(x) = Σᵢ wᵢ 𝒩(x; λᵢ, σ²) = Σᵢ wᵢ exp(−(x − λᵢ)²/2σ²) / (σ√(2π)),
///
/// at each point of `grid`, from `spectrum_atoms`, the (λᵢ, wᵢ) of
/// [`Spectrum::atoms`](crate::Spectrum::atoms). The unit is that of 1/λ, and the integral over the
/// line is Σᵢ wᵢ. The grid may have any spacing; points more than about 39 σ away from every atom
/// underflow to 0. Costs |atoms|·|grid| exponentials.
///
/// `sigma` must be positive and finite: there is no density otherwise, and the values returned are
/// not finite.
///
/// ```
/// use eigenscape_core::{Spectrum, density::gaussian_density};
/// // Half the mass at 0, half at 2.
/// let spectrum = Spectrum::exact(2, vec![2.0], 0)?;
/// let density = gaussian_density(&spectrum.atoms(), &[0.0, 1.0, 2.0], 0.1);
/// let peak = 0.5 / (0.1 * (2.0 * std::f64::consts::PI).sqrt());
/// assert!((density[0] - peak).abs() < 1e-12 && (density[2] - peak).abs() < 1e-12);
/// assert!(density[1] < 1e-20);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[must_use]
pub fn gaussian_density(spectrum_atoms: &[(f64, f64)], grid: &[f64], sigma: f64) -> Vec<f64> {
    // 1/√(2π) = (2/√π) · (1/√2) / 2.
    let peak = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 / (2.0 * sigma);
    grid.iter()
        .map(|x| {
            let bump = |(location, weight): &(f64, f64)| {
                let z = (x - location) / sigma;
                weight * (-0.5 * z * z).exp()
            };
            peak * spectrum_atoms.iter().map(bump).sum::<f64>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::gaussian_density;

    #[test]
    fn one_atom_is_the_normal_density() {
        let (location, sigma) = (1.5, 0.25);
        let density = gaussian_density(&[(location, 1.0)], &[1.5, 1.75, 2.0], sigma);
        // φ(0), φ(1), φ(2) of the standard normal distribution, from tables to 16 digits.
        let expected = [0.398_942_280_401_432_7, 0.241_970_724_519_143_37, 0.053_990_966_513_188_06];
        for (value, phi) in density.iter().zip(expected) {
            assert!((value * sigma - phi).abs() < 1e-15, "{value} against {}", phi / sigma);
        }
    }

    #[test]
    fn moments_are_those_of_the_measure_broadened() {
        let atoms = [(-1.0, 0.2), (0.0, 0.5), (3.0, 0.3)];
        let sigma = 0.4;
        let step = 0.05;
        let grid: Vec<f64> = (-200..=250).map(|i| f64::from(i) * step).collect();
        let density = gaussian_density(&atoms, &grid, sigma);
        let moment = |k: i32| grid.iter().zip(&density).map(|(x, d)| x.powi(k) * d * step).sum::<f64>();
        // The rectangle rule is exact to rounding for Gaussians on so fine a grid.
        let (mean, square) = (0.7, 0.2 + 2.7 + sigma * sigma);
        assert!((moment(0) - 1.0).abs() < 1e-13);
        assert!((moment(1) - mean).abs() < 1e-13);
        assert!((moment(2) - square).abs() < 1e-12);
    }

    #[test]
    fn no_atoms_have_no_density() {
        assert_eq!(gaussian_density(&[], &[0.0, 1.0], 1.0), [0.0, 0.0]);
    }
}
