/* Steps the wall clock of one process: preloaded, it adds the seconds in the file $CLOCK_STEP_FILE to CLOCK_REALTIME.
 *
 * The file is read at every call, so a running process sees a step the moment the file is replaced. Monotonic clocks,
 * sleeps and the machine's own clock are left alone. x86-64 and aarch64 Linux with glibc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long step_s(void)
{
    const char *path = getenv("CLOCK_STEP_FILE");
    char text[32];
    int kept = errno, file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = 0;

    if (file >= 0) {
        length = read(file, text, sizeof text - 1);
        close(file);
    }
    errno = kept;
    text[length > 0 ? length : 0] = 0;
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int answer = syscall(SYS_clock_gettime, clock, now);

    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += step_s();
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;

    if (clock_gettime(CLOCK_REALTIME, &exact))
        return (time_t)-1;
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
