/* libfaketime 0.9.10 turns the clock that timespec_get gives, and not the deadlines of cnd_timedwait: librdkafka, which waits by both, would
   wait for as long as the clock is ahead, or not at all. Of glibc's condition variables those of C11 are those of POSIX, whose waits
   libfaketime knows. Loaded before it: LD_PRELOAD="waits.so libfaketimeMT.so.1". */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline) {
    switch (pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, deadline)) {
    case 0: return thrd_success;
    case ETIMEDOUT: return thrd_timedout;
    default: return thrd_error;
    }
}
