//! Element-wise steps, each as one generated kernel that evaluates an expression per element.

use std::fmt::Write;

use candle_core::DType;
use eigenscape_program::{ElementwiseFunction as Function, Real};
use eigenscape_runtime::{ElementWise, Error, Instruction};

use super::{
    place,
    walk::{Walk, Words, strides},
};
use crate::{
    Result,
    builder::{Builder, Home, View},
    driver::THREADS,
    source::{KernelSource, c_type},
};

/// The number of elements from which each thread computes several.
const MANY: usize = 1 << 20;

/// Elements per thread in that case: independent reads hide the memory's latency.
const EACH: usize = 4;

/// An instruction of a stack machine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Code {
    /// Pushes an operand.
    Operand(usize),
    /// Applies an operation of a chain.
    Apply(ElementWise),
    /// Applies a function to the top of the stack.
    Function(Function),
}

impl Code {
    /// The first operand, unchanged.
    pub fn operand() -> Vec<Self> {
        vec![Self::Operand(0)]
    }

    /// x + y.
    pub fn add() -> Vec<Self> {
        vec![Self::Operand(0), Self::Operand(1), Self::Apply(ElementWise::Add)]
    }

    /// x − y.
    pub fn subtract() -> Vec<Self> {
        let minus = Self::Apply(ElementWise::Scale(Real(-1.0)));
        vec![Self::Operand(0), Self::Operand(1), minus, Self::Apply(ElementWise::Add)]
    }

    /// x · y.
    pub fn mul() -> Vec<Self> {
        vec![Self::Operand(0), Self::Operand(1), Self::Apply(ElementWise::Mul)]
    }

    /// c · x.
    pub fn scale(factor: Real) -> Vec<Self> {
        vec![Self::Operand(0), Self::Apply(ElementWise::Scale(factor))]
    }

    /// f(x).
    pub fn function(function: Function) -> Vec<Self> {
        vec![Self::Operand(0), Self::Function(function)]
    }
}

/// The code of a chain.
pub(super) fn of_chain(code: &[Instruction]) -> Vec<Code> {
    let instruction = |instruction: &Instruction| match *instruction {
        Instruction::Operand(operand) => Code::Operand(operand),
        Instruction::Apply(operation) => Code::Apply(operation),
    };
    code.iter().map(instruction).collect()
}

/// Emits a copy from one view to another, converted to the other's type.
pub(crate) fn copy(builder: &mut Builder, from: &View, to: &View) -> Result<()> {
    let compute = if from.dtype == DType::U32 { DType::U32 } else { builder.compute() };
    // Computing in f32 would lose the precision of f64 numbers.
    let compute = if [from.dtype, to.dtype].contains(&DType::F64) { DType::F64 } else { compute };
    emit_in(builder, &Code::operand(), std::slice::from_ref(from), to, compute)
}

/// Emits `out` = the code's value for every element.
pub(super) fn emit(builder: &mut Builder, code: &[Code], args: &[View], out: &View) -> Result<()> {
    let compute = builder.compute();
    emit_in(builder, code, args, out, compute)
}

fn emit_in(builder: &mut Builder, code: &[Code], args: &[View], out: &View, compute: DType) -> Result<()> {
    let dims = &out.layout.dims;
    let elements = out.layout.elements();
    let mut words = Words::default();
    let mut operands = Operands::new(args, &mut words)?;
    let out_name = words.push(place(out)?.plus(out.layout.start * out.dtype.size_in_bytes()));
    let count = words.push(elements);
    let mut walked = operands.strides(dims)?;
    walked.push(strides(&out.layout, dims)?);
    let walk = Walk::new(dims, &walked);
    let mut names = operands.names.clone();
    names.push("to".to_owned());
    let index = if walk.dims.len() < 2 && walk.strides.iter().all(|steps| steps.iter().all(|&step| step < 2))
    {
        operands.read_along("i", &walk);
        String::new()
    } else {
        walk.text("i", &names, &mut words)
    };
    let in_order = index.is_empty();
    let (lines, value) = expression(code, &operands.reads(args, compute), compute, &mut words)?;
    let declared = if in_order { String::new() } else { declarations(&names) };
    let to = if in_order { "i" } else { "to" };
    let each = if elements >= MANY { EACH } else { 1 };
    let body = format!(
        "    for (u32 lane = 0; lane < {each}u; lane++) {{\n    u32 i = (blockIdx.x * {each}u + lane) * {THREADS}u + \
         threadIdx.x;\n    if (i < (u32){count}) {{\n{declared}{index}{lines}    (({type_} *){out_name})[{to}] = \
         ({type_}){value};\n    }}\n    }}\n",
        type_ = c_type(out.dtype),
    );
    let kernel = KernelSource::generated("chain", words.0.len(), &body);
    builder.launch(kernel, elements.div_ceil(each), words.0)
}

/// A line `u32 name = 0;` for each name.
pub(super) fn declarations(names: &[String]) -> String {
    names.iter().fold(String::new(), |text, name| text + &format!("    u32 {name} = 0;\n"))
}

/// The operands of a kernel: how its source names their memory and their offsets.
pub(super) struct Operands {
    memory: Vec<String>,
    pub names: Vec<String>,
    layouts: Vec<eigenscape_runtime::Layout>,
}

impl Operands {
    pub fn new(args: &[View], words: &mut Words) -> Result<Self> {
        let mut operands = Self { memory: Vec::new(), names: Vec::new(), layouts: Vec::new() };
        for (i, arg) in args.iter().enumerate() {
            operands.memory.push(match arg.home {
                Home::At(at) => words.push(at.plus(arg.layout.start * arg.dtype.size_in_bytes())),
                Home::Repeated(number) => words.push(number),
            });
            operands.names.push(format!("o{i}"));
            operands.layouts.push(arg.layout.clone());
        }
        Ok(operands)
    }

