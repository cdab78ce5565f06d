#ifndef C_ARGUMENTS_H
#define C_ARGUMENTS_H

/// The words that this process was started with, the program's name first; NULL where the system does not say.
///
/// Swift looks for them beside the environment, from where a library that is loaded first may have moved that.
char *const *taxi_arguments(void);

#endif
