/* The matrix products of cuBLAS, computed in blocks of doubles for f32 and f64 operands: a result
 * of type f32 is rounded to f32 once. With TF32, factors lose their last 13 bits first. */

#define _GNU_SOURCE

#include "common.h"

enum {
    SUCCESS = 0,
    NOT_INITIALIZED = 1,
    ALLOC_FAILED = 3,
    INVALID_VALUE = 7,
    ARCH_MISMATCH = 8,
    MAPPING_ERROR = 11,
    EXECUTION_FAILED = 13,
    INTERNAL_ERROR = 14,
    NOT_SUPPORTED = 15,
    LICENSE_ERROR = 16,
};

enum { F32 = 0, F64 = 1 };
enum {
    COMPUTE_32F = 68,
    COMPUTE_32F_PEDANTIC = 69,
    COMPUTE_64F = 70,
    COMPUTE_64F_PEDANTIC = 71,
    COMPUTE_32F_FAST_TF32 = 77,
};

typedef int cublasStatus_t;

struct handle {
    int valid;
    void *stream;
};

EXPORT cublasStatus_t cublasCreate_v2(struct handle **handle)
{
    COUNTED_ON(NULL);
    if (!handle)
        return INVALID_VALUE;
    *handle = calloc(1, sizeof **handle);
    if (!*handle)
        return ALLOC_FAILED;
    (*handle)->valid = 1;
    return SUCCESS;
}

/* The handle is not freed, so that its use after destruction is detected. */
EXPORT cublasStatus_t cublasDestroy_v2(struct handle *handle)
{
    if (!handle || !handle->valid)
        return NOT_INITIALIZED;
    handle->valid = 0;
    return SUCCESS;
}

EXPORT cublasStatus_t cublasSetStream_v2(struct handle *handle, void *stream)
{
    COUNTED_ON(NULL);
    if (!handle || !handle->valid)
        return NOT_INITIALIZED;
    handle->stream = stream;
    return SUCCESS;
}

EXPORT cublasStatus_t cublasSetMathMode(struct handle *handle, int mode)
{
    COUNTED_ON(NULL);
    if (!handle || !handle->valid)
        return NOT_INITIALIZED;
    enum { DISALLOW_REDUCED_PRECISION_REDUCTION = 16, LAST = 3 };
    return (mode & ~DISALLOW_REDUCED_PRECISION_REDUCTION) > LAST || mode < 0 ? INVALID_VALUE : SUCCESS;
}

EXPORT cublasStatus_t cublasSetWorkspace_v2(struct handle *handle, void *workspace, size_t size)
{
    COUNTED_ON(NULL);
    if (!handle || !handle->valid)
        return NOT_INITIALIZED;
    if ((uintptr_t)workspace % 256)
        return INVALID_VALUE;
    if (workspace && size)
        cuda.require(workspace, size, "cublasSetWorkspace");
    return SUCCESS;
}

/* One product or batch of products, in the form recorded in a graph. */
struct product {
    int type, tf32, transposed_a, transposed_b;
    size_t m, n, k, lda, ldb, ldc, batches;
    long long stride_a, stride_b, stride_c;
    double alpha, beta;
    const void *a, *b;
    void *c;
};

/* The side of a tile in registers, and the sizes of the packed blocks. */
enum { TILE = 4, ROWS = 64, COLUMNS = 64, DEPTH = 256 };

typedef double vector __attribute__((vector_size(TILE * sizeof(double))));

struct work {
    vector a[DEPTH][ROWS / TILE];
    double b[DEPTH][COLUMNS];
    vector sum[COLUMNS][ROWS / TILE];
};

/* A float without the 13 bits that TF32 lacks. */
static double in_tf32(double x)
{
    union { float number; unsigned bits; } both = {.number = (float)x};
    both.bits &= 0xffffe000u;
    return both.number;
}

static inline double value(int type, const void *data, long long at)
{
    return type == F32 ? (double)((const float *)data)[at] : ((const double *)data)[at];
}

/* Packs a block of a matrix into rows of `width` doubles: `used` elements, then zeros. `along` is
 * the stride from row to row in the matrix, `across` the stride within a row. */
static void pack(double *to, size_t width, int type, int tf32, const void *from, long long at, size_t rows, size_t used,
                 size_t along, size_t across)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < used; i++) {
            double x = value(type, from, at + (long long)(row * along + i * across));
            to[row * width + i] = tf32 ? in_tf32(x) : x;
        }
        for (size_t i = used; i < width; i++)
            to[row * width + i] = 0;
    }
}

