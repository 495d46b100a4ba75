use candle_core::DType;
use eigenscape_core::{Context, Estimate, ProbeEstimator, Spectrum};

use super::super::{
    Lanczos, LanczosParameters,
    memory::{Fit, Storage},
    stored::Stored,
};
use crate::testing::DenseOperator;

fn lanczos(steps: usize) -> Lanczos {
    Lanczos::new(LanczosParameters { steps: steps.try_into().unwrap(), ..LanczosParameters::default() })
}

/// The least memory with which the basis is stored in this way.
fn least(lanczos: &Lanczos, operator: &DenseOperator, storage: Storage) -> usize {
    (0..).map(|step| step << 12).find(|allowed| lanczos.fit(operator, *allowed).storage == storage).unwrap()
}

fn within(lanczos: &Lanczos, operator: &DenseOperator, memory: usize) -> Spectrum {
    let context = Context { memory, ..Context::silent(3) };
    match lanczos.estimate(operator, &context).unwrap() {
        Estimate::Spectrum(spectrum) => spectrum,
        Estimate::Number(_) => unreachable!("lanczos finds a spectrum"),
    }
}

/// A few large eigenvalues, which converge early, and a bulk.
fn spectrum(dimension: usize) -> Vec<f64> {
    let bulk = (0..dimension).map(|i| (i as f64 * 0.37).sin());
    [40.0, 33.0, 20.0, 12.0, -7.0].into_iter().chain(bulk).take(dimension).collect()
}

#[test]
fn integers_are_near_the_numbers() {
    let piece: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
    let error = |stored: &[f64], factor: f64| -> f64 {
        piece.iter().zip(stored).map(|(x, s)| (f64::from(*x) - factor * s).abs()).fold(0.0, f64::max)
    };
    let (mut bits16, mut bits8) = (vec![0_i16; 1000], vec![0_i8; 1000]);
    let factor = bits16.store_from(&piece);
    assert!(
        error(&bits16.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), factor) <= 0.501 * 3.0 / 32767.0
    );
    let factor = bits8.store_from(&piece);
    assert!(error(&bits8.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), factor) <= 0.501 * 3.0 / 127.0);
    assert_eq!(vec![1_i8; 3].store_from(&[0.0_f64; 3]), 0.0);
}

/// [`Stored::store`] as a method.
trait StoreFrom<T> {
    fn store_from(&mut self, piece: &[T]) -> f64;
}

impl<T, S: Stored<T>> StoreFrom<T> for Vec<S> {
    fn store_from(&mut self, piece: &[T]) -> f64 {
        S::store(piece, self)
    }
}

#[test]
fn as_many_bits_are_kept_as_fit() {
    let operator = DenseOperator::with_spectrum(&spectrum(300), 2, DType::F32);
    let lanczos = lanczos(60);
    let [bits16, full] = [Storage::Bits16, Storage::Full].map(|storage| least(&lanczos, &operator, storage));
    assert!(bits16 < full && lanczos.fit(&operator, 0).storage == Storage::Bits8);
    for (allowed, text) in
        [(usize::MAX, "60 steps"), (bits16, "60 steps in 16 bits"), (0, "60 steps in 8 bits")]
    {
        let account = lanczos.memory(&[&operator], allowed).unwrap().words();
        assert!(account.contains(text), "{account}");
    }
    let Fit { storage, together } = lanczos.fit(&operator, full);
    assert_eq!((storage, together), (Storage::Full, 1));
}

/// The converged eigenvalues are those of a basis in full, each once, and bounds hold.
#[test]
fn eigenvalues_are_those_of_a_whole_basis() {
    let truth = spectrum(700);
    let operator = DenseOperator::with_spectrum(&truth, 2, DType::F32);
    let lanczos = lanczos(100);
    let whole = within(&lanczos, &operator, usize::MAX);
    assert_eq!(whole.orthogonality_loss, None);
    for (storage, loss, tolerance) in [(Storage::Bits16, 1e-5, 2e-6), (Storage::Bits8, 2e-3, 2e-4)] {
        let found = within(&lanczos, &operator, least(&lanczos, &operator, storage));
        let measured = found.orthogonality_loss.unwrap();
        assert!(measured > 0.0 && measured < loss, "{storage:?}: {measured:e}");
        for (found, whole) in found.eigenvalues[..4].iter().zip(&whole.eigenvalues) {
            assert!((found - whole).abs() < tolerance * 40.0, "{storage:?}: {found} and {whole}");
        }
        let ghosts = found.eigenvalues.iter().filter(|value| **value > 1.01).count();
        assert_eq!(ghosts, 4, "{storage:?}: {:?}", &found.eigenvalues[..6]);
        for (value, residual) in found.eigenvalues.iter().zip(&found.residuals) {
            let distance = truth.iter().map(|true_value| (true_value - value).abs()).fold(f64::MAX, f64::min);
            assert!(distance <= *residual, "{storage:?}: {value} is {distance:e} off, {residual:e} was said");
        }
        assert_eq!(found.products, 100);
    }
}

#[test]
fn a_rounded_basis_is_the_same_on_any_number_of_threads() {
    let operator = DenseOperator::with_spectrum(&spectrum(300), 2, DType::F32);
    let run = |threads| crate::testing::on_threads(threads, || within(&lanczos(40), &operator, 0));
    assert_eq!(run(1), run(3));
}
