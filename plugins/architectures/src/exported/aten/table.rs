//! Which operation is translated how.

use super::{
    Operation, activation, attention, convolution, creation, diagonals, dropout, einsum, elementwise,
    functions, indexing, joining, linear_algebra, logic, losses, normalisation, norms, padding, pooling,
    recurrent, reduction, rounding, scattering, shape, slicing, sliding, sorting, symbolic, upsampling,
};

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

fn of_arithmetic(name: &str) -> Option<Operation> {
    Some(match name {
        "add" => elementwise::add,
        "sub" | "subtract" => elementwise::sub,
        "rsub" => elementwise::rsub,
        "mul" | "multiply" => elementwise::mul,
        "div" | "divide" | "true_divide" => elementwise::div,
        "floor_divide" => elementwise::floor_divide,
        "remainder" => elementwise::remainder,
        "fmod" => elementwise::fmod,
        "pow" | "float_power" => elementwise::pow,
        "maximum" | "fmax" => elementwise::maximum,
        "minimum" | "fmin" => elementwise::minimum,
        "clamp" | "clip" | "clamp_min" | "clamp_max" => elementwise::clamp,
        "lerp" => elementwise::lerp,
        "addcmul" => elementwise::addcmul,
        "addcdiv" => elementwise::addcdiv,
        "atan2" | "arctan2" => elementwise::atan2,
        "hypot" => elementwise::hypot,
        "xlogy" | "special_xlogy" => elementwise::xlogy,
        "logaddexp" => elementwise::logaddexp,
        _ => return None,
    })
}

fn of_functions(name: &str) -> Option<Operation> {
    Some(match name {
        "neg" | "negative" => elementwise::neg,
        "abs" | "absolute" => elementwise::abs,
        "sign" | "sgn" => elementwise::sign,
        "square" => elementwise::square,
        "sqrt" => functions::sqrt,
        "rsqrt" => functions::rsqrt,
        "reciprocal" => functions::reciprocal,
        "exp" => functions::exp,
        "exp2" | "special_exp2" => functions::exp2,
        "expm1" | "special_expm1" => functions::expm1,
        "log" => functions::log,
        "log1p" | "special_log1p" => functions::log1p,
        "log2" => functions::log2,
        "log10" => functions::log10,
        "sin" => functions::sin,
        "cos" => functions::cos,
        "tan" => functions::tan,
        "atan" | "arctan" => functions::atan,
        "asin" | "arcsin" => functions::asin,
        "acos" | "arccos" => functions::acos,
        "tanh" => functions::tanh,
        "sinh" => functions::sinh,
        "cosh" => functions::cosh,
        "asinh" | "arcsinh" => functions::asinh,
        "acosh" | "arccosh" => functions::acosh,
        "atanh" | "arctanh" => functions::atanh,
        "logit" | "special_logit" => functions::logit,
        "sigmoid" | "special_expit" => functions::sigmoid,
        "erf" | "special_erf" => elementwise::erf,
        "erfc" | "special_erfc" => elementwise::erfc,
        "floor" => rounding::floor,
        "ceil" => rounding::ceil,
        "round" => rounding::round,
        "trunc" | "fix" => rounding::trunc,
        "frac" => rounding::frac,
        _ => return None,
    })
}

fn of_activations(name: &str) -> Option<Operation> {
    Some(match name {
        "relu" => activation::relu,
        "relu6" => activation::relu6,
        "leaky_relu" => activation::leaky_relu,
        "prelu" | "_prelu_kernel" => activation::prelu,
        "rrelu" => activation::rrelu,
        "elu" => activation::elu,
        "celu" => activation::celu,
        "selu" => activation::selu,
        "gelu" => activation::gelu,
        "silu" => activation::silu,
        "mish" => activation::mish,
        "hardtanh" => activation::hardtanh,
        "hardswish" => activation::hardswish,
        "hardsigmoid" => activation::hardsigmoid,
        "softplus" => activation::softplus,
        "softsign" => activation::softsign,
        "log_sigmoid" => activation::log_sigmoid,
        "tanhshrink" => activation::tanhshrink,
        "threshold" => activation::threshold,
        "hardshrink" => activation::hardshrink,
        "softshrink" => activation::softshrink,
        "glu" => activation::glu,
        "softmax" | "_softmax" | "special_softmax" => activation::softmax,
        "log_softmax" | "_log_softmax" | "special_log_softmax" => activation::log_softmax,
        _ => return None,
    })
}

