/* Operations on rows, and on elements and rows by index. Operands are in row-major order with a
   leading axis k; the stride of the leading axis is 0 for an operand that lacks this axis. An index
   out of range gives NaN. */

/* out[k, r, j] = x[k, r, index[k, r, j]].
   x is [K, R, I], index [K, R, J].
   args.w: out, x, index, elements of out, J, I, R, leading strides of x and index. */
KERNEL(NAME_gather, 9) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    u32 picks = (u32)args.w[4], size = (u32)args.w[5], rows = (u32)args.w[6];
    u32 row = i / picks, k = row / rows;
    row -= k * rows;
    const T *x = (const T *)args.w[1] + k * args.w[7] + (u64)row * size;
    u32 at = ((const u32 *)args.w[2] + k * args.w[8])[(u64)row * picks + (i % picks)];
    ((T *)args.w[0])[i] = at < size ? x[at] : (T)NOT_A_NUMBER;
}

/* Links the elements of each row of the index that are equal: next[e] is the position in the row of
   the next element that equals e, or ~0; first[e] is 1 if no element before e equals it, else 0.
   args.w: next, first, index, elements of index, J. */
KERNEL(NAME_chains, 5) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    u32 picks = (u32)args.w[4], j = i % picks;
    const u32 *index = (const u32 *)args.w[2] + (i - j);
    u32 at = index[j], next = ~0u, first = 1;
    for (u32 other = 0; other < j; other++) {
        if (index[other] == at) { first = 0; break; }
    }
    for (u32 other = j + 1; other < picks; other++) {
        if (index[other] == at) { next = other; break; }
    }
    ((u32 *)args.w[0])[i] = next;
    ((u32 *)args.w[1])[i] = first;
}

/* out[k, r, index[k, r, j], d] += x[k, r, j, d], where out is initially zero. The thread of the
   first j with a given index adds up all terms with this index, in the order of j.
   args.w: out, x, index, next, first, K * R * J * D, J, D, R, size of the axis of out that is
   indexed, leading strides of x and index. */
KERNEL(NAME_put, 12) {
    u32 i = thread();
    if (i >= (u32)args.w[5]) return;
    u32 picks = (u32)args.w[6], width = (u32)args.w[7], rows = (u32)args.w[8], size = (u32)args.w[9];
    u32 d = i % width, pick = i / width, j = pick % picks, row = pick / picks, k = row / rows;
    row -= k * rows;
    u64 start = k * args.w[11] + (u64)row * picks;
    const u32 *next = (const u32 *)args.w[3] + start, *first = (const u32 *)args.w[4] + start;
    if (!first[j]) return;
    u32 at = ((const u32 *)args.w[2] + start)[j];
    T *out = (T *)args.w[0] + ((u64)k * rows + row) * size * width;
    if (at >= size) { out[d] = (T)NOT_A_NUMBER; return; }
    const T *x = (const T *)args.w[1] + k * args.w[10] + (u64)row * picks * width + d;
    double sum = 0.0;
    for (u32 p = j; p != ~0u; p = next[p]) sum += (double)x[(u64)p * width];
    out[(u64)at * width + d] = (T)sum;
}

/* out[k, i, :] = table[k, index[k, i], :].
   table is [K, V, D], index [K, I].
   args.w: out, table, index, elements of out, I, D, V, leading strides of table and index. */
KERNEL(NAME_take, 9) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    u32 picks = (u32)args.w[4], width = (u32)args.w[5], rows = (u32)args.w[6];
    u32 d = i % width, pick = i / width, k = pick / picks;
    pick -= k * picks;
    u32 at = ((const u32 *)args.w[2] + k * args.w[8])[pick];
    const T *table = (const T *)args.w[1] + k * args.w[7];
    ((T *)args.w[0])[i] = at < rows ? table[(u64)at * width + d] : (T)NOT_A_NUMBER;
}

/* most[row, part] = the largest of x[row, j] over j = part, part + parts, ... NaN is ignored.
   args.w: most, x, elements of most, length of a row, parts. */
KERNEL(NAME_largest, 5) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 size = (u32)args.w[3], parts = (u32)args.w[4], row = i / parts;
    const T *x = (const T *)args.w[1] + (u64)row * size;
    T largest = (T)-INFINITE;
    for (u32 j = i - row * parts; j < size; j += parts) largest = x[j] > largest ? x[j] : largest;
    ((T *)args.w[0])[i] = largest;
}

/* at[row, part] = the first j = part, part + parts, ... with x[row, j] >= the largest number of the
   row - slack, or ~0.
   args.w: at, x, elements of at, length of a row, parts, most (see above), slack. */
KERNEL(NAME_first_near, 7) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 size = (u32)args.w[3], parts = (u32)args.w[4], row = i / parts;
    const T *x = (const T *)args.w[1] + (u64)row * size, *most = (const T *)args.w[5] + (u64)row * parts;
    T largest = (T)-INFINITE;
    for (u32 part = 0; part < parts; part++) largest = most[part] > largest ? most[part] : largest;
    double bound = (double)largest - number(args.w[6]);
    u32 at = ~0u;
    for (u32 j = i - row * parts; j < size; j += parts) {
        if ((double)x[j] >= bound) { at = j; break; }
    }
    ((u32 *)args.w[0])[i] = at;
}

/* out[row] = the smallest of at[row, part], or 0 if all are ~0: the position of the first element
   of the row that is at least its maximum minus slack; a row of NaN gives 0.
   args.w: out, at, number of rows, parts. */
KERNEL(NAME_first_of_parts, 4) {
    u32 i = thread();
    if (i >= (u32)args.w[2]) return;
    u32 parts = (u32)args.w[3], first = ~0u;
    const u32 *at = (const u32 *)args.w[1] + (u64)i * parts;
    for (u32 part = 0; part < parts; part++) first = at[part] < first ? at[part] : first;
    ((u32 *)args.w[0])[i] = first == ~0u ? 0 : first;
}

/* sums[part][k, r] = sum of x[k, r, j] over j = part, part + parts, ... except j = m, in double
   precision.
   args.w: sums, x, index, elements of sums, C, K * R, R, leading strides of x and index, parts. */
KERNEL(NAME_others, 10) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    u32 size = (u32)args.w[4], all = (u32)args.w[5], rows = (u32)args.w[6], parts = (u32)args.w[9];
    u32 part = i % parts, place = i / parts, k = place / rows, row = place - k * rows;
    const T *x = (const T *)args.w[1] + k * args.w[7] + (u64)row * size;
    u32 m = ((const u32 *)args.w[2] + k * args.w[8])[row];
    double sum = 0.0;
    for (u32 j = part; j < size; j += parts) sum += j == m ? 0.0 : (double)x[j];
    ((double *)args.w[0])[part * all + place] = sum;
}

/* out[k, r, m] = -sums[k, r], m = index[k, r]. out is [K, R, C].
   args.w: out, index, sums, K * R, C, R, leading stride of index. */
KERNEL(NAME_put_minus, 7) {
    u32 i = thread();
    if (i >= (u32)args.w[3]) return;
    u32 size = (u32)args.w[4], rows = (u32)args.w[5], k = i / rows;
    u32 m = ((const u32 *)args.w[1] + k * args.w[6])[i - k * rows];
    T *out = (T *)args.w[0] + (u64)i * size;
    if (m < size) {
        out[m] = (T)-((const double *)args.w[2])[i];
    } else {
        for (u32 j = 0; j < size; j++) out[j] = (T)NOT_A_NUMBER;
    }
}
