#pragma once

#include <microhttpd.h>

// libmicrohttpd, loaded when it is first used: with GnuTLS behind it each command would start 10 ms later.
//
// Functions under their own names with taxi_ before them. `taxi_MHD_load` comes before all others.

// Loads the library. Returns null, or why it cannot be used. To be called once.
const char *taxi_MHD_load(void);

typedef struct {
    // A socket that listens; the daemon closes it.
    int socket;
    unsigned int threads;
    unsigned int connections;
    unsigned int connections_per_address;
    // For the header of a request and what is written at once, in bytes.
    size_t memory;
    // Seconds without any byte after which a connection is closed.
    unsigned int timeout;
    // PEM; null for no TLS.
    const char *certificate;
    const char *key;
} taxi_MHD_settings;

// Null where it cannot be started.
struct MHD_Daemon *taxi_MHD_start(
    const taxi_MHD_settings *settings, MHD_AccessHandlerCallback handler, MHD_RequestCompletedCallback completed,
    MHD_NotifyConnectionCallback connected, void *context);
void taxi_MHD_stop_daemon(struct MHD_Daemon *daemon);

struct MHD_Response *taxi_MHD_create_response_from_buffer(size_t size, void *buffer, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *taxi_MHD_create_response_from_callback(
    size_t block_size, MHD_ContentReaderCallback reader, void *context, MHD_ContentReaderFreeCallback release);
enum MHD_Result taxi_MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value);
enum MHD_Result taxi_MHD_queue_response(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response);
void taxi_MHD_destroy_response(struct MHD_Response *response);

const char *taxi_MHD_lookup(struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *name);
int taxi_MHD_get_values(
    struct MHD_Connection *connection, enum MHD_ValueKind kind, MHD_KeyValueIterator iterator, void *context);
void taxi_MHD_suspend_connection(struct MHD_Connection *connection);
void taxi_MHD_resume_connection(struct MHD_Connection *connection);
// -1 where nobody knows.
int taxi_MHD_socket(struct MHD_Connection *connection);
