/* NVRTC by means of gcc: a program becomes a shared library whose kernels run on the host. */

#define _GNU_SOURCE

#include "common.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    INVALID_INPUT = 3,
    INVALID_PROGRAM = 4,
    COMPILATION = 6,
    INTERNAL_ERROR = 11,
};

typedef int nvrtcResult;

/* A source and the result of its compilation, cached for the life of the process: tests compile the
 * same sources repeatedly, and compilation takes most of their time. */
struct compiled {
    char *source;
    int finished;
    char *image;
    size_t size;
    char *log;
    struct compiled *next;
};

struct program {
    char *source, *name;
    struct compiled *compiled;
    /* Whether the target is a real architecture (sm_90, not compute_90). As in the real NVRTC, only
     * then is there an image. */
    int real;
};

/* Guards the cache. Until an entry is finished, only the thread that created it writes to it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static struct compiled *cache;
static unsigned long compilations;

extern char **environ;

static void *must(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

/* The contents of a file, preceded by `before` zero bytes and followed by one; NULL if the file
 * cannot be opened. */
static char *read_file(const char *path, size_t before, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    if (length < 0)
        die("%s: %s", path, strerror(errno));
    char *bytes = must(calloc(1, before + (size_t)length + 1));
    *size = fread(bytes + before, 1, (size_t)length, file);
    fclose(file);
    return bytes;
}

