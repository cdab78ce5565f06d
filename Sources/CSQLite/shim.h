// Debian's SQLite is compiled with it; the header declares it on request only.
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

/// `sqlite3_config` takes variable arguments, which Swift cannot pass.
static inline int taxi_sqlite_without_memory_statistics(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
