/* The CUDA driver API on the host: device memory is on the heap, and work runs at once when it is
 * submitted to a stream. Misuse returns the error code of a card, or aborts where a card has
 * none. */

#define _GNU_SOURCE
#define EIGENSCAPE_LIBCUDA

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    LAUNCH_OUT_OF_RESOURCES = 701,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
    STREAM_CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907,
    STREAM_CAPTURE_WRONG_THREAD = 908,
    UNKNOWN = 999,
};

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;

/* ---- State ------------------------------------------------------------------------------- */

/* Guards all state in this section and the objects that handles point to. Work runs without the
 * lock, so that threads do not wait for each other's kernels. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long calls;
static long fail_at;
/* Bytes copied from the host to the device, and from the device to the host. */
static long copied_there, copied_back;
static int initialised;
static int retained;
static struct context {
    int unused;
} primary, busy;
static __thread struct context *current;

struct allocation {
    char *start;
    size_t size;
    void *block;
};

/* Sorted by address. */
static struct allocation *allocations;
static size_t allocation_count, allocation_room, allocated;

enum { GUARD = 64, GUARD_BYTE = 0xA5, ALIGNMENT = 256 };

enum kind { STREAM = 0x53545245, EVENT = 0x4556454E, MODULE = 0x4D4F4455, FUNCTION = 0x46554E43, GRAPH, GRAPH_EXEC };

/* The object behind every handle begins with its kind, which is set to 0 when the object is
 * destroyed. Its memory is never freed, so that the use of a stale handle is detected. */

struct module {
    enum kind kind;
    void *library;
    struct function *functions;
};

struct function {
    enum kind kind;
    void (*entry)(const void *params, const unsigned *launch);
    size_t bytes;
    struct function *next;
};

struct node {
    enum { KERNEL, COPY, SET, CALL } type;
    struct function *function;
    unsigned launch[6];
    char *to;
    const char *from;
    int to_device, from_device;
    unsigned pattern, width;
    size_t size;
    void (*work)(const void *);
    void *data;
};

struct nodes {
    size_t owners, count, room;
    struct node *at;
};

enum { MODE_GLOBAL = 0, MODE_THREAD_LOCAL = 1, MODE_RELAXED = 2 };

struct stream {
    enum kind kind;
    int blocking;
    struct nodes *captured;
    int mode, invalidated;
    pthread_t capturer;
    struct stream *next;
};

static struct stream *streams;

struct event {
    enum kind kind;
    int timed, recorded, captured;
    struct timespec time;
};

struct graph {
    enum kind kind;
    struct nodes *nodes;
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size ? size : 1);
    if (!memory)
        die("out of memory");
    return memory;
}

static void *grown(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room ? 2 * *room : 16;
    array = realloc(array, *room * size);
    if (!array)
        die("out of memory");
    return array;
}

static int is(const void *handle, enum kind kind)
{
    return handle && *(const enum kind *)handle == kind;
}

/* ---- Injected failures ------------------------------------------------------------------- */

EXPORT long eigenscape_emulator_calls(void)
{
    pthread_mutex_lock(&lock);
    long count = calls;
    pthread_mutex_unlock(&lock);
    return count;
}

EXPORT long eigenscape_emulator_copied(int back)
{
    pthread_mutex_lock(&lock);
    long bytes = back ? copied_back : copied_there;
    pthread_mutex_unlock(&lock);
    return bytes;
}

/* Makes the n-th call from here fail. If n is 0, EIGENSCAPE_EMULATOR_FAIL_AT gives the number of
 * the failing call; if n is negative, no call fails. */
EXPORT void eigenscape_emulator_fail_at(long n)
{
    pthread_mutex_lock(&lock);
    fail_at = n;
    calls = 0;
    pthread_mutex_unlock(&lock);
}

/* Counts a call, and returns whether this call must fail. A failure on a capturing stream
 * invalidates the capture, because the graph would lack work. */
