/* Dot products and linear combinations of the vectors of a basis, at most PARTS vectors per launch.
   All sums are in double precision. */

/* sums[v, part] = sum of vector[v][i] * w[i] over i = part, part + parts, ... Each thread computes
   the sums of four vectors, so that w is read a quarter as often. If fewer than four are left, the
   first of them is read in place of the missing ones.
   args.w: sums, w, length of w, parts, number of vectors, then the address of each vector. */
KERNEL(NAME_dot_parts, 5 + PARTS) {
    u32 i = thread(), parts = (u32)args.w[3], count = (u32)args.w[4];
    u32 first = i / parts * 4, part = i % parts;
    if (first >= count) return;
    const u64 *table = &args.w[5];
    const T *w = (const T *)args.w[1], *v0 = (const T *)table[first];
    const T *v1 = first + 1 < count ? (const T *)table[first + 1] : v0;
    const T *v2 = first + 2 < count ? (const T *)table[first + 2] : v0;
    const T *v3 = first + 3 < count ? (const T *)table[first + 3] : v0;
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    for (u64 at = part; at < args.w[2]; at += parts) {
        double x = (double)w[at];
        s0 += (double)v0[at] * x;
        s1 += (double)v1[at] * x;
        s2 += (double)v2[at] * x;
        s3 += (double)v3[at] * x;
    }
    double *sums = (double *)args.w[0] + (u64)first * parts + part;
    sums[0] = s0;
    if (first + 1 < count) sums[parts] = s1;
    if (first + 2 < count) sums[2ULL * parts] = s2;
    if (first + 3 < count) sums[3ULL * parts] = s3;
}

/* out[v, part] = sums[v, part] + sums[v, part + parts] + ...
   args.w: out, sums, elements of out, parts, partial sums per vector. */
KERNEL(NAME_fold_sums, 5) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 parts = (u32)args.w[3], all = (u32)args.w[4], v = i / parts;
    const double *sums = (const double *)args.w[1] + (u64)v * all;
    double sum = 0.0;
    for (u32 at = i - v * parts; at < all; at += parts) sum += sums[at];
    ((double *)args.w[0])[i] = sum;
}

/* before + factor[0] * vector[0] + factor[1] * vector[1] + ..., without `before` if its address is
   0. The result is rounded to `out`, or stored in `sum` if the address of `out` is 0.
   args.w: out, sum, before, elements, number of vectors, then address and factor of each vector. */
KERNEL(NAME_combine, 5 + 2 * PARTS) {
    u32 i = thread(), count = (u32)args.w[4];
    if (i >= (u32)args.w[3]) return;
    double sum = args.w[2] ? ((const double *)args.w[2])[i] : 0.0;
    for (u32 v = 0; v < count; v++) {
        sum += number(args.w[6 + 2 * v]) * (double)((const T *)args.w[5 + 2 * v])[i];
    }
    if (args.w[0]) ((T *)args.w[0])[i] = (T)sum;
    else ((double *)args.w[1])[i] = sum;
}
