#include "CMappedFault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

// A handler may touch nothing that a thread could hold half changed: the table never moves, and an entry counts from the moment
// that its size is set until it is 0 again.
enum { MOST = 1024, NAME_SIZE = 1024, EXIT_INPUT_OUTPUT = 74 };

static struct mapping {
    _Atomic uintptr_t start;
    _Atomic size_t size;
    char name[NAME_SIZE];
} mappings[MOST];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_installed;

static void say(const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, text, left);
        if (written <= 0) return;
        text += written;
        left -= (size_t)written;
    }
}

static void handle(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < MOST; i++) {
        uintptr_t start = atomic_load(&mappings[i].start);
        size_t size = atomic_load(&mappings[i].size);
        if (size == 0 || address < start || address - start >= size) continue;
        say("error: \"");
        say(mappings[i].name);
        say("\" changed while it was read: it was cut short, or its disk cannot be read\n"
            "hint: What was stored before is whole. Run it again when nobody writes to the file.\n");
        _exit(EXIT_INPUT_OUTPUT);
    }
    // Somebody else's: the instruction comes again, and ends the process as it would have.
    signal(number, SIG_DFL);
}

int taxi_mapping_begin(const void *start, size_t size, const char *name) {
    if (size == 0) return -1;
    pthread_mutex_lock(&lock);
    if (!is_installed) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = handle;
        action.sa_flags = SA_SIGINFO;
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, NULL);
        is_installed = 1;
    }
    int found = -1;
    for (int i = 0; i < MOST && found < 0; i++) {
        if (atomic_load(&mappings[i].size) == 0) found = i;
    }
    if (found >= 0) {
        strncpy(mappings[found].name, name, NAME_SIZE - 1);
        mappings[found].name[NAME_SIZE - 1] = 0;
        atomic_store(&mappings[found].start, (uintptr_t)start);
        atomic_store(&mappings[found].size, size);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void taxi_mapping_end(int mapping) {
    if (mapping >= 0 && mapping < MOST) atomic_store(&mappings[mapping].size, 0);
}
