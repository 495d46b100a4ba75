//! Layers, pooling, products of matrices and losses.

use crate::exported::aten::{
    Operation, attention, convolution, dropout, einsum, linear_algebra, losses, normalisation, norms,
    padding, pooling, recurrent, sliding, upsampling,
};

pub(super) fn of_layers(name: &str) -> Option<Operation> {
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
        "group_norm" | "native_group_norm" => normalisation::group_norm,
        "instance_norm" => normalisation::instance_norm,
        "rms_norm" => normalisation::rms_norm,
        "dropout" | "native_dropout" => dropout::dropout,
        "feature_dropout" => dropout::feature_dropout,
        "alpha_dropout" | "feature_alpha_dropout" => dropout::alpha_dropout,
        "lstm" => recurrent::lstm,
        "gru" => recurrent::gru,
        "rnn_tanh" => recurrent::rnn_tanh,
        "rnn_relu" => recurrent::rnn_relu,
        "lstm_cell" => recurrent::lstm_cell,
        "gru_cell" => recurrent::gru_cell,
        "rnn_tanh_cell" => recurrent::rnn_tanh_cell,
        "rnn_relu_cell" => recurrent::rnn_relu_cell,
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

pub(super) fn of_pooling(name: &str) -> Option<Operation> {
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

pub(super) fn of_products(name: &str) -> Option<Operation> {
    Some(match name {
        "linear" => linear_algebra::linear,
        "matmul" | "mm" | "bmm" | "mv" | "dot" | "vdot" | "linalg_matmul" => linear_algebra::matmul,
        "addmm" | "baddbmm" | "addmv" => linear_algebra::addmm,
        "inner" => linear_algebra::inner,
        "outer" | "ger" => linear_algebra::outer,
        "kron" => linear_algebra::kron,
        "addbmm" => linear_algebra::addbmm,
        "addr" => linear_algebra::addr,
        "linalg_vecdot" => linear_algebra::vecdot,
        "tensordot" => linear_algebra::tensordot,
        "bilinear" => linear_algebra::bilinear,
        "_trilinear" => linear_algebra::trilinear,
        "einsum" => einsum::einsum,
        _ => return None,
    })
}

pub(super) fn of_losses(name: &str) -> Option<Operation> {
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
