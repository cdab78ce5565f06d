#ifndef C_PARENT_DEATH_H
#define C_PARENT_DEATH_H

/// Asks the system to send this process a signal when the one that has started it is gone, however it ended.
///
/// - Returns: 0, or an errno.
int taxi_signal_at_parents_death(int number);

#endif
