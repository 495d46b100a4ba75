/* A convolution of stride 1, or its transpose in x, which is a convolution with rotated kernels.
   Each thread computes ROWS x COLUMNS neighbouring positions of one channel of the result in
   registers. Neighbouring threads compute other channels from the same pixels, so that a read of
   pixels is one for all of them, and read neighbouring weights.
   args.w: out, its stride along k, threads, samples, their inverse; for each term the images, their
   stride along k, the weights [channel, kernel row, kernel column, channel of the result], and
   their stride along k. */
    u32 t = thread();
    if (t >= (u32)args.w[2]) return;
    u32 rest = t / (u32)OUTPUTS, o = t % (u32)OUTPUTS;
    u32 next = divided(rest, args.w[4]), n = rest - next * (u32)args.w[3];
    rest = next / (u32)SEGMENTS;
    u32 k = rest / (u32)BLOCKS;
    int left = (int)(next % (u32)SEGMENTS) * COLUMNS, top = (int)(rest % (u32)BLOCKS) * ROWS;
    T sums[ROWS][COLUMNS];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int v = 0; v < COLUMNS; v++) sums[r][v] = (T)0;
    }
    ROLLED
    for (int term = 0; term < TERMS; term++) {
        const T *image = TERM(const T *, 5) + k * TERM(u64, 6) + (u64)n * (CHANNELS * HEIGHT * WIDTH);
        const T *weights = TERM(const T *, 7) + k * TERM(u64, 8) + o;
        ROLLED
        for (int c = 0; c < CHANNELS; c++) {
            T w[KERNEL_HEIGHT * KERNEL_WIDTH];
            UNROLL
            for (int i = 0; i < KERNEL_HEIGHT * KERNEL_WIDTH; i++) {
                w[ROTATED ? KERNEL_HEIGHT * KERNEL_WIDTH - 1 - i : i] = weights[i * OUTPUTS];
            }
            UNROLL
            for (int i = 0; i < ROWS + (KERNEL_HEIGHT - 1) * DILATION; i++) {
                int h = top + i - ABOVE;
                if ((u32)h >= (u32)HEIGHT) continue;
                const T *row = image + h * WIDTH;
                READ_ROW(pixels, COLUMNS + (KERNEL_WIDTH - 1) * DILATION, row, (left + FIRST), SKIPPED, WIDTH)
                UNROLL
                for (int kh = 0; kh < KERNEL_HEIGHT; kh++) {
                    int r = i - kh * DILATION;
                    if (r < 0 || r >= ROWS) continue;
                    UNROLL
                    for (int kw = 0; kw < KERNEL_WIDTH; kw++) {
                        UNROLL
                        for (int v = 0; v < COLUMNS; v++) {
                            int from = FIRST + SKIPPED + v + kw * DILATION;
                            if (SEGMENTS == 1 && (from < 0 || from >= WIDTH)) continue;
                            sums[r][v] += w[kh * KERNEL_WIDTH + kw] * pixels[v + kw * DILATION];
                        }
                    }
                }
            }
            image += HEIGHT * WIDTH;
            weights += KERNEL_HEIGHT * KERNEL_WIDTH * OUTPUTS;
        }
    }
    T *out = (T *)args.w[0] + k * args.w[1] + ((u64)n * OUTPUTS + o) * (OUT_HEIGHT * OUT_WIDTH);
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        if (top + r >= OUT_HEIGHT) continue;
        UNROLL
        for (int v = 0; v < COLUMNS; v += OUT_VECTOR) {
            if (left + v >= OUT_WIDTH) continue;
            struct out_vector made;
            UNROLL
            for (int e = 0; e < OUT_VECTOR; e++) made.of[e] = sums[r][v + e];
            *(struct out_vector *)(out + (top + r) * OUT_WIDTH + left + v) = made;
        }
    }