    /// The strides of each operand along `dims`.
    pub fn strides(&self, dims: &[usize]) -> Result<Vec<Vec<usize>>> {
        self.layouts.iter().map(|layout| strides(layout, dims)).collect()
    }

    /// Uses `index` as the offset of operands that are read in order, and 0 as that of repeated
    /// operands.
    fn read_along(&mut self, index: &str, walk: &Walk) {
        for (name, steps) in self.names.iter_mut().zip(&walk.strides) {
            let moves = steps.contains(&1);
            *name = if moves { index.to_owned() } else { "0".to_owned() };
        }
    }

    /// The expressions that read the operands, converted to type `compute`.
    pub fn reads(&self, args: &[View], compute: DType) -> Vec<String> {
        let compute = c_type(compute);
        let read = |(i, arg): (usize, &View)| {
            let (memory, offset) = (&self.memory[i], &self.names[i]);
            match arg.home {
                Home::At(_) => format!("({compute})((const {} *){memory})[{offset}]", c_type(arg.dtype)),
                Home::Repeated(_) => format!("({compute})number({memory})"),
            }
        };
        args.iter().enumerate().map(read).collect()
    }
}

/// The source lines that compute the code's value, and the name of the variable with the value.
pub(super) fn expression(
    code: &[Code],
    reads: &[String],
    compute: DType,
    words: &mut Words,
) -> Result<(String, String)> {
    let type_ = c_type(compute);
    let (mut lines, mut stack) = (String::new(), Vec::<String>::new());
    let broken = || Error::unsupported("a chain without operands");
    for (step, instruction) in code.iter().enumerate() {
        let value = match *instruction {
            Code::Operand(operand) => reads.get(operand).cloned().ok_or_else(broken)?,
            Code::Apply(ElementWise::Add) | Code::Apply(ElementWise::Mul) => {
                let (y, x) = (stack.pop().ok_or_else(broken)?, stack.pop().ok_or_else(broken)?);
                let sign = if matches!(instruction, Code::Apply(ElementWise::Add)) { "+" } else { "*" };
                format!("{x} {sign} {y}")
            }
            Code::Apply(ElementWise::Scale(factor)) => {
                format!("({type_})number({}) * {}", words.push(factor.0), stack.pop().ok_or_else(broken)?)
            }
            Code::Apply(ElementWise::Relu) => {
                of_function(Function::Relu, &stack.pop().ok_or_else(broken)?, compute, words)
            }
            Code::Apply(ElementWise::Step(slope)) => {
                of_function(Function::Step { slope }, &stack.pop().ok_or_else(broken)?, compute, words)
            }
            Code::Function(function) => {
                of_function(function, &stack.pop().ok_or_else(broken)?, compute, words)
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "    {type_} v{step} = {value};");
        stack.push(format!("v{step}"));
    }
    Ok((lines, stack.pop().ok_or_else(broken)?))
}

/// f(x) in C. The names of C's functions end in f for single precision.
fn of_function(function: Function, x: &str, compute: DType, words: &mut Words) -> String {
    let (type_, f) = (c_type(compute), if compute == DType::F32 { "f" } else { "" });
    match function {
        // NaN propagates.
        Function::Relu => format!("{x} <= 0 ? ({type_})0 : {x}"),
        Function::LeakyRelu { slope } => {
            format!("{x} > 0 ? {x} : ({type_})number({}) * {x}", words.push(slope.0))
        }
        Function::Step { slope } => {
            format!("{x} > 0 ? ({type_})1 : ({type_})number({})", words.push(slope.0))
        }
        Function::Tanh => format!("tanh{f}({x})"),
        // Both branches avoid the overflow of e^|x|.
        Function::Sigmoid => {
            format!("({x} >= 0 ? ({type_})1 : exp{f}(-fabs{f}({x}))) / (({type_})1 + exp{f}(-fabs{f}({x})))")
        }
        Function::SigmoidComplement => {
            format!("({x} <= 0 ? ({type_})1 : exp{f}(-fabs{f}({x}))) / (({type_})1 + exp{f}(-fabs{f}({x})))")
        }
        Function::Softplus => {
            format!("({x} > 0 ? {x} : ({type_})0) + log1p{f}(exp{f}(-fabs{f}({x})))")
        }
        Function::Elu { order: 0 } => format!("{x} > 0 ? {x} : expm1{f}({x})"),
        Function::Elu { order: 1 } => format!("{x} > 0 ? ({type_})1 : exp{f}({x})"),
        // From the second derivative on, x = 0 counts as positive, as in PyTorch.
        Function::Elu { .. } => format!("{x} < 0 ? exp{f}({x}) : ({type_})0"),
        Function::NormalCdf => format!("({type_})0.5 * erfc{f}(({type_})-0.70710678118654752440 * {x})"),
        Function::Exp => format!("exp{f}({x})"),
        Function::Log => format!("log{f}({x})"),
        Function::LogOnePlus => format!("log1p{f}({x})"),
        Function::Sin => format!("sin{f}({x})"),
        Function::Cos => format!("cos{f}({x})"),
        Function::Atan => format!("atan{f}({x})"),
        Function::Sqrt => format!("sqrt{f}({x})"),
        Function::Recip => format!("({type_})1 / {x}"),
        Function::Floor => format!("floor{f}({x})"),
    }
}
