#include "CLibpq.h"

#include <dlfcn.h>

typedef struct pg_cancel cancel_key;

static struct {
    int (*lib_version)(void);
    taxi_pq_option *(*parse)(const char *, char **);
    void (*free_options)(taxi_pq_option *);
    void (*freemem)(void *);
    taxi_pq_connection *(*start)(const char *const *, const char *const *, int);
    void *(*set_notice_processor)(taxi_pq_connection *, void (*)(void *, const char *), void *);
    int (*set_error_verbosity)(taxi_pq_connection *, int);
    int (*poll)(taxi_pq_connection *);
    int (*status)(const taxi_pq_connection *);
    int (*socket)(const taxi_pq_connection *);
    int (*server_version)(const taxi_pq_connection *);
    int (*needs_password)(const taxi_pq_connection *);
    char *(*error)(const taxi_pq_connection *);
    void (*finish)(taxi_pq_connection *);
    cancel_key *(*get_cancel)(taxi_pq_connection *);
    int (*cancel)(cancel_key *, char *, int);
    void (*free_cancel)(cancel_key *);
    int (*send_query)(taxi_pq_connection *, const char *);
    int (*send)(taxi_pq_connection *, const char *, int, const unsigned *, const char *const *, const int *, const int *, int);
    int (*set_nonblocking)(taxi_pq_connection *, int);
    int (*flush)(taxi_pq_connection *);
    int (*consume)(taxi_pq_connection *);
    int (*is_busy)(taxi_pq_connection *);
    taxi_pq_result *(*get_result)(taxi_pq_connection *);
    int (*result_status)(const taxi_pq_result *);
    char *(*result_field)(const taxi_pq_result *, int);
    char *(*affected)(taxi_pq_result *);
    int (*rows)(const taxi_pq_result *);
    int (*columns)(const taxi_pq_result *);
    int (*is_null)(const taxi_pq_result *, int, int);
    char *(*value)(const taxi_pq_result *, int, int);
    void (*clear)(taxi_pq_result *);
    int (*put_copy)(taxi_pq_connection *, const char *, int);
    int (*put_copy_end)(taxi_pq_connection *, const char *);
} pq;

const char *taxi_pq_load(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    const struct {
        const char *name;
        void *place;
    } functions[] = {
        {"PQlibVersion", &pq.lib_version},
        {"PQconninfoParse", &pq.parse},
        {"PQconninfoFree", &pq.free_options},
        {"PQfreemem", &pq.freemem},
        {"PQconnectStartParams", &pq.start},
        {"PQsetNoticeProcessor", &pq.set_notice_processor},
        {"PQsetErrorVerbosity", &pq.set_error_verbosity},
        {"PQconnectPoll", &pq.poll},
        {"PQstatus", &pq.status},
        {"PQsocket", &pq.socket},
        {"PQserverVersion", &pq.server_version},
        {"PQconnectionNeedsPassword", &pq.needs_password},
        {"PQerrorMessage", &pq.error},
        {"PQfinish", &pq.finish},
        {"PQgetCancel", &pq.get_cancel},
        {"PQcancel", &pq.cancel},
        {"PQfreeCancel", &pq.free_cancel},
        {"PQsendQuery", &pq.send_query},
        {"PQsendQueryParams", &pq.send},
        {"PQsetnonblocking", &pq.set_nonblocking},
        {"PQflush", &pq.flush},
        {"PQconsumeInput", &pq.consume},
        {"PQisBusy", &pq.is_busy},
        {"PQgetResult", &pq.get_result},
        {"PQresultStatus", &pq.result_status},
        {"PQresultErrorField", &pq.result_field},
        {"PQcmdTuples", &pq.affected},
        {"PQntuples", &pq.rows},
        {"PQnfields", &pq.columns},
        {"PQgetisnull", &pq.is_null},
        {"PQgetvalue", &pq.value},
        {"PQclear", &pq.clear},
        {"PQputCopyData", &pq.put_copy},
        {"PQputCopyEnd", &pq.put_copy_end},
    };
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        void *function = dlsym(library, functions[index].name);
        if (!function) return dlerror();
        *(void **)functions[index].place = function;
    }
    return NULL;
}