EXPORT int eigenscape_emulator_fails(void *handle)
{
    pthread_mutex_lock(&lock);
    const char *variable = getenv("EIGENSCAPE_EMULATOR_FAIL_AT");
    long n = fail_at ? fail_at : variable ? strtol(variable, NULL, 10) : 0;
    int failing = ++calls == n;
    if (failing && (uintptr_t)handle > 2 && is(handle, STREAM))
        ((struct stream *)handle)->invalidated = 1;
    pthread_mutex_unlock(&lock);
    return failing;
}

/* The start of a function in which tests can inject a failure. */
#define COUNTED_AS(stream, code)                                                                 \
    do {                                                                                         \
        if (eigenscape_emulator_fails(stream))                                                   \
            return (code);                                                                       \
    } while (0)
#define COUNTED COUNTED_AS(NULL, UNKNOWN)

/* Takes the lock, unless the driver is not initialised or the thread has no context: then returns
 * an error without the lock. */
static CUresult enter(void)
{
    pthread_mutex_lock(&lock);
    CUresult code = !initialised ? NOT_INITIALIZED : !current || !retained ? INVALID_CONTEXT : SUCCESS;
    if (code)
        pthread_mutex_unlock(&lock);
    return code;
}

#define ENTER                                                                                    \
    do {                                                                                         \
        CUresult entered = enter();                                                              \
        if (entered)                                                                             \
            return entered;                                                                      \
    } while (0)

static CUresult leave(CUresult code)
{
    pthread_mutex_unlock(&lock);
    return code;
}

/* ---- Capture ----------------------------------------------------------------------------- */

static struct nodes *new_nodes(void)
{
    struct nodes *nodes = allocate(1, sizeof *nodes);
    nodes->owners = 1;
    return nodes;
}

static void drop_nodes(struct nodes *nodes)
{
    if (--nodes->owners)
        return;
    for (size_t i = 0; i < nodes->count; i++)
        free(nodes->at[i].data);
    free(nodes->at);
    free(nodes);
}

/* Called by functions that wait for the device or change its allocations: invalidates the captures
 * whose mode forbids them, and returns an error if there are any. */
static CUresult unsafe_while_capturing(void)
{
    CUresult code = SUCCESS;
    for (struct stream *stream = streams; stream; stream = stream->next)
        if (stream->captured
            && (stream->mode == MODE_GLOBAL
                || (stream->mode == MODE_THREAD_LOCAL && pthread_equal(stream->capturer, pthread_self())))) {
            stream->invalidated = 1;
            code = STREAM_CAPTURE_UNSUPPORTED;
        }
    return code;
}

/* The default stream waits for all blocking streams, which is impossible for a capturing one: the
 * capture is invalidated. */
static CUresult default_stream_while_capturing(void)
{
    CUresult code = SUCCESS;
    for (struct stream *stream = streams; stream; stream = stream->next)
        if (stream->captured && stream->blocking) {
            stream->invalidated = 1;
            code = STREAM_CAPTURE_IMPLICIT;
        }
    return code;
}

/* Finds the stream of a handle; NULL for the default streams, whose handles are 0, 1 and 2. */
static CUresult find_stream(void *handle, struct stream **stream)
{
    *stream = NULL;
    if ((uintptr_t)handle <= 2)
        return default_stream_while_capturing();
    if (!is(handle, STREAM))
        return INVALID_HANDLE;
    *stream = handle;
    return SUCCESS;
}

/* ---- Memory ------------------------------------------------------------------------------ */

/* The number of devices before the one that works: others use their memory. */
static int busy_devices(void)
{
    const char *variable = getenv("EIGENSCAPE_EMULATOR_BUSY");
    return variable ? atoi(variable) : 0;
}

static size_t total_memory(void)
{
    const char *variable = getenv("EIGENSCAPE_EMULATOR_MEMORY");
    return variable ? strtoull(variable, NULL, 10) : (size_t)8 << 30;
}

