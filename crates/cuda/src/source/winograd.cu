/* Convolutions with 3x3 kernels and stride 1 by Winograd's minimal filtering F(m x m, 3 x 3)
   (Lavin & Gray 2016), for m = 2 and m = 4. With tiles d of (m + 2)^2 pixels that overlap by two,
   filters g and tiles e of m^2 outputs, <e, g * d> is the sum of (A e At) o (G g Gt) o (Bt d B)
   over (m + 2)^2 points. The kernels compute these three transforms, and At . A and Gt . G for
   results.

   The polynomials behind the transforms are evaluated at 0, infinity and 1, -1 (m = 2) or 3/4,
   -3/4, 3/2, -3/2 (m = 4). All constants of At and Bt are exact in binary, and the rounding error
   in f32 is half of that with the usual points 0, 1, -1, 2, -2. */

#define NEAR 0.75
#define NEAR2 0.5625
#define NEAR3 0.421875
#define FAR 1.5
#define FAR2 2.25
#define FAR3 3.375
/* The product and the sum of NEAR2 and FAR2. */
#define BOTH2 1.265625
#define SUM2 2.8125
/* The factors of G: at the point 0, and 1 / (2 p^2 (p^2 - q^2)) for p = NEAR and q = FAR and
   reversed. */
#define ZERO_SCALE (1.0 / BOTH2)
#define NEAR_SCALE (1.0 / (2.0 * NEAR2 * (NEAR2 - FAR2)))
#define FAR_SCALE (1.0 / (2.0 * FAR2 * (FAR2 - NEAR2)))

/* Bt d, in place: d[0], d[step], ... */
EIGENSCAPE_INLINE void NAME_pixels2(T *d, int step) {
    T d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    d[0] = d0 - d2;
    d[step] = d1 + d2;
    d[2 * step] = d2 - d1;
    d[3 * step] = d1 - d3;
}

EIGENSCAPE_INLINE void NAME_pixels4(T *d, int step) {
    T d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    T even = d4 - (T)FAR2 * d2, odd = (T)NEAR * (d3 - (T)FAR2 * d1);
    d[0] = (T)BOTH2 * d0 - (T)SUM2 * d2 + d4;
    d[step] = even + odd;
    d[2 * step] = even - odd;
    even = d4 - (T)NEAR2 * d2;
    odd = (T)FAR * (d3 - (T)NEAR2 * d1);
    d[3 * step] = even + odd;
    d[4 * step] = even - odd;
    d[5 * step] = (T)BOTH2 * d1 - (T)SUM2 * d3 + d5;
}

/* A e. */
EIGENSCAPE_INLINE void NAME_cotangents2(T *e, int step) {
    T e0 = e[0], e1 = e[step];
    e[step] = e0 + e1;
    e[2 * step] = e0 - e1;
    e[3 * step] = -e1;
}

EIGENSCAPE_INLINE void NAME_cotangents4(T *e, int step) {
    T e0 = e[0], e1 = e[step], e2 = e[2 * step], e3 = e[3 * step];
    T even = e0 + (T)NEAR2 * e2, odd = (T)NEAR * e1 + (T)NEAR3 * e3;
    e[step] = even + odd;
    e[2 * step] = even - odd;
    even = e0 + (T)FAR2 * e2;
    odd = (T)FAR * e1 + (T)FAR3 * e3;
    e[3 * step] = even + odd;
    e[4 * step] = even - odd;
    e[5 * step] = e3;
}

/* At m. */
EIGENSCAPE_INLINE void NAME_outputs2(T *m, int step) {
    T m0 = m[0], m1 = m[step], m2 = m[2 * step], m3 = m[3 * step];
    m[0] = m0 + m1 + m2;
    m[step] = m1 - m2 - m3;
}

EIGENSCAPE_INLINE void NAME_outputs4(T *m, int step) {
    T m0 = m[0], m5 = m[5 * step];
    T near = m[step] + m[2 * step], near_odd = m[step] - m[2 * step];
    T far = m[3 * step] + m[4 * step], far_odd = m[3 * step] - m[4 * step];
    m[0] = m0 + near + far;
    m[step] = (T)NEAR * near_odd + (T)FAR * far_odd;
    m[2 * step] = (T)NEAR2 * near + (T)FAR2 * far;
    m[3 * step] = (T)NEAR3 * near_odd + (T)FAR3 * far_odd + m5;
}

/* G g. There are few filters, so that double precision costs little. */
EIGENSCAPE_INLINE void NAME_filters2(double *g, int step) {
    double g0 = g[0], g1 = g[step], g2 = g[2 * step];
    g[step] = 0.5 * (g0 + g2 + g1);
    g[2 * step] = 0.5 * (g0 + g2 - g1);
    g[3 * step] = g2;
}

EIGENSCAPE_INLINE void NAME_filters4(double *g, int step) {
    double g0 = g[0], g1 = g[step], g2 = g[2 * step];
    g[0] = ZERO_SCALE * g0;
    g[step] = NEAR_SCALE * (g0 + NEAR2 * g2 + NEAR * g1);
    g[2 * step] = NEAR_SCALE * (g0 + NEAR2 * g2 - NEAR * g1);
    g[3 * step] = FAR_SCALE * (g0 + FAR2 * g2 + FAR * g1);
    g[4 * step] = FAR_SCALE * (g0 + FAR2 * g2 - FAR * g1);
    g[5 * step] = g2;
}

