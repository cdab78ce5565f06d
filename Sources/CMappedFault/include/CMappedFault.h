// What a process says when a file that it has mapped into memory loses bytes under it: the system sends SIGBUS to whoever reads there.

#ifndef CMAPPEDFAULT_H
#define CMAPPEDFAULT_H

#include <stddef.h>

/// From now on a SIGBUS in these bytes ends the process with a message that names the file, and exit code 74.
///
/// Returns a number for `taxi_mapping_end`; -1 where so many files are mapped that this one cannot be named.
int taxi_mapping_begin(const void *start, size_t size, const char *name);

/// To be called before the bytes are unmapped.
void taxi_mapping_end(int mapping);

#endif
