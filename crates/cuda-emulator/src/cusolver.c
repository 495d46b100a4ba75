/* The eigenvalues of symmetric matrices by cuSOLVER, computed by Jacobi's rotations. */

#define _GNU_SOURCE

#include "common.h"

#include <math.h>

enum { SUCCESS = 0, NOT_INITIALIZED = 1, ALLOC_FAILED = 2, INVALID_VALUE = 3, EXECUTION_FAILED = 6 };
enum { NO_VECTORS = 0, LOWER = 0 };

typedef int cusolverStatus_t;

struct handle {
    void *stream;
};

EXPORT cusolverStatus_t cusolverDnCreate(struct handle **handle)
{
    COUNTED_ON(NULL);
    if (!handle)
        return INVALID_VALUE;
    *handle = calloc(1, sizeof **handle);
    return *handle ? SUCCESS : ALLOC_FAILED;
}

EXPORT cusolverStatus_t cusolverDnSetStream(struct handle *handle, void *stream)
{
    COUNTED_ON(NULL);
    if (!handle)
        return NOT_INITIALIZED;
    handle->stream = stream;
    return SUCCESS;
}

/* One problem, in the form recorded in a graph. */
struct problem {
    int n, lda;
    double *a, *w, *work;
    int *info;
};

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Makes element (p, q) of the full symmetric matrix zero. */
static void rotate(double *a, size_t n, size_t p, size_t q)
{
    double apq = a[p * n + q];
    if (apq == 0)
        return;
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    for (size_t k = 0; k < n; k++) {
        double x = a[k * n + p], y = a[k * n + q];
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for (size_t k = 0; k < n; k++) {
        double x = a[p * n + k], y = a[q * n + k];
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
    }
}

static void run(const void *data)
{
    const struct problem *problem = data;
    size_t n = (size_t)problem->n, lda = (size_t)problem->lda;
    cuda.require(problem->a, ((n - 1) * lda + n) * sizeof(double), "cusolverDnDsyevd, A");
    cuda.require(problem->w, n * sizeof(double), "cusolverDnDsyevd, W");
    cuda.require(problem->work, n * n * sizeof(double), "cusolverDnDsyevd, work");
    cuda.require(problem->info, sizeof(int), "cusolverDnDsyevd, info");
    double *a = problem->work, off = 1, all = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++) {
            a[i * n + j] = a[j * n + i] = problem->a[j * lda + i];
            all += a[i * n + j] * a[i * n + j];
        }
    for (int sweep = 0; sweep < 30 && off > 1e-30 * all; sweep++) {
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                rotate(a, n, p, q);
        off = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++)
                off += a[i * n + j] * a[i * n + j];
    }
    for (size_t i = 0; i < n; i++)
        problem->w[i] = a[i * n + i];
    qsort(problem->w, n, sizeof(double), ascending);
    /* The matrix is overwritten. */
    for (size_t i = 0; i < n; i++)
        problem->a[i * lda + i] = NAN;
    *problem->info = off > 1e-30 * all;
}

static int is_right(const struct handle *handle, int mode, int half, int n, int lda)
{
    return handle && mode == NO_VECTORS && half == LOWER && n > 0 && lda >= n;
}

EXPORT cusolverStatus_t cusolverDnDsyevd_bufferSize(struct handle *handle, int mode, int half, int n, const double *a,
                                                    int lda, const double *w, int *numbers)
{
    (void)a, (void)w;
    COUNTED_ON(handle ? handle->stream : NULL);
    if (!is_right(handle, mode, half, n, lda) || !numbers)
        return INVALID_VALUE;
    *numbers = n * n;
    return SUCCESS;
}

EXPORT cusolverStatus_t cusolverDnDsyevd(struct handle *handle, int mode, int half, int n, double *a, int lda,
                                         double *w, double *work, int numbers, int *info)
{
    COUNTED_ON(handle ? handle->stream : NULL);
    if (!is_right(handle, mode, half, n, lda) || numbers < n * n)
        return INVALID_VALUE;
    struct problem problem = {.n = n, .lda = lda, .a = a, .w = w, .work = work, .info = info};
    return cuda.enqueue(handle->stream, run, &problem, sizeof problem) ? EXECUTION_FAILED : SUCCESS;
}
