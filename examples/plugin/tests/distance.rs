//! The distance has the expected value for known spectra.

use eigenscape::{Distance, Result, Spectrum};
use eigenscape_example_plugin::distance::Largest;

#[test]
fn it_is_that_of_the_largest_eigenvalues() -> Result<()> {
    let (left, right) = (Spectrum::exact(4, vec![1.0, 2.0], 0)?, Spectrum::exact(4, vec![5.0], 0)?);
    assert_eq!(Largest.distance(&left, &right)?, 3.0);
    assert_eq!(Largest.distance(&left, &left)?, 0.0);
    Ok(())
}
