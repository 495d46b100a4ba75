/* Pooling. The windows along an axis are a table of pairs: start and end (exclusive) of each. */

/* Declares the rows and columns of this thread's window, and x, the plane that contains it. */
#define WINDOW                                                                                     \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    u32 height = (u32)args.w[3], width = (u32)args.w[4], outs = (u32)args.w[5],                    \
        across = (u32)args.w[6];                                                                   \
    u32 ow = i % across, oh = i / across % outs, plane = i / (across * outs);                      \
    const u32 *rows = (const u32 *)args.w[7] + 2 * oh, *columns = (const u32 *)args.w[8] + 2 * ow; \
    const T *x = (const T *)args.w[1] + (u64)plane * height * width;

/* Position in its plane of the first maximum of each window. NaN is larger than any number; an
   empty window gives 0.
   args.w: out, x, elements of out, H, W, oH, oW, table of rows, table of columns. */
KERNEL(NAME_argmax_pool, 9) {
    WINDOW
    u32 best = rows[0] * width + columns[0];
    for (u32 h = rows[0]; h < rows[1]; h++) {
        for (u32 c = columns[0]; c < columns[1]; c++) {
            u32 at = h * width + c;
            int is_nan = x[at] != x[at], best_is_nan = x[best] != x[best];
            if (x[at] > x[best] || (is_nan && !best_is_nan)) best = at;
        }
    }
    ((u32 *)args.w[0])[i] = rows[0] < rows[1] && columns[0] < columns[1] ? best : 0;
}

/* The sum over each window. args.w: as for argmax_pool. */
KERNEL(NAME_sum_pool, 9) {
    WINDOW
    double sum = 0.0;
    for (u32 h = rows[0]; h < rows[1]; h++) {
        for (u32 c = columns[0]; c < columns[1]; c++) sum += (double)x[h * width + c];
    }
    ((T *)args.w[0])[i] = (T)sum;
}

/* The transpose of sum_pool: each pixel is the sum of the cotangents of the windows that contain
   it.
   args.w: as for argmax_pool, with these cotangents in place of x. */
KERNEL(NAME_sum_pool_transpose, 9) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 height = (u32)args.w[3], width = (u32)args.w[4], outs = (u32)args.w[5], across = (u32)args.w[6];
    u32 c = i % width, h = i / width % height, plane = i / (width * height);
    const u32 *rows = (const u32 *)args.w[7], *columns = (const u32 *)args.w[8];
    const T *y = (const T *)args.w[1] + (u64)plane * outs * across;
    double sum = 0.0;
    for (u32 oh = 0; oh < outs; oh++) {
        if (h < rows[2 * oh] || h >= rows[2 * oh + 1]) continue;
        for (u32 ow = 0; ow < across; ow++) {
            if (c >= columns[2 * ow] && c < columns[2 * ow + 1]) sum += (double)y[oh * across + ow];
        }
    }
    ((T *)args.w[0])[i] = (T)sum;
}
