/* Cutting vectors into parts, and joining parts. A table lists at most PARTS parts: address, length
   and start in a vector of each. Threads are assigned to the elements of the first part, then of
   the second, and so on. */

/* Declares `part`, the part that contains element `at` of all parts in the table, and makes `at`
   relative to the start of this part. */
#define FIND_PART(table, count, at)                                                                \
    u32 part = 0;                                                                                  \
    while (part + 1 < (count) && (at) >= (u32)(table)[3 * part + 1]) {                             \
        (at) -= (u32)(table)[3 * part + 1];                                                        \
        part++;                                                                                    \
    }

/* part[k, i] = vectors[k, start + i].
   args.w: vectors, K * total length of the parts, total length of the parts, length of a vector,
   number of parts, then the table. */
KERNEL(NAME_cut_parts, 5 + 3 * PARTS) {
    u32 i = thread();
    if (i >= (u32)args.w[1]) return;
    u32 k = i / (u32)args.w[2], at = i - k * (u32)args.w[2];
    const u64 *table = &args.w[5];
    FIND_PART(table, (u32)args.w[4], at)
    const T *vector = (const T *)args.w[0] + (u64)k * args.w[3] + table[3 * part + 2];
    ((T *)table[3 * part])[(u64)k * table[3 * part + 1] + at] = vector[at];
}

/* Declares, for this thread's element of a part, `term` = factor * element and `to`, its index in
   the result. */
#define OF_PART                                                                                    \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[1]) return;                                                               \
    u32 k = i / (u32)args.w[2], at = i - k * (u32)args.w[2];                                       \
    const u64 *table = &args.w[5];                                                                 \
    FIND_PART(table, (u32)args.w[4], at)                                                           \
    const T *from = (const T *)table[3 * part];                                                    \
    if (args.w[6 + 3 * PARTS] >> part & 1) from += (u64)k * table[3 * part + 1];                   \
    u64 to = (u64)k * args.w[3] + table[3 * part + 2] + at;                                        \
    double term = number(args.w[5 + 3 * PARTS]) * (double)from[at];

/* out[k, start + i] = factor * part[k, i]. Bit p of `led` is set if part p has the axis k; a part
   without this axis is the same for all k.
   args.w: as for cut_parts with out in place of vectors, then factor, led. */
KERNEL(NAME_put_parts, 7 + 3 * PARTS) {
    OF_PART
    ((T *)args.w[0])[to] = (T)term;
}

/* sum[k, start + i] += factor * part[k, i], in double precision. args.w: as for put_parts. */
KERNEL(NAME_add_parts, 7 + 3 * PARTS) {
    OF_PART
    ((double *)args.w[0])[to] += term;
}

/* out = x, rounded to T. args.w: out, x in double precision, elements. */
KERNEL(NAME_rounded, 3) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    ((T *)args.w[0])[i] = (T)((const double *)args.w[1])[i];
}

/* out[outer, inner] = x[outer, inner], and 0 beyond the sizes of x.
   args.w: out, x, elements of out, inner size of out, its inverse (see `divided`), inner and outer
   size of x, stride of x along outer. */
KERNEL(NAME_padded, 8) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 outer = divided(i, args.w[4]), inner = i - outer * (u32)args.w[3];
    int inside = inner < (u32)args.w[5] && outer < (u32)args.w[6];
    ((T *)args.w[0])[i] = inside ? ((const T *)args.w[1])[outer * args.w[7] + inner] : (T)0;
}