static int run_gcc(const char *source, const char *library, const char *log, const char *shim)
{
    /* C that is not valid C++ is an error (c++-compat), because most tests run without NVRTC. */
    const char *arguments[] = {
        "gcc", "-x", "c", "-O1", "-pipe", "-fPIC", "-shared", "-std=gnu11", "-Wall",
        "-Werror=implicit-function-declaration", "-Werror=c++-compat", "-ffp-contract=off", "-fno-math-errno",
        "-fno-strict-aliasing", "-nostdlib", "-include", shim, source, "-o", library, "-lm", NULL,
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child;
    int error = posix_spawnp(&child, "gcc", &actions, NULL, (char **)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        die("gcc: %s", strerror(error));
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            die("gcc: %s", strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Compiles for one architecture with the real library. Returns its log if that fails, else NULL. */
static char *complaint_of_real(void *library, const char *source, const char *name, const char *option)
{
    int (*create)(void **, const char *, const char *, int, const char *const *, const char *const *);
    int (*build)(void *, int, const char *const *);
    int (*size_of_log)(void *, size_t *);
    int (*log_of)(void *, char *);
    int (*destroy)(void **);
    *(void **)&create = dlsym(library, "nvrtcCreateProgram");
    *(void **)&build = dlsym(library, "nvrtcCompileProgram");
    *(void **)&size_of_log = dlsym(library, "nvrtcGetProgramLogSize");
    *(void **)&log_of = dlsym(library, "nvrtcGetProgramLog");
    *(void **)&destroy = dlsym(library, "nvrtcDestroyProgram");
    if (!create || !build || !size_of_log || !log_of || !destroy)
        die("EIGENSCAPE_REAL_NVRTC is not NVRTC");
    void *program = NULL;
    const char *options[] = {option, "--std=c++14"};
    if (create(&program, source, name, 0, NULL, NULL))
        die("the real NVRTC does not take a source");
    char *complaint = NULL;
    if (build(program, 2, options)) {
        size_t size = 0;
        size_of_log(program, &size);
        complaint = must(calloc(1, size + 1));
        log_of(program, complaint);
    }
    destroy(&program);
    return complaint;
}

/* If EIGENSCAPE_REAL_NVRTC is the path of the real library, also compiles the source with it, for
 * two generations of cards: what gcc accepts as C must be valid CUDA C++. Returns the log of the
 * first failure, else NULL. */
static char *complaint_of_real_nvrtc(const char *source, const char *name)
{
    const char *path = getenv("EIGENSCAPE_REAL_NVRTC");
    if (!path)
        return NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!library)
        die("EIGENSCAPE_REAL_NVRTC: %s", dlerror());
    char *complaint = complaint_of_real(library, source, name, "--gpu-architecture=sm_80");
    return complaint ? complaint : complaint_of_real(library, source, name, "--gpu-architecture=sm_90");
}

static void compile(struct compiled *entry, const char *name, unsigned long number)
{
    char file[96];
    int stem = snprintf(file, sizeof file, "program-%ld-%lu", (long)getpid(), number);
    snprintf(file + stem, sizeof file - (size_t)stem, ".c");
    char *source = beside(file);
    snprintf(file + stem, sizeof file - (size_t)stem, ".so");
    char *library = beside(file);
    snprintf(file + stem, sizeof file - (size_t)stem, ".log");
    char *log = beside(file);
    char *shim = beside("shim.h");

    FILE *text = fopen(source, "wb");
    if (!text)
        die("%s: %s", source, strerror(errno));
    fprintf(text, "#line 1 \"%s\"\n%s\n", name, entry->source);
    if (fclose(text))
        die("%s: %s", source, strerror(errno));

    int fine = run_gcc(source, library, log, shim);
    size_t size = 0;
    entry->log = read_file(log, 0, &size);
    if (!entry->log)
        entry->log = must(strdup(""));
    char *complaint = fine ? complaint_of_real_nvrtc(entry->source, name) : NULL;
    if (complaint) {
        free(entry->log);
        entry->log = complaint;
        fine = 0;
    }
    if (fine) {
        char *image = read_file(library, 16, &size);
        if (!image)
            die("%s: %s", library, strerror(errno));
        unsigned long long length = size;
        memcpy(image, "EIGENEMU", 8);
        memcpy(image + 8, &length, 8);
        entry->size = size + 16;
        entry->image = image;
    }
    unlink(source);
    unlink(library);
    unlink(log);
    free(source);
    free(library);
    free(log);
    free(shim);
}

static struct compiled *compiled(const char *source, const char *name)
{
    pthread_mutex_lock(&lock);
    struct compiled *entry = cache;
    while (entry && strcmp(entry->source, source))
        entry = entry->next;
    if (entry) {
        while (!entry->finished)
            pthread_cond_wait(&finished, &lock);
        pthread_mutex_unlock(&lock);
        return entry;
    }
    entry = must(calloc(1, sizeof *entry));
    entry->source = must(strdup(source));
    entry->next = cache;
    cache = entry;
    unsigned long number = compilations++;
    pthread_mutex_unlock(&lock);

    compile(entry, name, number);

    pthread_mutex_lock(&lock);
    entry->finished = 1;
    pthread_cond_broadcast(&finished);
    pthread_mutex_unlock(&lock);
    return entry;
}

/* The number of times that gcc ran, once for each source that was not in the cache. */
EXPORT long eigenscape_emulator_compilations(void)
{
    pthread_mutex_lock(&lock);
    long count = (long)compilations;
    pthread_mutex_unlock(&lock);
    return count;
}

#define COUNTED                                                                                  \
    do {                                                                                         \
        if (fails(NULL))                                                                         \
            return INTERNAL_ERROR;                                                               \
    } while (0)

EXPORT nvrtcResult nvrtcVersion(int *major, int *minor)
{
    COUNTED;
    if (!major || !minor)
        return INVALID_INPUT;
    *major = 13;
    *minor = 0;
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcCreateProgram(struct program **program, const char *source, const char *name, int headers,
                                      const char *const *texts, const char *const *names)
{
    COUNTED;
    (void)texts, (void)names;
    /* Headers are not supported: the backend passes none. */
    if (!program || !source || headers)
        return INVALID_INPUT;
    struct program *made = must(calloc(1, sizeof *made));
    made->source = must(strdup(source));
    made->name = must(strdup(name && *name ? name : "default_program"));
    *program = made;
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcCompileProgram(struct program *program, int count, const char *const *options)
{
    COUNTED;
    if (!program)
        return INVALID_PROGRAM;
    if (count < 0 || (count && !options))
        return INVALID_INPUT;
    program->real = 0;
    for (int i = 0; i < count; i++)
        if (strstr(options[i], "sm_"))
            program->real = 1;
    program->compiled = compiled(program->source, program->name);
    return program->compiled->image ? SUCCESS : COMPILATION;
}

EXPORT nvrtcResult nvrtcGetProgramLogSize(const struct program *program, size_t *size)
{
    if (!program)
        return INVALID_PROGRAM;
    if (!size)
        return INVALID_INPUT;
    *size = (program->compiled ? strlen(program->compiled->log) : 0) + 1;
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcGetProgramLog(const struct program *program, char *log)
{
    if (!program)
        return INVALID_PROGRAM;
    if (!log)
        return INVALID_INPUT;
    strcpy(log, program->compiled ? program->compiled->log : "");
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcGetCUBINSize(const struct program *program, size_t *size)
{
    COUNTED;
    if (!program || !program->compiled || !program->compiled->image)
        return INVALID_PROGRAM;
    if (!size)
        return INVALID_INPUT;
    *size = program->real ? program->compiled->size : 0;
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcGetCUBIN(const struct program *program, char *image)
{
    COUNTED;
    if (!program || !program->compiled || !program->compiled->image)
        return INVALID_PROGRAM;
    if (!image)
        return INVALID_INPUT;
    if (program->real)
        memcpy(image, program->compiled->image, program->compiled->size);
    return SUCCESS;
}

EXPORT nvrtcResult nvrtcDestroyProgram(struct program **program)
{
    if (!program || !*program)
        return INVALID_PROGRAM;
    free((*program)->source);
    free((*program)->name);
    free(*program);
    *program = NULL;
    return SUCCESS;
}

EXPORT const char *nvrtcGetErrorString(nvrtcResult code)
{
    static const char *const names[] = {
        "NVRTC_SUCCESS",
        "NVRTC_ERROR_OUT_OF_MEMORY",
        "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
        "NVRTC_ERROR_INVALID_INPUT",
        "NVRTC_ERROR_INVALID_PROGRAM",
        "NVRTC_ERROR_INVALID_OPTION",
        "NVRTC_ERROR_COMPILATION",
        "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
        "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
        "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
        "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
        "NVRTC_ERROR_INTERNAL_ERROR",
    };
    if (code < 0 || (size_t)code >= sizeof names / sizeof *names)
        return "NVRTC_ERROR unknown";
    return names[code];
}