/* Gt m. */
EIGENSCAPE_INLINE void NAME_filters_transpose2(double *m, int step) {
    double m3 = m[3 * step], even = 0.5 * (m[step] + m[2 * step]), odd = 0.5 * (m[step] - m[2 * step]);
    m[0] += even;
    m[step] = odd;
    m[2 * step] = even + m3;
}

EIGENSCAPE_INLINE void NAME_filters_transpose4(double *m, int step) {
    double m5 = m[5 * step];
    double near = NEAR_SCALE * (m[step] + m[2 * step]), near_odd = NEAR_SCALE * (m[step] - m[2 * step]);
    double far = FAR_SCALE * (m[3 * step] + m[4 * step]), far_odd = FAR_SCALE * (m[3 * step] - m[4 * step]);
    m[0] = ZERO_SCALE * m[0] + near + far;
    m[step] = NEAR * near_odd + FAR * far_odd;
    m[2 * step] = NEAR2 * near + FAR2 * far + m5;
}

/* The tile of a thread: its first row and column, the start of its image, and whether its sample
   exists. */
struct NAME_tile {
    int top, left, exists;
    u64 image;
};

/* Thread i = ((((part A + a) B + b) n + sample) down + ty) across + tx has the tile (ty, tx) of the
   image of a sample of a part. a and b are the channel and the place along the leading axis, in one
   order or the other. So i is also the place of the tile among all values of a point.
   The words of these kernels, args.w: points, images, threads, H, W, padding, across, down, n, the
   number of samples, B, A, the inverses (see `divided`) of across, down, n, B and A, the strides of
   images along samples, a and b. */
EIGENSCAPE_INLINE struct NAME_tile NAME_tile_of(const u64 *w, u32 i, int m) {
    u32 across = (u32)w[6], down = (u32)w[7], each = (u32)w[8];
    u32 rest = divided(i, w[12]), tx = i - rest * across;
    u32 next = divided(rest, w[13]), ty = rest - next * down;
    rest = divided(next, w[14]);
    u32 n = next - rest * each;
    next = divided(rest, w[15]);
    u32 b = rest - next * (u32)w[10], part = divided(next, w[16]), a = next - part * (u32)w[11];
    n += part * each;
    struct NAME_tile tile;
    tile.top = (int)ty * m - (int)w[5];
    tile.left = (int)tx * m - (int)w[5];
    tile.exists = n < (u32)w[9];
    tile.image = n * w[17] + a * w[18] + b * w[19];
    return tile;
}

/* Loads the `size`^2 pixels of a tile, with zeros outside of the image, and computes `points`^2
   values. */
#define FROM_IMAGES(m, size, points, transform)                                                    \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    struct NAME_tile tile = NAME_tile_of(args.w, i, m);                                            \
    int height = tile.exists ? (int)args.w[3] : 0, width = (int)args.w[4];                         \
    const T *x = (const T *)args.w[1] + tile.image;                                                \
    T d[points * points];                                                                          \
    UNROLL for (int r = 0; r < size; r++) {                                                        \
        int h = tile.top + r, inside = h >= 0 && h < height;                                       \
        UNROLL for (int c = 0; c < size; c++) {                                                    \
            int v = tile.left + c;                                                                 \
            d[r * points + c] = inside && v >= 0 && v < width ? x[h * width + v] : (T)0;           \
        }                                                                                          \
        transform(d + r * points, 1);                                                              \
    }                                                                                              \
    T *to = (T *)args.w[0] + i;                                                                    \
    UNROLL for (int c = 0; c < points; c++) {                                                      \
        transform(d + c, points);                                                                  \
        UNROLL for (int r = 0; r < points; r++)                                                    \
            to[(r * points + c) * args.w[2]] = d[r * points + c];                                  \
    }

/* Bt d B of every tile of images. */
KERNEL(NAME_winograd2_pixels, 20) { FROM_IMAGES(2, 4, 4, NAME_pixels2) }

KERNEL(NAME_winograd4_pixels, 20) { FROM_IMAGES(4, 6, 6, NAME_pixels4) }

/* A e At of every tile of the cotangents of results. */
KERNEL(NAME_winograd2_cotangents, 20) { FROM_IMAGES(2, 2, 4, NAME_cotangents2) }

KERNEL(NAME_winograd4_cotangents, 20) { FROM_IMAGES(4, 4, 6, NAME_cotangents4) }

/* Writes At m A to the part of every tile that is in the image: a row with one store where it is
   aligned. */
