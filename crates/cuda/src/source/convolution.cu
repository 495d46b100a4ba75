/* Convolutions: unfolding images to a matrix of patches, folding patches to images, and the three
   products of a grouped convolution by their definitions.
   "The sizes" are eleven words: N, C, H, W, kH, kW, oH, oW, stride, padding, dilation. */

/* Unfolds x [k][n, C, H, W] to patches[k][(c, kh, kw)][(n, oh, ow)]. Each thread computes `each`
   neighbouring elements and writes them with one store. oW is a multiple of `each`, so that one
   decomposition of the thread's index serves all of them.
   args.w: out, x, elements / each, the sizes, the inverses (see `divided`) of oW / each, oH, N, kW,
   kH and C, the stride of x along k. */
#define UNFOLD(each)                                                                               \
    struct ALIGNED(4 * each) neighbours { T of[each]; };                                           \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    u32 n_all = (u32)args.w[3], channels = (u32)args.w[4], kh_all = (u32)args.w[7],                \
        kw_all = (u32)args.w[8], outs = (u32)args.w[9], across = (u32)args.w[10] / each;           \
    int height = (int)args.w[5], width = (int)args.w[6], stride = (int)args.w[11],                 \
        padding = (int)args.w[12], dilation = (int)args.w[13];                                     \
    u32 rest = divided(i, args.w[14]), ow = each * (i - rest * across);                            \
    u32 next = divided(rest, args.w[15]), oh = rest - next * outs;                                 \
    rest = divided(next, args.w[16]);                                                              \
    u32 n = next - rest * n_all;                                                                   \
    next = divided(rest, args.w[17]);                                                              \
    u32 kw = rest - next * kw_all;                                                                 \
    rest = divided(next, args.w[18]);                                                              \
    u32 kh = next - rest * kh_all, k = divided(rest, args.w[19]), c = rest - k * channels;         \
    int h = (int)oh * stride + (int)kh * dilation - padding;                                       \
    int v = (int)ow * stride + (int)kw * dilation - padding;                                       \
    int inside = h >= 0 && h < height;                                                             \
    const T *x = (const T *)args.w[1] + k * args.w[20]                                             \
        + ((u64)n * channels + c) * (u32)height * (u32)width;                                      \
    struct neighbours made;                                                                        \
    for (int j = 0; j < each; j++) {                                                               \
        int at = v + j * stride;                                                                   \
        made.of[j] = inside && at >= 0 && at < width ? x[h * width + at] : (T)0;                   \
    }                                                                                              \
    ((struct neighbours *)args.w[0])[i] = made;

KERNEL(NAME_unfold, 21) { UNFOLD(1) }

KERNEL(NAME_unfold2, 21) { UNFOLD(2) }

KERNEL(NAME_unfold4, 21) { UNFOLD(4) }

/* Folds patches to x [k][n, C, H, W]: each pixel is the sum over the patches that contain it.
   args.w: out, patches, elements, the sizes, the inverses of W, H, C and N, the stride of x along
   k. */
KERNEL(NAME_fold, 19) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 n_all = (u32)args.w[3], channels = (u32)args.w[4], height = (u32)args.w[5], width = (u32)args.w[6],
        kh_all = (u32)args.w[7], kw_all = (u32)args.w[8];
    int outs = (int)args.w[9], across = (int)args.w[10], stride = (int)args.w[11], padding = (int)args.w[12],
        dilation = (int)args.w[13];
    u32 rest = divided(i, args.w[14]), v = i - rest * width;
    u32 next = divided(rest, args.w[15]), h = rest - next * height;
    rest = divided(next, args.w[16]);
    u32 c = next - rest * channels, k = divided(rest, args.w[17]), n = rest - k * n_all;
    const T *patches = (const T *)args.w[1];
    double sum = 0.0;
    for (u32 kh = 0; kh < kh_all; kh++) {
        int top = (int)h + padding - (int)kh * dilation, oh = stride == 1 ? top : top / stride;
        if (top < 0 || oh * stride != top || oh >= outs) continue;
        for (u32 kw = 0; kw < kw_all; kw++) {
            int left = (int)v + padding - (int)kw * dilation, ow = stride == 1 ? left : left / stride;
            if (left < 0 || ow * stride != left || ow >= across) continue;
            u64 row = (((u64)k * channels + c) * kh_all + kh) * kw_all + kw;
            sum += (double)patches[((row * n_all + n) * (u32)outs + (u32)oh) * (u32)across + (u32)ow];
        }
    }
    T *out = (T *)args.w[0] + k * args.w[18];
    out[(((u64)n * channels + c) * height + h) * width + v] = (T)sum;
}

/* y [N, O, oH, oW] of x [N, C, H, W] and w [O, C/groups, kH, kW].
   args.w: out, x, w, elements, O, groups, the sizes. */
