/* Moves the wall clock of one process: gettimeofday(2) and time(2), by an offset in a file.
 *
 * Loaded with LD_PRELOAD. STREAMLAB_CLOCK names a file of 8 bytes, a signed number of
 * microseconds in the machine's byte order; it is mapped, so that another process moves the clock
 * while this one runs. redis-server takes stream ids, idle times and TIME from gettimeofday();
 * its timers and its own latencies come from the monotonic clock, which no reset of a real
 * machine's clock moves either. clock_gettime() is therefore left alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_us;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("STREAMLAB_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset_us = mapped;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 + (offset_us ? *offset_us : 0);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    (void)zone;
    int64_t now = now_us();
    tv->tv_sec = now / 1000000;
    tv->tv_usec = now % 1000000;
    return 0;
}

time_t time(time_t *seconds) {
    time_t now = now_us() / 1000000;
    if (seconds) *seconds = now;
    return now;
}
