/* Definitions shared by all kernels. Every kernel takes one table of 64-bit words, args.w, which
   holds addresses, sizes and the bits of doubles. The source is valid C++ and valid C, because
   tests compile it as C for the CPU. */
#ifndef EIGENSCAPE_EMULATED
#define KERNEL(name, words)                                                                        \
    struct name##_args { unsigned long long w[words]; };                                           \
    extern "C" __global__ void __launch_bounds__(256) name(const struct name##_args args)
#endif
#define EIGENSCAPE_INLINE static __device__ __forceinline__

#ifdef EIGENSCAPE_EMULATED
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define UNROLL
#define ROLLED
#else
#define ALIGNED(bytes) __align__(bytes)
/* Before a loop whose variables index an array: without loops, the array is in registers. */
#define UNROLL _Pragma("unroll")
/* Before a loop that is too long to be unrolled. */
#define ROLLED _Pragma("unroll 1")
#endif

typedef unsigned long long u64;
typedef unsigned int u32;

/* floor(n / d), where `inverse` is ceil(2^64 / d), or 0 if d = 1. Exact for all n and d below
   2^32. */
EIGENSCAPE_INLINE u32 divided(u32 n, u64 inverse) {
    if (inverse == 0) return n;
#ifdef EIGENSCAPE_EMULATED
    return (u32)(((unsigned __int128)inverse * n) >> 64);
#else
    return (u32)__umul64hi(inverse, n);
#endif
}

EIGENSCAPE_INLINE double number(u64 bits) {
#ifdef EIGENSCAPE_EMULATED
    union { u64 bits; double number; } both;
    both.bits = bits;
    return both.number;
#else
    return __longlong_as_double((long long)bits);
#endif
}

/* NVRTC defines neither NAN nor INFINITY. */
#define NOT_A_NUMBER number(0x7ff8000000000000ULL)
#define INFINITE number(0x7ff0000000000000ULL)

EIGENSCAPE_INLINE u32 thread(void) { return blockIdx.x * 256u + threadIdx.x; }
