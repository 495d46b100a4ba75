/* The algebra of a basis: sums over at most 64 vectors at a time, in double precision. */

/* sums[v, part]: vector v times w, over the numbers part, part + parts, ... A thread takes four
   vectors, so that w is read a quarter as often; the first one stands for those that are missing.
   w: sums, w, numbers, parts, vectors, then the address of each. */
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

/* out[v, part]: the sum of sums[v, part], sums[v, part + parts], ...
   w: out, sums, elements of out, parts, sums of a vector. */
KERNEL(NAME_fold_sums, 5) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 parts = (u32)args.w[3], all = (u32)args.w[4], v = i / parts;
    const double *sums = (const double *)args.w[1] + (u64)v * all;
    double sum = 0.0;
    for (u32 at = i - v * parts; at < all; at += parts) sum += sums[at];
    ((double *)args.w[0])[i] = sum;
}

/* The sum of factor * vector, added to what `before` has if there is one: rounded to `out` if
   there is one, else kept in `sum`.
   w: out or 0, sum or 0, before or 0, elements, vectors, then the address and factor of each. */
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