/* The number of allocations that start at or before the address. */
static size_t up_to(const char *address)
{
    size_t low = 0, high = allocation_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (allocations[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int is_device(const void *address, size_t size)
{
    size_t after = up_to(address);
    if (!after)
        return 0;
    const struct allocation *found = &allocations[after - 1];
    size_t offset = (size_t)((const char *)address - found->start);
    return offset <= found->size && size <= found->size - offset;
}

/* Aborts unless the bytes are within one device allocation: for work whose addresses a card does
 * not check before running it. */
EXPORT void eigenscape_emulator_require(const void *address, size_t size, const char *what)
{
    pthread_mutex_lock(&lock);
    int fine = is_device(address, size);
    pthread_mutex_unlock(&lock);
    if (!fine)
        die("%s: %zu bytes at %p are not within one allocation", what, size, address);
}

EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    COUNTED;
    pthread_mutex_lock(&lock);
    if (!current)
        return leave(INVALID_CONTEXT);
    size_t memory = total_memory(), used = current == &busy ? memory - memory / 50 : allocated;
    if (free_bytes)
        *free_bytes = memory > used ? memory - used : 0;
    if (total)
        *total = memory;
    return leave(SUCCESS);
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size)
{
    COUNTED_AS(NULL, OUT_OF_MEMORY);
    ENTER;
    if (!address || !size)
        return leave(INVALID_VALUE);
    CUresult code = unsafe_while_capturing();
    if (code)
        return leave(code);
    size_t memory = total_memory();
    if (size > memory || allocated > memory - size)
        return leave(OUT_OF_MEMORY);
    size_t room = (ALIGNMENT + size + GUARD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *block = aligned_alloc(ALIGNMENT, room);
    if (!block)
        return leave(OUT_OF_MEMORY);
    char *start = block + ALIGNMENT;
    memset(start - GUARD, GUARD_BYTE, GUARD);
    memset(start, 0xFF, size);
    memset(start + size, GUARD_BYTE, GUARD);

    allocations = grown(allocations, allocation_count, &allocation_room, sizeof *allocations);
    size_t at = up_to(start);
    memmove(&allocations[at + 1], &allocations[at], (allocation_count - at) * sizeof *allocations);
    allocations[at] = (struct allocation){start, size, block};
    allocation_count++;
    allocated += size;
    *address = (uintptr_t)start;
    return leave(SUCCESS);
}

static int guarded(const char *guard)
{
    for (int i = 0; i < GUARD; i++)
        if ((unsigned char)guard[i] != GUARD_BYTE)
            return 0;
    return 1;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr address)
{
    ENTER;
    char *start = (char *)(uintptr_t)address;
    size_t after = up_to(start);
    if (!after || allocations[after - 1].start != start)
        return leave(INVALID_VALUE);
    CUresult code = unsafe_while_capturing();
    if (code)
        return leave(code);
    struct allocation found = allocations[after - 1];
    if (!guarded(start - GUARD))
        die("memory before the allocation of %zu bytes at %p was written", found.size, (void *)start);
    if (!guarded(start + found.size))
        die("memory after the allocation of %zu bytes at %p was written", found.size, (void *)start);
    memmove(&allocations[after - 1], &allocations[after], (allocation_count - after) * sizeof *allocations);
    allocation_count--;
    allocated -= found.size;
    free(found.block);
    return leave(SUCCESS);
}

/* ---- Work -------------------------------------------------------------------------------- */

static CUresult run(const struct node *node)
{
    if (node->type == KERNEL) {
        const char *order = getenv("EIGENSCAPE_EMULATOR_ORDER");
        unsigned launch[7];
        memcpy(launch, node->launch, sizeof node->launch);
        launch[6] = order && !strcmp(order, "reversed");
        if (!is(node->function, FUNCTION))
            return INVALID_HANDLE;
        node->function->entry(node->data, launch);
        return SUCCESS;
    }
    if (node->type == CALL) {
        node->work(node->data);
        return SUCCESS;
    }
    /* If the node is part of a graph, the memory may have been freed since the capture. */
    if (!node->size)
        return SUCCESS;
    pthread_mutex_lock(&lock);
    int fine = (!node->to_device || is_device(node->to, node->size))
        && (!node->from_device || is_device(node->from, node->size));
    pthread_mutex_unlock(&lock);
    if (!fine)
        return INVALID_VALUE;
    if (node->type == COPY) {
        memmove(node->to, node->from, node->size);
    } else if (node->width == 1) {
        memset(node->to, (int)node->pattern, node->size);
    } else {
        for (size_t i = 0; i < node->size; i += 4)
            memcpy(node->to + i, &node->pattern, 4);
    }
    return SUCCESS;
}

/* Runs the work, or, on a capturing stream, records it with a copy of its data. The caller holds
 * the lock; submit releases it. */
static CUresult submit(void *handle, struct node node, size_t data)
{
    struct stream *stream;
    CUresult code = find_stream(handle, &stream);
    if (code || !stream || !stream->captured) {
        leave(SUCCESS);
        return code ? code : run(&node);
    }
    if (stream->invalidated)
        return leave(STREAM_CAPTURE_INVALIDATED);
    struct nodes *nodes = stream->captured;
    void *copy = NULL;
    if (data) {
        copy = allocate(1, data);
        memcpy(copy, node.data, data);
    }
    node.data = copy;
    nodes->at = grown(nodes->at, nodes->count, &nodes->room, sizeof *nodes->at);
    nodes->at[nodes->count++] = node;
    return leave(SUCCESS);
}

/* Submits work of the other two libraries to a stream. */
EXPORT CUresult eigenscape_emulator_enqueue(void *stream, void (*work)(const void *), const void *data, size_t size)
{
    pthread_mutex_lock(&lock);
    return submit(stream, (struct node){.type = CALL, .work = work, .data = (void *)data}, size);
}

static CUresult copy(void *stream, int waits, CUdeviceptr to, int to_device, CUdeviceptr from, int from_device,
                     size_t size)
{
    ENTER;
    CUresult code = waits ? default_stream_while_capturing() : SUCCESS;
    if (!code && waits)
        code = unsafe_while_capturing();
    if (code)
        return leave(code);
    struct node node = {
        .type = COPY,
        .to = (char *)(uintptr_t)to,
        .from = (const char *)(uintptr_t)from,
        .to_device = to_device,
        .from_device = from_device,
        .size = size,
    };
    if (size && (!to || !from))
        return leave(INVALID_VALUE);
    if (size && ((to_device && !is_device(node.to, size)) || (from_device && !is_device(node.from, size))))
        return leave(INVALID_VALUE);
    copied_there += from_device ? 0 : (long)size;
    copied_back += to_device ? 0 : (long)size;
    return submit(stream, node, 0);
}

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size)
{
    COUNTED;
    return copy(NULL, 1, to, 1, (uintptr_t)from, 0, size);
}

EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size)
{
    COUNTED;
    return copy(NULL, 1, (uintptr_t)to, 0, from, 1, size);
}

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, void *stream)
{
    COUNTED_AS(stream, UNKNOWN);
    return copy(stream, 0, to, 1, (uintptr_t)from, 0, size);
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, void *stream)
{
    COUNTED_AS(stream, UNKNOWN);
    return copy(stream, 0, (uintptr_t)to, 0, from, 1, size);
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, void *stream)
{
    COUNTED_AS(stream, UNKNOWN);
    return copy(stream, 0, to, 1, from, 1, size);
}

