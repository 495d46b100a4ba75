//! Which operation is translated how.

mod elements;
mod layers;
mod numbers;

use self::{
    elements::{of_creation, of_indices, of_parts, of_shapes},
    layers::{of_layers, of_losses, of_pooling, of_products},
    numbers::{of_activations, of_arithmetic, of_functions, of_logic},
};
use super::{Operation, norms, reduction, symbolic};

/// The translation of an operation, by its name without what it is overloaded with: `aten.conv2d`.
/// What changes its operand in place gives the same.
pub fn find(name: &str) -> Option<Operation> {
    let in_place = |name: &'_ str| name.starts_with("aten.") && name.ends_with('_') && !name.ends_with("__");
    let name = if in_place(name) { &name[..name.len() - 1] } else { name };
    of_aten(name).or_else(|| of_python(name))
}

/// Whether the result is a view of the first operand's memory, which a change in place changes too.
pub fn is_view(name: &str) -> bool {
    let views = [
        "aten.view",
        "aten.reshape",
        "aten.permute",
        "aten.transpose",
        "aten.t",
        "aten.numpy_T",
        "aten.squeeze",
        "aten.unsqueeze",
        "aten.expand",
        "aten.expand_as",
        "aten.select",
        "aten.slice",
        "aten.narrow",
        "aten.split",
        "aten.split_with_sizes",
        "aten.chunk",
        "aten.unbind",
        "aten.flatten",
        "aten.unflatten",
        "aten.alias",
        "aten.detach",
        "aten.view_as",
        "aten.movedim",
        "aten.unfold",
        "aten.ravel",
        "aten.mT",
        "aten.swapaxes",
        "aten.swapdims",
        "aten.moveaxis",
        "aten.tensor_split",
        "aten.broadcast_to",
        "aten.diagonal",
        "aten.as_strided",
    ];
    views.contains(&name)
}

fn of_aten(name: &str) -> Option<Operation> {
    let name = name.strip_prefix("aten.")?;
    let families = [
        of_arithmetic,
        of_functions,
        of_activations,
        of_logic,
        of_layers,
        of_pooling,
        of_products,
        of_shapes,
        of_parts,
        of_indices,
        of_creation,
        of_reductions,
        of_losses,
        of_sizes,
    ];
    families.into_iter().find_map(|family| family(name))
}

fn of_reductions(name: &str) -> Option<Operation> {
    Some(match name {
        "sum" => reduction::sum,
        "mean" => reduction::mean,
        "var" => reduction::var,
        "std" => reduction::std,
        "var_mean" => reduction::var_mean,
        "std_mean" => reduction::std_mean,
        "amax" => reduction::amax,
        "amin" => reduction::amin,
        "max" => reduction::max,
        "min" => reduction::min,
        "argmax" => reduction::argmax,
        "argmin" => reduction::argmin,
        "logsumexp" | "special_logsumexp" => reduction::logsumexp,
        "aminmax" => reduction::aminmax,
        "count_nonzero" => reduction::count_nonzero,
        "norm" | "linalg_vector_norm" => norms::vector_norm,
        "frobenius_norm" | "linalg_norm" | "linalg_matrix_norm" => norms::matrix_norm,
        "cosine_similarity" => norms::cosine_similarity,
        "pairwise_distance" => norms::pairwise_distance,
        "cdist" | "_cdist_forward" => norms::cdist,
        "cumprod" => reduction::cumprod,
        "cumsum" => reduction::cumsum,
        "prod" => reduction::prod,
        _ => return None,
    })
}

fn of_sizes(name: &str) -> Option<Operation> {
    Some(match name {
        "sym_size" | "size" => symbolic::size,
        "sym_numel" | "numel" => symbolic::count,
        "item" | "_local_scalar_dense" => symbolic::item,
        "_assert_tensor_metadata"
        | "_assert_scalar"
        | "_assert_async"
        | "sym_constrain_range"
        | "sym_constrain_range_for_size" => symbolic::nothing,
        _ => return None,
    })
}

fn of_python(name: &str) -> Option<Operation> {
    Some(match name {
        "_operator.add" => symbolic::add,
        "_operator.sub" => symbolic::sub,
        "_operator.mul" => symbolic::mul,
        "_operator.floordiv" => symbolic::floordiv,
        "_operator.truediv" => symbolic::truediv,
        "_operator.mod" => symbolic::modulo,
        "_operator.pow" => symbolic::pow,
        "_operator.neg" => symbolic::neg,
        "_operator.eq" => symbolic::eq,
        "_operator.ne" => symbolic::ne,
        "_operator.lt" => symbolic::lt,
        "_operator.le" => symbolic::le,
        "_operator.gt" => symbolic::gt,
        "_operator.ge" => symbolic::ge,
        "sym_float" => symbolic::to_float,
        "sym_int" | "math.trunc" => symbolic::to_int,
        "sym_max" => symbolic::max,
        "sym_min" => symbolic::min,
        "sym_sqrt" | "math.sqrt" => symbolic::sqrt,
        "math.ceil" => symbolic::ceil,
        "math.floor" => symbolic::floor,
        _ => return None,
    })
}
