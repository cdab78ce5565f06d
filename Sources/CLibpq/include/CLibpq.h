#pragma once

#include <stddef.h>

// libpq, loaded when it is first used: with TLS and Kerberos behind it each command would start 10 ms later.
//
// Functions under their own names with taxi_ before them. `taxi_pq_load` comes before all others. What is declared here is the part of
// libpq's interface that is used, which has not changed since its fifth version (PostgreSQL 8.0), so that no header is needed.
//
// Source: PostgreSQL 15, src/interfaces/libpq/libpq-fe.h, src/include/postgres_ext.h

typedef struct pg_conn taxi_pq_connection;
typedef struct pg_result taxi_pq_result;

// ConnStatusType
enum { TAXI_PQ_CONNECTION_OK = 0, TAXI_PQ_CONNECTION_BAD = 1 };
// PostgresPollingStatusType
enum { TAXI_PQ_POLLING_FAILED = 0, TAXI_PQ_POLLING_READING = 1, TAXI_PQ_POLLING_WRITING = 2, TAXI_PQ_POLLING_OK = 3 };
// ExecStatusType
enum { TAXI_PQ_COMMAND_OK = 1, TAXI_PQ_TUPLES_OK = 2, TAXI_PQ_COPY_IN = 4 };
// Fields of a refusal
enum {
    TAXI_PQ_SQLSTATE = 'C',
    TAXI_PQ_MESSAGE_PRIMARY = 'M',
    TAXI_PQ_MESSAGE_DETAIL = 'D',
};

// PQconninfoOption
typedef struct {
    char *keyword, *envvar, *compiled, *val, *label, *dispchar;
    int dispsize;
} taxi_pq_option;

// Loads the library. Returns null, or why it cannot be used. To be called once.
const char *taxi_pq_load(void);
// As 150018.
int taxi_pq_version(void);

// Null with *error, to be given to freemem, where the text is no URL.
taxi_pq_option *taxi_pq_parse(const char *url, char **error);
void taxi_pq_free_options(taxi_pq_option *options);
void taxi_pq_freemem(void *memory);

// Begins to connect; what the library would print goes nowhere. Null where there is no memory.
taxi_pq_connection *taxi_pq_start(const char *const *keywords, const char *const *values);
int taxi_pq_poll(taxi_pq_connection *connection);
int taxi_pq_status(const taxi_pq_connection *connection);
int taxi_pq_socket(const taxi_pq_connection *connection);
int taxi_pq_server_version(const taxi_pq_connection *connection);
int taxi_pq_needs_password(const taxi_pq_connection *connection);
const char *taxi_pq_error(const taxi_pq_connection *connection);
void taxi_pq_finish(taxi_pq_connection *connection);
// Asks the server to end what the connection does.
void taxi_pq_cancel(taxi_pq_connection *connection);

// 1 where it was sent.
int taxi_pq_send(taxi_pq_connection *connection, const char *sql, int count, const char *const *values);
int taxi_pq_set_nonblocking(taxi_pq_connection *connection);
int taxi_pq_flush(taxi_pq_connection *connection);
int taxi_pq_consume(taxi_pq_connection *connection);
int taxi_pq_is_busy(taxi_pq_connection *connection);
taxi_pq_result *taxi_pq_get_result(taxi_pq_connection *connection);
int taxi_pq_result_status(const taxi_pq_result *result);
// Null where the result has none.
const char *taxi_pq_result_field(const taxi_pq_result *result, int field);
const char *taxi_pq_affected(taxi_pq_result *result);
int taxi_pq_rows(const taxi_pq_result *result);
int taxi_pq_columns(const taxi_pq_result *result);
// Null for NULL.
const char *taxi_pq_value(const taxi_pq_result *result, int row, int column);
void taxi_pq_clear(taxi_pq_result *result);

// 1 where it was taken, 0 where there is no room yet, -1 for an error.
int taxi_pq_put_copy(taxi_pq_connection *connection, const char *bytes, int count);
// `error` null: that was all.
int taxi_pq_put_copy_end(taxi_pq_connection *connection, const char *error);