static CUresult set(CUdeviceptr to, unsigned pattern, unsigned width, size_t count, void *stream)
{
    ENTER;
    if (to % width || count > SIZE_MAX / width)
        return leave(INVALID_VALUE);
    struct node node = {
        .type = SET,
        .to = (char *)(uintptr_t)to,
        .to_device = 1,
        .pattern = pattern,
        .width = width,
        .size = count * width,
    };
    if (count && !is_device(node.to, node.size))
        return leave(INVALID_VALUE);
    return submit(stream, node, 0);
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, void *stream)
{
    COUNTED_AS(stream, UNKNOWN);
    return set(to, value, 1, count, stream);
}

EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, void *stream)
{
    COUNTED_AS(stream, UNKNOWN);
    return set(to, value, 4, count, stream);
}

/* ---- Device and context ------------------------------------------------------------------ */

EXPORT CUresult cuInit(unsigned flags)
{
    COUNTED;
    if (flags)
        return INVALID_VALUE;
    pthread_mutex_lock(&lock);
    initialised = 1;
    return leave(SUCCESS);
}

EXPORT CUresult cuDriverGetVersion(int *version)
{
    COUNTED;
    if (!version)
        return INVALID_VALUE;
    *version = 13000;
    return SUCCESS;
}

static CUresult check_device(const void *result, CUdevice device)
{
    pthread_mutex_lock(&lock);
    int known = device >= 0 && device <= busy_devices();
    return leave(!initialised ? NOT_INITIALIZED : !result ? INVALID_VALUE : !known ? INVALID_DEVICE : SUCCESS);
}

