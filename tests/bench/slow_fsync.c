/* Makes a disk as slow as FSYNC_DELAY_US says: every fsync, fdatasync and sync_file_range sleeps that long first.
 * Loaded with LD_PRELOAD, so that no program needs to know. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

static void delay(void) {
    static long us = -1;
    if (us < 0) {
        const char *text = getenv("FSYNC_DELAY_US");
        us = text ? atol(text) : 0;
    }
    if (us > 0) {
        struct timespec pause = {us / 1000000, (us % 1000000) * 1000};
        while (nanosleep(&pause, &pause) != 0) {
        }
    }
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    delay();
    return real(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags) {
    static int (*real)(int, off64_t, off64_t, unsigned int);
    if (!real) real = (int (*)(int, off64_t, off64_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    delay();
    return real(fd, offset, count, flags);
}
