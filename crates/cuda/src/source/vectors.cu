/* Vectors and their parts. */

/* sum[k, start + i] += factor * part[k, i], in double precision; a part without a leading axis is
   the same for all k. w: sum, part, elements (K*n), n, all, start, step of the part, factor. */
KERNEL(NAME_add_part, 8) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 len = (u32)args.w[3], k = i / len, at = i - k * len;
    double *sum = (double *)args.w[0] + k * args.w[4] + args.w[5];
    sum[at] += number(args.w[7]) * (double)((const T *)args.w[1])[k * args.w[6] + at];
}

/* out[k, start + i] = factor * part[k, i]. w: as above, out instead of sum. */
KERNEL(NAME_put_part, 8) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 len = (u32)args.w[3], k = i / len, at = i - k * len;
    T *out = (T *)args.w[0] + k * args.w[4] + args.w[5];
    out[at] = (T)(number(args.w[7]) * (double)((const T *)args.w[1])[k * args.w[6] + at]);
}

/* part[k, i] = vectors[k, start + i]. w: part, vectors, elements (K*n), n, all, start. */
KERNEL(NAME_cut_part, 6) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 len = (u32)args.w[3], k = i / len, at = i - k * len;
    ((T *)args.w[0])[i] = ((const T *)args.w[1])[k * args.w[4] + args.w[5] + at];
}

/* out = x, rounded. w: out, x in double precision, elements. */
KERNEL(NAME_rounded, 3) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    ((T *)args.w[0])[i] = (T)((const double *)args.w[1])[i];
}
