/* Partial sums of the cotangent of a weight, of a convolution of stride 1. Each thread adds up the
   products of some rows of x with some rows of y for one channel of x, one row of the kernel and
   OUTPUTS_EACH outputs, in registers. Neighbouring threads read the same rows of y, or of x if all
   k share it.
   args.w: sums [part, k, O, C, kH, kW], elements of the leading axis, their inverse, threads, rows
   of y in a part, rows of y; for each term the images, their stride along k, the cotangents of the
   result, and their stride along k. */
    u32 t = thread();
    if (t >= (u32)args.w[3]) return;
    u32 kh = t % (u32)KERNEL_HEIGHT, rest = t / (u32)KERNEL_HEIGHT;
    u32 c = rest % (u32)CHANNELS;
    rest /= (u32)CHANNELS;
    u32 o = rest % (u32)BLOCKS * (u32)OUTPUTS_EACH;
    rest /= (u32)BLOCKS;
    u32 part = divided(rest, args.w[2]), k = rest - part * (u32)args.w[1];
    u32 begin = part * (u32)args.w[4], end = begin + (u32)args.w[4], all = (u32)args.w[5];
    if (end > all) end = all;
    T sums[OUTPUTS_EACH][KERNEL_WIDTH];
    UNROLL
    for (int q = 0; q < OUTPUTS_EACH; q++) {
        UNROLL
        for (int kw = 0; kw < KERNEL_WIDTH; kw++) sums[q][kw] = (T)0;
    }
    ROLLED
    for (int term = 0; term < TERMS; term++) {
        const T *images = TERM(const T *, 6) + k * TERM(u64, 7) + c * (u32)(HEIGHT * WIDTH);
        const T *cotangents = TERM(const T *, 8) + k * TERM(u64, 9) + o * (u32)(OUT_HEIGHT * OUT_WIDTH);
        ROLLED
        for (u32 i = begin; i < end; i++) {
            u32 n = i / (u32)OUT_HEIGHT, oh = i % (u32)OUT_HEIGHT;
            int h = (int)(oh + kh * (u32)DILATION) - ABOVE;
            if ((u32)h >= (u32)HEIGHT) continue;
            const T *row = images + (u64)n * (CHANNELS * HEIGHT * WIDTH) + h * WIDTH;
            const T *y = cotangents + (u64)n * (OUTPUTS * OUT_HEIGHT * OUT_WIDTH) + oh * (u32)OUT_WIDTH;
            ROLLED
            for (int left = 0; left < SEGMENTS * COLUMNS; left += COLUMNS) {
                READ_ROW(pixels, COLUMNS + (KERNEL_WIDTH - 1) * DILATION, row, (left + FIRST), SKIPPED, WIDTH)
                UNROLL
                for (int q = 0; q < OUTPUTS_EACH; q++) {
                    if (OUTPUTS % OUTPUTS_EACH > 0 && o + (u32)q >= (u32)OUTPUTS) continue;
                    UNROLL
                    for (int v = 0; v < COLUMNS; v += OUT_VECTOR) {
                        if (left + v >= OUT_WIDTH) continue;
                        struct out_vector read =
                            *(const struct out_vector *)(y + q * (OUT_HEIGHT * OUT_WIDTH) + left + v);
                        UNROLL
                        for (int e = 0; e < OUT_VECTOR; e++) {
                            UNROLL
                            for (int kw = 0; kw < KERNEL_WIDTH; kw++) {
                                int from = FIRST + SKIPPED + v + e + kw * DILATION;
                                if (SEGMENTS == 1 && (from < 0 || from >= WIDTH)) continue;
                                sums[q][kw] += pixels[v + e + kw * DILATION] * read.of[e];
                            }
                        }
                    }
                }
            }
        }
    }
    T *out = (T *)args.w[0]
        + ((((u64)part * args.w[1] + k) * OUTPUTS + o) * CHANNELS + c) * (KERNEL_HEIGHT * KERNEL_WIDTH)
        + kh * (u32)KERNEL_WIDTH;
    UNROLL
    for (int q = 0; q < OUTPUTS_EACH; q++) {
        if (OUTPUTS % OUTPUTS_EACH > 0 && o + (u32)q >= (u32)OUTPUTS) continue;
        UNROLL
        for (int kw = 0; kw < KERNEL_WIDTH; kw++) {
            out[q * (CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH) + kw] = sums[q][kw];
        }
    }