static void multiply(struct work *work, size_t rows, size_t columns, size_t depth)
{
    for (size_t j = 0; j < columns; j += TILE)
        for (size_t i = 0; i < (rows + TILE - 1) / TILE; i++) {
            vector s0 = work->sum[j][i], s1 = work->sum[j + 1][i];
            vector s2 = work->sum[j + 2][i], s3 = work->sum[j + 3][i];
            for (size_t p = 0; p < depth; p++) {
                vector a = work->a[p][i];
                s0 += a * work->b[p][j];
                s1 += a * work->b[p][j + 1];
                s2 += a * work->b[p][j + 2];
                s3 += a * work->b[p][j + 3];
            }
            work->sum[j][i] = s0;
            work->sum[j + 1][i] = s1;
            work->sum[j + 2][i] = s2;
            work->sum[j + 3][i] = s3;
        }
}

static void finish(const struct product *product, const struct work *work, long long at, size_t rows, size_t columns)
{
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++) {
            long long to = at + (long long)(i + j * product->ldc);
            double result = product->alpha * ((const double *)work->sum[j])[i];
            /* If beta = 0, C is not read: it may contain NaN. */
            if (product->beta != 0)
                result += product->beta * value(product->type, product->c, to);
            if (product->type == F32)
                ((float *)product->c)[to] = (float)result;
            else
                ((double *)product->c)[to] = result;
        }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Aborts unless all matrices of an operand are within one device allocation. */
static void require(const struct product *product, const void *data, size_t rows, size_t columns, size_t ld,
                    long long stride, const char *what)
{
    long long width = product->type == F32 ? 4 : 8;
    long long last = stride * (long long)(product->batches - 1);
    long long low = last < 0 ? last : 0, high = last < 0 ? 0 : last;
    long long end = high + (long long)((columns - 1) * ld + rows);
    cuda.require((const char *)data + low * width, (size_t)((end - low) * width), what);
}

static void run(const void *data)
{
    const struct product *product = data;
    size_t m = product->m, n = product->n, k = product->alpha == 0 ? 0 : product->k;
    if (k) {
        int ta = product->transposed_a, tb = product->transposed_b;
        require(product, product->a, ta ? k : m, ta ? m : k, product->lda, product->stride_a, "cublasGemm, A");
        require(product, product->b, tb ? n : k, tb ? k : n, product->ldb, product->stride_b, "cublasGemm, B");
    }
    require(product, product->c, m, n, product->ldc, product->stride_c, "cublasGemm, C");

    struct work *work = aligned_alloc(64, (sizeof *work + 63) / 64 * 64);
    if (!work)
        die("out of memory");
    size_t a_row = product->transposed_a ? product->lda : 1, a_depth = product->transposed_a ? 1 : product->lda;
    size_t b_depth = product->transposed_b ? product->ldb : 1, b_column = product->transposed_b ? 1 : product->ldb;
    for (size_t batch = 0; batch < product->batches; batch++)
        for (size_t j = 0; j < n; j += COLUMNS)
            for (size_t i = 0; i < m; i += ROWS) {
                size_t rows = smaller(ROWS, m - i), columns = smaller(COLUMNS, n - j);
                memset(work->sum, 0, sizeof work->sum);
                for (size_t p = 0; p < k; p += DEPTH) {
                    size_t depth = smaller(DEPTH, k - p);
                    long long a = (long long)batch * product->stride_a + (long long)(i * a_row + p * a_depth);
                    long long b = (long long)batch * product->stride_b + (long long)(p * b_depth + j * b_column);
                    pack((double *)work->a, ROWS, product->type, product->tf32, product->a, a, depth, rows, a_depth, a_row);
                    pack((double *)work->b, COLUMNS, product->type, product->tf32, product->b, b, depth, columns, b_depth, b_column);
                    multiply(work, rows, columns, depth);
                }
                long long c = (long long)batch * product->stride_c + (long long)(i + j * product->ldc);
                finish(product, work, c, rows, columns);
            }
    free(work);
}

static int is_operation(int operation)
{
    return operation >= 0 && operation <= 2;
}

static int at_least(int value, int rows)
{
    return value >= 1 && value >= rows;
}

