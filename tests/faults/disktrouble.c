/* A disk that makes trouble for a program that knows nothing of it: loaded before the C library (LD_PRELOAD), it lets
 * calls fail as a plan says, which all processes of the program share with who wrote it.
 *
 * Programs that make their system calls themselves, as those written in Go do, pass it by. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, WRITE, SYNC, OPEN, TRUNCATE };

static struct plan {
    int64_t call;    /* which calls */
    int64_t left;    /* the one that fails: when this has come down to 0 */
    int64_t error;   /* what they say */
    int64_t forever; /* all after it fail, too */
    int64_t half;    /* of a write that fails first, half is done */
    int64_t failed;  /* how many have */
    char part[64];   /* of files that have this in their path */
} *plan;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("REFOLD_DISK_TROUBLE");
    int fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *place = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (place != MAP_FAILED) plan = place;
    close(fd);
}

static int fails(int call, const char *path) {
    if (!plan || plan->call != call || !strstr(path, plan->part)) return 0;
    int64_t left = __atomic_sub_fetch(&plan->left, 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && !plan->forever)) return 0;
    __atomic_add_fetch(&plan->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)plan->error;
    return left == 0 ? 1 : 2;
}

static int fails_at(int call, int fd) {
    if (!plan || plan->call != call) return 0;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(call, path);
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

/* Half of it is done, and is said to be; the next one fails, if all are to. */
static size_t part_of(int failure, size_t size) { return failure == 1 && plan->half && size > 1 ? size / 2 : 0; }

ssize_t write(int fd, const void *data, size_t size) {
    int failure = fails_at(WRITE, fd);
    if (failure && !(size = part_of(failure, size))) return -1;
    return REAL(ssize_t, "write", int, const void *, size_t)(fd, data, size);
}

#define PWRITE(name, offset_t)                                                                       \
    ssize_t name(int fd, const void *data, size_t size, offset_t offset) {                          \
        int failure = fails_at(WRITE, fd);                                                           \
        if (failure && !(size = part_of(failure, size))) return -1;                                  \
        return REAL(ssize_t, #name, int, const void *, size_t, offset_t)(fd, data, size, offset);   \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset_t)                                                                      \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_t offset) {                   \
        if (fails_at(WRITE, fd)) return -1;                                                          \
        return REAL(ssize_t, #name, int, const struct iovec *, int, offset_t)(fd, parts, count, offset); \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define SYNCS(name) \
    int name(int fd) { return fails_at(SYNC, fd) ? -1 : REAL(int, #name, int)(fd); }
SYNCS(fsync)
SYNCS(fdatasync)

#define TRUNCATES(name, offset_t) \
    int name(int fd, offset_t size) { return fails_at(TRUNCATE, fd) ? -1 : REAL(int, #name, int, offset_t)(fd, size); }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

/* It gives its error as its result. */
#define ALLOCATES(name, offset_t)                                                     \
    int name(int fd, offset_t from, offset_t size) {                                  \
        return fails_at(WRITE, fd) ? errno : REAL(int, #name, int, offset_t, offset_t)(fd, from, size); \
    }
ALLOCATES(posix_fallocate, off_t)
ALLOCATES(posix_fallocate64, off64_t)

#define OPENS(name)                                                        \
    int name(const char *path, int flags, ...) {                           \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;  \
        va_end(rest);                                                      \
        if (fails(OPEN, path)) return -1;                                  \
        return REAL(int, #name, const char *, int, ...)(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