EXPORT CUresult cuDeviceGetCount(int *count)
{
    COUNTED;
    CUresult code = check_device(count, 0);
    if (!code)
        *count = busy_devices() + 1;
    return code;
}

EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    COUNTED;
    CUresult code = check_device(device, ordinal);
    if (!code)
        *device = ordinal;
    return code;
}

EXPORT CUresult cuDeviceGetName(char *name, int length, CUdevice device)
{
    COUNTED;
    CUresult code = check_device(name, device);
    if (!code && length < 1)
        code = INVALID_VALUE;
    if (!code)
        snprintf(name, (size_t)length, "Emulated GPU");
    return code;
}

EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    COUNTED;
    CUresult code = check_device(value, device);
    enum { MULTIPROCESSORS = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };
    if (!code)
        *value = attribute == MULTIPROCESSORS ? 4 : attribute == CAPABILITY_MAJOR ? 9 : 0;
    return code;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(void **context, CUdevice device)
{
    COUNTED;
    CUresult code = check_device(context, device);
    if (code)
        return code;
    pthread_mutex_lock(&lock);
    retained++;
    *context = device < busy_devices() ? &busy : &primary;
    return leave(SUCCESS);
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    CUresult code = check_device(&device, device);
    if (code)
        return code;
    pthread_mutex_lock(&lock);
    if (!retained)
        return leave(INVALID_CONTEXT);
    retained--;
    return leave(SUCCESS);
}

EXPORT CUresult cuCtxSetCurrent(void *context)
{
    COUNTED;
    pthread_mutex_lock(&lock);
    if (!initialised)
        return leave(NOT_INITIALIZED);
    if (context && ((context != &primary && context != &busy) || !retained))
        return leave(INVALID_CONTEXT);
    current = context;
    return leave(SUCCESS);
}

/* ---- Streams and events ------------------------------------------------------------------ */

EXPORT CUresult cuStreamCreate(void **stream, unsigned flags)
{
    COUNTED;
    ENTER;
    if (!stream || flags > 1)
        return leave(INVALID_VALUE);
    struct stream *made = allocate(1, sizeof *made);
    made->kind = STREAM;
    made->blocking = !flags;
    made->next = streams;
    streams = made;
    *stream = made;
    return leave(SUCCESS);
}

EXPORT CUresult cuStreamSynchronize(void *handle)
{
    COUNTED_AS(handle, UNKNOWN);
    ENTER;
    struct stream *stream;
    CUresult code = find_stream(handle, &stream);
    if (!code && stream && stream->captured) {
        stream->invalidated = 1;
        code = STREAM_CAPTURE_UNSUPPORTED;
    }
    return leave(code);
}