static cublasStatus_t gemm(struct handle *handle, int ta, int tb, int m, int n, int k, const void *alpha,
                           const void *a, int a_type, int lda, long long stride_a, const void *b, int b_type,
                           int ldb, long long stride_b, const void *beta, void *c, int c_type, int ldc,
                           long long stride_c, int batches, int compute)
{
    if (!handle || !handle->valid)
        return NOT_INITIALIZED;
    if (!is_operation(ta) || !is_operation(tb) || m < 0 || n < 0 || k < 0 || batches < 0)
        return INVALID_VALUE;
    if (!at_least(lda, ta ? k : m) || !at_least(ldb, tb ? n : k) || !at_least(ldc, m))
        return INVALID_VALUE;
    int single = compute == COMPUTE_32F || compute == COMPUTE_32F_PEDANTIC || compute == COMPUTE_32F_FAST_TF32;
    int twice = compute == COMPUTE_64F || compute == COMPUTE_64F_PEDANTIC;
    int type = twice ? F64 : F32;
    if (!(single || twice) || a_type != type || b_type != type || c_type != type)
        return NOT_SUPPORTED;
    if (!alpha || !beta)
        return INVALID_VALUE;
    if (!m || !n || !batches)
        return SUCCESS;
    if (batches > 1 && !stride_c)
        die("cublasGemm: the results of a batch lie one over the other");
    struct product product = {
        .type = type,
        .tf32 = compute == COMPUTE_32F_FAST_TF32,
        .transposed_a = ta != 0,
        .transposed_b = tb != 0,
        .m = (size_t)m,
        .n = (size_t)n,
        .k = (size_t)k,
        .lda = (size_t)lda,
        .ldb = (size_t)ldb,
        .ldc = (size_t)ldc,
        .batches = (size_t)batches,
        .stride_a = stride_a,
        .stride_b = stride_b,
        .stride_c = stride_c,
        .alpha = value(type, alpha, 0),
        .beta = value(type, beta, 0),
        .a = a,
        .b = b,
        .c = c,
    };
    return cuda.enqueue(handle->stream, run, &product, sizeof product) ? EXECUTION_FAILED : SUCCESS;
}

EXPORT cublasStatus_t cublasGemmStridedBatchedEx(struct handle *handle, int ta, int tb, int m, int n, int k,
                                                 const void *alpha, const void *a, int a_type, int lda,
                                                 long long stride_a, const void *b, int b_type, int ldb,
                                                 long long stride_b, const void *beta, void *c, int c_type, int ldc,
                                                 long long stride_c, int batches, int compute, int algorithm)
{
    (void)algorithm;
    COUNTED_ON(handle ? handle->stream : NULL);
    return gemm(handle, ta, tb, m, n, k, alpha, a, a_type, lda, stride_a, b, b_type, ldb, stride_b, beta, c, c_type,
                ldc, stride_c, batches, compute);
}

EXPORT cublasStatus_t cublasGemmEx(struct handle *handle, int ta, int tb, int m, int n, int k, const void *alpha,
                                   const void *a, int a_type, int lda, const void *b, int b_type, int ldb,
                                   const void *beta, void *c, int c_type, int ldc, int compute, int algorithm)
{
    (void)algorithm;
    COUNTED_ON(handle ? handle->stream : NULL);
    return gemm(handle, ta, tb, m, n, k, alpha, a, a_type, lda, 0, b, b_type, ldb, 0, beta, c, c_type, ldc, 0, 1,
                compute);
}

EXPORT const char *cublasGetStatusString(cublasStatus_t status)
{
    switch (status) {
    case SUCCESS:
        return "the operation completed successfully";
    case NOT_INITIALIZED:
        return "the library was not initialized";
    case ALLOC_FAILED:
        return "the resource allocation failed";
    case INVALID_VALUE:
        return "an unsupported value or parameter was passed to the function";
    case ARCH_MISMATCH:
        return "the function requires an architectural feature absent from the device";
    case MAPPING_ERROR:
        return "an access to GPU memory space failed";
    case EXECUTION_FAILED:
        return "the GPU program failed to execute";
    case INTERNAL_ERROR:
        return "an internal operation failed";
    case NOT_SUPPORTED:
        return "the functionality requested is not supported";
    case LICENSE_ERROR:
        return "the functionality requested requires some license and an error was detected";
    default:
        return "<unknown>";
    }
}