KERNEL(NAME_grouped_y, 17) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    const u64 *s = &args.w[6];
    u32 outputs = (u32)args.w[4], groups = (u32)args.w[5], channels = (u32)s[1], height = (u32)s[2],
        width = (u32)s[3], kh_all = (u32)s[4], kw_all = (u32)s[5], outs = (u32)s[6], across = (u32)s[7];
    u32 ow = i % across, oh = i / across % outs, o = i / (across * outs) % outputs;
    u32 n = i / (across * outs * outputs), depth = channels / groups, from = o / (outputs / groups) * depth;
    const T *x = (const T *)args.w[1], *w = (const T *)args.w[2];
    double sum = 0.0;
    for (u32 c = 0; c < depth; c++) {
        for (u32 kh = 0; kh < kh_all; kh++) {
            long long h = (long long)oh * s[8] + (long long)kh * s[10] - (long long)s[9];
            if (h < 0 || h >= height) continue;
            for (u32 kw = 0; kw < kw_all; kw++) {
                long long v = (long long)ow * s[8] + (long long)kw * s[10] - (long long)s[9];
                if (v < 0 || v >= width) continue;
                sum += (double)x[(((u64)n * channels + from + c) * height + h) * width + v]
                    * (double)w[(((u64)o * depth + c) * kh_all + kh) * kw_all + kw];
            }
        }
    }
    ((T *)args.w[0])[i] = (T)sum;
}

/* The transpose in x: the cotangent of x [N, C, H, W] from the cotangent y [N, O, oH, oW] and w.
   args.w: out, y, w, elements, O, groups, the sizes. */
KERNEL(NAME_grouped_x, 17) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    const u64 *s = &args.w[6];
    u32 outputs = (u32)args.w[4], groups = (u32)args.w[5], channels = (u32)s[1], height = (u32)s[2],
        width = (u32)s[3], kh_all = (u32)s[4], kw_all = (u32)s[5], outs = (u32)s[6], across = (u32)s[7];
    u32 v = i % width, h = i / width % height, channel = i / (width * height) % channels;
    u32 n = i / (width * height * channels), depth = channels / groups, each = outputs / groups;
    u32 group = channel / depth, c = channel % depth;
    const T *y = (const T *)args.w[1], *w = (const T *)args.w[2];
    double sum = 0.0;
    for (u32 kh = 0; kh < kh_all; kh++) {
        long long top = (long long)h + (long long)s[9] - (long long)kh * s[10];
        if (top < 0 || top % (long long)s[8] != 0 || top / (long long)s[8] >= outs) continue;
        for (u32 kw = 0; kw < kw_all; kw++) {
            long long left = (long long)v + (long long)s[9] - (long long)kw * s[10];
            if (left < 0 || left % (long long)s[8] != 0 || left / (long long)s[8] >= across) continue;
            u64 at = (u64)(top / (long long)s[8]) * across + (u64)(left / (long long)s[8]);
            for (u32 o = group * each; o < (group + 1) * each; o++) {
                sum += (double)y[((u64)n * outputs + o) * outs * across + at]
                    * (double)w[(((u64)o * depth + c) * kh_all + kh) * kw_all + kw];
            }
        }
    }
    ((T *)args.w[0])[i] = (T)sum;
}

/* The transpose in w: sums[part][O, C/groups, kH, kW], partial sums of the cotangent of w over the
   samples part, part + parts, ..., in double precision. y is the cotangent of the result.
   args.w: sums, x, y, elements of sums, O, groups, parts, the sizes. */
KERNEL(NAME_grouped_w, 18) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    const u64 *s = &args.w[7];
    u32 outputs = (u32)args.w[4], groups = (u32)args.w[5], parts = (u32)args.w[6], n_all = (u32)s[0],
        channels = (u32)s[1], height = (u32)s[2], width = (u32)s[3], kh_all = (u32)s[4], kw_all = (u32)s[5],
        outs = (u32)s[6], across = (u32)s[7];
    u32 depth = channels / groups, kw = i % kw_all, kh = i / kw_all % kh_all;
    u32 c = i / (kw_all * kh_all) % depth, o = i / (kw_all * kh_all * depth) % outputs;
    u32 part = i / (kw_all * kh_all * depth * outputs), channel = o / (outputs / groups) * depth + c;
    const T *x = (const T *)args.w[1], *y = (const T *)args.w[2];
    double sum = 0.0;
    for (u32 n = part; n < n_all; n += parts) {
        for (u32 oh = 0; oh < outs; oh++) {
            long long h = (long long)oh * s[8] + (long long)kh * s[10] - (long long)s[9];
            if (h < 0 || h >= height) continue;
            for (u32 ow = 0; ow < across; ow++) {
                long long v = (long long)ow * s[8] + (long long)kw * s[10] - (long long)s[9];
                if (v < 0 || v >= width) continue;
                sum += (double)x[(((u64)n * channels + channel) * height + h) * width + v]
                    * (double)y[(((u64)n * outputs + o) * outs + oh) * across + ow];
            }
        }
    }
    ((double *)args.w[0])[i] = sum;
}