#define TO_IMAGES(m, points, transform)                                                            \
    struct ALIGNED(4 * m) neighbours { T of[m]; };                                                 \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    struct NAME_tile tile = NAME_tile_of(args.w, i, m);                                            \
    int height = tile.exists ? (int)args.w[3] : 0, width = (int)args.w[4];                         \
    const T *from = (const T *)args.w[0] + i;                                                      \
    T d[points * points];                                                                          \
    UNROLL for (int r = 0; r < points; r++) {                                                      \
        UNROLL for (int c = 0; c < points; c++)                                                    \
            d[r * points + c] = from[(r * points + c) * args.w[2]];                                \
        transform(d + r * points, 1);                                                              \
    }                                                                                              \
    UNROLL for (int c = 0; c < m; c++) transform(d + c, points);                                   \
    T *y = (T *)args.w[1] + tile.image;                                                            \
    UNROLL for (int r = 0; r < m; r++) {                                                           \
        int h = tile.top + r;                                                                      \
        T *to = y + h * width + tile.left;                                                         \
        if (h >= height) continue;                                                                 \
        if (tile.left + m <= width && ((u64)to & (4 * m - 1)) == 0) {                              \
            struct neighbours made;                                                                \
            UNROLL for (int c = 0; c < m; c++) made.of[c] = d[r * points + c];                     \
            *(struct neighbours *)to = made;                                                       \
        } else {                                                                                   \
            UNROLL for (int c = 0; c < m; c++)                                                     \
                if (tile.left + c < width) to[c] = d[r * points + c];                              \
        }                                                                                          \
    }

KERNEL(NAME_winograd2_outputs, 20) { TO_IMAGES(2, 4, NAME_outputs2) }

KERNEL(NAME_winograd4_outputs, 20) { TO_IMAGES(4, 6, NAME_outputs4) }

/* The start of the filter of thread i = (a B + b) C + c: its strides along a, b and c are the words
   w[4], w[5] and w[6], B and C are w[0] and w[1], and their inverses w[2] and w[3]. */
EIGENSCAPE_INLINE u64 NAME_filter_of(const u64 *w, u32 i) {
    u32 rest = divided(i, w[3]), c = i - rest * (u32)w[1], a = divided(rest, w[2]), b = rest - a * (u32)w[0];
    return a * w[4] + b * w[5] + c * w[6];
}

/* G g Gt of every filter, rotated by 180 degrees if w[3] is 1.
   args.w: points, filters, threads, whether to rotate, the words of `filter_of`. */
#define FROM_FILTERS(points, transform)                                                            \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    const T *w = (const T *)args.w[1] + NAME_filter_of(args.w + 4, i);                             \
    int first = args.w[3] ? 8 : 0, step = args.w[3] ? -1 : 1;                                      \
    double g[points * points];                                                                     \
    UNROLL for (int r = 0; r < 3; r++) {                                                           \
        UNROLL for (int c = 0; c < 3; c++)                                                         \
            g[r * points + c] = (double)w[first + step * (3 * r + c)];                             \
        transform(g + r * points, 1);                                                              \
    }                                                                                              \
    T *to = (T *)args.w[0] + i;                                                                    \
    UNROLL for (int c = 0; c < points; c++) {                                                      \
        transform(g + c, points);                                                                  \
        UNROLL for (int r = 0; r < points; r++)                                                    \
            to[(r * points + c) * args.w[2]] = (T)g[r * points + c];                               \
    }

KERNEL(NAME_winograd2_filters, 11) { FROM_FILTERS(4, NAME_filters2) }

KERNEL(NAME_winograd4_filters, 11) { FROM_FILTERS(6, NAME_filters4) }

/* Gt m G of every filter's sum m over parts, as a filter.
   args.w: points, filters, threads, parts, the words of `filter_of`. */
#define TO_FILTERS(points, transform)                                                              \
    u32 i = thread();                                                                              \
    if (i >= (u32)args.w[2]) return;                                                               \
    u32 parts = (u32)args.w[3];                                                                    \
    double m[points * points];                                                                     \
    UNROLL for (int r = 0; r < points; r++) {                                                      \
        UNROLL for (int c = 0; c < points; c++) m[r * points + c] = 0.0;                           \
        for (u32 part = 0; part < parts; part++) {                                                 \
            UNROLL for (int c = 0; c < points; c++) {                                              \
                u64 sum = (u64)(r * points + c) * parts + part;                                    \
                m[r * points + c] += (double)((const T *)args.w[0])[sum * args.w[2] + i];          \
            }                                                                                      \
        }                                                                                          \
        transform(m + r * points, 1);                                                              \
    }                                                                                              \
    UNROLL for (int c = 0; c < 3; c++) transform(m + c, points);                                   \
    T *w = (T *)args.w[1] + NAME_filter_of(args.w + 4, i);                                         \
    UNROLL for (int r = 0; r < 3; r++) {                                                           \
        UNROLL for (int c = 0; c < 3; c++) w[3 * r + c] = (T)m[r * points + c];                    \
    }

KERNEL(NAME_winograd2_filters_transpose, 11) { TO_FILTERS(4, NAME_filters_transpose2) }

KERNEL(NAME_winograd4_filters_transpose, 11) { TO_FILTERS(6, NAME_filters_transpose4) }

#undef FROM_IMAGES
#undef TO_IMAGES
#undef FROM_FILTERS
#undef TO_FILTERS