EXPORT CUresult cuStreamDestroy_v2(void *handle)
{
    ENTER;
    if ((uintptr_t)handle <= 2 || !is(handle, STREAM))
        return leave(INVALID_HANDLE);
    struct stream *stream = handle, **link = &streams;
    if (stream->captured)
        drop_nodes(stream->captured);
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    stream->kind = 0;
    return leave(SUCCESS);
}

EXPORT CUresult cuEventCreate(void **event, unsigned flags)
{
    COUNTED;
    ENTER;
    enum { DISABLE_TIMING = 2 };
    if (!event)
        return leave(INVALID_VALUE);
    struct event *made = allocate(1, sizeof *made);
    made->kind = EVENT;
    made->timed = !(flags & DISABLE_TIMING);
    *event = made;
    return leave(SUCCESS);
}

EXPORT CUresult cuEventRecord(void *handle, void *on)
{
    COUNTED_AS(on, UNKNOWN);
    ENTER;
    struct stream *stream;
    CUresult code = find_stream(on, &stream);
    if (!code && !is(handle, EVENT))
        code = INVALID_HANDLE;
    if (code)
        return leave(code);
    struct event *event = handle;
    event->captured = stream && stream->captured;
    event->recorded = !event->captured;
    clock_gettime(CLOCK_MONOTONIC, &event->time);
    return leave(SUCCESS);
}

EXPORT CUresult cuEventSynchronize(void *handle)
{
    COUNTED;
    ENTER;
    if (!is(handle, EVENT))
        return leave(INVALID_HANDLE);
    return leave(((struct event *)handle)->captured ? CAPTURED_EVENT : SUCCESS);
}

static CUresult elapsed(float *milliseconds, void *start, void *end)
{
    ENTER;
    if (!milliseconds)
        return leave(INVALID_VALUE);
    if (!is(start, EVENT) || !is(end, EVENT))
        return leave(INVALID_HANDLE);
    const struct event *first = start, *last = end;
    if (!first->recorded || !last->recorded || !first->timed || !last->timed)
        return leave(INVALID_HANDLE);
    double seconds = (double)(last->time.tv_sec - first->time.tv_sec);
    double nanoseconds = (double)(last->time.tv_nsec - first->time.tv_nsec);
    *milliseconds = (float)(1e3 * seconds + 1e-6 * nanoseconds);
    return leave(SUCCESS);
}

EXPORT CUresult cuEventElapsedTime(float *milliseconds, void *start, void *end)
{
    COUNTED;
    return elapsed(milliseconds, start, end);
}

EXPORT CUresult cuEventElapsedTime_v2(float *milliseconds, void *start, void *end)
{
    COUNTED;
    return elapsed(milliseconds, start, end);
}

EXPORT CUresult cuEventDestroy_v2(void *event)
{
    ENTER;
    if (!is(event, EVENT))
        return leave(INVALID_HANDLE);
    ((struct event *)event)->kind = 0;
    return leave(SUCCESS);
}

/* ---- Modules and launches ---------------------------------------------------------------- */

static int write_all(int file, const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return 0;
        bytes += written;
        size -= (size_t)written;
    }
    return 1;
}

/* An image has the format that the emulated NVRTC writes: magic bytes, a length, a shared
 * library. */
EXPORT CUresult cuModuleLoadData(void **module, const void *image)
{
    COUNTED;
    ENTER;
    static unsigned long loaded;
    unsigned long number = loaded++;
    leave(SUCCESS);
    if (!module || !image)
        return INVALID_VALUE;
    if (memcmp(image, "EIGENEMU", 8))
        return INVALID_IMAGE;
    unsigned long long size;
    memcpy(&size, (const char *)image + 8, 8);

    /* Every file has a new name, because dlopen does not load a second library of the same name. */
    char name[64];
    snprintf(name, sizeof name, "module-%ld-%lu.so", (long)getpid(), number);
    char *path = beside(name);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (file < 0)
        die("%s: %s", path, strerror(errno));
    if (!write_all(file, (const char *)image + 16, (size_t)size) || close(file))
        die("%s: %s", path, strerror(errno));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fprintf(stderr, "eigenscape-cuda-emulator: %s\n", dlerror());
    unlink(path);
    free(path);
    if (!library)
        return INVALID_IMAGE;
    struct module *made = allocate(1, sizeof *made);
    made->kind = MODULE;
    made->library = library;
    *module = made;
    return SUCCESS;
}