int taxi_pq_version(void) { return pq.lib_version(); }

taxi_pq_option *taxi_pq_parse(const char *url, char **error) { return pq.parse(url, error); }
void taxi_pq_free_options(taxi_pq_option *options) { pq.free_options(options); }
void taxi_pq_freemem(void *memory) { pq.freemem(memory); }

// Such as "table exists already, skipping".
static void say_nothing(void *context, const char *message) {}

taxi_pq_connection *taxi_pq_start(const char *const *keywords, const char *const *values) {
    taxi_pq_connection *connection = pq.start(keywords, values, 0);
    if (!connection) return NULL;
    pq.set_notice_processor(connection, say_nothing, NULL);
    // PQERRORS_VERBOSE: only so is the SQLSTATE told of a connection that is refused.
    pq.set_error_verbosity(connection, 2);
    return connection;
}

int taxi_pq_poll(taxi_pq_connection *connection) { return pq.poll(connection); }
int taxi_pq_status(const taxi_pq_connection *connection) { return pq.status(connection); }
int taxi_pq_socket(const taxi_pq_connection *connection) { return pq.socket(connection); }
int taxi_pq_server_version(const taxi_pq_connection *connection) { return pq.server_version(connection); }
int taxi_pq_needs_password(const taxi_pq_connection *connection) { return pq.needs_password(connection); }
const char *taxi_pq_error(const taxi_pq_connection *connection) { return pq.error(connection); }
void taxi_pq_finish(taxi_pq_connection *connection) { pq.finish(connection); }

void taxi_pq_cancel(taxi_pq_connection *connection) {
    cancel_key *key = pq.get_cancel(connection);
    if (!key) return;
    char error[256];
    pq.cancel(key, error, sizeof error);
    pq.free_cancel(key);
}

int taxi_pq_send(taxi_pq_connection *connection, const char *sql, int count, const char *const *values) {
    // Without parameters a text may be of several statements.
    if (count == 0) return pq.send_query(connection, sql);
    return pq.send(connection, sql, count, NULL, values, NULL, NULL, 0);
}

int taxi_pq_set_nonblocking(taxi_pq_connection *connection) { return pq.set_nonblocking(connection, 1); }
int taxi_pq_flush(taxi_pq_connection *connection) { return pq.flush(connection); }
int taxi_pq_consume(taxi_pq_connection *connection) { return pq.consume(connection); }
int taxi_pq_is_busy(taxi_pq_connection *connection) { return pq.is_busy(connection); }
taxi_pq_result *taxi_pq_get_result(taxi_pq_connection *connection) { return pq.get_result(connection); }
int taxi_pq_result_status(const taxi_pq_result *result) { return pq.result_status(result); }
const char *taxi_pq_result_field(const taxi_pq_result *result, int field) { return pq.result_field(result, field); }
const char *taxi_pq_affected(taxi_pq_result *result) { return pq.affected(result); }
int taxi_pq_rows(const taxi_pq_result *result) { return pq.rows(result); }
int taxi_pq_columns(const taxi_pq_result *result) { return pq.columns(result); }

const char *taxi_pq_value(const taxi_pq_result *result, int row, int column) {
    return pq.is_null(result, row, column) ? NULL : pq.value(result, row, column);
}

void taxi_pq_clear(taxi_pq_result *result) { pq.clear(result); }
int taxi_pq_put_copy(taxi_pq_connection *connection, const char *bytes, int count) { return pq.put_copy(connection, bytes, count); }
int taxi_pq_put_copy_end(taxi_pq_connection *connection, const char *error) { return pq.put_copy_end(connection, error); }
