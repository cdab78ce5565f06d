#include "CParentDeath.h"

#include <errno.h>
#include <sys/prctl.h>

// Variadic, so that Swift does not see it.
int taxi_signal_at_parents_death(int number) { return prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) == 0 ? 0 : errno; }