EXPORT CUresult cuModuleGetFunction(void **function, void *handle, const char *name)
{
    COUNTED;
    ENTER;
    if (!function || !name || !*name)
        return leave(INVALID_VALUE);
    if (!is(handle, MODULE))
        return leave(INVALID_HANDLE);
    struct module *module = handle;
    char words[512];
    if ((size_t)snprintf(words, sizeof words, "%s_words", name) >= sizeof words)
        return leave(NOT_FOUND);
    void *entry = dlsym(module->library, name);
    const unsigned *size = dlsym(module->library, words);
    if (!entry || !size)
        return leave(NOT_FOUND);
    struct function *made = allocate(1, sizeof *made);
    made->kind = FUNCTION;
    *(void **)&made->entry = entry;
    made->bytes = 8 * (size_t)*size;
    made->next = module->functions;
    module->functions = made;
    *function = made;
    return leave(SUCCESS);
}

EXPORT CUresult cuModuleUnload(void *handle)
{
    ENTER;
    if (!is(handle, MODULE))
        return leave(INVALID_HANDLE);
    struct module *module = handle;
    for (struct function *function = module->functions; function; function = function->next)
        function->kind = 0;
    module->kind = 0;
    dlclose(module->library);
    return leave(SUCCESS);
}

EXPORT CUresult cuFuncSetAttribute(void *function, int attribute, int value)
{
    COUNTED;
    (void)attribute, (void)value;
    ENTER;
    return leave(is(function, FUNCTION) ? SUCCESS : INVALID_HANDLE);
}

EXPORT CUresult cuLaunchKernel(void *handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                               unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **params,
                               void **extra)
{
    COUNTED_AS(stream, UNKNOWN);
    ENTER;
    if (!is(handle, FUNCTION))
        return leave(INVALID_HANDLE);
    struct function *function = handle;
    if (!params || !params[0] || extra || shared > 48 << 10)
        return leave(INVALID_VALUE);
    if (!grid_x || grid_x > INT32_MAX || !grid_y || grid_y > 65535 || !grid_z || grid_z > 65535)
        return leave(INVALID_VALUE);
    if (!block_x || block_x > 1024 || !block_y || block_y > 1024 || !block_z || block_z > 64)
        return leave(INVALID_VALUE);
    /* Kernels are compiled with launch bounds of 256 threads. */
    if (block_x * block_y * block_z > 256)
        return leave(LAUNCH_OUT_OF_RESOURCES);
    struct node node = {
        .type = KERNEL,
        .function = function,
        .launch = {grid_x, grid_y, grid_z, block_x, block_y, block_z},
        .data = params[0],
    };
    return submit(stream, node, function->bytes);
}

/* ---- Graphs ------------------------------------------------------------------------------ */

EXPORT CUresult cuStreamBeginCapture_v2(void *handle, int mode)
{
    COUNTED_AS(handle, UNKNOWN);
    ENTER;
    if ((uintptr_t)handle <= 2)
        return leave(STREAM_CAPTURE_UNSUPPORTED);
    if (!is(handle, STREAM))
        return leave(INVALID_HANDLE);
    struct stream *stream = handle;
    if (mode < MODE_GLOBAL || mode > MODE_RELAXED)
        return leave(INVALID_VALUE);
    if (stream->captured)
        return leave(ILLEGAL_STATE);
    stream->captured = new_nodes();
    stream->mode = mode;
    stream->invalidated = 0;
    stream->capturer = pthread_self();
    return leave(SUCCESS);
}

