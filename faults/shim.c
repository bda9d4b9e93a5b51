/* Faults at the k-th file operation below one folder: loaded before the C library (LD_PRELOAD), so that it sees what
   Python, Rust (safetensors), GDAL and FFmpeg do alike. Built and armed by faults/zygote.py; disarmed it only passes on.

   kill: half of a write is done, then the process ends, as by the kernel. ENOSPC: half of a write is done, then this and
   all that needs more room fails; what is removed or renamed works. EROFS: all that changes the disk fails from here on.
   EIO: this one operation fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { GROWS = 1, CHANGES = 2 };
static char root[4096];
static long at, count;
static int number, log_fd = -1, failing;

void faults_arm(const char *folder, long k, int error, int log) {
    strncpy(root, folder, sizeof root - 1);
    at = k, number = error, log_fd = log, count = 0, failing = 0;
}

static int below(int folder, const char *path, char *full) {
    if (!root[0]) return 0;
    char link[64];
    size_t length = 0;
    if (!path || path[0] != '/') {
        if (folder == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t found = readlink(link, full, 4000);
        if (found <= 0) return 0;
        length = found;
    }
    if (path) snprintf(full + length, 8000 - length, "%s%s", length ? "/" : "", path);
    else full[length] = 0;
    size_t size = strlen(root);
    return !strncmp(full, root, size) && (full[size] == '/' || !full[size]);
}

/* 0, or the error number that the operation fails with; -1: do half of it first. */
static int fault(const char *name, enum kind kind, int folder, const char *path) {
    char full[8192], line[8400];
    if (!below(folder, path, full)) return 0;
    if (failing && (number == EROFS || kind == GROWS)) return number;
    long mine = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (log_fd >= 0) {
        int size = snprintf(line, sizeof line, "%s %s\n", name, full + strlen(root));
        syscall(SYS_write, log_fd, line, size);
    }
    if (!at || mine < at || failing || number == -1) return 0;
    int writes = !strcmp(name, "write");
    if (!number) {
        if (writes) return -1;
        kill(getpid(), SIGKILL);
    }
    if (number == ENOSPC && kind != GROWS) return 0; /* the next one that needs room */
    if (number == EIO) at = 0;
    else failing = 1;
    return number == ENOSPC && writes ? -1 : number;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL(call, kind, folder, path, value) \
    do { int error = fault(call, kind, folder, path); if (error > 0) { errno = error; return value; } } while (0)

static int opening(int folder, const char *path, int flags) {
    if (!(flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))) return 0;
    int before = errno, is_new = (flags & O_CREAT) && faccessat(folder, path, F_OK, 0);
    errno = before;
    return fault("open", is_new ? GROWS : CHANGES, folder, path);
}

#define OPEN(function, ...) \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    int error = opening(folder, path, flags); \
    if (error > 0) { errno = error; return -1; } \
    return real(__VA_ARGS__, flags, mode)
int open(const char *path, int flags, ...) { int folder = AT_FDCWD; REAL(int, "open", const char *, int, ...); OPEN(open, path); }
int open64(const char *path, int flags, ...) { int folder = AT_FDCWD; REAL(int, "open64", const char *, int, ...); OPEN(open64, path); }
int openat(int folder, const char *path, int flags, ...) { REAL(int, "openat", int, const char *, int, ...); OPEN(openat, folder, path); }
int openat64(int folder, const char *path, int flags, ...) { REAL(int, "openat64", int, const char *, int, ...); OPEN(openat64, folder, path); }

static FILE *opened(FILE *(*real)(const char *, const char *), const char *path, const char *mode) {
    int flags = strpbrk(mode, "wa+") ? O_RDWR | (strchr(mode, 'r') ? 0 : O_CREAT) : 0, error = opening(AT_FDCWD, path, flags);
    if (error > 0) { errno = error; return NULL; }
    return real(path, mode);
}
FILE *fopen(const char *path, const char *mode) { REAL(FILE *, "fopen", const char *, const char *); return opened(real, path, mode); }
FILE *fopen64(const char *path, const char *mode) { REAL(FILE *, "fopen64", const char *, const char *); return opened(real, path, mode); }
size_t fwrite(const void *data, size_t size, size_t n, FILE *file) {
    REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
    if (root[0]) FAIL("fwrite", GROWS, fileno(file), NULL, 0);
    return real(data, size, n, file);
}

static ssize_t half(ssize_t done) {
    if (!number) kill(getpid(), SIGKILL);
    if (done <= 0) { errno = number; return -1; }
    return done;
}
ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int error = fault("write", GROWS, file, NULL);
    if (error > 0) { errno = error; return -1; }
    return error ? half(real(file, data, size / 2)) : real(file, data, size);
}
#define PWRITE(name) ssize_t name(int file, const void *data, size_t size, off_t place) { \
    REAL(ssize_t, #name, int, const void *, size_t, off_t); \
    int error = fault("write", GROWS, file, NULL); \
    if (error > 0) { errno = error; return -1; } \
    return error ? half(real(file, data, size / 2, place)) : real(file, data, size, place); }
PWRITE(pwrite)
PWRITE(pwrite64)
ssize_t writev(int file, const struct iovec *parts, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    int error = fault("write", GROWS, file, NULL);
    if (error > 0) { errno = error; return -1; }
    return error ? half(real(file, parts, n / 2)) : real(file, parts, n);
}

#define PATH1(name, kind) int name(const char *path) { \
    REAL(int, #name, const char *); FAIL(#name, kind, AT_FDCWD, path, -1); return real(path); }
PATH1(unlink, CHANGES)
PATH1(rmdir, CHANGES)
#define PATH2(name, type, kind) int name(const char *path, type value) { \
    REAL(int, #name, const char *, type); FAIL(#name, kind, AT_FDCWD, path, -1); return real(path, value); }
PATH2(mkdir, mode_t, GROWS)
PATH2(chmod, mode_t, CHANGES)
PATH2(truncate, off_t, CHANGES)
#define FILE1(name) int name(int file) { \
    REAL(int, #name, int); FAIL("fsync", CHANGES, file, NULL, -1); return real(file); }
FILE1(fsync)
FILE1(fdatasync)
#define FILE2(name, type) int name(int file, type value) { \
    REAL(int, #name, int, type); FAIL(#name, CHANGES, file, NULL, -1); return real(file, value); }
FILE2(ftruncate, off_t)
FILE2(ftruncate64, off_t)
FILE2(fchmod, mode_t)
int unlinkat(int folder, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int); FAIL("unlink", CHANGES, folder, path, -1); return real(folder, path, flags);
}
int mkdirat(int folder, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t); FAIL("mkdir", GROWS, folder, path, -1); return real(folder, path, mode);
}
int rename(const char *old, const char *path) {
    REAL(int, "rename", const char *, const char *); FAIL("rename", CHANGES, AT_FDCWD, path, -1); return real(old, path);
}
int renameat(int first, const char *old, int folder, const char *path) {
    REAL(int, "renameat", int, const char *, int, const char *); FAIL("rename", CHANGES, folder, path, -1);
    return real(first, old, folder, path);
}
int link(const char *old, const char *path) {
    REAL(int, "link", const char *, const char *); FAIL("link", GROWS, AT_FDCWD, path, -1); return real(old, path);
}
int symlink(const char *old, const char *path) {
    REAL(int, "symlink", const char *, const char *); FAIL("symlink", GROWS, AT_FDCWD, path, -1); return real(old, path);
}
