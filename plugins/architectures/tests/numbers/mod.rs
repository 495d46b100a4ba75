//! Parameters and inputs that are generated from names; `torch/generate.py` generates the same.

use candle_core::{Device, Tensor};
use eigenscape_program::Parameter;
use eigenscape_runtime::Result;

/// `count` numbers in [0, 1), generated from `name` by SplitMix64 whose key is the FNV-1a hash of
/// `name`.
pub fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let hash = |key: u64, byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let key = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    (1..=count as u64).map(move |i| {
        let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(key);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * 0.5_f64.powi(53)
    })
}

/// Numbers between −1 and 1, generated from `name`.
pub fn centred(name: &str, shape: &[usize]) -> Result<Tensor> {
    let numbers = uniform(name, shape.iter().product()).map(|u| 2.0 * u - 1.0);
    Ok(Tensor::from_vec(numbers.collect(), shape, &Device::Cpu)?)
}

/// The largest distance of a parameter's numbers from their centre; for weights such that their
/// variance is 1/fan-in.
pub fn spread(declared: &Parameter) -> f64 {
    match declared.shape.as_slice() {
        [_, fan_in @ ..] if !fan_in.is_empty() => (3.0 / fan_in.iter().product::<usize>() as f64).sqrt(),
        _ => 0.2,
    }
}

/// Values of parameters or buffers, around 1 for scales and variances and otherwise around 0, so
/// that none is exactly zero or one.
pub fn values(declared: &[Parameter]) -> Result<Vec<Tensor>> {
    let value = |declared: &Parameter| {
        let Parameter { name, shape, .. } = declared;
        let ones = shape.len() == 1 && (name.ends_with("weight") || name.ends_with("running_var"));
        Ok(((centred(name, shape)? * spread(declared))? + f64::from(ones))?)
    };
    declared.iter().map(value).collect()
}

/// Inputs \[N, ...\]: tokens below `outputs` for gpt, otherwise numbers between −1 and 1.
pub fn inputs(name: &str, shape: &[usize], outputs: usize) -> Result<Tensor> {
    if name != "gpt" {
        return centred("x", shape);
    }
    let tokens = uniform("x", shape.iter().product()).map(|u| (u * outputs as f64).floor());
    Ok(Tensor::from_vec(tokens.collect(), shape, &Device::Cpu)?)
}
