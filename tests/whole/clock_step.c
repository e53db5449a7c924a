/* Steps the wall clock of one process: preloaded, it adds the seconds in the file $CLOCK_STEP_FILE to CLOCK_REALTIME.
 * Where a word follows, the kernel's opinion of its clock is replaced: "synchronised" or "unsynchronised".
 *
 * The file is read at every call, so a running process sees a step the moment the file is replaced. Monotonic clocks,
 * sleeps and the machine's own clock are left alone. x86-64 and aarch64 Linux with glibc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static long step_s(char *text, size_t room)
{
    const char *path = getenv("CLOCK_STEP_FILE");
    int kept = errno, file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = 0;

    if (file >= 0) {
        length = read(file, text, room - 1);
        close(file);
    }
    errno = kept;
    text[length > 0 ? length : 0] = 0;
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    char text[64];
    int answer = syscall(SYS_clock_gettime, clock, now);

    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += step_s(text, sizeof text);
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

int ntp_adjtime(struct timex *state)
{
    char text[64];

    step_s(text, sizeof text);
    if (strstr(text, "synchronised") == NULL)
        return adjtimex(state);
    state->esterror = 500;
    return strstr(text, "unsynchronised") ? TIME_ERROR : TIME_OK;
}