fn of_logic(name: &str) -> Option<Operation> {
    Some(match name {
        "eq" => logic::eq,
        "ne" | "not_equal" => logic::ne,
        "lt" | "less" => logic::lt,
        "le" | "less_equal" => logic::le,
        "gt" | "greater" => logic::gt,
        "ge" | "greater_equal" => logic::ge,
        "logical_and" | "bitwise_and" | "__and__" => logic::and,
        "logical_or" | "bitwise_or" | "__or__" => logic::or,
        "logical_xor" | "bitwise_xor" | "__xor__" => logic::xor,
        "logical_not" | "bitwise_not" => logic::not,
        "isinf" => logic::isinf,
        "isnan" => logic::isnan,
        "isfinite" => logic::isfinite,
        "nan_to_num" => logic::nan_to_num,
        "all" => logic::all,
        "any" => logic::any,
        "where" => logic::choose,
        "masked_fill" => logic::masked_fill,
        _ => return None,
    })
}

fn of_layers(name: &str) -> Option<Operation> {
    Some(match name {
        "conv1d" | "conv2d" | "conv3d" => convolution::convolution,
        "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d" => convolution::transposed,
        "convolution" => convolution::general,
        // Of those that give statistics, too, the first result is the same.
        "batch_norm"
        | "native_batch_norm"
        | "_native_batch_norm_legit"
        | "_native_batch_norm_legit_no_training"
        | "_native_batch_norm_legit_functional" => normalisation::batch_norm,
        "layer_norm" | "native_layer_norm" => normalisation::layer_norm,
        "group_norm" => normalisation::group_norm,
        "instance_norm" => normalisation::instance_norm,
        "rms_norm" => normalisation::rms_norm,
        "dropout" | "native_dropout" => dropout::dropout,
        "feature_dropout" => dropout::feature_dropout,
        "lstm" => recurrent::lstm,
        "gru" => recurrent::gru,
        "rnn_tanh" => recurrent::rnn_tanh,
        "rnn_relu" => recurrent::rnn_relu,
        "scaled_dot_product_attention" => attention::scaled_dot_product,
        "upsample_nearest1d" | "upsample_nearest2d" | "upsample_nearest3d" => upsampling::nearest,
        "upsample_linear1d" | "upsample_bilinear2d" | "upsample_trilinear3d" => upsampling::linear,
        "_upsample_nearest_exact1d" | "_upsample_nearest_exact2d" | "_upsample_nearest_exact3d" => {
            upsampling::nearest_exact
        }
        "upsample_bicubic2d" => upsampling::cubic,
        "_upsample_bilinear2d_aa" => upsampling::smooth_linear,
        "_upsample_bicubic2d_aa" => upsampling::smooth_cubic,
        "im2col" => sliding::unfold,
        "col2im" => sliding::fold,
        "_weight_norm" => norms::weight_norm,
        "norm_except_dim" => norms::norm_except_dim,
        "pad" => padding::pad,
        "constant_pad_nd" => padding::constant_pad,
        "reflection_pad1d" | "reflection_pad2d" | "reflection_pad3d" => padding::reflection_pad,
        "replication_pad1d" | "replication_pad2d" | "replication_pad3d" => padding::replication_pad,
        _ => return None,
    })
}

fn of_pooling(name: &str) -> Option<Operation> {
    Some(match name {
        // Indices of maxima are of no use here.
        "max_pool1d"
        | "max_pool2d"
        | "max_pool3d"
        | "max_pool1d_with_indices"
        | "max_pool2d_with_indices"
        | "max_pool3d_with_indices" => pooling::max_pool,
        "avg_pool1d" | "avg_pool2d" | "avg_pool3d" => pooling::avg_pool,
        "adaptive_avg_pool1d"
        | "adaptive_avg_pool2d"
        | "adaptive_avg_pool3d"
        | "_adaptive_avg_pool2d"
        | "_adaptive_avg_pool3d" => pooling::adaptive_avg_pool,
        "adaptive_max_pool1d" | "adaptive_max_pool2d" | "adaptive_max_pool3d" => pooling::adaptive_max_pool,
        _ => return None,
    })
}

fn of_products(name: &str) -> Option<Operation> {
    Some(match name {
        "linear" => linear_algebra::linear,
        "matmul" | "mm" | "bmm" | "mv" | "dot" | "vdot" | "linalg_matmul" => linear_algebra::matmul,
        "addmm" | "baddbmm" | "addmv" => linear_algebra::addmm,
        "inner" => linear_algebra::inner,
        "outer" | "ger" => linear_algebra::outer,
        "addbmm" => linear_algebra::addbmm,
        "addr" => linear_algebra::addr,
        "linalg_vecdot" => linear_algebra::vecdot,
        "tensordot" => linear_algebra::tensordot,
        "bilinear" => linear_algebra::bilinear,
        "einsum" => einsum::einsum,
        _ => return None,
    })
}

