/* Vectors and their parts. A table of at most PARTS parts: the address of each, its length, and where
   it begins in a vector. Threads of one part after the other; a place is found in the table. */

/* The part that contains place `at` of those that the table lists. */
#define FIND_PART(table, count, at)                                                                \
    u32 part = 0;                                                                                  \
    while (part + 1 < (count) && (at) >= (u32)(table)[3 * part + 1]) {                             \
        (at) -= (u32)(table)[3 * part + 1];                                                        \
        part++;                                                                                    \
    }

/* vectors[k, begin + i] to part[k, i].
   w: vectors, elements, numbers of a k, all numbers of a vector, parts, then for each part its
   address, length and beginning. */
KERNEL(NAME_cut_parts, 5 + 3 * PARTS) {
    u32 i = thread();
    if (i >= (u32)args.w[1]) return;
    u32 k = i / (u32)args.w[2], at = i - k * (u32)args.w[2];
    const u64 *table = &args.w[5];
    FIND_PART(table, (u32)args.w[4], at)
    const T *vector = (const T *)args.w[0] + (u64)k * args.w[3] + table[3 * part + 2];
    ((T *)table[3 * part])[(u64)k * table[3 * part + 1] + at] = vector[at];
}

/* k and the place of this thread's number in its part, which begins at `from`, and factor * it. */
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

/* out[k, begin + i] = factor * part[k, i]; bit p of `led` says whether part p has the axis k.
   w: out, elements, numbers of a k, all numbers of a vector, parts, then the parts, factor, led. */
KERNEL(NAME_put_parts, 7 + 3 * PARTS) {
    OF_PART
    ((T *)args.w[0])[to] = (T)term;
}

/* sum[k, begin + i] += factor * part[k, i], in double precision. w: as above. */
KERNEL(NAME_add_parts, 7 + 3 * PARTS) {
    OF_PART
    ((double *)args.w[0])[to] += term;
}

/* out = x, rounded. w: out, x in double precision, elements. */
KERNEL(NAME_rounded, 3) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    ((T *)args.w[0])[i] = (T)((const double *)args.w[1])[i];
}
