//! Sums over axes, of operands or expressions, in stages. In each stage, each thread adds up some
//! terms of one sum in double precision. The last stage leaves one number for each element of the
//! result.

use candle_core::DType;

use super::{
    element_wise::{Code, Operands, declarations, expression},
    place,
    walk::{Walk, Words, inverse},
};
use crate::{
    Result,
    builder::{Builder, View},
    command::{Place, Word},
    source::{KernelSource, c_type},
};

/// Threads that keep a device busy.
const ENOUGH: usize = 1 << 18;

/// The most terms of a sum that one thread adds up alone.
const SHORT: usize = 32;

/// The fewest terms per thread in longer sums.
const FEWEST: usize = 8;

/// Emits `out` = the sum of the code's value over `axes`, which are numbered without the leading
/// axis. `dims` is the shape of the value with the leading axis.
pub(super) fn emit(
    builder: &mut Builder,
    code: &[Code],
    args: &[View],
    dims: &[usize],
    axes: &[usize],
    out: &View,
) -> Result<()> {
    let shift = usize::from(out.led);
    let axes: Vec<usize> = axes.iter().map(|axis| axis + shift).collect();
    let compute = builder.compute();
    stage(builder, code, args, (dims, &axes), compute, (place(out)?, out.dtype))
}

/// Emits out\[k\] = Σ_p partial\[p, k\], for `parts` parts p, in double precision.
pub(super) fn of_parts(
    builder: &mut Builder,
    (partial, stored): (Place, DType),
    [parts, kept]: [usize; 2],
    out: (Place, DType),
) -> Result<()> {
    let view = View::in_order(partial, &[parts, kept], stored);
    stage(builder, &Code::operand(), &[view], (&[parts, kept], &[0]), DType::F64, out)
}

fn stage(
    builder: &mut Builder,
    code: &[Code],
    args: &[View],
    (dims, axes): (&[usize], &[usize]),
    compute: DType,
    (out, out_type): (Place, DType),
) -> Result<()> {
    let mut words = Words::default();
    let operands = Operands::new(args, &mut words)?;
    let strides = operands.strides(dims)?;
    let walk = |summed: bool| {
        let chosen: Vec<usize> = (0..dims.len()).filter(|axis| axes.contains(axis) == summed).collect();
        let pick = |of: &[usize]| chosen.iter().map(|&axis| of[axis]).collect::<Vec<usize>>();
        Walk::new(&pick(dims), &strides.iter().map(|of| pick(of)).collect::<Vec<_>>())
    };
    let (kept_walk, summed_walk) = (walk(false), walk(true));
    let kept: usize =
        dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, n)| n).product();
    let terms: usize =
        dims.iter().enumerate().filter(|(axis, _)| axes.contains(axis)).map(|(_, n)| n).product();
    // Neighbouring threads read neighbouring numbers: if the last axis is summed, they share a sum.
    let along = (0..dims.len()).rev().find(|&axis| dims[axis] != 1).is_some_and(|axis| axes.contains(&axis));
    let parts = parts(kept, terms, along);
    if kept == 0 {
        return Ok(());
    }
    let partial = if parts == 1 { out } else { builder.scratch(parts * kept, DType::F64) };
    let to = words.push(partial);
    let threads = words.push(parts * kept);
    let (parts_word, kept_word, terms_word) = (words.push(parts), words.push(kept), words.push(terms));
    let divisor = if along { parts } else { kept };
    let split = match (along, divisor) {
        (true, 1) => "    u32 k = t, s = 0;\n".to_owned(),
        (false, 1) => "    u32 k = 0, s = t;\n".to_owned(),
        (true, _) => {
            let inverse = words.push(Word::Number(inverse(divisor)));
            format!("    u32 k = divided(t, {inverse}), s = t - k * (u32){parts_word};\n")
        }
        (false, _) => {
            let inverse = words.push(Word::Number(inverse(divisor)));
            format!("    u32 s = divided(t, {inverse}), k = t - s * (u32){kept_word};\n")
        }
    };
    let bases: Vec<String> = operands.names.iter().map(|name| format!("{name}_base")).collect();
    let at_kept = kept_walk.text("k", &bases, &mut words);
    let at_term = summed_walk.text("r", &operands.names, &mut words);
    let (lines, value) = expression(code, &operands.reads(args, compute), compute, &mut words)?;
    let starts: String =
        operands.names.iter().zip(&bases).map(|(name, base)| format!("    u32 {name} = {base};\n")).collect();
    let (type_, place) = if parts == 1 {
        (c_type(out_type), "k".to_owned())
    } else {
        ("double", format!("s * (u32){kept_word} + k"))
    };
    let body = format!(
        "    u32 t = thread();\n    if (t >= (u32){threads}) return;\n{split}{}{at_kept}    double sum = 0.0;\n    \
         for (u32 r = s; r < (u32){terms_word}; r += (u32){parts_word}) {{\n{starts}{at_term}{lines}    sum += \
         (double){value};\n    }}\n    (({type_} *){to})[{place}] = ({type_})sum;\n",
        declarations(&bases),
    );
    let kernel = KernelSource::generated("sum", words.0.len(), &body);
    builder.launch(kernel, parts * kept, words.0)?;
    if parts == 1 { Ok(()) } else { of_parts(builder, (partial, DType::F64), [parts, kept], (out, out_type)) }
}

/// The number of parts of each sum.
fn parts(kept: usize, terms: usize, along: bool) -> usize {
    if terms <= SHORT {
        return 1;
    }
    // If neighbouring threads share a sum, at least half a warp reads neighbouring numbers.
    let least = if along { 16 } else { 1 };
    (ENOUGH / kept.max(1)).clamp(least, terms.div_ceil(FEWEST).max(least))
}