/* An injected failure also ends the capture, as on a card this call ends an invalidated capture. */
EXPORT CUresult cuStreamEndCapture(void *handle, void **graph)
{
    int failing = eigenscape_emulator_fails(NULL);
    ENTER;
    if (graph)
        *graph = NULL;
    if ((uintptr_t)handle <= 2 || !is(handle, STREAM))
        return leave(failing ? UNKNOWN : INVALID_HANDLE);
    struct stream *stream = handle;
    if (!stream->captured)
        return leave(failing ? UNKNOWN : ILLEGAL_STATE);
    if (stream->mode != MODE_RELAXED && !pthread_equal(stream->capturer, pthread_self()))
        return leave(failing ? UNKNOWN : STREAM_CAPTURE_WRONG_THREAD);
    if (!graph && !failing)
        return leave(INVALID_VALUE);
    struct nodes *nodes = stream->captured;
    stream->captured = NULL;
    if (failing || stream->invalidated) {
        drop_nodes(nodes);
        return leave(failing ? UNKNOWN : STREAM_CAPTURE_INVALIDATED);
    }
    struct graph *made = allocate(1, sizeof *made);
    made->kind = GRAPH;
    made->nodes = nodes;
    *graph = made;
    return leave(SUCCESS);
}

EXPORT CUresult cuGraphInstantiateWithFlags(void **exec, void *handle, unsigned long long flags)
{
    COUNTED;
    (void)flags;
    ENTER;
    if (!exec)
        return leave(INVALID_VALUE);
    if (!is(handle, GRAPH))
        return leave(INVALID_HANDLE);
    struct graph *made = allocate(1, sizeof *made);
    made->kind = GRAPH_EXEC;
    made->nodes = ((struct graph *)handle)->nodes;
    made->nodes->owners++;
    *exec = made;
    return leave(SUCCESS);
}

/* A launch on a capturing stream is an error: the backend does not nest graphs. */
EXPORT CUresult cuGraphLaunch(void *handle, void *on)
{
    COUNTED_AS(on, UNKNOWN);
    ENTER;
    struct stream *stream;
    CUresult code = find_stream(on, &stream);
    if (!code && !is(handle, GRAPH_EXEC))
        code = INVALID_HANDLE;
    if (!code && stream && stream->captured)
        code = STREAM_CAPTURE_UNSUPPORTED;
    if (code)
        return leave(code);
    struct nodes *nodes = ((struct graph *)handle)->nodes;
    nodes->owners++;
    leave(SUCCESS);
    for (size_t i = 0; i < nodes->count && !code; i++)
        code = run(&nodes->at[i]);
    pthread_mutex_lock(&lock);
    drop_nodes(nodes);
    return leave(code);
}

static CUresult destroy_graph(void *handle, enum kind kind)
{
    pthread_mutex_lock(&lock);
    if (!is(handle, kind))
        return leave(INVALID_VALUE);
    struct graph *graph = handle;
    graph->kind = 0;
    drop_nodes(graph->nodes);
    return leave(SUCCESS);
}

EXPORT CUresult cuGraphDestroy(void *graph)
{
    return destroy_graph(graph, GRAPH);
}

EXPORT CUresult cuGraphExecDestroy(void *exec)
{
    return destroy_graph(exec, GRAPH_EXEC);
}

/* ---- Errors ------------------------------------------------------------------------------ */

static const struct {
    CUresult code;
    const char *name, *text;
} errors[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {STREAM_CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
    {STREAM_CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult describe(CUresult code, const char **text, int name)
{
    if (!text)
        return INVALID_VALUE;
    *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            *text = name ? errors[i].name : errors[i].text;
    return *text ? SUCCESS : INVALID_VALUE;
}

EXPORT CUresult cuGetErrorName(CUresult code, const char **name)
{
    return describe(code, name, 1);
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **text)
{
    return describe(code, text, 0);
}
