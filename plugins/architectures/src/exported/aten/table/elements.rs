//! Shapes, parts, places and new tensors.

use crate::exported::aten::{
    Operation, bags, creation, diagonals, indexing, joining, running, scattering, shape, slicing, sorting,
    strided,
};

pub(super) fn of_shapes(name: &str) -> Option<Operation> {
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

pub(super) fn of_parts(name: &str) -> Option<Operation> {
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
        "as_strided" => strided::as_strided,
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

pub(super) fn of_indices(name: &str) -> Option<Operation> {
    Some(match name {
        "embedding" => indexing::embedding,
        "embedding_bag" | "_embedding_bag" | "_embedding_bag_forward_only" => bags::embedding_bag,
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
        "cummax" => running::cummax,
        "cummin" => running::cummin,
        "median" => sorting::median,
        "bucketize" => sorting::bucketize,
        "searchsorted" => sorting::searchsorted,
        _ => return None,
    })
}

pub(super) fn of_creation(name: &str) -> Option<Operation> {
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
