#include <zlib.h>

// What zlib.h gives as macros only. The 16 added to the window asks for gzip's header and trailer, not zlib's; a negative window for neither.
static inline int taxi_gzip_inflate_start(z_stream *stream) {
    return inflateInit2(stream, 15 + 16);
}

static inline int taxi_gzip_deflate_start(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

static inline int taxi_raw_inflate_start(z_stream *stream) {
    return inflateInit2(stream, -15);
}

static inline int taxi_raw_deflate_start(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}
