/* Code shared by the emulated libraries. The failure counter is in libcuda. The others
 * load libcuda from their own folder, even if the process has loaded another library of that
 * name. */

#ifndef EIGENSCAPE_COMMON_H
#define EIGENSCAPE_COMMON_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Prints a message and aborts: for misuse that would corrupt memory on a card without an error
 * code, so that no test passes in spite of it, and for failures of the emulator itself. */
__attribute__((unused, noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("eigenscape-cuda-emulator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* The path of a file in the folder of this library; the caller frees it. */
__attribute__((unused)) static char *beside(const char *name)
{
    static const char here;
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname)
        die("the folder of the emulated libraries is unknown");
    const char *slash = strrchr(info.dli_fname, '/');
    int folder = slash ? (int)(slash - info.dli_fname) : 1;
    size_t size = (size_t)folder + strlen(name) + 2;
    char *path = malloc(size);
    if (!path)
        die("out of memory");
    snprintf(path, size, "%.*s/%s", folder, slash ? info.dli_fname : ".", name);
    return path;
}

#ifndef EIGENSCAPE_LIBCUDA

/* The exported hooks of the emulated libcuda. */
static struct {
    int (*fails)(void *stream);
    int (*enqueue)(void *stream, void (*work)(const void *), const void *data, size_t size);
    void (*require)(const void *address, size_t size, const char *what);
} cuda;

static void find_cuda(void)
{
    char *path = beside("libcuda.so.1");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        die("%s", dlerror());
    /* dlsym returns a function as a void pointer, which ISO C cannot cast to a function pointer. */
    *(void **)&cuda.fails = dlsym(library, "eigenscape_emulator_fails");
    *(void **)&cuda.enqueue = dlsym(library, "eigenscape_emulator_enqueue");
    *(void **)&cuda.require = dlsym(library, "eigenscape_emulator_require");
    if (!cuda.fails || !cuda.enqueue || !cuda.require)
        die("%s is not of this emulator", path);
    free(path);
}

/* Counts a call, and returns whether this call must fail. */
static int fails(void *stream)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cuda);
    return cuda.fails(stream);
}

/* Counts a call of cuBLAS or cuSOLVER, which returns its own EXECUTION_FAILED if it must fail. */
#define COUNTED_ON(stream)                                                                       \
    do {                                                                                         \
        if (fails(stream))                                                                       \
            return EXECUTION_FAILED;                                                             \
    } while (0)

#endif

#endif
