/* Included before every kernel source that the emulated NVRTC compiles: defines what plain C lacks
 * of the C subset of CUDA C++. */

#define EIGENSCAPE_EMULATED 1

#include <math.h>

/* NVRTC declares the functions of math.h but none of its constants. */
#undef NAN
#undef INFINITY
#undef HUGE_VAL
#undef HUGE_VALF
#undef M_E
#undef M_PI
#undef M_PI_2
#undef M_LN2
#undef M_SQRT2
#undef M_SQRT1_2
#undef M_1_PI
#undef M_2_PI
#undef M_2_SQRTPI

/* Neither macro contains `static`, because sources write it themselves and C forbids it twice. With
 * gnu_inline, an inline function without extern is an ordinary definition. */
#define __device__ __attribute__((unused))
#define __forceinline__ inline __attribute__((always_inline, gnu_inline))

#define bool _Bool
#define true 1
#define false 0
typedef __SIZE_TYPE__ size_t;

struct eigenscape_index {
    unsigned x, y, z;
};

static __thread struct eigenscape_index threadIdx, blockIdx, blockDim, gridDim;

/* A launch is seven words: the grid (x, y, z), the block (x, y, z), and whether threads run in
 * reverse order. */

static inline void eigenscape_first(struct eigenscape_index *at, struct eigenscape_index size, unsigned reversed)
{
    at->x = reversed ? size.x - 1 : 0;
    at->y = reversed ? size.y - 1 : 0;
    at->z = reversed ? size.z - 1 : 0;
}

static inline int eigenscape_step(unsigned *at, unsigned size, unsigned reversed)
{
    if (reversed) {
        if ((*at)-- > 0)
            return 1;
        *at = size - 1;
        return 0;
    }
    if (++*at < size)
        return 1;
    *at = 0;
    return 0;
}

static __attribute__((noinline, unused)) void eigenscape_begin(const unsigned *launch)
{
    gridDim.x = launch[0];
    gridDim.y = launch[1];
    gridDim.z = launch[2];
    blockDim.x = launch[3];
    blockDim.y = launch[4];
    blockDim.z = launch[5];
    eigenscape_first(&blockIdx, gridDim, launch[6]);
    eigenscape_first(&threadIdx, blockDim, launch[6]);
}

/* Advances to the next row of threads, which share y and z; the kernel's entry loops over x.
 * Returns 0 after the last row. */
static __attribute__((noinline, unused)) int eigenscape_next(unsigned reversed)
{
    return eigenscape_step(&threadIdx.y, blockDim.y, reversed) || eigenscape_step(&threadIdx.z, blockDim.z, reversed)
        || eigenscape_step(&blockIdx.x, gridDim.x, reversed) || eigenscape_step(&blockIdx.y, gridDim.y, reversed)
        || eigenscape_step(&blockIdx.z, gridDim.z, reversed);
}

/* The entry runs a whole launch, not one thread: for each thread, a call through a pointer and the
 * addresses of thread-local variables would cost more than the bodies of most kernels. */
#define KERNEL(name, words)                                                                      \
    struct name##_args {                                                                         \
        unsigned long long w[words];                                                             \
    };                                                                                           \
    _Static_assert(8 * (words) <= 32764, "a kernel's parameters are at most 32764 bytes");       \
    extern const unsigned name##_words;                                                          \
    const unsigned name##_words = (words);                                                       \
    static inline __attribute__((always_inline)) void name##_body(const struct name##_args args);\
    void name(const void *params, const unsigned *launch);                                       \
    void name(const void *params, const unsigned *launch)                                        \
    {                                                                                            \
        const struct name##_args args = *(const struct name##_args *)params;                     \
        const unsigned last = launch[3] - 1, reversed = launch[6];                               \
        eigenscape_begin(launch);                                                                \
        do {                                                                                     \
            for (unsigned x = 0; x <= last; x++) {                                               \
                threadIdx.x = reversed ? last - x : x;                                           \
                name##_body(args);                                                               \
            }                                                                                    \
        } while (eigenscape_next(reversed));                                                     \
    }                                                                                            \
    static inline __attribute__((always_inline)) void name##_body(const struct name##_args args)