fn of_shapes(name: &str) -> Option<Operation> {
    Some(match name {
        "view" | "reshape" | "_unsafe_view" => shape::reshape,
        "view_as" | "reshape_as" => shape::reshape_as,
        "flatten" | "ravel" => shape::flatten,
        "unflatten" => shape::unflatten,
        "permute" => shape::permute,
        "transpose" | "swapaxes" | "swapdims" => shape::transpose,
        "t" | "mT" | "adjoint" => shape::t,
        "numpy_T" => shape::numpy_t,
        "movedim" | "moveaxis" => shape::movedim,
        "squeeze" => shape::squeeze,
        "unsqueeze" => shape::unsqueeze,
        "expand" | "broadcast_to" => shape::expand,
        "expand_as" => shape::expand_as,
        "broadcast_tensors" => shape::broadcast_tensors,
        "contiguous" | "clone" | "alias" | "lift_fresh_copy" | "lift_fresh" | "lift" | "positive"
        | "requires_grad" | "resolve_conj" | "resolve_neg" => shape::same,
        "detach" => shape::detach,
        "to" | "_to_copy" | "type_as" => shape::to,
        "pixel_shuffle" => shape::pixel_shuffle,
        "pixel_unshuffle" => shape::pixel_unshuffle,
        "channel_shuffle" => shape::channel_shuffle,
        _ => return None,
    })
}

fn of_parts(name: &str) -> Option<Operation> {
    Some(match name {
        "select" => slicing::select,
        "slice" => slicing::slice,
        "narrow" => slicing::narrow,
        "split" | "split_with_sizes" | "unsafe_split" | "unsafe_split_with_sizes" => slicing::split,
        "chunk" | "unsafe_chunk" => slicing::chunk,
        "tensor_split" => slicing::tensor_split,
        "unbind" => slicing::unbind,
        "roll" => slicing::roll,
        "repeat" | "tile" => slicing::repeat,
        "repeat_interleave" => slicing::repeat_interleave,
        "diff" => slicing::diff,
        "unfold" => slicing::unfold,
        "cat" | "concat" | "concatenate" => joining::cat,
        "stack" => joining::stack,
        "hstack" => joining::hstack,
        "vstack" | "row_stack" => joining::vstack,
        "column_stack" => joining::column_stack,
        "diagonal" => diagonals::diagonal,
        "diag" => diagonals::diag,
        "diag_embed" => diagonals::diag_embed,
        "trace" => diagonals::trace,
        "meshgrid" => joining::meshgrid,
        _ => return None,
    })
}

fn of_indices(name: &str) -> Option<Operation> {
    Some(match name {
        "embedding" => indexing::embedding,
        "index" | "_unsafe_index" => indexing::index,
        "index_select" => indexing::index_select,
        "gather" | "take_along_dim" => indexing::gather,
        "flip" => indexing::flip,
        "one_hot" => indexing::one_hot,
        "scatter" => scattering::scatter,
        "scatter_add" => scattering::scatter_add,
        "scatter_reduce" => scattering::scatter_reduce,
        "index_add" => scattering::index_add,
        "index_copy" => scattering::index_copy,
        "index_fill" => scattering::index_fill,
        "index_put" | "_unsafe_index_put" => scattering::index_put,
        "select_scatter" => scattering::select_scatter,
        "slice_scatter" => scattering::slice_scatter,
        "sort" => sorting::sort,
        "argsort" => sorting::argsort,
        "topk" => sorting::topk,
        "kthvalue" => sorting::kthvalue,
        "median" => sorting::median,
        "bucketize" => sorting::bucketize,
        "searchsorted" => sorting::searchsorted,
        _ => return None,
    })
}

fn of_creation(name: &str) -> Option<Operation> {
    Some(match name {
        "zeros" | "zeros_like" | "new_zeros" | "empty" | "empty_like" | "new_empty" => creation::zeros,
        "ones" | "ones_like" | "new_ones" => creation::ones,
        "full" | "full_like" | "new_full" => creation::full,
        "scalar_tensor" => creation::scalar_tensor,
        "fill" => creation::fill,
        "copy" => creation::copy,
        "zero" => creation::zero,
        "arange" => creation::arange,
        "linspace" => creation::linspace,
        "eye" => creation::eye,
        "tril" => creation::tril,
        "triu" => creation::triu,
        _ => return None,
    })
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
        "cdist" => norms::cdist,
        "cumprod" => reduction::cumprod,
        "cumsum" => reduction::cumsum,
        "prod" => reduction::prod,
        _ => return None,
    })
}

fn of_losses(name: &str) -> Option<Operation> {
    Some(match name {
        "mse_loss" => losses::mse_loss,
        "l1_loss" => losses::l1_loss,
        "huber_loss" => losses::huber_loss,
        "smooth_l1_loss" => losses::smooth_l1_loss,
        "binary_cross_entropy" => losses::binary_cross_entropy,
        "binary_cross_entropy_with_logits" => losses::binary_cross_entropy_with_logits,
        "kl_div" => losses::kl_div,
        "nll_loss" | "nll_loss2d" | "nll_loss_nd" => losses::nll_loss,
        "cross_entropy_loss" => losses::cross_entropy_loss,
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
